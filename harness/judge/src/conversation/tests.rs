use super::*;
use record::HeaderField;

/// A HEAD at 1 s, its 404 at 1.5 s, a GET at 2 s and another at 5 s; before each request its packet.
fn timeline() -> Vec<Entry> {
    let at = |seconds: f64| GuestTime::from_micros((seconds * 1e6) as u64);
    let packet =
        |number| Event::Frame { number, direction: Direction::FromGuest, length: 60, summary: String::new() };
    let header = |name: &str, value: &str| HeaderField { name: name.into(), value: value.into() };
    let request = |method: &str, host: &str| Event::HttpRequest {
        connection: 1,
        method: method.into(),
        target: "/boot.efi".into(),
        version: "HTTP/1.1".into(),
        headers: vec![header("Host", host), header("Accept", "*/*")],
    };
    let response = Event::HttpResponse {
        connection: 1,
        method: "HEAD".into(),
        status: 404,
        headers: vec![],
        body: 0,
        image: false,
    };
    [
        (1.0, packet(7)),
        (1.0, request("HEAD", "192.0.2.1:8080")),
        (1.5, response),
        (2.0, packet(9)),
        (2.0, request("GET", "192.0.2.1:8080")),
        (5.0, packet(11)),
        (5.0, request("GET", "192.0.2.1")),
    ]
    .map(|(seconds, event)| Entry { at: at(seconds), event })
    .into()
}

fn heard(yaml: &str) -> (AssertionState, String) {
    let text = format!("id: a\nrequirement: {{ spec: RFC 1 §1, level: must, text: x }}\n{yaml}");
    let assertion: Assertion = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut all = hear(&timeline(), &[assertion]);
    let AssertionResult { state, detail, .. } = all.remove(0);
    (state, detail)
}

#[test]
fn each_kind_of_assertion_is_kept_and_violated() {
    use AssertionState::{Kept, Untested, Violated};
    for (yaml, state) in [
        ("each: { event: http-request }\nat_most: 3", Kept),
        ("each: { event: http-request }\nat_most: 2", Violated),
        ("each: { event: http-request, method: GET }\nat_least: 2", Kept),
        ("each: { event: http-request, method: GET }\nat_least: 3", Violated),
        ("each: { event: http-request }\nhas: { target: /boot.efi }", Kept),
        ("each: { event: http-request }\nhas: { headers.HOST: '192.0.2.1:8080' }", Violated),
        ("each: { event: http-request, method: HEAD }\nhas: { headers.host: '*:8080' }", Kept),
        ("each: { event: http-request }\nhas: { headers.host: ['*:8080', 192.0.2.1] }", Kept),
        ("each: { event: http-request }\nhas: { headers.accept: '\\*/\\*' }", Kept),
        ("each: { event: http-request }\nhas: { headers.range: null }", Kept),
        ("each: { event: http-request }\nhas: { headers.range: { not: null } }", Violated),
        ("each: { event: http-request }\nhas: { connection: { min: 1, max: 1 } }", Kept),
        ("each: { event: http-request }\nhas: { connection: { min: 2 } }", Violated),
        ("each: { event: http-request }\nhas: { connection: 1 }", Kept),
        ("each: { event: http-request }\nsame: [target]", Kept),
        ("each: { event: http-request }\nsame: [headers.host]", Violated),
        ("each: { event: http-response }\nsame: [status]", Untested),
        ("each: { event: http-request }\napart_seconds: { min: 1, max: 3 }", Kept),
        ("each: { event: http-request }\napart_seconds: { min: 1.5 }", Violated),
        ("each: { event: http-response }\napart_seconds: { min: 1 }", Untested),
        (
            "each: { event: http-request }\nafter: { event: http-response, status: { min: 400 } }\nat_most: 1",
            Violated,
        ),
        ("each: { event: http-request }\nafter: { event: http-response, status: 200 }\nat_most: 0", Untested),
        (
            "each: { event: http-request }\nafter: { event: http-response }\napart_seconds: { min: 1 }",
            Violated,
        ),
        ("each: { event: http-request }\nbefore: { event: http-response }\nat_most: 1", Kept),
        ("each: { event: http-request }\nbefore: { event: proof }\nat_most: 2", Violated),
        ("each: { event: dns-query }\nhas: { name: x }", Untested),
    ] {
        let (found, detail) = heard(yaml);
        assert_eq!(found, state, "{yaml}\n{detail}");
    }
}

#[test]
fn a_violation_says_what_where() {
    let said = |yaml| heard(yaml).1;
    insta::assert_debug_snapshot!([
        said("each: { event: http-request }\nat_most: 2"),
        said("each: { event: http-request, method: GET }\nat_least: 3"),
        said(
            "each: { event: http-request }\nhas: { headers.host: ['*:8080', { not: null }] }\nsame: [method]"
        ),
        said("each: { event: http-request }\nhas: { headers.host: '*:8080' }"),
        said("each: { event: http-request }\nhas: { headers.range: 'bytes=5-*' }"),
        said("each: { event: http-request }\napart_seconds: { min: 1.5, max: 9 }"),
        said("each: { event: http-request }\nat_least: 1"),
    ]);
}

#[test]
fn a_row_that_only_observes_counts() {
    let text =
        "id: a\nrequirement: { spec: RFC 1 §1, level: observe, text: x }\neach: { event: http-request }";
    let assertion: Assertion = serde_yaml::from_str(text).expect("an assertion");
    let [result] = &hear(&timeline(), &[assertion])[..] else { panic!("one result") };
    assert_eq!((result.state, result.verdict()), (AssertionState::Observed, Some(record::Verdict::Pass)));
    assert_eq!(result.detail, "3 × \"http-request\", 1.0, 3.0 s apart.");
}

#[test]
fn a_waiver_is_about_its_assertion_only() {
    let waivers = "firmware: fw\nwaivers:\n  - cells: ['http/*']\n    violates: a\n    reason: known\n";
    let waivers = Waivers::parse("w.yaml", waivers).expect("waivers");
    let result = |id: &str, state| AssertionResult {
        id: id.into(),
        clause: String::new(),
        level: Level::Must,
        state,
        detail: String::new(),
        waiver: None,
    };
    let mut all = [
        result("a", AssertionState::Violated),
        result("a", AssertionState::Kept),
        result("a", AssertionState::Untested),
        result("b", AssertionState::Violated),
    ];
    excuse(&mut all, "http/x@fw", "1.0", &waivers);
    let verdicts = all.map(|result| result.verdict());
    use record::Verdict::{Fail, Xfail, Xpass};
    assert_eq!(verdicts, [Some(Xfail), Some(Xpass), None, Some(Fail)]);
    assert!(waivers.stale("http/x@fw", "1.0").is_none(), "it says nothing about how the cell ends");
}
