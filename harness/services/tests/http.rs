//! The HTTP server, setting by setting, read by a strict client.
#![allow(clippy::unwrap_used)]

mod support;

use record::{Event, TcpEnd};
use services::{
    Network, NetworkSettings,
    http::{
        Break, Coding, Connection, Framing, HeadAnswer, Header, Interruption, LineEnd, Message, Pace, Part,
        Ranges, Settings, Version,
    },
};
use support::{
    Bench, End, image,
    strict::{Response, responses},
};

const IMAGE: usize = 100_000;

fn settings(change: impl FnOnce(&mut Settings)) -> NetworkSettings {
    let mut settings = NetworkSettings::default();
    change(&mut settings.http);
    settings
}

fn bench(change: impl FnOnce(&mut Settings)) -> Bench {
    Bench::new(&settings(change), image(IMAGE))
}

fn request(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: 192.0.2.1\r\nUser-Agent: UefiHttpBoot/1.0\r\n\r\n")
}

fn get() -> String {
    request("GET", "/boot.efi")
}

fn head() -> String {
    request("HEAD", "/boot.efi")
}

/// Sends HEAD or GET on a connection of its own.
fn ask(bench: &mut Bench, request: &str) -> (Response, End) {
    let received = bench.ask(80, request);
    let method = request.split(' ').next().unwrap();
    let mut all = responses(&received.bytes, &[method], received.end == End::Fin);
    (all.remove(0), received.end)
}

fn lines(response: &Response) -> Vec<&str> {
    response.head.iter().map(String::as_str).collect()
}

fn has_image(response: &Response) -> bool {
    response.body == *image(IMAGE)
}

#[test]
fn head_and_get_on_one_connection() {
    let mut bench = bench(|_| {});
    let received = bench.ask(80, &(head() + &get()));
    assert_eq!(received.end, End::Open);
    let [first, second] = &responses(&received.bytes, &["HEAD", "GET"], false)[..] else { panic!() };
    assert_eq!(lines(first), ["HTTP/1.1 200 OK", "Content-Type: application/efi", "Content-Length: 100000"]);
    assert_eq!(lines(first), lines(second));
    assert!(has_image(second));
    let kinds: Vec<(&str, bool)> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            Event::HttpResponse { body, image, .. } => {
                Some((if *body > 0 { "body" } else { "head" }, *image))
            }
            Event::HttpDelivered { image, .. } => Some(("delivered", *image)),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [("head", false), ("body", true), ("delivered", false), ("delivered", true)]);
}

#[test]
fn requests_may_come_in_pieces() {
    let mut bench = bench(|_| {});
    let handle = bench.connect(services::address::SERVER4, 80);
    bench.run_for(std::time::Duration::from_millis(5));
    for byte in get().bytes() {
        bench.send(handle, &[byte]);
        bench.run_for(std::time::Duration::from_millis(5));
    }
    let received = bench.read(handle, std::time::Duration::from_secs(1));
    assert!(has_image(&responses(&received.bytes, &["GET"], false)[0]));
}

#[test]
fn content_type_is_what_the_setting_says() {
    for media_type in ["application/efi; charset=binary", "text/html", ""] {
        let (response, _) = ask(&mut bench(|s| s.content_type = Some(media_type.into())), &get());
        assert_eq!(response.header("content-type"), Some(media_type));
        assert!(has_image(&response));
    }
    for request in [head(), get()] {
        let (response, _) = ask(&mut bench(|s| s.content_type = None), &request);
        assert_eq!(lines(&response), ["HTTP/1.1 200 OK", "Content-Length: 100000"]);
    }
}

#[test]
fn framing_is_what_the_setting_says() {
    use Framing::{Chunked, ContentLength, ContentLengthOnGetOnly, UntilClose};
    let ty = "Content-Type: application/efi";
    let length = "Content-Length: 100000";
    let chunked = "Transfer-Encoding: chunked";
    let close = "Connection: close";
    for (framing, on_head, on_get, end) in [
        (ContentLength, &[ty, length][..], &[ty, length][..], End::Open),
        (ContentLengthOnGetOnly, &[ty], &[ty, length], End::Open),
        (Chunked, &[ty, chunked], &[ty, chunked], End::Open),
        (UntilClose, &[ty], &[ty, close], End::Fin),
    ] {
        let (response, open) = ask(&mut bench(|s| s.framing = framing), &head());
        assert_eq!((&lines(&response)[1..], open), (on_head, End::Open), "{framing:?}");
        let (response, ended) = ask(&mut bench(|s| s.framing = framing), &get());
        assert_eq!((&lines(&response)[1..], ended), (on_get, end), "{framing:?}");
        assert!(has_image(&response), "{framing:?}");
    }
}

#[test]
fn chunks_are_not_sent_to_http_1_0() {
    let request = "GET /boot.efi HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    let (response, end) = ask(&mut bench(|s| s.framing = Framing::Chunked), request);
    assert_eq!(lines(&response)[1..], ["Content-Type: application/efi", "Connection: close"]);
    assert_eq!(end, End::Fin);
    assert!(has_image(&response));
}

#[test]
fn an_empty_image_is_framed_too() {
    for framing in [Framing::ContentLength, Framing::Chunked, Framing::UntilClose] {
        let mut bench = Bench::new(&settings(|s| s.framing = framing), image(0));
        assert_eq!(ask(&mut bench, &get()).0.body, b"", "{framing:?}");
    }
}

#[test]
fn a_status_other_than_2xx_has_a_text() {
    for (status, line, body) in [
        (404, "HTTP/1.1 404 Not Found", "404 Not Found\n"),
        (503, "HTTP/1.1 503 Service Unavailable", "503 Service Unavailable\n"),
        (599, "HTTP/1.1 599 ", "599\n"),
        (300, "HTTP/1.1 300 Multiple Choices", "300 Multiple Choices\n"),
    ] {
        let mut bench = bench(|s| s.status = status);
        let (response, _) = ask(&mut bench, &get());
        let length = format!("Content-Length: {}", body.len());
        assert_eq!(lines(&response), [line, "Content-Type: text/plain", &length]);
        assert_eq!(response.body, body.as_bytes());
        assert_eq!(lines(&ask(&mut bench, &head()).0), lines(&response));
        assert!(!bench.events.iter().any(|e| matches!(e, Event::HttpDelivered { image: true, .. })));
    }
    let (response, _) = ask(&mut bench(|s| s.status = 206), &get());
    assert!(has_image(&response));
}

#[test]
fn some_statuses_never_have_content() {
    for status in [100, 101, 199, 204, 304] {
        let mut bench = bench(|s| s.status = status);
        let (response, _) = ask(&mut bench, &get());
        assert_eq!((response.status, response.head.len()), (status, 1), "{response:?}");
        assert!(bench.events.iter().any(|e| matches!(e, Event::HttpResponse { body: 0, image: false, .. })));
    }
}

#[test]
fn head_is_answered_as_the_setting_says() {
    for (status, expected) in [
        (
            405,
            &[
                "HTTP/1.1 405 Method Not Allowed",
                "Content-Type: text/plain",
                "Content-Length: 23",
                "Allow: GET",
            ][..],
        ),
        (501, &["HTTP/1.1 501 Not Implemented", "Content-Type: text/plain", "Content-Length: 20"]),
        (200, &["HTTP/1.1 200 OK", "Content-Type: application/efi", "Content-Length: 100000"]),
        (204, &["HTTP/1.1 204 No Content"]),
    ] {
        let mut bench = bench(|s| s.head = HeadAnswer::Status(status));
        let received = bench.ask(80, &(head() + &get()));
        let [first, second] = &responses(&received.bytes, &["HEAD", "GET"], false)[..] else { panic!() };
        assert_eq!(lines(first), expected);
        assert!(has_image(second));
    }
}

#[test]
fn head_may_be_answered_by_closing() {
    let mut bench = bench(|s| s.head = HeadAnswer::Close);
    let received = bench.ask(80, &head());
    assert_eq!((received.bytes.as_slice(), received.end), (&b""[..], End::Fin));
    let [.., Event::HttpUnanswered { method, .. }, Event::TcpClosed { how: TcpEnd::ServerFin, .. }] =
        &bench.events[..]
    else {
        panic!("{:?}", bench.events)
    };
    assert_eq!(method, "HEAD");
    assert!(has_image(&ask(&mut bench, &get()).0));
}

#[test]
fn head_may_be_left_unanswered_and_blocks_the_connection() {
    let mut bench = bench(|s| s.head = HeadAnswer::Silence);
    let received = bench.ask(80, &(head() + &get()));
    assert_eq!((received.bytes.as_slice(), received.end), (&b""[..], End::Open));
    let why: Vec<&str> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            Event::HttpUnanswered { why, .. } => Some(why.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        why,
        [
            "nothing is sent, as the scenario says",
            "an earlier request on this connection is still unanswered"
        ]
    );
    assert!(has_image(&ask(&mut bench, &get()).0), "another connection is another matter");
}

#[test]
fn connections_end_as_the_setting_says() {
    for (connection, announced, end) in [
        (Connection::KeepAlive, None, End::Open),
        (Connection::Close, Some("close"), End::Fin),
        (Connection::CloseUnannounced, None, End::Fin),
    ] {
        for request in [head(), get()] {
            let (response, ended) = ask(&mut bench(|s| s.connection = connection), &request);
            assert_eq!((response.header("connection"), ended), (announced, end), "{connection:?}");
            assert_eq!(response.header("content-length"), Some("100000"));
        }
    }
}

#[test]
fn the_client_may_ask_for_the_end() {
    for (version, request, announced, end) in [
        (
            Version::Http11,
            "GET /boot.efi HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n",
            "close",
            End::Fin,
        ),
        (Version::Http11, "GET /boot.efi HTTP/1.0\r\n\r\n", "close", End::Fin),
        (
            Version::Http11,
            "GET /boot.efi HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            "keep-alive",
            End::Open,
        ),
        (Version::Http10, "GET /boot.efi HTTP/1.1\r\nHost: h\r\n\r\n", "close", End::Fin),
        (
            Version::Http10,
            "GET /boot.efi HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
            "keep-alive",
            End::Open,
        ),
    ] {
        let (response, ended) = ask(&mut bench(|s| s.version = version), request);
        assert_eq!((response.header("connection"), ended), (Some(announced), end), "{version:?} {request}");
        assert_eq!(response.minor, if version == Version::Http10 { 0 } else { 1 });
        assert!(has_image(&response));
    }
}

#[test]
fn a_location_redirects_and_its_path_serves_the_image() {
    for status in [301, 302, 303, 307, 308] {
        let mut bench = bench(|s| {
            s.status = status;
            s.location = Some("http://{server4}:{port}/moved.efi?to=here#part".into());
        });
        let (response, _) = ask(&mut bench, &get());
        assert_eq!(response.status, status);
        assert_eq!(response.header("location"), Some("http://192.0.2.1:80/moved.efi?to=here#part"));
        let (moved, _) = ask(&mut bench, &request("GET", "/moved.efi?to=here"));
        assert_eq!((moved.status, moved.header("location")), (200, None));
        assert!(has_image(&moved));
        assert_eq!(ask(&mut bench, &request("GET", "/moved.efi")).0.status, 404);
    }
}

#[test]
fn a_redirect_may_be_relative() {
    let mut settings = settings(|s| (s.status, s.location) = (302, Some("../other.efi".into())));
    settings.dhcp4.bootfile = Some("http://{server4}/a/b/boot.efi".into());
    let mut bench = Bench::new(&settings, image(IMAGE));
    let (response, _) = ask(&mut bench, &request("GET", "/a/b/boot.efi"));
    assert_eq!(response.header("location"), Some("../other.efi"));
    assert!(has_image(&ask(&mut bench, &request("GET", "/a/other.efi")).0));
}

#[test]
fn only_the_boot_file_is_there() {
    let mut settings = NetworkSettings::default();
    settings.dhcp4.bootfile = Some("http://{server4}/dir/boot.efi?id=1#part".into());
    let mut bench = Bench::new(&settings, image(IMAGE));
    for (target, status) in [
        ("/dir/boot.efi?id=1", 200),
        ("http://192.0.2.1/dir/boot.efi?id=1", 200),
        ("/dir/%62oot.efi?id=1", 200),
        ("/dir/boot.efi", 404),
        ("/dir/boot.efi?id=2", 404),
        ("/boot.efi?id=1", 404),
        ("/DIR/boot.efi?id=1", 404),
        ("/", 404),
        ("*", 404),
    ] {
        let (response, _) = ask(&mut bench, &request("GET", target));
        assert_eq!(response.status, status, "{target}");
        assert_eq!(has_image(&response), status == 200);
        assert_eq!(ask(&mut bench, &request("HEAD", target)).0.status, status, "{target}");
    }
}

#[test]
fn a_boot_file_that_is_no_http_url_is_nowhere() {
    for bootfile in
        [None, Some("boot.efi".into()), Some("tftp://{server4}/boot.efi".into()), Some("http:".into())]
    {
        let mut settings = NetworkSettings::default();
        settings.dhcp4.bootfile = bootfile;
        let mut bench = Bench::new(&settings, image(IMAGE));
        assert_eq!(ask(&mut bench, &get()).0.status, 404);
        assert_eq!(ask(&mut bench, &request("GET", "/")).0.status, 404);
    }
}

#[test]
fn other_methods_are_not_allowed() {
    for method in ["POST", "PUT", "OPTIONS", "BREW"] {
        let (response, end) = ask(&mut bench(|_| {}), &request(method, "/boot.efi"));
        assert_eq!((response.status, response.header("allow"), end), (405, Some("GET, HEAD"), End::Open));
    }
    let with_content = "POST /boot.efi HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nGET ";
    let (response, end) = ask(&mut bench(|_| {}), with_content);
    assert_eq!((response.status, response.header("connection"), end), (405, Some("close"), End::Fin));
}

#[test]
fn header_fields_are_sent_as_they_are() {
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    let mut bench = bench(|s| {
        s.headers = vec![
            header("x-lower", " two  spaces "),
            header("X-Twice", "1"),
            header("X-Twice", "2"),
            header("X-Empty", ""),
            header("X Space", "\u{e4}"),
        ];
    });
    let received = bench.ask(80, &get());
    let text = String::from_utf8_lossy(&received.bytes[..200]).into_owned();
    let expected = "100000\r\nx-lower:  two  spaces \r\nX-Twice: 1\r\nX-Twice: 2\r\nX-Empty: \r\nX Space: \u{e4}\r\n\r\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn every_port_but_the_served_one_is_closed() {
    let mut bench = bench(|s| s.port = 8080);
    assert_eq!(bench.ask(8080, &get()).end, End::Open);
    let handle = bench.connect(services::address::SERVER4, 80);
    assert_eq!(bench.read(handle, std::time::Duration::from_secs(1)).end, End::Reset);
    let [.., syn, closed] = &bench.events[..] else { panic!("{:?}", bench.events) };
    assert!(matches!(syn, Event::TcpSyn { connection: 2, accepted: false, .. }), "{syn:?}");
    assert_eq!(closed, &Event::TcpClosed { connection: 2, how: TcpEnd::ServerReset });
}

#[test]
fn what_is_no_request_is_refused() {
    let long = format!("GET /boot.efi HTTP/1.1\r\nX: {}", "x".repeat(70_000));
    let many = format!("GET /boot.efi HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(600));
    for (bytes, status) in [
        ("\u{16}\u{3}\u{1}\u{2}", 400), // a TLS ClientHello
        ("GET /boot.efi\r\n\r\n", 400),
        ("GET /boot.efi HTTP/2.0\r\n\r\n", 400),
        ("GET /boot.efi HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        (&long, 431),
        (&many, 431),
    ] {
        let mut bench = bench(|_| {});
        let (response, end) = ask(&mut bench, bytes);
        assert_eq!((response.status, response.header("connection")), (status, Some("close")));
        assert_ne!(end, End::Open, "FIN, or RST for what comes after it");
        assert!(bench.events.iter().any(|event| matches!(event, Event::HttpMalformed { .. })), "{bytes}");
    }
}

#[test]
fn the_host_field_is_required_once() {
    for (request, status) in [
        ("GET /boot.efi HTTP/1.1\r\n\r\n", 400),
        ("GET /boot.efi HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET /boot.efi HTTP/1.1\r\nHost:\r\n\r\n", 200),
        ("GET /boot.efi HTTP/1.0\r\n\r\n", 200),
    ] {
        assert_eq!(ask(&mut bench(|_| {}), request).0.status, status, "{request}");
    }
}

#[test]
fn a_half_closed_client_gets_its_answers() {
    let mut bench = bench(|_| {});
    let handle = bench.connect(services::address::SERVER4, 80);
    bench.run_for(std::time::Duration::from_millis(5));
    bench.send(handle, (head() + &get() + "GET /partial").as_bytes());
    bench.socket(handle).close();
    let mut bytes = Vec::new();
    for _ in 0..50 {
        bench.run_for(std::time::Duration::from_millis(500));
        let socket = bench.socket(handle);
        while socket.can_recv() {
            socket.recv(|part| (part.len(), bytes.extend_from_slice(part))).unwrap();
        }
    }
    assert!(has_image(&responses(&bytes, &["HEAD", "GET"], true)[1]));
    let end = matches!(bench.events.last(), Some(Event::TcpClosed { how: TcpEnd::GuestFin, .. }));
    assert!(end, "{:?}", bench.events.last());
}

#[test]
fn a_body_waits_until_its_headers_are_acknowledged() {
    let delivered = |delay: f64| {
        let mut bench = bench(|s| s.body_delay_seconds = delay);
        let handle = bench.connect(services::address::SERVER4, 80);
        bench.run_for(std::time::Duration::from_millis(5));
        bench.send(handle, get().as_bytes());
        // Long enough for an answer, too short for a body that waits for 200 ms.
        bench.run_for(std::time::Duration::from_millis(100));
        let mut bytes = Vec::new();
        let socket = bench.socket(handle);
        while socket.can_recv() {
            socket.recv(|part| (part.len(), bytes.extend_from_slice(part))).unwrap();
        }
        bytes
    };
    assert!(delivered(0.2).ends_with(b"\r\n\r\n"), "only the header section");
    assert!(has_image(&responses(&delivered(0.0), &["GET"], true)[0]), "the body at once");
}

/// What is written for a GET and a HEAD on one connection each, with an image of six octets, and how it ends.
fn written(change: impl Fn(&mut Settings)) -> String {
    let once = |request: String| {
        let mut bench = Bench::new(&settings(&change), b"IMAGE!"[..].into());
        let received = bench.ask(80, &request);
        format!("{} {:?}", received.bytes.escape_ascii(), received.end)
    };
    format!("{}\n{}\n", once(get()), once(head()))
}

#[test]
fn a_message_is_written_as_the_settings_say() {
    let header = |name: &str, value: &str| vec![Header { name: name.into(), value: value.into() }];
    let message = |change: &dyn Fn(&mut Message)| written(|s| change(&mut s.message));
    let chunked = |change: &dyn Fn(&mut Message)| {
        written(|s| {
            s.framing = Framing::Chunked;
            change(&mut s.message);
        })
    };
    let all = [
        ("plain", message(&|_| {})),
        ("interim", message(&|m| m.interim = vec![100, 103])),
        ("status_line", message(&|m| m.status_line = Some("ICY 200".into()))),
        ("line_end", message(&|m| m.line_end = LineEnd::Lf)),
        ("space_before_colon", message(&|m| m.space_before_colon = true)),
        ("fold", message(&|m| m.fold = true)),
        ("content_length", message(&|m| m.content_length = vec![-1, 1])),
        ("head_content_length", message(&|m| m.head_content_length = Some(vec![10]))),
        ("no content_length", message(&|m| m.content_length = Vec::new())),
        ("content_after_head", message(&|m| m.content_after_head = true)),
        ("after", message(&|m| m.after = Some("\r\nextra".into()))),
        ("both", written(|s| s.framing = Framing::Both)),
        ("chunked", chunked(&|_| {})),
        ("transfer_encoding", chunked(&|m| m.transfer_encoding = Some("Chunked".into()))),
        ("chunk_extension", chunked(&|m| m.chunk_extension = Some("a=\"b\"".into()))),
        ("trailers", chunked(&|m| m.trailers = header("X-Sum", "1"))),
    ];
    let text: String = all.iter().map(|(name, written)| format!("{name}\n{written}")).collect();
    insta::assert_snapshot!(text);
}

#[test]
fn a_coding_changes_the_image_and_says_so() {
    use std::io::Read;
    let (response, _) = ask(&mut bench(|s| s.message.coding = Coding::Gzip), &get());
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    let mut decoded = Vec::new();
    flate2::read::GzDecoder::new(&response.body[..]).read_to_end(&mut decoded).unwrap();
    assert_eq!(decoded, *image(IMAGE));
}

/// Bytes that have arrived on a connection of its own at that many milliseconds after the request.
fn arrived(settings: &NetworkSettings, milliseconds: &[u64]) -> Vec<usize> {
    let mut bench = Bench::new(settings, image(IMAGE));
    let handle = bench.connect(services::address::SERVER4, 80);
    bench.run_for(std::time::Duration::from_millis(5));
    bench.send(handle, get().as_bytes());
    let (mut now, mut total) = (0, 0);
    let mut totals = Vec::new();
    for at in milliseconds {
        bench.run_for(std::time::Duration::from_millis(at - now));
        now = *at;
        let socket = bench.socket(handle);
        while socket.can_recv() {
            total += socket.recv(|part| (part.len(), part.len())).unwrap();
        }
        totals.push(total);
    }
    totals
}

#[test]
fn a_pace_is_kept() {
    let head = arrived(&settings(|s| s.body_delay_seconds = 9.0), &[100])[0];
    let paced = |of, octets| settings(|s| s.pace = Pace { of: Some(of), octets, seconds: 1.0 });
    // The pause begins when what was sent is acknowledged, which a client may delay a little.
    for (of, octets, before) in [(Part::Head, 5, 0), (Part::Image, 1000, head)] {
        let [first, later] = arrived(&paced(of, octets), &[500, 10_500])[..] else { panic!("two moments") };
        assert_eq!(first, before + octets as usize, "{of:?}");
        let steps = (later - first) / octets as usize;
        assert!((8..=10).contains(&steps), "{of:?}: {steps} in ten seconds");
    }
}

#[test]
fn an_interruption_comes_where_it_is_set_and_as_often() {
    for (by, end) in [(Break::Stall, End::Open), (Break::Close, End::Fin), (Break::Reset, End::Reset)] {
        let interruption = Interruption { after: 1234, by: Some(by), times: Some(1) };
        let mut bench = bench(|s| s.interruption = interruption.clone());
        let received = bench.ask(80, &get());
        let (_, body) = received.bytes.split_at(received.bytes.len() - 1234);
        assert_eq!((body, received.end), (&image(IMAGE)[..1234], end));
        assert!(received.bytes[..received.bytes.len() - 1234].ends_with(b"\r\n\r\n"));
        let told = bench.events.iter().filter(|e| matches!(e, Event::HttpInterrupted { .. })).count();
        assert_eq!(told, 1, "{by:?}");
        let delivered = bench.events.iter().any(|e| matches!(e, Event::HttpDelivered { .. }));
        assert!(!delivered, "{by:?}: a part is not the image");
        assert!(has_image(&ask(&mut bench, &get()).0), "{by:?}: the second one is whole");
    }
}

#[test]
fn a_range_is_answered_as_the_setting_says() {
    let ranged = |ranges, condition: &str| {
        let request = format!("GET /boot.efi HTTP/1.1\r\nHost: h\r\nRange: bytes=99990-\r\n{condition}\r\n");
        let (response, _) = ask(&mut bench(|s| s.ranges = ranges), &request);
        let is_rest = response.body == image(IMAGE)[99_990..];
        (response.status, response.header("content-range").map(str::to_owned), is_rest)
    };
    let part = |total: u32| Some(format!("bytes 99990-99999/{total}"));
    assert_eq!(ranged(Ranges::Ignored, ""), (200, None, false));
    assert_eq!(ranged(Ranges::Served, ""), (206, part(100_000), true));
    assert_eq!(ranged(Ranges::Served, "If-Range: \"other\"\r\n"), (200, None, false));
    assert_eq!(ranged(Ranges::Served, "If-Match: \"other\"\r\n").0, 412);
    assert_eq!(ranged(Ranges::ServedByDate, ""), (206, part(100_000), true));
    assert_eq!(ranged(Ranges::Refused, ""), (416, Some("bytes */100000".into()), false));
    assert_eq!(ranged(Ranges::OtherLength, ""), (206, part(100_001), true));
    assert_eq!(ranged(Ranges::Changed, "").0, 412);
    let (whole, _) = ask(&mut bench(|s| s.ranges = Ranges::Served), &get());
    let etag = whole.header("etag").unwrap().to_owned();
    assert_eq!(ranged(Ranges::Served, &format!("If-Range: {etag}\r\n")).0, 206);
}

#[test]
fn impossible_settings_are_named() {
    let header = |name: &str, value: &str| vec![Header { name: name.into(), value: value.into() }];
    let check = |change: &dyn Fn(&mut Settings)| {
        Network::check(&settings(|s| change(s))).map_err(|error| error.to_string())
    };
    assert_eq!(check(&|s| s.status = 100), Ok(()));
    assert_eq!(check(&|s| s.status = 599), Ok(()));
    assert_eq!(check(&|s| s.headers = header("X Y", "a: b")), Ok(()));
    insta::assert_debug_snapshot!([
        check(&|s| s.port = 0),
        check(&|s| s.status = 99),
        check(&|s| s.status = 600),
        check(&|s| s.head = HeadAnswer::Status(0)),
        check(&|s| s.content_type = Some("a\r\nb".into())),
        check(&|s| s.location = Some("/x\n".into())),
        check(&|s| s.location = Some("http://{}/".into())),
        check(&|s| s.headers = header("", "x")),
        check(&|s| s.headers = header("a:", "x")),
        check(&|s| s.headers = header("a\r", "x")),
        check(&|s| s.headers = header("a", "x\0")),
        check(&|s| s.message.interim = vec![100, 200]),
        check(&|s| s.message.interim = vec![99]),
        check(&|s| s.message.status_line = Some("HTTP/1.1 200\r\n".into())),
        check(&|s| s.message.trailers = header("a b:", "x")),
        check(&|s| s.pace.octets = 0),
        check(&|s| s.pace.seconds = -1.0),
    ]);
}

/// A proxy's tunnel ends at the server itself; what is no proxy refuses.
#[test]
fn a_proxy_answers_connect_and_goes_on() {
    let connect = request("CONNECT", "192.0.2.1:80");
    let received = bench(|s| s.proxy = true).ask(80, &format!("{connect}{}", get()));
    let end = received.bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(received.bytes[..end], *b"HTTP/1.1 200 OK\r\n\r\n", "no field says that there is content");
    let response = responses(&received.bytes[end..], &["GET"], received.end == End::Fin).remove(0);
    assert!(response.status == 200 && has_image(&response));
    assert_eq!(ask(&mut bench(|_| {}), &connect).0.status, 405);
}
