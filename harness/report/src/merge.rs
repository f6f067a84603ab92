//! Joins the parts of a run that several machines have shared, or runs of different areas or builds.

use record::{CellResult, Ended, Repeats, Results, RunRecord, ShardRecord, Verdict};
use std::collections::HashMap;

/// Runs that are of one thing, joined.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The joined results, under the id that was asked for.
    pub results: Results,
    /// By cell: the index of the run that it is from, and that has its evidence.
    pub origins: Vec<usize>,
    /// Shards of which there is no run.
    pub missing: Vec<u32>,
}

/// Runs that cannot be joined, because their results are of different things: a sentence for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n  "))]
pub struct Differences(pub Vec<String>);

/// Joins `runs` under a new id. A cell that several have, such as the control of a build, is taken once; if it did not do the
/// same in them, it is flaky.
///
/// # Errors
/// [`Differences`] if something that decides the results is not the same in all of them.
pub fn merge(id: &str, runs: &[Results]) -> Result<Merged, Differences> {
    let differences = differences(runs);
    if !differences.is_empty() {
        return Err(Differences(differences));
    }
    let mut cells: Vec<(Order<'_>, usize, CellResult)> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (origin, run) in runs.iter().enumerate() {
        let places = run.run.shard.as_ref().map(|shard| shard.places.as_slice()).unwrap_or_default();
        for (at, cell) in run.cells.iter().enumerate() {
            let Some(earlier) = known.get(cell.id.as_str()) else {
                known.insert(&cell.id, cells.len());
                cells.push(((places.get(at).copied(), &cell.scenario), origin, cell.clone()));
                continue;
            };
            let (_, its_origin, kept) = &mut cells[*earlier];
            if kept.verdict == Verdict::Error && cell.verdict != Verdict::Error {
                (*its_origin, *kept) = (origin, cell.clone());
            } else if cell.verdict != Verdict::Error {
                twice(kept, cell);
            }
        }
    }
    cells.sort_by_key(|(order, ..)| *order);
    let (origins, cells) = cells.into_iter().map(|(_, origin, cell)| (origin, cell)).unzip();
    let mut firmware = Vec::new();
    for build in runs.iter().flat_map(|run| &run.firmware) {
        match firmware.iter_mut().find(|known: &&mut record::FirmwareRecord| known.id == build.id) {
            None => firmware.push(build.clone()),
            Some(known) => {
                known.accelerator = known.accelerator.or(build.accelerator);
                known.entropy = known.entropy.or(build.entropy);
            }
        }
    }
    let mut results = Results { schema: record::SCHEMA_ID.into(), run: run(id, runs), firmware, cells };
    if results.run.planned == 0 {
        let unfinished: usize = runs.iter().map(|run| run.run.planned.saturating_sub(run.cells.len())).sum();
        results.run.planned = results.cells.len() + unfinished;
    }
    Ok(Merged { results, origins, missing: missing(runs) })
}

/// The place in the whole run where it is known, then the scenario.
type Order<'a> = (Option<usize>, &'a str);

/// What is not the same in the runs, of that which decides their results.
fn differences(runs: &[Results]) -> Vec<String> {
    let mut found = Vec::new();
    let mut known: HashMap<String, (String, &str)> = HashMap::new();
    for run in runs {
        let id = run.run.id.as_str();
        let RunRecord { plugfest, qemus, clock, seed, repeat, .. } = &run.run;
        let mut same = |what: String, value: String| match known.get(&what) {
            None => drop(known.insert(what, (value, id))),
            Some((other, of)) if *other != value => {
                let line = format!("{what} is {other} in {of}, and {value} in {id}");
                if !found.contains(&line) {
                    found.push(line);
                }
            }
            Some(_) => {}
        };
        same("plugfest".into(), plugfest.clone());
        for qemu in qemus {
            let version = format!("{} ({})", qemu.version, crate::words::short(&qemu.sha256));
            same(qemu.program.clone(), version);
        }
        same("the clock".into(), crate::words::clock(*clock).into());
        same("the seed".into(), seed.to_string());
        same("the number of repeats".into(), repeat.to_string());
        let shard =
            |shard: &ShardRecord| format!("one of {} with {} cells in all", shard.shard.count, shard.planned);
        same("a shard".into(), run.run.shard.as_ref().map_or("a run of its own".into(), shard));
        for build in &run.firmware {
            let digest = |file: &record::ImageFile| crate::words::short(&file.sha256).to_owned();
            let vars = build.vars.as_ref().map_or("none".into(), digest);
            same(format!("firmware {}", build.id), format!("{} with variables {vars}", digest(&build.code)));
        }
        for cell in &run.cells {
            let sha256 = crate::words::short(&cell.scenario_sha256).to_owned();
            same(format!("the SHA-256 of scenario {}", cell.scenario), sha256);
        }
    }
    found
}

/// The same cell in another run is a repeat of it.
fn twice(kept: &mut CellResult, other: &CellResult) {
    let differs = Ended::of(kept) != Ended::of(other) || kept.transcript != other.transcript;
    if differs || kept.flaky {
        let Repeats { runs, differing } = kept.repeats.unwrap_or(Repeats { runs: 1, differing: 0 });
        kept.repeats = Some(Repeats { runs: runs + 1, differing: differing + u32::from(differs) });
        kept.flaky = true;
    }
}

fn run(id: &str, runs: &[Results]) -> RunRecord {
    let records = || runs.iter().map(|run| &run.run);
    let first = &runs[0].run;
    RunRecord {
        id: id.into(),
        started: records().map(|run| run.started.clone()).min().unwrap_or_default(),
        // They ran beside one another, on machines of their own.
        wall_seconds: records().map(|run| run.wall_seconds).fold(0.0, f64::max),
        qemus: records().flat_map(|run| &run.qemus).fold(Vec::new(), |mut known, qemu| {
            if !known.contains(qemu) {
                known.push(qemu.clone());
            }
            known
        }),
        jobs: records().map(|run| run.jobs).sum(),
        planned: first.shard.as_ref().map_or(0, |shard| shard.planned),
        interrupted: records().any(|run| run.interrupted),
        stopped: records().find_map(|run| run.stopped.clone()),
        retries: records().map(|run| run.retries).sum(),
        shard: None,
        ..first.clone()
    }
}

fn missing(runs: &[Results]) -> Vec<u32> {
    let shards = || runs.iter().filter_map(|run| run.run.shard.as_ref());
    let count = shards().map(|shard| shard.shard.count).max().unwrap_or(0);
    (1..=count).filter(|number| shards().all(|shard| shard.shard.number != *number)).collect()
}
