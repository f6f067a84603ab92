//! `plugfest explain`: a cell's story in some ten lines.

use crate::cli::ExplainArgs;
use crate::command::diff::results;
use crate::exit::{Exit, Failure};
use observe::Mac;
use record::{CellResult, Entry, Results};
use report::Line;
use std::path::Path;

/// Bytes of a timeline that are read.
const TIMELINE: u64 = 64 << 20;
/// Cells that are offered where several are meant.
const OFFERED: usize = 8;

/// Prints the story; the exit code is about the telling, not about the cell.
pub fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    if Path::new(&args.cell).is_file() {
        return capture(Path::new(&args.cell), args.client);
    }
    let linked = link(&args.cell);
    let (run, wish) = linked.as_ref().map_or((&args.run, &args.cell), |(run, cell)| (run, cell));
    let (folder, results) = results(run, &args.out)?;
    let cell = find(&results, wish)?;
    print!("{}", text(cell, &story(&results, cell, &folder)?));
    Ok(Exit::AsExpected)
}

/// Run and cell of a link into a report page, as a browser shows it: `file:///…/index.html#CELL?packet=3`.
fn link(text: &str) -> Option<(String, String)> {
    let (page, fragment) = text.split_once("index.html#")?;
    let cell = fragment.split('?').next().unwrap_or(fragment);
    let run = decoded(page.strip_prefix("file://").unwrap_or(page));
    Some((if run.is_empty() { ".".into() } else { run }, decoded(cell)))
}

/// Without percent-encoding (RFC 3986 §2.1).
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped =
            tail.get(..2).filter(|_| byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => {
                bytes.push(value);
                rest = &tail[2..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The story of a capture that plugfest did not make.
fn capture(path: &Path, client: Option<Mac>) -> Result<Exit, Failure> {
    let capture = observe::read(path).map_err(|error| Failure::bad_input(format!("failed to {error}")))?;
    let clients = observe::clients(&capture.frames);
    let client = client.or(clients.first().copied()).ok_or_else(|| {
        Failure::bad_input(format!("failed to explain {}: no frame in it can be read", path.display()))
    })?;
    let seen = observe::observe(&capture, client);
    let blame = seen.finding.cause.and_then(judge::blame);
    println!("{}: {} packets", path.display(), capture.frames.len());
    let lines = report::explain_capture(&report::Seen {
        client: &client.to_string(),
        timeline: &seen.timeline,
        stage: seen.finding.stage,
        cause: seen.finding.cause,
        detail: &seen.finding.detail,
        blame: blame.as_ref().map(|blame| [blame.side.as_str(), blame.clause, blame.mend]),
        notes: &seen.notes,
    });
    print!("{}", rows(&lines));
    let others: Vec<String> = clients.iter().filter(|other| **other != client).map(Mac::to_string).collect();
    if !others.is_empty() {
        println!("  {:<10} {} (--client tells of them)", "others", others.join(", "));
    }
    Ok(Exit::AsExpected)
}

/// What there is to tell about a cell of a run whose evidence is below `folder`.
pub fn story(results: &Results, cell: &CellResult, folder: &Path) -> Result<Vec<Line>, Failure> {
    let timeline = timeline(cell, folder)?;
    let build = results.firmware.iter().find(|build| build.id == cell.firmware);
    let family = build.map_or("", |build| build.family.as_str());
    Ok(report::explain(results, cell, &timeline, |line| meaning(family, line)))
}

/// What a line of the console says, for a build of this family.
pub fn meaning(family: &str, line: &str) -> Option<&'static str> {
    firmware::family_by_id(family)?.console_meaning(line)
}

/// The story as it is printed.
pub fn text(cell: &CellResult, story: &[Line]) -> String {
    format!("{}\n{}", report::visible(&cell.id), rows(story))
}

fn rows(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("  {:<10} {}\n", line.topic, line.text)).collect()
}

/// The cell with this id, or the only one whose id begins so.
pub fn find<'r>(results: &'r Results, wish: &str) -> Result<&'r CellResult, Failure> {
    if let Some(cell) = results.cells.iter().find(|cell| cell.id == wish) {
        return Ok(cell);
    }
    let begun: Vec<&CellResult> = results.cells.iter().filter(|cell| cell.id.starts_with(wish)).collect();
    if let [cell] = begun[..] {
        return Ok(cell);
    }
    let several = !begun.is_empty();
    let like: Vec<&CellResult> = match several {
        true => begun,
        false => {
            // Most likely misspelt behind the area.
            let area = wish.split_inclusive('/').next().unwrap_or(wish);
            results.cells.iter().filter(|cell| cell.id.starts_with(area)).collect()
        }
    };
    let list: String = like.iter().take(OFFERED).map(|cell| format!("\n  {}", cell.id)).collect();
    let what = if several { "several cells begin so" } else { "no cell of the run has this id" };
    let run = &results.run.id;
    let offered = if list.is_empty() { String::new() } else { format!("; of run {run} there are:{list}") };
    Err(Failure::bad_input(format!("failed to find {wish}: {what}{offered}")))
}

/// The cell's timeline; empty if it has none, or its evidence is gone.
fn timeline(cell: &CellResult, folder: &Path) -> Result<Vec<Entry>, Failure> {
    use std::io::Read;
    let Some(evidence) = &cell.evidence else { return Ok(Vec::new()) };
    let path = folder.join(&evidence.timeline);
    let failed = |problem: &dyn std::fmt::Display| {
        Failure::bad_input(format!("failed to read {}: {problem}", path.display()))
    };
    let file = match std::fs::File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("plugfest: {} is gone, so what happened is not told", path.display());
            return Ok(Vec::new());
        }
        Err(error) => return Err(failed(&error)),
    };
    let mut text = String::new();
    file.take(TIMELINE).read_to_string(&mut text).map_err(|error| failed(&error))?;
    let entry = |(number, line)| {
        serde_json::from_str(line).map_err(|error| failed(&format!("line {}: {error}", number + 1)))
    };
    text.lines().enumerate().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_a_browser_names_run_and_cell() {
        let said = |text: &str| link(text);
        assert_eq!(said("dns/no-record@sid"), None);
        assert_eq!(
            said("file:///a%20b/reports/r1/index.html#http/x%5Bstatus=404%5D@sid?packet=12"),
            Some(("/a b/reports/r1/".into(), "http/x[status=404]@sid".into()))
        );
        assert_eq!(said("index.html#x/y@z%"), Some((".".into(), "x/y@z%".into())));
    }
}
