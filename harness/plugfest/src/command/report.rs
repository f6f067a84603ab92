//! `plugfest report`: the reports of a run again, as this plugfest writes them.

use crate::cli::ReportArgs;
use crate::command::diff::results;
use crate::exit::{Exit, Failure};
use crate::terminal;

/// Writes every format and prints the matrix. The exit code is about the writing, not about the results.
pub fn report(args: &ReportArgs) -> Result<Exit, Failure> {
    let (folder, results) = results(&args.from, &args.out)?;
    let to = args.to.as_deref().unwrap_or(&folder);
    report::write_all_to(to, &results, &folder).map_err(Failure::infrastructure)?;
    print!("{}", report::terminal::render(&results, &terminal::options(&std::io::stdout(), args.color)));
    println!("\nReport: {}", to.join("index.html").display());
    Ok(Exit::AsExpected)
}
