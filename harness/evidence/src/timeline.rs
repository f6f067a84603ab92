//! `timeline.jsonl`: frames, service events, console lines and monitor events, one [`Entry`] a line.
//!
//! # Order
//! Lines stand in the order in which the harness learned of things, which is the order of cause and effect on our
//! side. Times never decrease from line to line: what is reported late (a console byte's time is less exact than a
//! frame's) gets the time of the line before it. The capture keeps every frame's own time.
//!
//! # Bulk data
//! A large image is tens of thousands of segments that tell nothing one by one. After [`SHOWN`] data segments or
//! acknowledgements of one connection in a row, the following ones become one line with their number; a new line is
//! begun each second, after a pause, and whenever anything else happens. The capture has them all.

use crate::segment::Segment;
use crate::{EvidenceError, summary};
use record::{Direction, Entry, Event, GuestTime};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Segments of a connection in a row that get a line each.
const SHOWN: u32 = 4;
/// A silence this long ends a run of bulk data, and the segments after it are shown again.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest time that one line stands for.
const RUN_MAX: Duration = Duration::from_secs(1);
/// Frames that get a line; more are in the capture only. A guest that floods the link must not fill memory.
const FRAMES_MAX: u64 = 20_000;

pub(crate) struct Timeline {
    file: File,
    path: PathBuf,
    entries: Vec<Entry>,
    last: GuestTime,
    streak: Option<Streak>,
    run: Option<Run>,
    listed: u64,
    unlisted: u64,
}

/// Segments of one connection without anything else on the wire between them.
struct Streak {
    connection: crate::segment::Connection,
    count: u32,
    at: GuestTime,
}

/// Bulk data that will be one line.
struct Run {
    at: GuestTime,
    first: u64,
    last: u64,
    /// Text of the first frame, in case it stays alone.
    alone: String,
    direction: Direction,
    frames: u64,
    length: usize,
    data: [Data; 2],
}

/// What went one way in a run.
#[derive(Clone, Copy, Default)]
struct Data {
    segments: u64,
    bytes: u64,
}

impl Timeline {
    pub(crate) fn create(path: &Path) -> Result<Self, EvidenceError> {
        let file = File::create(path).map_err(|reason| EvidenceError::write(path, reason))?;
        Ok(Self {
            file,
            path: path.into(),
            entries: Vec::new(),
            last: GuestTime::ZERO,
            streak: None,
            run: None,
            listed: 0,
            unlisted: 0,
        })
    }

    /// Adds a frame that has `number` in the capture. Returns whether it was counted as bulk data.
    pub(crate) fn frame(
        &mut self,
        at: GuestTime,
        direction: Direction,
        number: u64,
        bytes: &[u8],
    ) -> Result<bool, EvidenceError> {
        if self.listed >= FRAMES_MAX {
            self.unlisted += 1;
            return Ok(true);
        }
        let at = at.max(self.last);
        let Some(segment) = Segment::bulk(bytes) else {
            self.streak = None;
            self.list(at, direction, number, bytes)?;
            return Ok(false);
        };
        let count = match &self.streak {
            Some(streak) if streak.connection == segment.connection && at.since(streak.at) < PAUSE => {
                streak.count.saturating_add(1)
            }
            _ => 1,
        };
        self.streak = Some(Streak { connection: segment.connection, count, at });
        if count <= SHOWN {
            self.list(at, direction, number, bytes)?;
            return Ok(false);
        }
        if self.run.as_ref().is_some_and(|run| at.since(run.at) >= RUN_MAX) {
            self.end_run()?;
        }
        let run = self.run.get_or_insert_with(|| Run {
            at,
            first: number,
            last: number,
            alone: summary::line(bytes),
            direction,
            frames: 0,
            length: 0,
            data: [Data::default(); 2],
        });
        run.last = number;
        run.frames += 1;
        run.length += bytes.len();
        if segment.payload > 0 {
            let way = &mut run.data[usize::from(direction == Direction::FromGuest)];
            way.segments += 1;
            way.bytes += segment.payload as u64;
        }
        Ok(true)
    }

    /// Adds anything but a frame.
    pub(crate) fn event(&mut self, at: GuestTime, event: Event) -> Result<(), EvidenceError> {
        self.end_run()?;
        self.write(at, event)
    }

    /// What is in the timeline so far, without bulk data whose line has not ended.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Ends the file.
    pub(crate) fn finish(mut self) -> Result<Vec<Entry>, EvidenceError> {
        self.end_run()?;
        if self.unlisted > 0 {
            let note = format!("{} more frames are in the capture only", self.unlisted);
            self.write(self.last, Event::Harness { note })?;
        }
        Ok(self.entries)
    }

    fn list(
        &mut self,
        at: GuestTime,
        direction: Direction,
        number: u64,
        bytes: &[u8],
    ) -> Result<(), EvidenceError> {
        self.end_run()?;
        self.listed += 1;
        let summary = summary::line(bytes);
        self.write(at, Event::Frame { number, direction, length: bytes.len(), summary })
    }

    fn end_run(&mut self) -> Result<(), EvidenceError> {
        let Some(run) = self.run.take() else { return Ok(()) };
        self.listed += 1;
        let [to_guest, from_guest] = run.data;
        let data = if from_guest.bytes > to_guest.bytes { from_guest } else { to_guest };
        let direction = match (to_guest.bytes, from_guest.bytes) {
            (0, 0) => run.direction,
            (to, from) if from > to => Direction::FromGuest,
            _ => Direction::ToGuest,
        };
        let summary = if run.frames == 1 {
            run.alone
        } else {
            format!(
                "TCP bulk data: {} bytes in {} segments; {} frames, packets {} to {}",
                data.bytes, data.segments, run.frames, run.first, run.last
            )
        };
        self.write(run.at, Event::Frame { number: run.first, direction, length: run.length, summary })
    }

    fn write(&mut self, at: GuestTime, event: Event) -> Result<(), EvidenceError> {
        let at = at.max(self.last);
        self.last = at;
        let entry = Entry { at, event };
        let mut line =
            serde_json::to_vec(&entry).map_err(|reason| EvidenceError::encode(&self.path, &reason))?;
        line.push(b'\n');
        // Unbuffered: the last line before a kill is the one that matters.
        self.file.write_all(&line).map_err(|reason| EvidenceError::write(&self.path, reason))?;
        self.entries.push(entry);
        Ok(())
    }
}
