//! A stream without a socket: what has arrived waits to be read, what is written waits to be sent.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};

/// Both directions of a connection, in memory.
#[derive(Debug, Default)]
pub struct Wire {
    arrived: VecDeque<u8>,
    written: Vec<u8>,
}

impl Wire {
    /// Bytes from the other end.
    pub fn arrive(&mut self, bytes: &[u8]) {
        self.arrived.extend(bytes);
    }

    /// Takes the bytes for the other end.
    pub fn take_written(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.written)
    }
}

impl Read for Wire {
    /// Would block where nothing has arrived: the end of the stream is not this stream's to know.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.arrived.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.arrived.read(buffer)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
