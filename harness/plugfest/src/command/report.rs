//! `plugfest report`: the reports of a run again, as this plugfest writes them.

use crate::cli::ReportArgs;
use crate::command::diff::{baseline, results};
use crate::command::explain::meaning;
use crate::exit::{Exit, Failure};
use crate::terminal;
use report::Context;

/// Writes every format and prints the matrix, or prints one format. The exit code is about the writing, not about the
/// results.
pub fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    let (folder, results) = results(&args.from, &args.out)?;
    let baseline = args.baseline.as_deref().map(|which| baseline(which, &args.out)).transpose()?;
    let context = Context { evidence: Some(&folder), meaning: Some(&meaning), baseline: baseline.as_ref() };
    let failed = |error| Failure::infrastructure(format!("failed to {error}"));
    if let Some(format) = args.format.as_deref().and_then(report::format_named) {
        print!("{}", format.render_with(&results, &context).map_err(failed)?);
        return Ok(Exit::AsExpected);
    }
    let to = args.to.as_deref().unwrap_or(&folder);
    report::write_all(to, &results, &context).map_err(failed)?;
    print!("{}", report::terminal::render(&results, &terminal::options(&std::io::stdout(), args.color)));
    println!("\nReport: {}", to.join("index.html").display());
    Ok(Exit::AsExpected)
}
