//! A timer finer than the runtime's millisecond, which is up to a tenth of a guest second.

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// One alarm, set anew for every wait.
///
/// A timer's descriptor becomes readable like a pipe's, and is registered as one: tokio has no safe type for others.
pub(crate) struct Alarm(Receiver);

impl Alarm {
    pub fn new() -> io::Result<Self> {
        let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self(Receiver::from_owned_fd_unchecked(fd)?))
    }

    /// Rings once, `after` from now.
    pub fn set(&self, after: Duration) -> io::Result<()> {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Zero would disarm it.
        let after = after.max(Duration::from_nanos(1));
        let value = Timespec {
            tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: after.subsec_nanos().into(),
        };
        timerfd_settime(
            self.0.as_fd(),
            TimerfdTimerFlags::empty(),
            &Itimerspec { it_interval: zero, it_value: value },
        )?;
        Ok(())
    }

    /// Waits for the ring; may return early for an alarm that was set before.
    pub async fn rings(&self) -> io::Result<()> {
        self.0.readable().await?;
        match self.0.try_io(|| Err::<(), _>(io::ErrorKind::WouldBlock.into())) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn rings_after_the_time_set_and_sooner_than_a_millisecond_later() {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let alarm = Alarm::new().unwrap();
            // The best of some: other processes may hold the processor.
            let mut best = Duration::MAX;
            for _ in 0..20 {
                let start = Instant::now();
                alarm.set(Duration::from_micros(300)).unwrap();
                alarm.rings().await.unwrap();
                let took = start.elapsed();
                assert!(took >= Duration::from_micros(300), "rang early, after {took:?}");
                best = best.min(took);
            }
            assert!(best < Duration::from_millis(1), "best of 20: {best:?}");
        });
    }
}
