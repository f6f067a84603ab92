//! `reports/<run>/…` and `reports/latest`: files that are there completely or not at all.

use crate::{Context, FORMATS, ReportError};
use record::Results;
use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use tempfile::TempPath;

/// Name of the link to the newest run.
const LATEST: &str = "latest";

/// Writes every format of [`FORMATS`] into `dir`, which is created if need be, and returns the paths.
///
/// Everything is rendered and written under temporary names first; only then do the files get their names, so a
/// failure or an interruption leaves the directory as it was. `results.json` appears last.
///
/// # Errors
/// [`ReportError::Render`] if a format cannot be made, [`ReportError::Io`] if a file cannot be written.
pub fn write_all(dir: &Path, results: &Results, context: &Context<'_>) -> Result<Vec<PathBuf>, ReportError> {
    std::fs::create_dir_all(dir).map_err(ReportError::io("create directory", dir))?;
    let mut written = Vec::with_capacity(FORMATS.len());
    for format in FORMATS {
        let path = dir.join(format.file_name());
        if path.is_dir() {
            let source = std::io::Error::from(std::io::ErrorKind::IsADirectory);
            return Err(ReportError::Io { what: "write", path, source });
        }
        let text = format.render_with(results, context)?;
        written.push((temporary(dir, &path, &text)?, path));
    }
    written.into_iter().map(|(temporary, path)| persist(temporary, path)).collect()
}

/// Writes one file, completely or not at all.
///
/// # Errors
/// [`ReportError::Io`] if it cannot be written.
pub fn write_file(path: &Path, text: &str) -> Result<(), ReportError> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    persist(temporary(dir, path, text)?, path.to_owned()).map(drop)
}

fn temporary(dir: &Path, path: &Path, text: &str) -> Result<TempPath, ReportError> {
    let mut file = tempfile::Builder::new()
        .prefix(".report-")
        .permissions(Permissions::from_mode(0o666)) // less the umask: a report is for everybody
        .tempfile_in(dir)
        .map_err(ReportError::io("create a file in", dir))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(ReportError::io("write", path))?;
    Ok(file.into_temp_path())
}

fn persist(temporary: TempPath, path: PathBuf) -> Result<PathBuf, ReportError> {
    match temporary.persist(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err(ReportError::io("write", &path)(error.error)),
    }
}

/// Makes `reports_dir/latest` a link to `reports_dir/<run_id>`, in one step, and returns the link's path.
///
/// # Errors
/// [`ReportError::Latest`] if `run_id` is not the name of a directory there, or if `latest` is something else than
/// a link; [`ReportError::Io`] if the link cannot be made.
pub fn latest(reports_dir: &Path, run_id: &str) -> Result<PathBuf, ReportError> {
    let link = reports_dir.join(LATEST);
    let refuse = |why| ReportError::Latest { link: link.clone(), run: run_id.to_owned(), why };
    let mut parts = Path::new(run_id).components();
    let one_name = matches!((parts.next(), parts.next()), (Some(Component::Normal(name)), None) if name == OsStr::new(run_id));
    if !one_name || run_id == LATEST {
        return Err(refuse("a run's id is the name of one directory; give the run another id"));
    }
    if !reports_dir.join(run_id).is_dir() {
        return Err(refuse("there is no such directory; write the run's report first"));
    }
    if link.symlink_metadata().is_ok_and(|meta| !meta.is_symlink()) {
        return Err(refuse("it exists and is not a link; move it away"));
    }
    tempfile::Builder::new()
        .prefix(".latest-")
        .make_in(reports_dir, |temporary| symlink(run_id, temporary))
        .map_err(ReportError::io("create a link in", reports_dir))?
        .into_temp_path()
        .persist(&link)
        .map_err(|error| ReportError::io("write", &link)(error.error))?;
    Ok(link)
}
