//! Which group a key exchange uses, read from the server's own messages: libssl forgets its key once it is used.

use super::names;

const SERVER_HELLO: u8 = 2;
const SERVER_KEY_EXCHANGE: u8 = 12;
/// Extension `key_share` (RFC 8446 §4.2.8).
const KEY_SHARE: u16 = 51;
/// `ECCurveType` of a curve by its name (RFC 8422 §5.4).
const NAMED_CURVE: u8 = 3;

/// The random of a ServerHello that is a HelloRetryRequest (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2,
    0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// Whether a handshake message, with its header, is a HelloRetryRequest.
pub(super) fn is_retry(message: &[u8]) -> bool {
    message.first() == Some(&SERVER_HELLO) && message.get(6..38) == Some(&RETRY)
}

/// Follows the messages that the server sends.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    suite: String,
    group: Option<String>,
}

impl Exchange {
    /// The group so far, by its name in the registry or, for one that has none, by its size: `DH 2048`.
    pub(super) fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Takes note of a handshake message of ours, with its header.
    pub(super) fn sent(&mut self, message: &[u8]) {
        match message {
            [SERVER_HELLO, _, _, _, body @ ..] => self.group = self.server_hello(body).or(self.group.take()),
            [SERVER_KEY_EXCHANGE, _, _, _, body @ ..] => self.group = self.key_exchange(body),
            _ => {}
        }
    }

    /// RFC 8446 §4.1.3, RFC 5246 §7.4.1.3.
    fn server_hello(&mut self, body: &[u8]) -> Option<String> {
        let rest = body.get(2 + 32..)?;
        let (&id_length, rest) = rest.split_first()?;
        let (&suite, rest) = rest.get(usize::from(id_length)..)?.split_first_chunk()?;
        self.suite = names::suite(u16::from_be_bytes(suite));
        // The compression method, and the length of the extensions.
        let mut rest = rest.get(1 + 2..)?;
        while let Some((&[kind_high, kind_low, length_high, length_low], tail)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes([length_high, length_low]));
            let (content, tail) = tail.split_at_checked(length)?;
            if let (KEY_SHARE, [high, low, ..]) = (u16::from_be_bytes([kind_high, kind_low]), content) {
                return Some(names::group(u16::from_be_bytes([*high, *low])));
            }
            rest = tail;
        }
        None
    }

    /// RFC 8422 §5.4, RFC 5246 §7.4.3.
    fn key_exchange(&self, body: &[u8]) -> Option<String> {
        if self.suite.contains("_ECDHE_") || self.suite.contains("_ECDH_") {
            let &[kind, high, low, ..] = body else { return None };
            return (kind == NAMED_CURVE).then(|| names::group(u16::from_be_bytes([high, low])));
        }
        if !self.suite.contains("_DHE_") && !self.suite.contains("_DH_") {
            return None;
        }
        let (&length, rest) = body.split_first_chunk()?;
        let prime = rest.get(..usize::from(u16::from_be_bytes(length)))?;
        let zeros = prime.iter().take_while(|byte| **byte == 0).count();
        let first = prime.get(zeros)?;
        Some(format!("DH {}", (prime.len() - zeros) * 8 - first.leading_zeros() as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(suite: [u8; 2], extensions: &[u8]) -> Vec<u8> {
        let mut message = vec![SERVER_HELLO, 0, 0, 0, 3, 3];
        message.extend([9; 32]);
        message.extend([1, 7]);
        message.extend(suite);
        message.push(0);
        message.extend((extensions.len() as u16).to_be_bytes());
        message.extend(extensions);
        message
    }

    fn group(messages: &[&[u8]]) -> Option<String> {
        let mut exchange = Exchange::default();
        messages.iter().for_each(|message| exchange.sent(message));
        exchange.group().map(str::to_owned)
    }

    #[test]
    fn groups_of_all_kinds() {
        let ecdhe = hello([0xc0, 0x2f], &[]);
        assert_eq!(group(&[&ecdhe, &[12, 0, 0, 0, 3, 0, 29, 32]]).as_deref(), Some("x25519"));
        assert_eq!(group(&[&ecdhe, &[12, 0, 0, 0, 1, 0, 29, 32]]), None, "an explicit curve has no name");
        let dhe = hello([0x00, 0x9e], &[]);
        assert_eq!(group(&[&dhe, &[12, 0, 0, 0, 0, 3, 0, 0x7f, 1, 0]]).as_deref(), Some("DH 15"));
        assert_eq!(group(&[&hello([0x00, 0x2f], &[])]), None);
        let tls13 = hello([0x13, 0x01], &[0, 43, 0, 2, 3, 4, 0, 51, 0, 4, 0, 23, 0, 0]);
        assert_eq!(group(&[&tls13]).as_deref(), Some("secp256r1"));
    }

    #[test]
    fn a_message_cut_short_is_no_group() {
        let whole = hello([0x13, 0x01], &[0, 51, 0, 4, 0, 23, 0, 0]);
        for end in 0..whole.len() {
            assert_eq!(group(&[&whole[..end]]), None);
        }
        let dhe = hello([0x00, 0x9e], &[]);
        assert_eq!(group(&[&dhe, &[12, 0, 0, 0, 0, 3, 0]]), None);
        assert_eq!(group(&[&dhe, &[12, 0, 0, 0, 0, 1, 0]]), None);
    }
}
