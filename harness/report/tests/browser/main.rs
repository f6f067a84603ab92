//! The report page in a browser, as its readers use it: with a mouse, with a keyboard, on a phone, and attacked.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod chromium;

use chromium::{Chromium, chromium};
use record::{AssertionResult, AssertionState, CellResult, Deviation, Level, Results};
use report::{Context, sample};
use std::fs;
use std::path::{Path, PathBuf};

/// What a boot over HTTP leaves behind, recorded from a real cell.
const TIMELINE: &str = include_str!("timeline.jsonl");
/// The same over HTTPS, with the long lists of a ClientHello.
const TLS_TIMELINE: &str = include_str!("tls-timeline.jsonl");
/// The cell that most tests open; it is the first of its row.
const CELL: &str = "http/content-type[content_type=application/efi]@ovmf-x64-bullseye";

/// What the page is made with.
fn beside(run: &tempfile::TempDir) -> Context<'_> {
    Context { evidence: Some(run.path()), ..Context::default() }
}

/// A report of `results`, with the timeline that `story` tells for each cell that has evidence.
fn report(results: &Results, story: impl Fn(usize, &CellResult) -> Vec<u8>) -> (tempfile::TempDir, PathBuf) {
    let run = tempfile::tempdir().unwrap();
    for (number, cell) in results.cells.iter().enumerate() {
        let Some(evidence) = &cell.evidence else { continue };
        fs::create_dir_all(run.path().join(&evidence.directory)).unwrap();
        fs::write(run.path().join(&evidence.timeline), story(number, cell)).unwrap();
    }
    report::write_all(run.path(), results, &beside(&run)).unwrap();
    let page = run.path().join("index.html");
    (run, page)
}

/// The sample's report, with a browser that has it open.
fn opened(fragment: &str) -> Option<(tempfile::TempDir, PathBuf, Chromium)> {
    let mut browser = chromium()?;
    let (run, page) = report(&sample::results(), |_, _| TIMELINE.into());
    browser.open(&page, fragment);
    Some((run, page, browser))
}

/// The fragment of a cell's permalink.
fn link(cell: &str) -> String {
    format!("#{}", cell.replace('[', "%5B").replace(']', "%5D"))
}

fn focused(browser: &mut Chromium) -> String {
    browser
        .value("document.activeElement.id || document.activeElement.textContent")
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn from_the_matrix_to_a_packet_and_back() {
    let Some((_run, _page, mut browser)) = opened("") else { return };
    assert_eq!(browser.value("document.querySelector('#cell').hidden"), true);
    browser.click("#cells tbody.scenario:nth-of-type(2) td a");
    browser.wait("document.querySelector('#cell .message button')");
    assert_eq!(focused(&mut browser), "cell-title", "the focus goes where the news is");
    assert_eq!(browser.value("document.querySelector('#front').inert"), true);

    // What happened, in words; a packet that they cite opens in the ladder.
    let told = browser.value("document.querySelector('#cell .told').innerText");
    for words in ["offered", "DHCPv4 OFFER", "GET /boot.efi", "took the whole image"] {
        assert!(told.as_str().unwrap().contains(words), "{words} in {told}");
    }
    browser.click("#cell .cited");
    browser.wait("document.querySelector('#cell .decoded')");
    browser.value(
        "document.querySelector('#cell .decoded').closest('.message').querySelector('button').click()",
    );

    let request =
        "[...document.querySelectorAll('.message')].find((m) => m.textContent.includes('GET /boot.efi'))";
    browser.value(&format!("{request}.id = 'request'"));
    browser.click("#request button");
    browser.wait("document.querySelector('#request .decoded')");
    let fields = browser.value("document.querySelector('#request .decoded').innerText");
    for field in ["UefiHttpBoot/1.0", "Host", "/boot.efi", "packet 17", "payload bytes"] {
        assert!(fields.as_str().unwrap().contains(field), "{field} in {fields}");
    }
    assert!(browser.value("location.hash").as_str().unwrap().ends_with("?packet=17"));
    browser.click("#request button");
    assert_eq!(browser.value("document.querySelectorAll('.decoded').length"), 0);

    browser.click("[role=tab]:nth-child(2)");
    let console = browser.value("document.querySelector('#panel-console').innerText");
    assert!(console.as_str().unwrap().contains("Station IP address is 192.0.2.100"), "{console}");
    browser.click("[role=tab]:nth-child(3)");
    let timeline = browser.value("document.querySelector('#panel-timeline').innerText");
    assert!(timeline.as_str().unwrap().contains("http request"), "{timeline}");

    browser.click(".leave");
    browser.wait("document.querySelector('#cell').hidden");
    assert_eq!(browser.value("location.hash"), "");
    assert!(focused(&mut browser).starts_with('c'), "the focus is back on the cell");
    browser.assert_quiet();
}

#[test]
fn filters_narrow_both_tables_and_are_in_the_address() {
    let Some((_run, page, mut browser)) = opened("") else { return };
    let rows =
        "[...document.querySelectorAll('#cells tr.row')].filter((row) => row.checkVisibility()).length";
    let all = browser.value(rows).as_u64().unwrap();
    browser.click("[data-verdict=fail]");
    browser.wait(&format!("{rows} < {all}"));
    browser.value("document.querySelector('#area').value = 'http'; document.querySelector('#area').dispatchEvent(new Event('input', {bubbles: true}))");
    browser.click("#differs");
    browser.wait("location.hash === '#?area=http&verdict=fail&differs=1'");
    let shown = browser.value(rows).as_u64().unwrap();
    assert!(0 < shown && shown < all, "{shown} of {all}");
    let said = browser.value("document.querySelector('#shown').textContent");
    assert_eq!(said, format!("{shown} of {all} points"));

    // The address restores everything, the cell included, and leaving the cell keeps the filters.
    browser.open(&page, &format!("{}?area=http&verdict=fail&differs=1", link(CELL)));
    browser.wait("document.querySelector('#cell .message')");
    browser.press("Escape");
    browser.wait("document.querySelector('#cell').hidden");
    assert_eq!(browser.value(rows).as_u64(), Some(shown));
    assert_eq!(browser.value("document.querySelector('#differs').checked"), true);

    browser.click("#to-rely");
    browser.wait("document.body.classList.contains('rely')");
    let features =
        browser.value("document.querySelectorAll('#features tr[data-scenario]:not([hidden])').length");
    assert!(features.as_u64().unwrap() > 0);
    browser.click("#q");
    browser.write("nothing says this");
    browser.wait("!document.querySelector('#empty-features').hidden");
    browser.click("#empty-features button");
    browser.wait("document.querySelector('#q').value === '' && location.hash === '#rely'");
    browser.assert_quiet();
}

#[test]
fn a_keyboard_is_enough() {
    let Some((_run, _page, mut browser)) = opened("") else { return };
    browser.press("/");
    assert_eq!(focused(&mut browser), "q");
    browser.write("content-type");
    browser.wait("location.hash === '#?q=content-type'");
    // From the search to the first visible cell, by Tab alone.
    for _ in 0..40 {
        if browser.value("document.activeElement.matches('#cells td a')") == true {
            break;
        }
        browser.press("Tab");
    }
    let first = focused(&mut browser);
    browser.press("ArrowDown");
    browser.press("ArrowRight");
    assert_ne!(focused(&mut browser), first);
    let chosen = browser.value("document.activeElement.id");
    browser.press("Enter");
    browser.wait("document.querySelector('#cell .message button')");
    let tabs = "document.activeElement.getAttribute('role') === 'tab'";
    for _ in 0..40 {
        if browser.value(tabs) == true {
            break;
        }
        browser.press("Tab");
    }
    browser.press("ArrowRight");
    assert_eq!(focused(&mut browser), "Console");
    browser.press("ArrowLeft");
    let message = "document.activeElement.matches('.message button')";
    for _ in 0..5 {
        if browser.value(message) == true {
            break;
        }
        browser.press("Tab");
    }
    browser.press("Enter");
    browser.wait("document.activeElement.getAttribute('aria-expanded') === 'true'");
    browser.press("Escape");
    browser.wait("document.querySelector('#cell').hidden");
    assert_eq!(browser.value("document.activeElement.id"), chosen);
    browser.assert_quiet();
}

#[test]
fn a_permalink_opens_a_packet_and_a_feature() {
    let Some((_run, page, mut browser)) = opened(&format!("{}?packet=10", link(CELL))) else { return };
    browser.wait("document.querySelector('.decoded')");
    let fields = browser.value("document.querySelector('.decoded').innerText");
    assert!(fields.as_str().unwrap().contains("HEAD"), "{fields}");
    browser.open(&page, "#rely/http/content-type");
    browser.wait("document.querySelector('#cell .answer')");
    browser.click("#cell tbody tr:nth-child(2) td a");
    browser.wait("document.querySelector('#cell .message')");
    browser.value("history.back()");
    browser.wait("document.querySelector('#cell .answer')");
    browser.press("Escape");
    browser.wait("document.body.classList.contains('rely') && document.querySelector('#cell').hidden");
    browser.assert_quiet();
}

#[test]
fn nothing_is_wider_than_a_phone() {
    let Some(mut browser) = chromium() else { return };
    // A cell that did not run says so to screen readers only, and that text once made the page wider.
    let mut results = sample::results();
    results.cells.retain(|cell| cell.id != "control/plain@ovmf-x64-sid");
    let (_run, page) = report(&results, |_, _| TLS_TIMELINE.into());
    browser.size(390, 844);
    for fragment in [
        "",
        "#rely",
        &link(CELL),
        &format!("{}?packet=10&tab=timeline", link(CELL)),
        "#rely/http/content-type",
    ] {
        browser.open(&page, fragment);
        if fragment.contains('@') {
            browser.wait("document.querySelector('#cell .message')");
        }
        let width = browser.value(
            "Math.max(document.documentElement.scrollWidth, document.querySelector('#cell').scrollWidth)",
        );
        assert_eq!(width, 390, "{fragment}");
    }
    let chip = "document.querySelector('#cell td .chip').checkVisibility()";
    assert_eq!(browser.value(chip), true, "a phone shows the verdicts of a feature's points");
    browser.assert_quiet();
}

#[test]
fn evidence_that_is_gone_is_said_to_be() {
    let Some(mut browser) = chromium() else { return };
    let run = tempfile::tempdir().unwrap();
    report::write_all(run.path(), &sample::results(), &beside(&run)).unwrap();
    browser.open(&run.path().join("index.html"), &link(CELL));
    browser.wait("document.querySelector('#cell .nothing')");
    let said = browser.value("document.querySelector('#cell .nothing').innerText + document.querySelector('.provenance').innerText");
    assert!(said.as_str().unwrap().contains("were gone when the page was made"), "{said}");
    assert!(said.as_str().unwrap().contains("was not there when this page was made"), "{said}");
    browser.assert_quiet();
}

#[test]
fn assertions_about_the_conversation_are_a_list_and_the_violated_come_first() {
    let Some(mut browser) = chromium() else { return };
    let mut results = sample::results();
    let assertion = |id: &str, state, waiver: Option<&str>| AssertionResult {
        id: id.into(),
        clause: "RFC 9110 §7.2".into(),
        level: Level::Must,
        state,
        detail: format!("{id} <b>was</b> seen."),
        waiver: waiver.map(|reason| Deviation { reason: reason.into(), link: None }),
    };
    let cell = results.cells.iter_mut().find(|cell| cell.id == CELL).unwrap();
    cell.conversation = vec![
        assertion("kept-one", AssertionState::Kept, None),
        assertion("not-reached", AssertionState::Untested, None),
        assertion("broken-one", AssertionState::Violated, Some("no port in Host")),
    ];
    let (_run, page) = report(&results, |_, _| TIMELINE.into());
    browser.open(&page, &link(CELL));
    browser.wait("document.querySelector('.assertions')");
    let list = "[...document.querySelectorAll('.assertions li')].map((item) => item.innerText)";
    let list = browser.value(list);
    let list: Vec<&str> = list.as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect();
    assert_eq!(list.len(), 2, "{list:?}");
    for told in ["violated", "broken-one", "must", "RFC 9110 §7.2", "<b>was</b> seen", "no port in Host"] {
        assert!(list[0].contains(told), "{told} in {:?}", list[0]);
    }
    assert!(list[1].contains("kept-one") && !list[1].contains("Known"), "{:?}", list[1]);
    let said = browser.value("document.querySelector('.assertions').parentElement.innerText");
    assert!(said.as_str().unwrap().contains("did not come to 1 more"), "{said}");
    browser.assert_quiet();
}

#[test]
fn what_a_guest_says_is_inert() {
    let Some(mut browser) = chromium() else { return };
    let attack = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=2><!--\u{1b}]0;t\u{7}\u{202e}";
    let (_run, page) = report(&sample::results(), |_, cell| {
        let frame = |summary: &str| serde_json::json!({"at": 1, "what": {"event": "frame", "number": 1, "direction": "from-guest", "length": 60, "summary": summary}});
        let header = serde_json::json!({"name": attack, "value": attack});
        let request = serde_json::json!({"at": 1, "what": {"event": "http-request", "connection": 1, "method": attack, "target": attack, "version": attack, "headers": [header], attack: attack}});
        let line = |text: &str| serde_json::json!({"at": 2, "what": {"event": "console", "line": text}});
        let lines =
            [frame(&format!("TCP 1 > 2 [PSH] len 9 \"{attack}\"")), request, line(attack), frame(attack)];
        let mut timeline = lines.map(|line| line.to_string()).join("\n").into_bytes();
        timeline.extend_from_slice(
            b"\n\xff\xfe</script><script>window.hacked=3</script>\n[[[[\n{\"at\":-1,\"what\":7}\n",
        );
        timeline.extend(line(&"long ".repeat(if cell.id == CELL { 2 << 20 } else { 1 })).to_string().bytes());
        timeline
    });
    assert!(fs::metadata(&page).unwrap().len() < 1_000_000);
    browser.open(&page, &format!("{}?packet=1", link(CELL)));
    browser.wait("document.querySelector('.decoded')");
    for tab in 1..=3 {
        browser.click(&format!("[role=tab]:nth-child({tab})"));
    }
    let text = browser.value("document.querySelector('#cell').textContent");
    for told in ["<script>window.hacked=1", "window.hacked=3", "in timeline.jsonl only"] {
        assert!(text.as_str().unwrap().contains(told), "{told} is there to be read");
    }
    assert_shown_as_text(&mut browser);
    let hostile = browser.value("[...document.querySelectorAll('#cells td a')].filter((a) => a.closest('tbody').textContent.includes('hostile/')).map((a) => a.id)");
    for id in hostile.as_array().unwrap() {
        browser.value(&format!("location.hash = '#{}'", id.as_str().unwrap()));
        browser.wait("document.querySelector('#cell .said h1')");
        browser.value("new Promise((done) => setTimeout(done, 50))");
    }
    assert!(!hostile.as_array().unwrap().is_empty());
    assert_shown_as_text(&mut browser);
    browser.assert_quiet();
}

/// That nothing of others has become markup or a script, and no control character is left.
fn assert_shown_as_text(browser: &mut Chromium) {
    assert_eq!(browser.value("typeof window.hacked"), "undefined");
    let alive = "document.querySelectorAll('img, iframe, object, a[href^=\"javascript:\"]').length";
    assert_eq!(browser.value(alive), 0);
    let text = browser.value("document.body.textContent");
    for c in ['\u{1b}', '\u{7}', '\u{202e}'] {
        assert!(!text.as_str().unwrap().contains(c), "{c:?} is shown as an escape");
    }
}

#[test]
fn a_script_that_got_in_would_not_run_and_a_request_would_be_heard() {
    let Some((run, page, mut browser)) = opened("") else { return };
    let text = fs::read_to_string(&page).unwrap();
    let mut with = |content: &str, policy: &str| {
        let text =
            text.replace("default-src 'none'", policy).replace("</main>", &format!("{content}</main>"));
        let bad = run.path().join("bad/index.html");
        fs::create_dir_all(bad.parent().unwrap()).unwrap();
        fs::write(&bad, text).unwrap();
        browser.complaints.clear();
        browser.open(&bad, "");
        let hacked = browser.value("typeof window.hacked");
        (hacked, browser.complaints.join(" "))
    };
    let (hacked, complaints) = with("<script>window.hacked = 1</script>", "default-src 'none'");
    assert_eq!(hacked, "undefined");
    assert!(complaints.contains("Content Security Policy"), "{complaints}");
    let frame = "<iframe src=\"http://127.0.0.1:9/frame\"></iframe>";
    let (_, complaints) = with(frame, "default-src 'none'; frame-src *");
    assert!(complaints.contains("requestWillBeSent"), "{complaints}");
}

#[test]
fn five_thousand_cells_open_at_once() {
    let Some(mut browser) = chromium() else { return };
    let results = sample::sized(10, 500);
    // Each cell's own addresses of time and chance, so that nothing packs better than it would.
    let (_run, page) = report(&results, |number, _| {
        let chance = |salt: u64| {
            (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(salt as u32 % 60) ^ salt
        };
        let mut told = TIMELINE
            .replace("da4175a628d9137ccbf9641d785b3f98", &format!("{:016x}{:016x}", chance(3), chance(17)));
        for (salt, word) in
            ["2257049835", "0x8687d8eb", "403004394", "2172034004", "721380401", "1597", "119564622"]
                .into_iter()
                .enumerate()
        {
            told = told.replace(word, &(chance(salt as u64) % 1_000_000_000).to_string());
        }
        told.into_bytes()
    });
    let size = fs::metadata(&page).unwrap().len();
    assert!(size < 5_000_000, "{size} bytes");
    browser.open(&page, "");
    let ready = browser.value("Math.round(performance.getEntriesByName('plugfest-ready')[0].startTime)");
    let filtered = browser.value(
        "new Promise((done) => { const start = performance.now(); const q = document.querySelector('#q'); q.value = '404'; \
         q.dispatchEvent(new Event('input', {bubbles: true})); requestAnimationFrame(() => requestAnimationFrame(() => done(Math.round(performance.now() - start)))); })",
    );
    let id = browser.value("document.querySelectorAll('#cells td a')[4321].id");
    browser.value(&format!("location.hash = '#{}'", id.as_str().unwrap()));
    browser.wait("document.querySelector('#cell .said h1')");
    println!("5,000 cells: {size} bytes, interactive after {ready} ms, filtered in {filtered} ms");
    browser.assert_quiet();
}

/// Pictures for people: `PLUGFEST_PICTURES=DIR cargo test -p report --test browser -- --ignored`, of the run in
/// `PLUGFEST_RUN` or else of the sample.
#[test]
#[ignore = "makes pictures, checks nothing"]
fn pictures() {
    use base64::Engine;
    let to = PathBuf::from(std::env::var_os("PLUGFEST_PICTURES").unwrap());
    let page = std::env::var_os("PLUGFEST_RUN").map(|run| Path::new(&run).join("index.html"));
    let (_run, page, cell, mut browser) = match page {
        None => {
            let (run, page, browser) = opened("").unwrap();
            (Some(run), page, link(CELL), browser)
        }
        Some(page) => (None, page, std::env::var("PLUGFEST_CELL").unwrap(), chromium().unwrap()),
    };
    let views = [
        ("front", String::new()),
        ("rely", "#rely".to_owned()),
        ("cell", cell.clone()),
        ("packet", format!("{cell}?packet=10")),
        ("features", "#rely?differs=1".to_owned()),
    ];
    for (theme, (width, height)) in
        [("light", (1280, 1100)), ("dark", (1280, 1100)), ("light", (390, 844)), ("dark", (390, 844))]
    {
        browser.size(width, height);
        browser.call(
            "Emulation.setEmulatedMedia",
            serde_json::json!({"features": [{"name": "prefers-color-scheme", "value": theme}]}),
        );
        for (name, fragment) in &views {
            browser.open(&page, fragment);
            if fragment.contains('@') {
                browser.wait("document.querySelector('#cell .message')");
            }
            if fragment.contains("differs") {
                browser.value("document.querySelector('#features').scrollIntoView()");
            }
            let picture = browser.call("Page.captureScreenshot", serde_json::json!({}));
            let bytes =
                base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
            fs::write(to.join(format!("{name}-{theme}-{width}.png")), bytes).unwrap();
        }
    }
    let printed = browser
        .call("Page.printToPDF", serde_json::json!({"printBackground": false, "preferCSSPageSize": true}));
    let bytes = base64::engine::general_purpose::STANDARD.decode(printed["data"].as_str().unwrap()).unwrap();
    fs::write(to.join("cell.pdf"), bytes).unwrap();
}
