//! Clients that break TLS at every point: the server survives them, and serves the next one.
#![allow(clippy::unwrap_used)]

mod support;

use libssl::Wire;
use openssl::ssl::{Ssl, SslStream};
use proptest::prelude::*;
use record::Event;
use services::{address, tls::Version};
use std::time::Duration;
use support::{
    Bench, image,
    tls::{Client, lax, settings},
};

const GET: &str = "GET /boot.efi HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

/// What happens to one of a client's flights.
#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Twice,
    Replaced(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..100);
    prop_oneof![
        4 => (any::<prop::sample::Index>(), 1u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        1 => any::<prop::sample::Index>().prop_map(Damage::Cut),
        1 => (any::<prop::sample::Index>(), bytes()).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => Just(Damage::Twice),
        1 => bytes().prop_map(Damage::Replaced),
    ]
}

impl Damage {
    fn apply(&self, flight: &mut Vec<u8>) {
        match self {
            Self::Flip(at, bits) => {
                let at = at.index(flight.len());
                flight[at] ^= bits;
            }
            Self::Cut(at) => flight.truncate(at.index(flight.len())),
            Self::Insert(at, bytes) => {
                let at = at.index(flight.len());
                flight.splice(at..at, bytes.iter().copied());
            }
            Self::Twice => flight.extend_from_within(..),
            Self::Replaced(bytes) => flight.clone_from(bytes),
        }
    }
}

/// A client whose `number`th flight is damaged; it asks for the image if it comes so far.
fn attack(bench: &mut Bench, number: usize, damage: &Damage) {
    let handle = bench.connect(address::SERVER4, 443);
    bench.run_for(Duration::from_millis(5));
    let mut stream = SslStream::new(Ssl::new(&lax().build()).unwrap(), Wire::default()).unwrap();
    for turn in 0..4 {
        if stream.connect().is_ok() {
            let _ = stream.ssl_write(GET.as_bytes());
        }
        let mut flight = stream.get_mut().take_written();
        if turn == number && !flight.is_empty() {
            damage.apply(&mut flight);
        }
        if bench.socket(handle).may_send() {
            bench.send(handle, &flight);
        }
        bench.run_for(Duration::from_millis(20));
        let socket = bench.socket(handle);
        while socket.can_recv() {
            let wire = stream.get_mut();
            socket.recv(|part| (part.len(), wire.arrive(part))).unwrap();
        }
        let mut buffer = [0; 16 * 1024];
        while stream.ssl_read(&mut buffer).is_ok() {}
    }
    bench.socket(handle).abort();
    bench.run_for(Duration::from_millis(5));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_handshakes_are_survived(
        attacks in prop::collection::vec((0usize..3, damage()), 1..4),
        version in prop::sample::select(vec![Version::Tls10, Version::Tls12, Version::Tls13]),
        record_size in prop::sample::select(vec![1u16, 300, 16_384]),
    ) {
        let settings = settings(|s| {
            (s.min_version, s.max_version, s.record_size) = (version, version, record_size);
        });
        let mut bench = Bench::new(&settings, image(200));
        for (number, damage) in &attacks {
            attack(&mut bench, *number, damage);
        }
        let closed = bench.events.iter().filter(|event| matches!(event, Event::TcpClosed { .. })).count();
        prop_assert_eq!(closed, attacks.len(), "every connection has its end");
        let mut client = Client::new(&mut bench, 443, &lax().build(), |_| {});
        client.handshake(&mut bench).unwrap();
        let answer = client.ask(&mut bench, GET);
        let expected = image(200);
        prop_assert_eq!(answer.body(), &*expected);
    }

    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400), like_tls in any::<bool>()) {
        let mut bench = Bench::new(&settings(|_| {}), image(200));
        let mut sent = bytes;
        if like_tls {
            // A record with a handshake message that is all theirs.
            let length = sent.len() as u16;
            sent.splice(..0, [&[22, 3, 1][..], &length.to_be_bytes()].concat());
        }
        let handle = bench.connect(address::SERVER4, 443);
        bench.run_for(Duration::from_millis(5));
        bench.send(handle, &sent);
        bench.run_for(Duration::from_millis(20));
        bench.socket(handle).abort();
        bench.run_for(Duration::from_millis(5));
        let mut client = Client::new(&mut bench, 443, &lax().build(), |_| {});
        prop_assert!(client.handshake(&mut bench).is_ok());
    }
}

/// Events are bounded, whatever a client keeps sending.
#[test]
fn a_client_that_never_stops_talking_does_not_fill_the_timeline() {
    let mut bench = Bench::new(&settings(|s| s.max_version = Version::Tls12), image(200));
    let handle = bench.connect(address::SERVER4, 443);
    bench.run_for(Duration::from_millis(5));
    // Warning alerts, which a server may ignore (RFC 5246 §7.2).
    for _ in 0..2000 {
        if !bench.socket(handle).may_send() {
            break;
        }
        bench.send(handle, &[21, 3, 1, 0, 2, 1, 90]);
        bench.run_for(Duration::from_millis(1));
    }
    assert!(bench.events.len() < 1100, "{}", bench.events.len());
}
