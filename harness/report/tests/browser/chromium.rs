//! Chromium, headless, by its own protocol (CDP) over two pipes: JSON with a NUL at the end, no socket, no driver.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// The longest that anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A browser with one page.
pub struct Chromium {
    process: Child,
    requests: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// What the page should not have done: errors and warnings of the console, dialogs, requests beyond its own file.
    pub complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

/// A browser, or `None` with a word on stderr. With `PLUGFEST_REQUIRE_TOOLS` set, its absence fails the test.
pub fn chromium() -> Option<Chromium> {
    let program = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(host::find);
    if program.is_none() {
        assert!(std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_none(), "chromium is missing");
        eprintln!("skipped: chromium is not installed");
    }
    Some(Chromium::start(&program?))
}

impl Chromium {
    fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // Descriptors 3 and 4 are the protocol's; a shell can pass them on without `unsafe`.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null", "sh"])
            .arg(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--remote-debugging-pipe",
                "--disable-gpu",
                "--disable-quic",
            ])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update"])
            .args(["--disable-sync", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (send, messages) = channel();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            while answers.read_until(0, &mut bytes).is_ok_and(|count| count > 0) {
                let message = serde_json::from_slice(bytes.strip_suffix(&[0]).unwrap_or(&bytes));
                if message.is_ok_and(|message: Value| send.send(message).is_err()) {
                    return;
                }
                bytes.clear();
            }
        });
        let requests = process.stdin.take().unwrap();
        let mut new = Self {
            process,
            requests,
            messages,
            session: None,
            last: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = new.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached =
            new.call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        new.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            new.call(&format!("{domain}.enable"), json!({}));
        }
        new.size(1280, 900);
        new
    }

    /// Calls a method of the protocol and returns its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut request = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            request["sessionId"] = session.as_str().into();
        }
        self.requests.write_all(format!("{request}\0").as_bytes()).unwrap();
        loop {
            let mut message = self.messages.recv_timeout(PATIENCE).unwrap();
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
            self.listen(&message);
        }
    }

    fn listen(&mut self, event: &Value) {
        let params = &event["params"];
        let complaint = match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => true,
            "Runtime.consoleAPICalled" => params["type"] == "error" || params["type"] == "warning",
            "Log.entryAdded" => params["entry"]["level"] == "error" || params["entry"]["level"] == "warning",
            "Page.javascriptDialogOpening" => true,
            "Network.requestWillBeSent" => {
                let address = params["request"]["url"].as_str().unwrap_or_default();
                let page = address.split('#').next().is_some_and(|file| file.ends_with("/index.html"));
                !(address.starts_with("data:") || address.starts_with("file:") && page)
            }
            _ => false,
        };
        if complaint {
            self.complaints.push(event.to_string());
        }
    }

    /// The page's width and height, in CSS pixels.
    pub fn size(&mut self, width: u32, height: u32) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// Opens a file, at a fragment if there is one, afresh.
    pub fn open(&mut self, file: &Path, fragment: &str) {
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.call("Page.navigate", json!({"url": format!("file://{}{fragment}", file.display())}));
        self.wait("document.readyState === 'complete' && !document.getElementById('filters').hidden");
    }

    /// The value of an expression; a promise is waited for.
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true.
    pub fn wait(&mut self, expression: &str) {
        let patience = PATIENCE.as_millis() / 2;
        let waited = format!(
            "new Promise((good) => {{ const end = Date.now() + {patience}; const look = () => {{ \
             if ({expression}) good(true); else if (Date.now() > end) good(false); else setTimeout(look, 20); }}; look(); }})"
        );
        // A page that is being replaced takes the promise with it.
        for _ in 0..50 {
            let params = json!({"expression": waited, "awaitPromise": true, "returnByValue": true});
            let answer = self.call("Runtime.evaluate", params);
            if answer["result"]["value"] == true {
                return;
            }
            if answer["result"]["value"] == false {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let page = self.value("location.hash + '\\n' + document.body.innerText.slice(0, 2000)");
        panic!("{expression} never came true; complaints: {:?}; page: {page}", self.complaints);
    }

    /// Clicks the middle of the first element that a selector finds.
    pub fn click(&mut self, selector: &str) {
        let place = self.value(&format!(
            "(() => {{ const e = document.querySelector({selector:?}); e.scrollIntoView({{block: 'center'}}); \
             const r = e.getClientRects()[0]; return [r.x + r.width / 2, r.y + r.height / 2]; }})()"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let params =
                json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", params);
        }
    }

    /// Presses a key, by the name that `KeyboardEvent.key` has for it.
    pub fn press(&mut self, key: &str) {
        let text = match key {
            "Enter" => "\r",
            _ if key.chars().count() == 1 => key,
            _ => "",
        };
        let code = match key {
            "Enter" => 13,
            "Tab" => 9,
            "Escape" => 27,
            "ArrowLeft" => 37,
            "ArrowUp" => 38,
            "ArrowRight" => 39,
            "ArrowDown" => 40,
            _ => 0,
        };
        let down = json!({"type": "keyDown", "key": key, "text": text, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", down);
        self.call(
            "Input.dispatchKeyEvent",
            json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code}),
        );
    }

    /// Types into whatever has the focus.
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// That the page was quiet so far.
    pub fn assert_quiet(&mut self) {
        self.value("1"); // what was on its way has arrived
        assert!(self.complaints.is_empty(), "{:#?}", self.complaints);
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
