//! One cell's evidence, written while the cell runs.

use crate::capture::Capture;
use crate::console::ConsoleDecoder;
use crate::secrets::Secrets;
use crate::timeline::Timeline;
use crate::{EvidenceError, command};
use record::{Direction, Entry, Event, GuestTime};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bytes of text that `console.txt` keeps.
pub const CONSOLE_MAX: usize = 1 << 20;
/// Bytes of frames that `capture.pcapng` keeps.
pub const CAPTURE_MAX: u64 = 1 << 30;

/// What the files say about the cell that they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellMeta {
    /// The cell's id, for example `http/content-type[content_type=text/html]@ovmf-x64-sid`.
    pub cell: String,
    /// Firmware id and version.
    pub firmware: String,
    /// The scenario's title.
    pub title: String,
    /// What the guest's clock said at power-on, in seconds since 1970-01-01 00:00 UTC. The capture's dates are the
    /// guest's.
    pub rtc_base_unix: u64,
}

/// The files of a cell. They exist from [`CellEvidence::create`] on, command line and secrets only once there are some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The cell's directory, as given.
    pub directory: PathBuf,
    /// Every frame.
    pub capture: PathBuf,
    /// The console as text.
    pub console: PathBuf,
    /// Everything on one clock.
    pub timeline: PathBuf,
    /// The resolved scenario.
    pub cell: PathBuf,
    /// QEMU's command line.
    pub command: Option<PathBuf>,
    /// Secrets of TLS connections, in the format of NSS's key log; they are in the capture too.
    pub keys: Option<PathBuf>,
}

/// What [`CellEvidence::finish`] leaves in hand.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Where everything is.
    pub files: Files,
    /// The timeline, for the judge.
    pub entries: Vec<Entry>,
}

/// Evidence being written. What has been recorded is on its way to disk, except bulk data of up to a few dozen frames;
/// a process that is killed leaves files that can be read up to there.
pub struct CellEvidence {
    files: Files,
    capture: Capture,
    timeline: Timeline,
    console: ConsoleFile,
    secrets: Secrets,
    lost_frames: u64,
}

impl CellEvidence {
    /// Makes `directory` and the files in it; `cell_yaml` is the text of the resolved scenario. Files of an earlier
    /// attempt are replaced.
    pub fn create(directory: &Path, meta: &CellMeta, cell_yaml: &str) -> Result<Self, EvidenceError> {
        fs::create_dir_all(directory)
            .map_err(|reason| EvidenceError::Create { path: directory.into(), reason })?;
        let files = Files {
            directory: directory.into(),
            capture: directory.join("capture.pcapng"),
            console: directory.join("console.txt"),
            timeline: directory.join("timeline.jsonl"),
            cell: directory.join("cell.yaml"),
            command: None,
            keys: None,
        };
        fs::write(&files.cell, cell_yaml).map_err(|reason| EvidenceError::write(&files.cell, reason))?;
        Ok(Self {
            capture: Capture::create(&files.capture, meta)?,
            timeline: Timeline::create(&files.timeline)?,
            console: ConsoleFile::create(&files.console)?,
            secrets: Secrets::default(),
            lost_frames: 0,
            files,
        })
    }

    /// Writes the command line (program first) that runs the guest.
    pub fn command<S: AsRef<OsStr>>(
        &mut self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<(), EvidenceError> {
        let path = self.files.directory.join("command.txt");
        fs::write(&path, command::quoted(arguments)).map_err(|reason| EvidenceError::write(&path, reason))?;
        self.files.command = Some(path);
        Ok(())
    }

    /// Records a frame that crossed the segment.
    pub fn frame(&mut self, at: GuestTime, direction: Direction, bytes: &[u8]) -> Result<(), EvidenceError> {
        if self.capture.bytes() >= CAPTURE_MAX {
            self.lost_frames += 1;
            return Ok(());
        }
        let number = self.capture.frame(at, direction, bytes)?;
        let bulk = self.timeline.frame(at, direction, number, bytes)?;
        if bulk { Ok(()) } else { self.capture.flush() }
    }

    /// Records anything else that happened. Console output goes through [`console`](Self::console), frames through
    /// [`frame`](Self::frame).
    pub fn event(&mut self, at: GuestTime, event: Event) -> Result<(), EvidenceError> {
        self.timeline.event(at, event)
    }

    /// Records console bytes and returns the lines that they complete, blank ones included.
    pub fn console(&mut self, at: GuestTime, bytes: &[u8]) -> Result<Vec<String>, EvidenceError> {
        let was_full = self.console.full;
        let lines = self.console.push(bytes)?;
        if !was_full {
            for line in &lines {
                self.console_line(at, line)?;
            }
            if self.console.full {
                let note = format!("console.txt is full at {CONSOLE_MAX} bytes; later lines are not kept");
                self.timeline.event(at, Event::Harness { note })?;
            }
        }
        Ok(lines)
    }

    /// The console line that has not ended yet.
    pub fn unfinished_console_line(&self) -> &str {
        self.console.decoder.unfinished()
    }

    /// Records a secret of a TLS connection: a line of NSS's key log.
    pub fn secret(&mut self, line: &str) -> Result<(), EvidenceError> {
        self.secrets.add(&self.files.directory, line)
    }

    /// Frames in the capture.
    pub fn frames(&self) -> u64 {
        self.capture.packets()
    }

    /// The timeline so far, without bulk data whose line has not ended.
    pub fn entries(&self) -> &[Entry] {
        self.timeline.entries()
    }

    /// Ends the files; `at` is the guest's time at the end.
    pub fn finish(mut self, at: GuestTime) -> Result<Finished, EvidenceError> {
        if let Some(line) = self.console.finish()?
            && !self.console.full
        {
            self.console_line(at, &line)?;
        }
        if self.lost_frames > 0 {
            let note = format!(
                "capture.pcapng is full at {CAPTURE_MAX} bytes; {} later frames are not kept",
                self.lost_frames
            );
            self.timeline.event(at, Event::Harness { note })?;
        }
        self.capture.flush()?;
        if let Some((path, text)) = self.secrets.finish() {
            self.files.keys = Some(path);
            self.capture.embed(&text)?;
        }
        Ok(Finished { files: self.files, entries: self.timeline.finish()? })
    }

    fn console_line(&mut self, at: GuestTime, line: &str) -> Result<(), EvidenceError> {
        if line.trim().is_empty() {
            return Ok(());
        }
        self.timeline.event(at, Event::Console { line: line.to_owned() })
    }
}

/// `console.txt`.
struct ConsoleFile {
    file: File,
    path: PathBuf,
    decoder: ConsoleDecoder,
    /// Bytes of the unfinished line that are in the file.
    shown: usize,
    kept: usize,
    full: bool,
}

impl ConsoleFile {
    fn create(path: &Path) -> Result<Self, EvidenceError> {
        let file = File::create(path).map_err(|reason| EvidenceError::write(path, reason))?;
        let decoder = ConsoleDecoder::new();
        Ok(Self { file, path: path.into(), decoder, shown: 0, kept: 0, full: false })
    }

    fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, EvidenceError> {
        let lines = self.decoder.push(bytes);
        let mut text = String::new();
        for line in &lines {
            text.push_str(&line[self.shown..]);
            text.push('\n');
            self.shown = 0;
        }
        let unfinished = self.decoder.unfinished();
        text.push_str(&unfinished[self.shown..]);
        self.shown = unfinished.len();
        self.write(&text)?;
        Ok(lines)
    }

    fn finish(&mut self) -> Result<Option<String>, EvidenceError> {
        let line = self.decoder.finish();
        if let Some(line) = &line {
            self.write(&format!("{}\n", &line[self.shown..]))?;
        }
        Ok(line)
    }

    fn write(&mut self, text: &str) -> Result<(), EvidenceError> {
        if self.full || text.is_empty() {
            return Ok(());
        }
        let kept = text.floor_char_boundary(CONSOLE_MAX - self.kept);
        self.kept += kept;
        let mut bytes = text.as_bytes()[..kept].to_vec();
        if kept < text.len() {
            self.full = true;
            bytes.extend(
                format!("\n[plugfest keeps {CONSOLE_MAX} bytes of console; the rest is lost]\n").bytes(),
            );
        }
        self.file.write_all(&bytes).map_err(|reason| EvidenceError::write(&self.path, reason))
    }
}
