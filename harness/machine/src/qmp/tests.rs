//! Against a monitor in memory.

use super::*;
use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream};

const GREETING: &str = r#"{"QMP": {"version": {}, "capabilities": ["oob"]}}"#;

/// The other end: reads commands, writes what the test says.
struct Monitor(BufReader<DuplexStream>);

impl Monitor {
    async fn command(&mut self) -> (String, u64) {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        let command: Value = serde_json::from_str(&line).unwrap();
        (command["execute"].as_str().unwrap().to_owned(), command["id"].as_u64().unwrap())
    }

    async fn say(&mut self, text: &str) {
        self.0.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(5), test).await.expect("test hangs") });
}

/// A greeted connection and its other end.
async fn connected() -> (Qmp, mpsc::Receiver<QmpEvent>, Monitor) {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let mut monitor = Monitor(BufReader::new(theirs));
    let accept = async {
        monitor.say(GREETING).await;
        let (name, id) = monitor.command().await;
        assert_eq!(name, "qmp_capabilities");
        monitor.say(&json!({"return": {}, "id": id}).to_string()).await;
    };
    let (qmp, ()) = tokio::join!(Qmp::connect(ours), accept);
    let (qmp, events) = qmp.unwrap();
    (qmp, events, monitor)
}

#[test]
fn answers_find_their_commands_in_any_order() {
    run(async {
        let (qmp, _events, mut monitor) = connected().await;
        let answer = async {
            let (first, first_id) = monitor.command().await;
            let (second, second_id) = monitor.command().await;
            assert_ne!(first_id, second_id);
            monitor.say(&json!({"return": second, "id": second_id}).to_string()).await;
            monitor.say(&json!({"return": "nobody asked", "id": 999}).to_string()).await;
            monitor.say(&json!({"return": first, "id": first_id}).to_string()).await;
        };
        let (one, two, ()) =
            tokio::join!(qmp.raw("one", Value::Null), qmp.raw("two", json!({"x": 1})), answer);
        assert_eq!((one.unwrap(), two.unwrap()), (json!("one"), json!("two")));
    });
}

#[test]
fn unknown_events_and_junk_are_handed_on_and_the_connection_lives() {
    run(async {
        let (qmp, mut events, mut monitor) = connected().await;
        monitor.say(r#"{"event": "SEEN_IN_QEMU_23", "data": {"x": 1}, "timestamp": {}}"#).await;
        monitor.say("what?").await;
        monitor.say(r#"{"event": "STOP"}"#).await;
        let answer = async {
            let (_, id) = monitor.command().await;
            monitor
                .say(&json!({"return": {"running": true, "status": "running"}, "id": id}).to_string())
                .await;
        };
        let (status, ()) = tokio::join!(qmp.exec(qapi::qmp::query_status {}), answer);
        assert_eq!(status.unwrap().status, qapi::qmp::RunState::running);
        let names: Vec<_> = [events.recv().await, events.recv().await, events.recv().await]
            .map(|event| event.unwrap().name)
            .into();
        assert_eq!(names, ["SEEN_IN_QEMU_23", NOT_QMP, "STOP"]);
    });
}

#[test]
fn refusals_and_strange_answers_are_errors_that_name_the_command() {
    run(async {
        let (qmp, _events, mut monitor) = connected().await;
        let answer = async {
            let (_, id) = monitor.command().await;
            let error = json!({"class": "CommandNotFound", "desc": "The command foo has not been found"});
            monitor.say(&json!({"error": error, "id": id}).to_string()).await;
            let (_, id) = monitor.command().await;
            monitor.say(&json!({"return": {"status": "sleepwalking"}, "id": id}).to_string()).await;
        };
        let ask = async {
            let refused = qmp.raw("foo", Value::Null).await.unwrap_err();
            let strange = qmp.exec(qapi::qmp::query_status {}).await.unwrap_err();
            (refused, strange)
        };
        let ((refused, strange), ()) = tokio::join!(ask, answer);
        assert_eq!(
            refused.to_string(),
            "failed to run the monitor command foo: The command foo has not been found (CommandNotFound)"
        );
        assert!(
            matches!(&strange, QmpError::Answer { command, .. } if command == "query-status"),
            "{strange}"
        );
    });
}

#[test]
fn a_closed_connection_ends_events_and_commands_before_and_after() {
    run(async {
        let (qmp, mut events, mut monitor) = connected().await;
        let close = async {
            monitor.command().await;
            monitor.0.write_all(br#"{"return": {}, "#).await.unwrap(); // torn
            drop(monitor);
        };
        let (asked, ()) = tokio::join!(qmp.raw("quit", Value::Null), close);
        assert!(matches!(asked, Err(QmpError::Closed { .. })), "{asked:?}");
        assert_eq!(events.recv().await, None);
        let late = qmp.raw("query-status", Value::Null).await;
        assert!(matches!(late, Err(QmpError::Closed { .. })), "{late:?}");
    });
}

#[test]
fn what_does_not_greet_is_no_monitor() {
    run(async {
        for bytes in ["", "HTTP/1.1 400 Bad Request\r\n", "{\"event\": \"STOP\"}\n"] {
            let (ours, mut theirs) = tokio::io::duplex(1 << 16);
            theirs.write_all(bytes.as_bytes()).await.unwrap();
            drop(theirs);
            let error = Qmp::connect(ours).await.err().unwrap();
            assert!(matches!(error, QmpError::Greeting(_)), "{error}");
        }
    });
}

#[test]
fn unread_events_hold_back_the_sender_not_the_memory() {
    run(async {
        let (_qmp, mut events, mut monitor) = connected().await;
        let flood = tokio::spawn(async move {
            for number in 0..20_000 {
                monitor.say(&json!({"event": "FLOOD", "data": number}).to_string()).await;
            }
        });
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert!(!flood.is_finished());
        assert!(events.len() <= MOST_EVENTS);
        for number in 0..20_000 {
            assert_eq!(events.recv().await.unwrap().data, json!(number));
        }
    });
}
