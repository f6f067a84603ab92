//! Writes the sample report, to be looked at: `cargo run -p report --example sample -- DIR [BUILDS POINTS]`.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir: PathBuf = arguments.next().ok_or("name a directory")?.into();
    let results = match (arguments.next(), arguments.next()) {
        (Some(builds), Some(points)) => report::sample::sized(builds.parse()?, points.parse()?),
        _ => report::sample::results(),
    };
    for path in report::write_all(&dir, &results)? {
        println!("{}", path.display());
    }
    Ok(())
}
