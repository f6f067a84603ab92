//! The text form of each kind of node (UEFI 2.11 §10.6.1.6).

use super::{ACPI, HARDWARE, MEDIA, MESSAGING, Node, URI};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

impl Node<'_> {
    pub(super) fn text(&self) -> String {
        self.known().unwrap_or_else(|| {
            let mut text = format!("Path({},{}", self.kind, self.subtype);
            push_data(&mut text, self.data);
            text + ")"
        })
    }

    /// `None` for a node that is unknown, or shorter than its type.
    fn known(&self) -> Option<String> {
        let mut data = Reader(self.data);
        let text = match (self.kind, self.subtype) {
            (HARDWARE, 1) => {
                let [function, device] = data.array()?;
                format!("Pci(0x{device:x},0x{function:x})")
            }
            (HARDWARE, 4) => vendor("VenHw", data)?,
            (ACPI, 1) => acpi(data.u32()?, data.u32()?),
            (MESSAGING, 10) => vendor("VenMsg", data)?,
            (MESSAGING, 11) => {
                let address: [u8; 32] = data.array()?;
                let [kind] = data.array()?;
                // Types 0 and 1 are Ethernet; the length of others is not in the node.
                let used = if kind <= 1 { &address[..6] } else { &address[..] };
                format!("MAC({},0x{kind:x})", hex(used))
            }
            (MESSAGING, 12) => ipv4(data)?,
            (MESSAGING, 13) => ipv6(data)?,
            (MESSAGING, 20) => format!("Vlan({})", data.u16()?),
            (MESSAGING, URI) => format!("Uri({})", printable(without_nul(self.data))),
            (MESSAGING, 31) => dns(data)?,
            (MEDIA, 1) => hard_drive(data)?,
            (MEDIA, 2) => format!("CDROM(0x{:x},0x{:x},0x{:x})", data.u32()?, data.u64()?, data.u64()?),
            (MEDIA, 3) => vendor("VenMedia", data)?,
            (MEDIA, 4) => file_path(self.data),
            (MEDIA, 6) => format!("FvFile({})", guid(data.array()?)),
            (MEDIA, 7) => format!("Fv({})", guid(data.array()?)),
            _ => return None,
        };
        Some(text)
    }
}

/// Little-endian fields one after the other.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }
    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }
    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
    fn ipv4(&mut self) -> Option<Ipv4Addr> {
        self.array::<4>().map(Ipv4Addr::from)
    }
    fn ipv6(&mut self) -> Option<Ipv6Addr> {
        self.array::<16>().map(Ipv6Addr::from)
    }
}

/// §10.3.3: the upper half of an EISA id is the product, the lower half `PNP` in compressed form.
fn acpi(hid: u32, uid: u32) -> String {
    match (hid & 0xffff, hid >> 16) {
        (0x41d0, 0x0a03) => format!("PciRoot(0x{uid:x})"),
        (0x41d0, 0x0a08) => format!("PcieRoot(0x{uid:x})"),
        (0x41d0, product) => format!("Acpi(PNP{product:04X},0x{uid:x})"),
        _ => format!("Acpi(0x{hid:08X},0x{uid:x})"),
    }
}

fn vendor(name: &str, mut data: Reader<'_>) -> Option<String> {
    let mut text = format!("{name}({}", guid(data.array()?));
    push_data(&mut text, data.0);
    Some(text + ")")
}

/// §10.3.4.12; the text form puts the remote address first. Before UEFI 2.4 the node had no gateway and mask.
fn ipv4(mut data: Reader<'_>) -> Option<String> {
    let (local, remote) = (data.ipv4()?, data.ipv4()?);
    let _ports = (data.u16()?, data.u16()?);
    let protocol = protocol(data.u16()?);
    let origin = match data.array()? {
        [0] => "DHCP",
        [_] => "Static",
    };
    let mut text = format!("IPv4({remote},{protocol},{origin},{local}");
    if let (Some(gateway), Some(mask)) = (data.ipv4(), data.ipv4()) {
        let _ = write!(text, ",{gateway},{mask}");
    }
    Some(text + ")")
}

/// §10.3.4.13. Before UEFI 2.4 the node had no prefix length and gateway.
fn ipv6(mut data: Reader<'_>) -> Option<String> {
    let (local, remote) = (data.ipv6()?, data.ipv6()?);
    let _ports = (data.u16()?, data.u16()?);
    let protocol = protocol(data.u16()?);
    let origin = match data.array()? {
        [0] => "Static",
        [1] => "StatelessAutoConfigure",
        [_] => "StatefulAutoConfigure",
    };
    let mut text = format!("IPv6({remote},{protocol},{origin},{local}");
    if let (Some([prefix]), Some(gateway)) = (data.array(), data.ipv6()) {
        let _ = write!(text, ",0x{prefix:x},{gateway}");
    }
    Some(text + ")")
}

fn protocol(number: u16) -> String {
    match number {
        6 => "TCP".into(),
        17 => "UDP".into(),
        other => format!("0x{other:x}"),
    }
}

/// §10.3.4: addresses take 16 bytes each, IPv4 uses the first four.
fn dns(mut data: Reader<'_>) -> Option<String> {
    let [is_ipv6] = data.array()?;
    let mut addresses = Vec::new();
    while let Some(address) = data.ipv6() {
        let [a, b, c, d, ..] = address.octets();
        addresses.push(if is_ipv6 == 0 {
            Ipv4Addr::new(a, b, c, d).to_string()
        } else {
            address.to_string()
        });
    }
    Some(format!("Dns({})", addresses.join(",")))
}

/// §10.3.5.1
fn hard_drive(mut data: Reader<'_>) -> Option<String> {
    let (number, start, size) = (data.u32()?, data.u64()?, data.u64()?);
    let signature: [u8; 16] = data.array()?;
    let [_format, signature_type] = data.array()?;
    let signature = match signature_type {
        1 => {
            let [a, b, c, d, ..] = signature;
            format!("MBR,0x{:08X}", u32::from_le_bytes([a, b, c, d]))
        }
        2 => format!("GPT,{}", guid(signature)),
        other => format!("{other},0"),
    };
    Some(format!("HD({number},{signature},0x{start:x},0x{size:x})"))
}

/// §10.3.5.4: UCS-2 up to a NUL.
fn file_path(data: &[u8]) -> String {
    let units = data.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let mut text = String::new();
    for unit in units.take_while(|&unit| unit != 0) {
        match u8::try_from(unit) {
            Ok(byte @ b' '..=b'~') => text.push(byte.into()),
            _ => {
                let _ = write!(text, "\\u{{{unit:x}}}");
            }
        }
    }
    text
}

/// §10.3.4.23 has no terminator, EDK2 writes one.
pub(super) fn without_nul(uri: &[u8]) -> &[u8] {
    &uri[..uri.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)]
}

/// Escapes the escape character too: a URI has none.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b' '..=b'[' | b']'..=b'~' => text.push(byte.into()),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}

fn push_data(text: &mut String, data: &[u8]) {
    if !data.is_empty() {
        text.push(',');
        *text += &hex(data);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Appendix A: the first three fields are little-endian.
fn guid(bytes: [u8; 16]) -> String {
    let value = uuid_order(bytes);
    let hex = hex(&value).to_uppercase();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn uuid_order([a, b, c, d, e, f, g, h, rest @ ..]: [u8; 16]) -> [u8; 16] {
    let [i, j, k, l, m, n, o, p] = rest;
    [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
}

#[cfg(test)]
mod tests {
    use super::super::{tests::node, to_text};
    use super::*;

    fn text(kind: u8, subtype: u8, data: &[u8]) -> String {
        to_text(&node(kind, subtype, data))
    }

    const GUID: [u8; 16] =
        [0x22, 0x5b, 0x4e, 0x96, 0x59, 0x64, 0xd2, 0x11, 0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b];

    #[test]
    fn every_known_node() {
        let ucs2 =
            |name: &str| name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        let mac = |kind| [&[0x52, 0x54, 0, 0x12, 0x34, 0x56], &[0; 26][..], &[kind]].concat();
        let v6 = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
        let disk = |kind: u8| {
            [&1_u32.to_le_bytes()[..], &2048_u64.to_le_bytes(), &4096_u64.to_le_bytes(), &GUID, &[kind, kind]]
                .concat()
        };
        let table = [
            text(1, 1, &[3, 0x1f]),
            text(1, 4, &GUID),
            text(1, 4, &[&GUID[..], &[0xde, 0xad]].concat()),
            text(2, 1, &[0xd0, 0x41, 0x03, 0x0a, 1, 0, 0, 0]),
            text(2, 1, &[0xd0, 0x41, 0x08, 0x0a, 0, 0, 0, 0]),
            text(2, 1, &[0xd0, 0x41, 0x01, 0x05, 0, 0, 0, 0]),
            text(2, 1, &[1, 2, 3, 4, 5, 0, 0, 0]),
            text(3, 10, &GUID),
            text(3, 11, &mac(1)),
            text(3, 11, &mac(32)),
            text(3, 12, &[192, 0, 2, 58, 192, 0, 2, 1, 1, 2, 80, 0, 6, 0, 1]),
            text(3, 12, &[192, 0, 2, 58, 0, 0, 0, 0, 1, 2, 80, 0, 17, 0, 0, 192, 0, 2, 1, 255, 255, 255, 0]),
            text(3, 13, &[&v6("2001:db8::2")[..], &v6("2001:db8::1"), &[0, 0, 80, 0, 6, 0, 1]].concat()),
            text(
                3,
                13,
                &[&v6("fe80::1")[..], &v6("::"), &[0, 0, 80, 0, 132, 0, 2, 64], &v6("fe80::ff")].concat(),
            ),
            text(3, 20, &[0xff, 0x0f]),
            text(3, 24, b"http://192.0.2.1/boot.efi"),
            text(3, 24, b"http://h/\x1b[2J\\\0\xff\0\0"),
            text(3, 24, b""),
            text(3, 31, &[&[0, 192, 0, 2, 53][..], &[0; 12], &[192, 0, 2, 54], &[0; 12]].concat()),
            text(3, 31, &[&[1][..], &v6("2001:db8::53")].concat()),
            text(4, 1, &disk(1)),
            text(4, 1, &disk(2)),
            text(4, 1, &disk(0)),
            text(4, 2, &[&1_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &3_u64.to_le_bytes()].concat()),
            text(4, 3, &GUID),
            text(4, 4, &ucs2("\\EFI\\BOOT\\BOOTX64.EFI")),
            text(4, 4, &ucs2("\\ü\u{1b}\u{202e}.efi")),
            text(4, 6, &GUID),
            text(4, 7, &GUID),
            text(9, 7, &[]),
            text(3, 99, &[1, 2]),
            text(1, 1, &[3]),
        ];
        insta::assert_snapshot!(table.join("\n"), @r"
        Pci(0x1f,0x3)
        VenHw(964E5B22-6459-11D2-8E39-00A0C969723B)
        VenHw(964E5B22-6459-11D2-8E39-00A0C969723B,dead)
        PciRoot(0x1)
        PcieRoot(0x0)
        Acpi(PNP0501,0x0)
        Acpi(0x04030201,0x5)
        VenMsg(964E5B22-6459-11D2-8E39-00A0C969723B)
        MAC(525400123456,0x1)
        MAC(5254001234560000000000000000000000000000000000000000000000000000,0x20)
        IPv4(192.0.2.1,TCP,Static,192.0.2.58)
        IPv4(0.0.0.0,UDP,DHCP,192.0.2.58,192.0.2.1,255.255.255.0)
        IPv6(2001:db8::1,TCP,StatelessAutoConfigure,2001:db8::2)
        IPv6(::,0x84,StatefulAutoConfigure,fe80::1,0x40,fe80::ff)
        Vlan(4095)
        Uri(http://192.0.2.1/boot.efi)
        Uri(http://h/\x1b[2J\x5c\x00\xff)
        Uri()
        Dns(192.0.2.53,192.0.2.54)
        Dns(2001:db8::53)
        HD(1,MBR,0x964E5B22,0x800,0x1000)
        HD(1,GPT,964E5B22-6459-11D2-8E39-00A0C969723B,0x800,0x1000)
        HD(1,0,0,0x800,0x1000)
        CDROM(0x1,0x1,0x3)
        VenMedia(964E5B22-6459-11D2-8E39-00A0C969723B)
        \EFI\BOOT\BOOTX64.EFI
        \\u{fc}\u{1b}\u{202e}.efi
        FvFile(964E5B22-6459-11D2-8E39-00A0C969723B)
        Fv(964E5B22-6459-11D2-8E39-00A0C969723B)
        Path(9,7)
        Path(3,99,0102)
        Path(1,1,03)
        ");
    }
}
