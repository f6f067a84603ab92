//! Settings and actions that the `openssl` crate has no function for.

use foreign_types::ForeignType;
use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslStream};
use openssl_sys as ffi;
use std::ffi::{c_int, c_long};
use std::io::{Read, Write};
use std::ptr;

/// `SSL_CTRL_SET_MAX_CERT_LIST` of ssl.h.
const SET_MAX_CERT_LIST: c_int = 51;
/// `SSL_CTRL_SET_MAX_SEND_FRAGMENT` of ssl.h.
const SET_MAX_SEND_FRAGMENT: c_int = 52;

unsafe extern "C" {
    fn SSL_renegotiate(ssl: *mut ffi::SSL) -> c_int;
}

/// The most bytes of plaintext in a record that this connection writes: libssl takes 512 to 16384
/// (`SSL_set_max_send_fragment`).
pub fn set_record_size(ssl: &mut Ssl, bytes: u16) -> Result<(), ErrorStack> {
    // SAFETY: `ssl` is alive and ours alone; this control reads a number and no pointer.
    let taken =
        unsafe { ffi::SSL_ctrl(ssl.as_ptr(), SET_MAX_SEND_FRAGMENT, c_long::from(bytes), ptr::null_mut()) };
    if taken == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// The most bytes of certificates that this connection takes from its peer: libssl's own limit is 100 KiB
/// (`SSL_set_max_cert_list`).
pub fn set_certificate_limit(ssl: &mut Ssl, bytes: u32) {
    // SAFETY: `ssl` is alive and ours alone; this control reads a number and no pointer. It gives the former limit back
    // and cannot fail.
    unsafe {
        ffi::SSL_ctrl(ssl.as_ptr(), SET_MAX_CERT_LIST, c_long::from(bytes.cast_signed()), ptr::null_mut());
    }
}

/// Asks for another handshake: a server's next turn sends HelloRequest (RFC 5246 §7.4.1.1). TLS 1.3 has none.
pub fn renegotiate<S: Read + Write>(stream: &mut SslStream<S>) -> Result<(), ErrorStack> {
    use foreign_types::ForeignTypeRef;
    // SAFETY: the stream's SSL is alive, and `&mut` says that nobody else uses it.
    let done = unsafe { SSL_renegotiate(stream.ssl().as_ptr()) };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}
