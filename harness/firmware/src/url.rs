//! A build from a URL: downloaded by curl, which goes on where it was interrupted, and used only if it is what the catalog says.

use crate::digest;
use crate::source::{Package, SourceError};
use crate::tool::{self, Failed};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What curl ends with when the server cannot go on from the middle, and when there is nothing after what is here.
const NO_RANGE: [i32; 2] = [33, 36];

/// What curl ends with when a host has no address or does not answer.
const UNREACHABLE: [i32; 3] = [6, 7, 28];

/// Hosts that could not be reached a moment ago: a catalog has many builds of one, and each would wait for it.
static SILENT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Downloads `url` into `keep`, and unpacks it below `scratch` if its digest is `sha256`.
pub(crate) fn fetch(
    url: &str,
    sha256: &str,
    scratch: &Path,
    keep: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<Package, SourceError> {
    let name = url.rsplit('/').find(|part| !part.is_empty()).unwrap_or("download");
    let part = keep.join(format!("{}.part", &sha256[..16]));
    let root = scratch.join("root");
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| SourceError::Io { path, source }
    };
    fs::create_dir_all(&root).map_err(io(&root))?;
    let has_digest = || digest::sha256_file(&part).is_ok_and(|found| found == sha256);
    if !has_digest() {
        say(&format!("downloading {url}"));
        download(url, &part)?;
    }
    let found = digest::sha256_file(&part).map_err(io(&part))?;
    if found != sha256 {
        fs::remove_file(&part).map_err(io(&part))?;
        return Err(SourceError::Digest { url: url.to_owned(), expected: sha256.to_owned(), found });
    }
    if [".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst"].iter().any(|end| name.ends_with(end)) {
        // GNU tar takes neither absolute names nor such that lead out of the folder.
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--no-same-owner", "--no-same-permissions", "--file"])
            .arg(&part)
            .arg("--directory")
            .arg(&root);
        tool::run(&mut tar)
            .map_err(|failed| SourceError::Unpack { package: name.to_owned(), why: failed.why })?;
        fs::remove_file(&part).map_err(io(&part))?;
    } else {
        fs::rename(&part, root.join(name)).map_err(io(&root))?;
    }
    Ok(Package { version: None, sha256: found, root })
}

fn download(url: &str, part: &Path) -> Result<(), SourceError> {
    let host = url.split('/').nth(2).unwrap_or_default();
    if silent().iter().any(|silent| silent == host) {
        let why = format!("{host} did not answer a moment ago");
        return Err(SourceError::Download { url: url.to_owned(), why });
    }
    let curl = || {
        let mut curl = Command::new("curl");
        curl.args(["--fail", "--location", "--silent", "--show-error", "--proto", "=http,https,file"])
            .args([
                "--connect-timeout",
                "10",
                "--speed-limit",
                "1000",
                "--speed-time",
                "60",
                "--continue-at",
                "-",
            ])
            .arg("--output")
            .arg(part)
            .arg(url);
        tool::run(&mut curl)
    };
    let got = match curl() {
        Err(Failed { code: Some(code), .. }) if NO_RANGE.contains(&code) => {
            let _ = fs::remove_file(part);
            curl()
        }
        got => got,
    };
    got.map(drop).map_err(|Failed { code, why }| {
        if code.is_some_and(|code| UNREACHABLE.contains(&code)) {
            silent().push(host.to_owned());
        }
        SourceError::Download { url: url.to_owned(), why }
    })
}

fn silent() -> MutexGuard<'static, Vec<String>> {
    SILENT.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::path::PathBuf;
    use std::thread;

    /// Serves `content` once for each of `most`: that many octets of what was asked for, then the connection ends.
    fn serve(content: &'static [u8], most: Vec<usize>) -> (String, thread::JoinHandle<Vec<usize>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/firmware.fd", listener.local_addr().unwrap());
        let served = thread::spawn(move || {
            let mut begins = Vec::new();
            for most in most {
                let (mut stream, _) = listener.accept().unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
                let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let range = head
                    .iter()
                    .find_map(|line| line.strip_prefix("Range: bytes=")?.strip_suffix('-')?.parse().ok());
                let begin: usize = range.unwrap_or(0);
                begins.push(begin);
                let (rest, last) = (&content[begin..], content.len() - 1);
                let status = if begin == 0 { "200 OK" } else { "206 Partial Content" };
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Range: bytes {begin}-{last}/{}\r\n\r\n",
                    rest.len(),
                    content.len()
                )
                .unwrap();
                stream.write_all(&rest[..rest.len().min(most)]).unwrap();
            }
            begins
        });
        (url, served)
    }

    const CONTENT: &[u8] = b"what a build consists of";

    fn get(url: &str, sha256: &str, keep: &Path) -> Result<(PathBuf, tempfile::TempDir), SourceError> {
        let scratch = tempfile::tempdir().unwrap();
        let package = fetch(url, sha256, scratch.path(), keep, &mut |_| {})?;
        Ok((package.root, scratch))
    }

    #[test]
    fn an_interrupted_download_goes_on() {
        let keep = tempfile::tempdir().unwrap();
        let (url, served) = serve(CONTENT, vec![10, usize::MAX]);
        let sha256 = digest::sha256(CONTENT);
        let error = get(&url, &sha256, keep.path()).unwrap_err().to_string();
        assert!(error.contains("failed to download") && error.contains("goes on from there"), "{error}");
        let (root, _scratch) = get(&url, &sha256, keep.path()).unwrap();
        assert_eq!(fs::read(root.join("firmware.fd")).unwrap(), CONTENT);
        assert_eq!(served.join().unwrap(), [0, 10]);
        assert_eq!(fs::read_dir(keep.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn something_else_is_not_used() {
        let keep = tempfile::tempdir().unwrap();
        let (url, served) = serve(CONTENT, vec![usize::MAX]);
        let error = get(&url, &digest::sha256(b"other"), keep.path()).unwrap_err().to_string();
        assert!(error.contains(&digest::sha256(CONTENT)), "{error}");
        assert_eq!(fs::read_dir(keep.path()).unwrap().count(), 0);
        served.join().unwrap();
    }

    #[test]
    fn what_cannot_be_reached_is_said() {
        let keep = tempfile::tempdir().unwrap();
        let get = || {
            get("http://127.0.0.1:1/firmware.fd", &digest::sha256(b""), keep.path()).unwrap_err().to_string()
        };
        let (first, second) = (get(), get());
        assert!(first.contains("127.0.0.1:1") && !first.contains("a moment ago"), "{first}");
        assert!(second.contains("127.0.0.1:1 did not answer a moment ago"), "{second}");
    }

    #[test]
    fn an_archive_is_unpacked() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("x64")).unwrap();
        fs::write(place.path().join("x64/code.fd"), CONTENT).unwrap();
        let archive = place.path().join("build.tar.gz");
        let mut tar = Command::new("tar");
        tool::run(tar.arg("-czf").arg(&archive).arg("-C").arg(place.path()).arg("x64")).unwrap();
        let keep = tempfile::tempdir().unwrap();
        let sha256 = digest::sha256_file(&archive).unwrap();
        let (root, _scratch) = get(&format!("file://{}", archive.display()), &sha256, keep.path()).unwrap();
        assert_eq!(fs::read(root.join("x64/code.fd")).unwrap(), CONTENT);
    }
}
