//! What libssl reads and writes, message by message, as it happens (`SSL_set_msg_callback`). Messages are plaintext
//! here, in TLS 1.3 too.

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslRef};
use openssl_sys as ffi;
use std::ffi::{c_int, c_void};
use std::slice;
use std::sync::{Mutex, OnceLock, PoisonError};

/// `SSL3_RT_HEADER` of ssl3.h: the header of a record, not a content type of TLS.
const HEADER: c_int = 256;
/// Steps that are kept until they are taken; a peer that makes more in one turn is not worth more memory.
const LIMIT: usize = 10_000;

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A record begins; the bytes are its header. A record that is written is complete at this point.
    Record,
    /// ChangeCipherSpec (RFC 5246 §7.1).
    ChangeCipherSpec,
    /// An alert: level and description (RFC 8446 §6).
    Alert,
    /// A whole handshake message with its header (RFC 8446 §4).
    Handshake,
}

/// One thing that libssl read or wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether we wrote it.
    pub sent: bool,
    /// What it is.
    pub content: Content,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

type Steps = Mutex<Vec<Step>>;
type Callback = unsafe extern "C" fn(
    write: c_int,
    version: c_int,
    content: c_int,
    bytes: *const c_void,
    length: usize,
    ssl: *mut ffi::SSL,
    argument: *mut c_void,
);

unsafe extern "C" {
    fn SSL_set_msg_callback(ssl: *mut ffi::SSL, callback: Option<Callback>);
}

/// Where the steps of a connection are kept.
fn index() -> Result<Index<Ssl, Steps>, ErrorStack> {
    static INDEX: OnceLock<Index<Ssl, Steps>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let index = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| index))
}

/// Keeps what this connection does from now on, for [`take_trace`].
pub fn trace(ssl: &mut SslRef) -> Result<(), ErrorStack> {
    ssl.set_ex_data(index()?, Steps::default());
    // SAFETY: `ssl` is alive; the callback has the signature of ssl.h and uses nothing but what belongs to the
    // connection that it is called for.
    unsafe { SSL_set_msg_callback(ssl.as_ptr(), Some(note)) };
    Ok(())
}

/// Takes what has happened since the last time; nothing if the connection is not traced.
pub fn take_trace(ssl: &SslRef) -> Vec<Step> {
    let Some(steps) = index().ok().and_then(|index| ssl.ex_data(index)) else { return Vec::new() };
    std::mem::take(&mut *steps.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Called by libssl for each step, on the thread that drives the connection.
unsafe extern "C" fn note(
    write: c_int,
    _version: c_int,
    content: c_int,
    bytes: *const c_void,
    length: usize,
    ssl: *mut ffi::SSL,
    _argument: *mut c_void,
) {
    let content = match content {
        HEADER => Content::Record,
        20 => Content::ChangeCipherSpec,
        21 => Content::Alert,
        22 => Content::Handshake,
        _ => return,
    };
    if ssl.is_null() || (bytes.is_null() && length > 0) {
        return;
    }
    let bytes = match length {
        0 => Vec::new(),
        // SAFETY: libssl passes `length` bytes that live as long as this call.
        _ => unsafe { slice::from_raw_parts(bytes.cast::<u8>(), length) }.to_vec(),
    };
    // SAFETY: libssl calls us with the connection that it is working on, and the reference ends with this call.
    let ssl = unsafe { SslRef::from_ptr(ssl) };
    if let Some(steps) = index().ok().and_then(|index| ssl.ex_data(index)) {
        let mut steps = steps.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.len() < LIMIT {
            steps.push(Step { sent: write != 0, content, bytes });
        }
    }
}
