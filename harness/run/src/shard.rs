//! A part of a plan: the points of some levels, or a shard, so that several machines share a run. Which cells a shard has follows
//! from their ids alone.

use crate::Plan;
use record::{Level, Shard};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

impl Plan {
    /// Leaves the cells of these levels, and those that have to go first for them.
    pub fn keep_levels(&mut self, levels: &[Level]) {
        let kept: Vec<usize> =
            (0..self.cells.len()).filter(|index| levels.contains(&self.cells[*index].level)).collect();
        self.retain(&kept);
        for (place, cell) in self.cells.iter_mut().enumerate() {
            cell.place = place;
        }
    }

    /// Leaves the cells of one shard, and those that have to go first for them: each shard tries the control of its
    /// firmware itself.
    pub fn keep(&mut self, shard: Shard) {
        let mine = |id: &str| {
            let digest = Sha256::digest(id);
            let number = u64::from_be_bytes(std::array::from_fn(|at| digest[at]));
            number % u64::from(shard.count.max(1)) + 1 == u64::from(shard.number)
        };
        let kept: Vec<usize> = (0..self.cells.len()).filter(|index| mine(&self.cells[*index].id)).collect();
        self.sharded = Some((shard, self.cells.len()));
        self.retain(&kept);
    }

    /// Leaves these cells and their gates.
    fn retain(&mut self, wanted: &[usize]) {
        let with_gates = |index: &usize| self.gates(*index).chain([*index]).collect::<Vec<_>>();
        let kept: BTreeSet<usize> = wanted.iter().flat_map(with_gates).collect();
        let mut index = 0;
        self.cells.retain(|_| {
            index += 1;
            kept.contains(&(index - 1))
        });
    }
}
