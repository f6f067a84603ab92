//! The default network serves the image to a conforming client.

#![allow(clippy::unwrap_used)]

mod support;

use record::Event;
use services::NetworkSettings;
use support::{Bench, End, image};

const HEAD: &str = "HEAD /boot.efi HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n";
const GET: &str = "GET /boot.efi HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n";

#[test]
fn get_brings_the_image() {
    let image = image(1_000_000);
    let mut bench = Bench::new(&NetworkSettings::default(), image.clone());
    let received = bench.ask(80, &format!("{HEAD}{GET}"));
    assert_eq!(received.end, End::Open);
    let text = String::from_utf8_lossy(&received.bytes[..400]);
    assert!(text.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/efi\r\nContent-Length: 1000000\r\n\r\nHTTP/1.1 200 OK"), "{text}");
    assert!(received.bytes.ends_with(&image));
    let delivered = bench.events.iter().filter(|e| matches!(e, Event::HttpDelivered { .. })).count();
    assert_eq!(delivered, 2);
}

#[test]
fn closed_ports_answer_with_rst() {
    let mut bench = Bench::new(&NetworkSettings::default(), image(10));
    let handle = bench.connect(services::address::SERVER4, 443);
    assert_eq!(bench.read(handle, std::time::Duration::from_secs(1)).end, End::Reset);
    assert!(
        matches!(bench.events[..], [Event::TcpSyn { connection: 1, accepted: false, .. }]),
        "{:?}",
        bench.events
    );
}

#[test]
fn discover_is_offered_the_boot_file() {
    let mut bench = Bench::new(&NetworkSettings::default(), image(10));
    let answers = bench.exchange(&support::dhcp::Client::new(1).frame());
    let [frame] = &answers[..] else { panic!("{answers:?}") };
    let payload = &frame[42..];
    assert_eq!(payload.len(), 300);
    assert_eq!(payload[16..20], [192, 0, 2, 100]);
    assert!(payload.windows(27).any(|w| w == b"\x43\x19http://192.0.2.1/boot.efi"), "{payload:?}");
}
