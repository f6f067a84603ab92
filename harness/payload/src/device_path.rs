//! Device paths: from bytes to UEFI's text form (UEFI 2.11 §10.3 and §10.6).
//!
//! The bytes come from the guest. A node that is unknown, or too short for its type, is shown as
//! `Path(type,subtype,data)`; an ellipsis stands for what is missing or cannot be read; in names and URIs everything but
//! printable ASCII is escaped.

mod text;

use std::net::Ipv4Addr;
use text::{printable, without_nul};

const HARDWARE: u8 = 1;
const ACPI: u8 = 2;
const MESSAGING: u8 = 3;
const MEDIA: u8 = 4;
const END: u8 = 0x7f;
const END_INSTANCE: u8 = 0x01;
const URI: u8 = 24;
const HEADER: usize = 4;

struct Node<'a> {
    kind: u8,
    subtype: u8,
    data: &'a [u8],
    /// Whether all bytes are there that its length field promises.
    whole: bool,
}

/// The nodes up to the end node or to the first that cannot be read; an unreadable one comes as `None`.
fn nodes(mut path: &[u8]) -> impl Iterator<Item = Option<Node<'_>>> {
    std::iter::from_fn(move || {
        if path.is_empty() {
            return None;
        }
        let header = path.split_first_chunk::<HEADER>().and_then(|(&[kind, subtype, low, high], rest)| {
            let length = usize::from(u16::from_le_bytes([low, high])).checked_sub(HEADER)?;
            Some((kind, subtype, length, rest))
        });
        let Some((kind, subtype, length, rest)) = header else {
            path = &[];
            return Some(None);
        };
        let (data, after) = rest.split_at(length.min(rest.len()));
        // An instance may follow another; after the end of the entire path nothing does.
        let last = kind == END && subtype != END_INSTANCE;
        path = if last { &[] } else { after };
        Some(Some(Node { kind, subtype, data, whole: data.len() == length }))
    })
}

/// The text form of a device path.
pub fn to_text(path: &[u8]) -> String {
    let mut text = String::new();
    let mut instance_starts = true;
    for node in nodes(path) {
        match node {
            Some(Node { kind: END, subtype: END_INSTANCE, .. }) => {
                text.push(',');
                instance_starts = true;
                continue;
            }
            Some(Node { kind: END, .. }) => continue,
            _ if instance_starts => instance_starts = false,
            _ => text.push('/'),
        }
        match node {
            None => text.push('…'),
            Some(node) => {
                text += &node.text();
                if !node.whole {
                    text.push('…');
                }
            }
        }
    }
    text
}

/// The last URI in a device path that is not empty, escaped; it ends in an ellipsis if the path does not have all of it.
pub fn uri(path: &[u8]) -> Option<String> {
    nodes(path)
        .flatten()
        .filter(|node| (node.kind, node.subtype) == (MESSAGING, URI) && !without_nul(node.data).is_empty())
        .map(|node| printable(without_nul(node.data)) + if node.whole { "" } else { "…" })
        .last()
}

/// The path of these nodes, each with its type, subtype and data; its end is added.
pub fn of_nodes(nodes: impl IntoIterator<Item = (u8, u8, Vec<u8>)>) -> Vec<u8> {
    let mut path = Vec::new();
    for (kind, subtype, data) in nodes.into_iter().chain([(END, 0xff, Vec::new())]) {
        let length = u16::try_from(HEADER + data.len()).unwrap_or(u16::MAX);
        path.extend([kind, subtype]);
        path.extend(length.to_le_bytes());
        path.extend(&data[..usize::from(length) - HEADER]);
    }
    path
}

/// What EDK2 says of an image loaded by HTTP through PCI device 1, with an address from DHCP and a netmask of 24 bits. For
/// guests that are simulated themselves.
pub fn of_http_boot(mac: [u8; 6], guest: Ipv4Addr, router: Ipv4Addr, uri: &str) -> Vec<u8> {
    let remote_ports_protocol_origin = [0, 0, 0, 0, 0, 0, 80, 0, 6, 0, 0];
    let mask = [255, 255, 255, 0];
    let interface = [&guest.octets()[..], &remote_ports_protocol_origin, &router.octets(), &mask].concat();
    of_nodes([
        (ACPI, 1, [0x0a03_41d0_u32.to_le_bytes(), [0; 4]].concat()),
        (HARDWARE, 1, vec![0, 1]),
        (MESSAGING, 11, [&mac[..], &[0; 26], &[1]].concat()),
        (MESSAGING, 12, interface),
        (MESSAGING, URI, [uri.as_bytes(), &[0]].concat()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn node(kind: u8, subtype: u8, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(HEADER + data.len()).unwrap();
        [&[kind, subtype], &length.to_le_bytes()[..], data].concat()
    }

    #[test]
    fn what_is_missing_or_unreadable_is_an_ellipsis() {
        let uri_node = node(3, 24, b"http://192.0.2.1/boot.efi");
        assert_eq!(to_text(&uri_node[..20]), "Uri(http://192.0.2.1)…");
        assert_eq!(uri(&uri_node[..20]).unwrap(), "http://192.0.2.1…");
        assert_eq!(to_text(&uri_node[..3]), "…");
        assert_eq!(to_text(&[1, 1, 3, 0, 0, 0]), "…");
        assert_eq!(to_text(&[&node(1, 1, &[0, 1])[..], &[3, 24, 0, 0]].concat()), "Pci(0x1,0x0)/…");
        assert_eq!(to_text(&[]), "");
    }

    #[test]
    fn instances_and_the_end() {
        let [pci, next, end] = [node(1, 1, &[0, 1]), node(0x7f, 1, &[]), node(0x7f, 0xff, &[])];
        assert_eq!(
            to_text(&[&pci[..], &next, &pci, &pci, &end, &pci].concat()),
            "Pci(0x1,0x0),Pci(0x1,0x0)/Pci(0x1,0x0)"
        );
    }

    #[test]
    fn the_last_uri_that_is_not_empty_counts() {
        let [proxy, target, empty, nul] =
            [node(3, 24, b"http://proxy/"), node(3, 24, b"http://h/x"), node(3, 24, b""), node(3, 24, &[0])];
        assert_eq!(uri(&[&proxy[..], &target, &empty, &nul].concat()).unwrap(), "http://h/x");
        assert_eq!(uri(&[empty, nul].concat()), None);
    }

    fn anything_like_a_path() -> impl Strategy<Value = Vec<u8>> {
        let node = (0..6_u8, 0..40_u8, 0..80_u16, prop::collection::vec(any::<u8>(), 0..80));
        prop::collection::vec(node, 0..12).prop_map(|nodes| {
            let bytes = nodes.into_iter().flat_map(|(kind, subtype, length, data)| {
                [&[kind, subtype], &length.to_le_bytes()[..], &data].concat()
            });
            bytes.collect()
        })
    }

    proptest! {
        #[test]
        fn hostile_bytes_give_printable_text(path in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..1500),
            anything_like_a_path(),
        ]) {
            let text = to_text(&path) + &uri(&path).unwrap_or_default();
            prop_assert!(text.chars().all(|c| c == '…' || matches!(c, ' '..='~')), "{text:?}");
        }

        #[test]
        fn whole_nodes_are_all_shown(subtypes in prop::collection::vec((1..5_u8, any::<u8>()), 1..20)) {
            let path: Vec<u8> = subtypes.iter().flat_map(|&(kind, subtype)| node(kind, subtype, &[])).collect();
            prop_assert_eq!(to_text(&path).split('/').count(), subtypes.len());
        }
    }
}
