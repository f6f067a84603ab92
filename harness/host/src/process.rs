//! Running a program to its end, or to a deadline.

use std::{
    fs::File,
    io,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What a finished program left.
#[derive(Debug)]
pub(crate) struct Finished {
    /// `None` if it was ended at its deadline.
    pub status: Option<ExitStatus>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    pub fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// Runs `command` without input; its output goes through files in `scratch`, so that no pipe can fill up.
///
/// The program stays in our process group: Ctrl-C at the terminal ends it together with us.
pub(crate) fn run(command: &mut Command, scratch: &Path, deadline: Duration) -> io::Result<Finished> {
    let (out, err) = (scratch.join("stdout"), scratch.join("stderr"));
    let mut child =
        command.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&err)?).spawn()?;
    let end = Instant::now() + deadline;
    let mut pause = Duration::from_millis(2);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if Instant::now() >= end {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    let text = |path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(Finished { status, stdout: text(out)?, stderr: text(err)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_never_ends_is_ended_at_its_deadline() {
        let scratch = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let finished =
            run(Command::new("sleep").arg("60"), scratch.path(), Duration::from_millis(100)).unwrap();
        assert!(finished.status.is_none() && !finished.success());
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn output_larger_than_a_pipe_is_kept() {
        let scratch = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "head -c 300000 /dev/zero; echo no >&2; exit 3"]);
        let finished = run(&mut command, scratch.path(), Duration::from_secs(30)).unwrap();
        assert_eq!(finished.stdout.len(), 300_000);
        assert_eq!(finished.stderr, "no\n");
        assert_eq!(finished.status.and_then(|status| status.code()), Some(3));
    }
}
