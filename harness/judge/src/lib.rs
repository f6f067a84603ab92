//! From a cell's events to outcome, stage and cause, and from those to a verdict.
//!
//! The finding is drawn from the wire and the payload's proof. The console only tells *when* the firmware was done.

#![forbid(unsafe_code)]

mod blame;
mod cause;
mod cause6;
mod conversation;
mod facts;
mod facts6;
mod finding;
mod names;
mod tls;
mod verdict;
mod waiver;

pub use blame::{Blame, Side, blame};
pub use cause::{CAUSES, Cause};
pub use conversation::{excuse, hear};
pub use finding::{Ending, Finding, Watched, judge};
pub use verdict::{Charge, Ruling, deliver, together};
pub use waiver::{Waiver, WaiverError, Waivers};
