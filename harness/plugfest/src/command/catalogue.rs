//! `plugfest list catalogue`: every scenario by area, with its clause and why it is there, and what of each specification is
//! covered. The page in `scenarios/CATALOGUE.md` is made by it.

use judge::Waivers;
use record::Level;
use report::markdown_text as text;
use scenario::Scenario;
use std::collections::BTreeMap;
use std::fmt::Write;

/// What is known of a clause.
#[derive(Default)]
struct Clause<'a> {
    scenarios: Vec<&'a str>,
    points: usize,
    /// Points that ask something of a client.
    asking: usize,
    /// Points at which some build is known to do otherwise.
    waived: usize,
}

/// The page, in GitHub's Markdown.
pub fn catalogue(scenarios: &[Scenario], waivers: &Waivers) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, scenarios, waivers);
    out
}

fn write(out: &mut String, scenarios: &[Scenario], waivers: &Waivers) -> std::fmt::Result {
    let points: usize = scenarios.iter().map(|scenario| scenario.points().len()).sum();
    writeln!(
        out,
        "# Catalogue\n\nMade by `plugfest list catalogue`: {} scenarios, {points} points.\n",
        scenarios.len()
    )?;
    let mut areas: BTreeMap<&str, Vec<&Scenario>> = BTreeMap::new();
    for scenario in scenarios {
        let area = scenario.id.split('/').next().unwrap_or_default();
        areas.entry(area).or_default().push(scenario);
    }
    for (area, scenarios) in areas {
        let points: usize = scenarios.iter().map(|scenario| scenario.points().len()).sum();
        writeln!(out, "## {area} ({} scenarios, {points} points)\n", scenarios.len())?;
        writeln!(
            out,
            "| scenario | level | points | clause | what a client does | why |\n|---|---|---:|---|---|---|"
        )?;
        for scenario in scenarios {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} |",
                text(&scenario.id),
                scenario.requirement.level,
                scenario.points().len(),
                text(&scenario.requirement.spec),
                text(&scenario.title),
                text(&scenario.why)
            )?;
        }
        writeln!(out)?;
    }
    write_coverage(out, scenarios, waivers)
}

fn write_coverage(out: &mut String, scenarios: &[Scenario], waivers: &Waivers) -> std::fmt::Result {
    let mut clauses: BTreeMap<&str, Clause<'_>> = BTreeMap::new();
    for scenario in scenarios {
        for name in scenario.requirement.spec.split(';').map(str::trim) {
            let clause = clauses.entry(name).or_default();
            clause.scenarios.push(&scenario.id);
            for point in scenario.points() {
                clause.points += 1;
                clause.asking += usize::from(point.level != Level::Observe);
                clause.waived += usize::from(waivers.are_about(&point.id));
            }
        }
    }
    writeln!(
        out,
        "## Coverage\n\n*Covered*: points ask something of a client. *Waived*: covered, and a build of the catalog is known to do otherwise. \
         *Open*: only observed, because the clause leaves it to the client or nobody has written an expectation yet.\n"
    )?;
    writeln!(out, "| clause | state | points | waived | scenarios |\n|---|---|---:|---:|---|")?;
    for (name, clause) in clauses {
        let state = match (clause.asking, clause.waived) {
            (0, _) => "open",
            (_, 0) => "covered",
            _ => "waived",
        };
        let scenarios: Vec<String> = clause.scenarios.iter().map(|id| text(id)).collect();
        writeln!(
            out,
            "| {} | {state} | {} | {} | {} |",
            text(name),
            clause.points,
            clause.waived,
            scenarios.join(", ")
        )?;
    }
    Ok(())
}
