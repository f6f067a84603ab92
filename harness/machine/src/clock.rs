//! The guest's clock: how far it is, and how long to wait for it on the host.

use record::{ClockMode, GuestTime};
use std::time::{Duration, Instant};

/// Shortest wait worth a system call; at the usual rate 10 to 20 ms of guest time.
const SHORTEST_WAIT: Duration = Duration::from_micros(300);

/// Longest wait on a virtual clock: its rate can change at any moment.
const LONGEST_WAIT: Duration = Duration::from_millis(20);

/// Guest seconds per host second that firmware stays below under TCG (measured: 10 to 70); believed until more is seen.
const USUAL_RATE: f64 = 100.0;

/// Host time over which the rate is measured.
const WINDOW: Duration = Duration::from_millis(5);

/// When QEMU comes to the gate although the guest sends nothing: at multiples of an interval of guest time, which bounds how
/// far its clock can run ahead of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Together with the wait for the next arrival less than the 100 ms within which a delayed answer has to be there.
    Short,
    /// For guests that wait while nothing is due from us: to stop costs more than what they do.
    Long,
}

impl Beat {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Short, Self::Long];

    /// Guest time between two of them.
    pub const fn interval(self) -> Duration {
        match self {
            Self::Short => Duration::from_millis(80),
            Self::Long => Duration::from_millis(640),
        }
    }

    /// What QEMU's parts for it are called.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Short => "beat",
            Self::Long => "long-beat",
        }
    }
}

/// What is sent into the clock's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Is stamped at once: what the clock shows now.
    Question,
    /// Is kept until the next one, and stamped then.
    Beat(Beat),
}

impl Signal {
    /// On the socket, after its length. Any frame does: local addresses, and the ethertype for experiments (IEEE 802,
    /// 0x88b5).
    pub fn bytes(self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[3] = 60;
        bytes[4..16].copy_from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, self.sender()]);
        bytes[16..18].copy_from_slice(&[0x88, 0xb5]);
        bytes
    }

    /// Which of them a stamped frame is.
    pub fn of(frame: &[u8]) -> Self {
        let beats = Beat::ALL.into_iter().map(Self::Beat);
        beats.into_iter().find(|beat| frame.get(11) == Some(&beat.sender())).unwrap_or(Self::Question)
    }

    fn sender(self) -> u8 {
        match self {
            Self::Question => 1,
            Self::Beat(Beat::Short) => 2,
            Self::Beat(Beat::Long) => 3,
        }
    }
}

/// What is known about the guest's clock.
pub(crate) struct Clock {
    mode: ClockMode,
    /// Microseconds since 1970 that the guest's clock showed at power-on.
    base: u64,
    now: GuestTime,
    /// When `now` was learnt.
    learnt: Instant,
    /// Start of the window over which the rate is being measured.
    window: (Instant, GuestTime),
    rate: f64,
    asked: u64,
    answered: u64,
}

impl Clock {
    /// A clock at power-on.
    pub fn new(mode: ClockMode, base: u64, host: Instant) -> Self {
        Self {
            mode,
            base,
            now: GuestTime::ZERO,
            learnt: host,
            window: (host, GuestTime::ZERO),
            rate: USUAL_RATE,
            asked: 0,
            answered: 0,
        }
    }

    /// A stamp of the dump as guest time.
    pub fn guest_time(&self, unix_micros: u64) -> GuestTime {
        GuestTime::from_micros(unix_micros.saturating_sub(self.base))
    }

    /// The latest time known to have come.
    pub fn now(&self) -> GuestTime {
        self.now
    }

    /// Notes that a question was sent; the number is that of its answer.
    pub fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// How many questions were answered.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Whether an answer is on its way.
    pub fn is_asked(&self) -> bool {
        self.asked > self.answered
    }

    /// Notes the next answer.
    pub fn answer(&mut self, host: Instant, guest: GuestTime) {
        self.answered += 1;
        self.learn(host, guest);
    }

    /// Notes that the guest's clock had reached `guest` when the host's showed `host`.
    pub fn learn(&mut self, host: Instant, guest: GuestTime) {
        if guest < self.now {
            return;
        }
        self.now = guest;
        self.learnt = host;
        let (start, from) = self.window;
        let took = host.saturating_duration_since(start);
        if took >= WINDOW {
            let rate = guest.since(from).as_secs_f64() / took.as_secs_f64();
            // Fast is believed at once, slow by and by: being early costs a question, being late costs guest time.
            self.rate = if rate > self.rate { rate } else { 0.7 * self.rate + 0.3 * rate };
            self.window = (host, guest);
        }
    }

    /// When on the host to ask again if `wake` is waited for.
    pub fn ask_at(&self, wake: GuestTime) -> Instant {
        let remaining = wake.since(self.now);
        let wait = match self.mode {
            ClockMode::Real => remaining,
            ClockMode::Virtual => {
                // Most of the way, so that a guest that speeds up is caught before it has passed.
                (remaining.mul_f64(0.9 / self.rate.max(USUAL_RATE))).min(LONGEST_WAIT)
            }
        };
        self.learnt + wait.max(SHORTEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Asks as often as told for a wake-up after `wait` of guest time; returns by how much it was late, and how often
    /// it had to ask.
    fn lateness(mode: ClockMode, rate: impl Fn(Duration) -> f64, wait: Duration) -> (Duration, u64) {
        let start = Instant::now();
        let mut clock = Clock::new(mode, 0, start);
        let wake = GuestTime::ZERO + wait;
        let (mut host, mut guest) = (start, GuestTime::ZERO);
        while clock.now() < wake {
            // A question and its answer take 0.1 ms.
            let until = clock.ask_at(wake) + Duration::from_micros(100);
            while host < until {
                let step = (until - host).min(Duration::from_micros(100));
                guest = guest + step.mul_f64(rate(host - start));
                host += step;
            }
            clock.ask();
            clock.answer(host, guest);
        }
        assert!(!clock.is_asked());
        (clock.now().since(wake), clock.answered())
    }

    #[test]
    fn a_wake_up_is_late_by_less_than_100_ms_of_guest_time() {
        for rate in [5.0, 10.0, 40.0, 70.0, 100.0] {
            for wait in [SECOND / 100, SECOND, 60 * SECOND] {
                let (late, asked) = lateness(ClockMode::Virtual, |_| rate, wait);
                assert!(late < SECOND / 10, "late by {late:?} at rate {rate} after {wait:?}");
                // 20 ms of host time each, and some more near the end.
                let most = 150.0 + wait.as_secs_f64() / rate / 0.02 * 1.2;
                assert!((asked as f64) < most, "asked {asked} times at rate {rate} for {wait:?}, not {most}");
            }
        }
        // A guest that works, then idles.
        let (late, _) =
            lateness(ClockMode::Virtual, |at| if at < SECOND / 50 { 5.0 } else { 60.0 }, 5 * SECOND);
        assert!(late < SECOND / 10, "late by {late:?} after a change of rate");
    }

    #[test]
    fn a_real_clock_is_asked_once() {
        let (late, asked) = lateness(ClockMode::Real, |_| 1.0, 3 * SECOND);
        assert!(late < SECOND / 100, "late by {late:?}");
        assert!(asked <= 2, "asked {asked} times");
    }

    #[test]
    fn the_clock_never_goes_back() {
        let host = Instant::now();
        let mut clock = Clock::new(ClockMode::Virtual, 5_000_000, host);
        clock.learn(host, clock.guest_time(6_000_000));
        clock.learn(host, clock.guest_time(5_500_000));
        assert_eq!(clock.now(), GuestTime::from_micros(1_000_000));
        assert_eq!(clock.guest_time(4_000_000), GuestTime::ZERO);
    }
}
