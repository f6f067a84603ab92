//! The stories of many cells, deflated together: a page of thousands opens at once and unpacks only what is looked at.

use super::{data::for_base64, story};
use crate::{Meaning, words};
use flate2::{Compression, write::DeflateEncoder};
use record::{CellResult, Results};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;

/// Bytes of JSON after which a block is full: unpacked in a few milliseconds.
const BLOCK: usize = 256 << 10;
/// Bytes of all blocks in the page.
const BUDGET: usize = 3_000_000;

/// A cell's bundle, in its directory.
pub(super) const BUNDLE: &str = "bundle.zip";

/// What the page knows of each cell beyond its result.
#[derive(Default)]
pub(super) struct Blocks {
    /// Deflated (RFC 1951) JSON lists of stories, in base 64.
    pub blocks: Vec<String>,
    /// Block and position of a cell's story, by the cell's address in memory: two cells may claim the same id.
    places: HashMap<*const CellResult, (usize, usize)>,
    /// Cells that left evidence of which nothing is in the page because it is full.
    pub left_out: usize,
    /// Cells whose evidence is not there any more.
    pub gone: usize,
    /// Cells with a bundle beside their evidence.
    bundled: HashSet<*const CellResult>,
}

impl Blocks {
    /// The stories of the cells whose evidence is in `directory`; cells that need attention first, as long as there is room.
    pub fn of(results: &Results, directory: &Path, meaning: Option<Meaning<'_>>) -> Self {
        Self::within(BUDGET, results, directory, meaning)
    }

    fn within(budget: usize, results: &Results, directory: &Path, meaning: Option<Meaning<'_>>) -> Self {
        let family_of = |cell: &CellResult| {
            let build = results.firmware.iter().find(|build| build.id == cell.firmware);
            build.map_or("", |build| build.family.as_str())
        };
        let mut cells: Vec<_> = results.cells.iter().filter(|cell| cell.evidence.is_some()).collect();
        cells.sort_by_key(|cell| !words::is_deviation(cell));
        let mut packer = Packer::default();
        for cell in cells {
            let bundle = cell.evidence.as_ref().map(|evidence| format!("{}/{BUNDLE}", evidence.directory));
            if bundle.is_some_and(|bundle| story::inside(directory, &bundle).is_some()) {
                packer.done.bundled.insert(cell);
            }
            if packer.size >= budget {
                packer.done.left_out += 1;
                continue;
            }
            let path = cell.evidence.as_ref().map_or("", |evidence| &evidence.timeline);
            let says = |line: &str| meaning.and_then(|meaning| meaning(family_of(cell), line));
            match story::read(directory, path, says) {
                Some(story) => packer.add(cell, &story),
                None => packer.done.gone += 1,
            }
        }
        packer.end_block();
        packer.done
    }

    /// Whether [`BUNDLE`] is beside the evidence of `cell`.
    pub fn has_bundle(&self, cell: &CellResult) -> bool {
        self.bundled.contains(&std::ptr::from_ref(cell))
    }

    /// Where the story of `cell` is, if there is one.
    pub fn place(&self, cell: &CellResult) -> Option<(usize, usize)> {
        self.places.get(&std::ptr::from_ref(cell)).copied()
    }
}

#[derive(Default)]
struct Packer {
    done: Blocks,
    open: Vec<String>,
    /// Bytes in the open block.
    raw: usize,
    /// Bytes of base 64 so far.
    size: usize,
}

impl Packer {
    fn add(&mut self, cell: &CellResult, story: &Value) {
        self.done.places.insert(cell, (self.done.blocks.len(), self.open.len()));
        let text = story.to_string();
        self.raw += text.len();
        self.open.push(text);
        if self.raw >= BLOCK {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let json = format!("[{}]", std::mem::take(&mut self.open).join(","));
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        let packed = encoder.write_all(json.as_bytes()).and_then(|()| encoder.finish());
        let block = for_base64(&packed.expect("invariant: a Vec takes every byte"));
        self.size += block.len();
        self.raw = 0;
        self.done.blocks.push(block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn what_needs_attention_comes_first_and_the_rest_is_counted() {
        let results = sample::results();
        let run = tempfile::tempdir().unwrap();
        // Half a block each, of digits that do not pack well.
        let digits: Vec<_> =
            (1_u64..9_000).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20).to_string()).collect();
        let line =
            |text: &str| serde_json::json!({"at": 0, "what": {"event": "console", "line": text}}).to_string();
        let timeline: Vec<_> = digits.chunks(70).map(|chunk| line(&chunk.concat())).collect();
        let with_evidence =
            results.cells.iter().filter_map(|cell| cell.evidence.as_ref().map(|paths| (cell, paths)));
        for (_, paths) in with_evidence.clone() {
            std::fs::create_dir_all(run.path().join(&paths.directory)).unwrap();
            std::fs::write(run.path().join(&paths.timeline), timeline.join("\n")).unwrap();
        }
        let (total, deviations) = (
            with_evidence.clone().count(),
            with_evidence.clone().filter(|(cell, _)| words::is_deviation(cell)).count(),
        );
        let all = Blocks::within(usize::MAX, &results, run.path(), None);
        assert_eq!((all.places.len(), all.left_out, all.gone), (total, 0, 0));
        let few = Blocks::within(all.blocks[0].len() * 4, &results, run.path(), None);
        assert!(few.left_out > 0 && few.places.len() + few.left_out == total);
        assert!(few.places.len() < deviations, "the test is about deviations that fill the page");
        for (cell, _) in with_evidence {
            assert!(few.place(cell).is_none() || words::is_deviation(cell), "{}", cell.id);
        }
    }

    #[test]
    fn a_bundle_is_known_if_it_is_there() {
        let results = sample::results();
        let run = tempfile::tempdir().unwrap();
        let [first, second] = [&results.cells[0], &results.cells[1]];
        let directory = run.path().join(&first.evidence.as_ref().unwrap().directory);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join(BUNDLE), "").unwrap();
        let blocks = Blocks::of(&results, run.path(), None);
        assert!(blocks.has_bundle(first) && !blocks.has_bundle(second));
    }
}
