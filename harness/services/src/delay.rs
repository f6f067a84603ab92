//! Delays as scenarios state them: guest seconds.

use crate::SettingsError;
use std::time::Duration;

/// Longest delay that a setting may ask for: one day.
const LIMIT: f64 = 86_400.0;

/// Refuses what is no delay.
pub(crate) fn check(path: &str, seconds: f64) -> Result<(), SettingsError> {
    if (0.0..=LIMIT).contains(&seconds) {
        return Ok(());
    }
    Err(SettingsError::new(path, format!("{seconds} is not between 0 and {LIMIT} seconds")))
}

/// The delay of a checked setting.
pub(crate) fn duration(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, LIMIT))
}
