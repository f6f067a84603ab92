//! One end of a pipe or socket to QEMU: reads until nothing is left, writes what fits, never blocks.

use rustix::io::{Errno, read};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use std::future::pending;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;

/// Most bytes taken in one go, so that a chatty guest cannot keep us from everything else.
const BATCH: usize = 1 << 20;

/// Our end of a channel.
pub(crate) struct Channel {
    end: End,
    open: bool,
}

enum End {
    Pipe(Receiver),
    Socket(UnixStream),
}

/// Whether [`Channel::read`] took everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing is left for now.
    Nothing,
    /// There may be more: read again before waiting.
    Perhaps,
}

impl Channel {
    /// A pipe from QEMU, and QEMU's end, which is closed on exec like ours.
    pub fn pipe() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok((Self::from_pipe(ours)?, theirs))
    }

    /// A pipe that somebody else has made: its end to read from.
    pub fn from_pipe(ours: OwnedFd) -> io::Result<Self> {
        Ok(Self { end: End::Pipe(Receiver::from_owned_fd(ours)?), open: true })
    }

    /// A socket to and from QEMU, and QEMU's end, which is closed on exec like ours.
    pub fn socket() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socket_pair()?;
        Ok((Self { end: End::Socket(ours), open: true }, theirs))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        match &self.end {
            End::Pipe(pipe) => pipe.as_fd(),
            End::Socket(socket) => socket.as_fd(),
        }
    }

    /// Appends what is there to `into`. The system is asked, not the runtime's idea of readiness: what QEMU wrote
    /// before something that we have already seen is found.
    pub fn read(&mut self, into: &mut Vec<u8>) -> io::Result<Left> {
        let mut buffer = [0; 16 << 10];
        let mut taken = 0;
        while self.open {
            match read(self.fd(), &mut buffer) {
                Ok(0) => self.open = false,
                Ok(count) => {
                    into.extend_from_slice(&buffer[..count]);
                    taken += count;
                    if taken >= BATCH {
                        return Ok(Left::Perhaps);
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                // The other end of a socket died with data of ours unread: an end like any other.
                Err(Errno::CONNRESET) => self.open = false,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Left::Nothing)
    }

    /// Writes what fits into the socket; 0 if nothing does. What a dead QEMU can no longer take counts as written.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.open {
            return Ok(bytes.len());
        }
        loop {
            match send(self.fd(), bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(count) => return Ok(count),
                Err(Errno::AGAIN) => return Ok(0),
                Err(Errno::INTR) => {}
                Err(Errno::PIPE | Errno::CONNRESET) => return Ok(bytes.len()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until [`read`](Self::read) should be called again; for ever after the end.
    pub async fn readable(&self) -> io::Result<()> {
        if !self.open {
            return pending().await;
        }
        match &self.end {
            End::Pipe(pipe) => {
                pipe.readable().await?;
                forget(pipe.try_io(|| Err(io::ErrorKind::WouldBlock.into())))
            }
            End::Socket(socket) => {
                socket.readable().await?;
                forget(socket.try_io(Interest::READABLE, || Err(io::ErrorKind::WouldBlock.into())))
            }
        }
    }

    /// Waits until [`write`](Self::write) should be tried again.
    pub async fn writable(&self) -> io::Result<()> {
        match &self.end {
            End::Pipe(_) => pending().await,
            End::Socket(socket) => {
                socket.writable().await?;
                forget(socket.try_io(Interest::WRITABLE, || Err(io::ErrorKind::WouldBlock.into())))
            }
        }
    }
}

/// The runtime takes "would block" as the end of a readiness. It is told so *before* the reading, which goes past the
/// runtime: whatever arrives from then on wakes us again.
fn forget(refused: io::Result<()>) -> io::Result<()> {
    match refused {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

/// A connected pair of stream sockets, ours and QEMU's. Both are closed on exec.
pub(crate) fn socket_pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let ours = StdUnixStream::from(ours);
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn nothing_is_lost_between_reading_and_waiting() {
        runtime().block_on(async {
            let (mut channel, theirs) = Channel::pipe().unwrap();
            let writer = std::thread::spawn(move || {
                for _ in 0..2000 {
                    rustix::io::write(&theirs, b"x").unwrap();
                }
            });
            let mut read = Vec::new();
            while channel.open {
                channel.readable().await.unwrap();
                channel.read(&mut read).unwrap();
            }
            writer.join().unwrap();
            assert_eq!(read.len(), 2000);
        });
    }

    #[test]
    fn a_full_socket_takes_nothing_and_a_closed_one_everything() {
        runtime().block_on(async {
            let (mut channel, theirs) = Channel::socket().unwrap();
            let mut written = 0;
            loop {
                match channel.write(&[0; 4096]).unwrap() {
                    0 => break,
                    count => written += count,
                }
            }
            assert!(written >= 4096);
            drop(theirs);
            assert_eq!(channel.write(&[0; 10]).unwrap(), 10);
        });
    }
}
