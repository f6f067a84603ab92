//! Reads a stream of HTTP/1 responses as strictly as RFC 9112 §6.3 allows; panics at what a strict client refuses.

/// A response as it was on the wire.
#[derive(Debug, PartialEq)]
pub struct Response {
    /// Status line and header fields, one a line.
    pub head: Vec<String>,
    pub status: u16,
    pub minor: u8,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.head[1..].iter().filter_map(|line| {
            let (field, value) = line.split_once(": ").unwrap();
            field.eq_ignore_ascii_case(name).then_some(value)
        });
        let value = found.next();
        assert_eq!(found.next(), None, "{name} is there once");
        value
    }
}

/// Splits `bytes` into the responses to requests with `methods`; `ended` says that the stream has ended.
pub fn responses(mut bytes: &[u8], methods: &[&str], ended: bool) -> Vec<Response> {
    let mut all = Vec::new();
    for &method in methods {
        let (response, rest) = one(bytes, method, ended);
        bytes = rest;
        all.push(response);
    }
    assert!(bytes.is_empty(), "{} bytes after the last response", bytes.len());
    all
}

fn one<'a>(bytes: &'a [u8], method: &str, ended: bool) -> (Response, &'a [u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = parsed.parse(bytes) else {
        panic!("no response in {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)]));
    };
    let text = std::str::from_utf8(&bytes[..length]).unwrap();
    let head: Vec<String> = text.strip_suffix("\r\n\r\n").unwrap().split("\r\n").map(str::to_owned).collect();
    assert!(head.iter().all(|line| !line.contains(['\r', '\n'])), "every line ends with CRLF");
    let mut response =
        Response { head, status: parsed.code.unwrap(), minor: parsed.version.unwrap(), body: Vec::new() };
    let rest = &bytes[length..];
    let coding = response.header("transfer-encoding").map(str::to_owned);
    let content_length = response.header("content-length").map(|value| value.parse::<usize>().unwrap());
    assert!(coding.is_none() || content_length.is_none(), "RFC 9112 §6.2");
    let (body, rest) = if method == "HEAD" || matches!(response.status, 100..=199 | 204 | 304) {
        (Vec::new(), rest)
    } else if let Some(coding) = coding {
        assert_eq!(coding, "chunked");
        assert_eq!(response.minor, 1, "RFC 9112 §6.1");
        chunks(rest)
    } else if let Some(length) = content_length {
        assert!(rest.len() >= length, "{} of {length} bytes", rest.len());
        (rest[..length].to_vec(), &rest[length..])
    } else {
        assert!(ended, "only the end of the connection can end this body");
        (rest.to_vec(), &rest[..0])
    };
    response.body = body;
    (response, rest)
}

fn chunks(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n").unwrap();
        let digits = std::str::from_utf8(&rest[..line]).unwrap();
        let size = usize::from_str_radix(digits, 16).unwrap();
        rest = &rest[line + 2..];
        body.extend(&rest[..size]);
        rest = rest[size..].strip_prefix(b"\r\n").unwrap();
        if size == 0 {
            return (body, rest);
        }
    }
}
