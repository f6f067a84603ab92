//! The only `unsafe` of this crate: what the child does between `fork` and `exec`.

// A child that must die with us, and that inherits exactly its own channels, cannot be had from safe `Command`.
#![allow(unsafe_code)]

use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use std::os::fd::OwnedFd;
use tokio::process::Command;

/// Makes the child of `command` die with this *thread*, and inherit `keep` (and no other of our files).
///
/// `keep` is closed on our side when `command` is dropped.
pub(crate) fn tie_to_this_thread(command: &mut Command, keep: Vec<OwnedFd>) {
    let parent = getpid();
    let prepare = move || {
        // SIGKILL to the harness cannot be caught, so the kernel has to end the guest: prctl(2), PR_SET_PDEATHSIG.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // We may have died before that call: then nobody would end the guest.
        if getppid() != Some(parent) {
            return Err(Errno::SRCH.into());
        }
        for fd in &keep {
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe calls are allowed. `prepare` makes plain system calls
    // (prctl, getppid, fcntl) and allocates nothing: `Errno` converts to `io::Error`
    // without allocation, and the captured vector is only read.
    unsafe { command.pre_exec(prepare) };
    // A terminal's Ctrl-C is for the harness, which then ends the guest in its own order.
    command.process_group(0);
}
