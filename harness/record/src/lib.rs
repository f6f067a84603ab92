//! Types that outlive a run: what a cell did, when, and what was made of it.
//!
//! Everything a run leaves on disk is made of these types; [`results`] has a published JSON Schema and a version.

mod baseline;
mod conversation;
mod event;
mod outcome;
mod results;
mod time;
mod tls;

pub use baseline::{BASELINE_ID, Baseline, BaselineFirmware, Ended};
pub use conversation::{Assertion, AssertionResult, AssertionState, Bounds, Matcher, Pattern, Requirement};
pub use event::{
    Dhcp4Message, Dhcp6Message, Dhcp6Silence, Dhcp6Times, Direction, Endpoint, Entry, Event, FrameProtocol,
    HeaderField, LinkFault, LoadOptions, LoadedFrom, TcpEnd,
};
pub use outcome::{Capability, ImageForm, Level, Outcome, Stage, Verdict};
pub use results::{
    Accelerator, CellResult, ClockMode, Deviation, Entropy, EvidencePaths, Expected, FirmwareRecord,
    ImageFile, QemuRecord, Repeats, Results, RunRecord, SCHEMA_ID, Shard, ShardRecord, Totals,
};
pub use time::GuestTime;
pub use tls::{AlertLevel, ClientHello, ServerSetup, TlsFailure, TlsMessage, alert_name};
