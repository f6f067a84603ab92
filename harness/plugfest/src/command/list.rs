//! `plugfest list`: scenarios, firmware, cells.

use crate::cli::{ListArgs, Listed, Selection};
use crate::command::{firmware_names, open_catalog, parse_selectors, refuse_no_match, refuse_scenarios};
use crate::exit::{Exit, Failure};
use firmware::{Cached, Store};

/// Prints one line for each.
pub fn list(args: ListArgs) -> Result<Exit, Failure> {
    match args.what {
        Listed::Scenarios => scenarios(&args.selection),
        Listed::Firmware => list_firmware(&args.selection),
        Listed::Cells => cells(&args.selection),
        Listed::Catalogue => catalogue(&args.selection),
    }
}

fn scenarios(selection: &Selection) -> Result<Exit, Failure> {
    let selectors = parse_selectors(&selection.select)?;
    let scenarios = scenario::open(&selection.scenarios, &selectors).map_err(refuse_scenarios)?;
    let names = firmware_names(selection)?;
    let selected = scenario::select(&scenarios, &names, &selectors).map_err(refuse_no_match)?;
    for scenario in &scenarios {
        if selected.iter().any(|selected| selected.scenario.id == scenario.id) {
            let points = scenario.points().len();
            println!("{:32} {points:3}  {:7}  {}", scenario.id, scenario.requirement.level, scenario.title);
        }
    }
    Ok(Exit::AsExpected)
}

fn catalogue(selection: &Selection) -> Result<Exit, Failure> {
    let scenarios = scenario::load_dir(&selection.scenarios).map_err(refuse_scenarios)?;
    let waivers = judge::Waivers::load(&crate::cli::default_waivers()).map_err(Failure::bad_input)?;
    print!("{}", super::catalogue::catalogue(&scenarios, &waivers));
    Ok(Exit::AsExpected)
}

fn list_firmware(selection: &Selection) -> Result<Exit, Failure> {
    let store = Store::of_user().map_err(Failure::infrastructure)?;
    for build in open_catalog(selection.catalog.as_deref())?.builds() {
        let state = match store.cached(build) {
            Cached::Ready(firmware) => firmware.version,
            Cached::Absent => "not fetched yet".into(),
            Cached::Corrupt(what) => format!("corrupt, will be fetched again: {what}"),
        };
        println!("{:24} {:6} {:4} {state}", build.id, build.family.id(), build.architecture.as_str());
    }
    for build in firmware::system_builds() {
        println!("{:24} {}", build.id, build.description);
    }
    Ok(Exit::AsExpected)
}

fn cells(selection: &Selection) -> Result<Exit, Failure> {
    let selectors = parse_selectors(&selection.select)?;
    let scenarios = scenario::open(&selection.scenarios, &selectors).map_err(refuse_scenarios)?;
    let names = firmware_names(selection)?;
    for selected in scenario::select(&scenarios, &names, &selectors).map_err(refuse_no_match)? {
        println!("{}", selected.point.cell_id(&names[selected.firmware]));
    }
    Ok(Exit::AsExpected)
}
