//! Writes the sample report, to be looked at: `cargo run -p report --example sample -- DIR [BUILDS POINTS]`.
//! With `DIR RUN`, where RUN is a folder with results.json, it writes the report of that run into DIR.

use report::Context;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir: PathBuf = arguments.next().ok_or("name a directory")?.into();
    let (results, run) = match (arguments.next(), arguments.next()) {
        (Some(builds), Some(points)) => {
            (report::sample::sized(builds.parse()?, points.parse()?), dir.clone())
        }
        (Some(run), None) => (report::load(&Path::new(&run).join("results.json"))?, run.into()),
        _ => (report::sample::results(), dir.clone()),
    };
    for path in report::write_all(&dir, &results, &Context { evidence: Some(&run), ..Context::default() })? {
        println!("{}", path.display());
    }
    Ok(())
}
