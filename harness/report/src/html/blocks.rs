//! The stories of many cells, deflated together: a page of thousands opens at once and unpacks only what is looked at.

use super::{data::for_base64, story};
use crate::words;
use flate2::{Compression, write::DeflateEncoder};
use record::{CellResult, Results};
use serde_json::Value;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// Bytes of JSON after which a block is full: unpacked in a few milliseconds.
const BLOCK: usize = 256 << 10;
/// Bytes of all blocks in the page.
const BUDGET: usize = 3_000_000;

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
}

impl Blocks {
    /// The stories of the cells whose evidence is in `directory`; cells that need attention first, as long as there is room.
    pub fn of(results: &Results, directory: &Path) -> Self {
        let mut cells: Vec<_> = results.cells.iter().filter(|cell| cell.evidence.is_some()).collect();
        cells.sort_by_key(|cell| !words::is_deviation(cell));
        let mut packer = Packer::default();
        for cell in cells {
            if packer.size >= BUDGET {
                packer.done.left_out += 1;
                continue;
            }
            let path = cell.evidence.as_ref().map_or("", |evidence| &evidence.timeline);
            match story::read(directory, path) {
                Some(story) => packer.add(cell, &story),
                None => packer.done.gone += 1,
            }
        }
        packer.end_block();
        packer.done
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
