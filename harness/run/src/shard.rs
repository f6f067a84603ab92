//! A part of a plan, so that several machines share a run: which cells it has follows from their ids alone.

use crate::Plan;
use record::Shard;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

impl Plan {
    /// Leaves the cells of one shard, and those that have to go first for them: each shard tries the control of its
    /// firmware itself.
    pub fn keep(&mut self, shard: Shard) {
        let mine = |id: &str| {
            let digest = Sha256::digest(id);
            let number = u64::from_be_bytes(std::array::from_fn(|at| digest[at]));
            number % u64::from(shard.count.max(1)) + 1 == u64::from(shard.number)
        };
        let kept = (0..self.cells.len()).filter(|index| mine(&self.cells[*index].id));
        let kept: BTreeSet<usize> =
            kept.flat_map(|index| self.gates(index).chain([index]).collect::<Vec<_>>()).collect();
        self.sharded = Some((shard, self.cells.len()));
        let mut index = 0;
        self.cells.retain(|_| {
            index += 1;
            kept.contains(&(index - 1))
        });
    }
}
