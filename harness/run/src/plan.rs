//! Which cells a run has.

use crate::{Equipment, Unequipped};
use firmware::Firmware;
use indexmap::IndexMap;
use record::{Capability, Expected, Level};
use scenario::{Point, Scenario, Selected};
use services::NetworkSettings;
use std::path::Path;

/// The scenario that every firmware must boot before anything is said about it.
pub const CONTROL: &str = "control/plain";

/// One point of a scenario on one firmware.
#[derive(Clone, Debug)]
pub struct Cell {
    /// `scenario[point]@firmware`.
    pub id: String,
    /// Scenario id.
    pub scenario: String,
    /// Scenario title.
    pub title: String,
    /// Specification and section.
    pub clause: String,
    /// SHA-256 of the scenario file.
    pub scenario_sha256: String,
    /// Swept settings.
    pub params: IndexMap<String, serde_json::Value>,
    /// Requirement level.
    pub level: Level,
    /// What a conforming client does.
    pub expected: Expected,
    /// What the scenario needs of the firmware.
    pub needs: Vec<Capability>,
    /// The network.
    pub network: NetworkSettings,
    /// What `equip` has made for it, or why it could not.
    pub equipment: Result<Equipment, Unequipped>,
    /// The resolved scenario as YAML, for `cell.yaml`.
    pub resolved: String,
    /// Index into [`Plan::firmware`].
    pub firmware: usize,
}

impl Cell {
    /// Whether this is its firmware's control cell.
    pub fn is_control(&self) -> bool {
        self.scenario == CONTROL
    }
}

/// What a run is going to do.
pub struct Plan {
    /// Firmware columns.
    pub firmware: Vec<Firmware>,
    /// Cells, ordered by scenario, point and firmware.
    pub cells: Vec<Cell>,
}

/// The control scenario, as shipped: it is in every run, whatever else was selected.
pub fn control() -> Scenario {
    let path = Path::new("control/plain.yaml");
    let shipped = include_bytes!("../../../scenarios/control/plain.yaml");
    Scenario::parse(path, shipped, Some(CONTROL))
        .expect("invariant: a test reads the shipped control scenario")
}

/// The cells of `selected`, and before them a control cell for each firmware that has any.
pub fn plan(selected: &[Selected<'_>], firmware: Vec<Firmware>, control: &Scenario) -> Plan {
    let mut cells = Vec::new();
    for (index, build) in firmware.iter().enumerate() {
        let of_build: Vec<_> = selected.iter().filter(|selected| selected.firmware == index).collect();
        let has_control = of_build.iter().any(|selected| selected.scenario.id == CONTROL);
        if !of_build.is_empty() && !has_control {
            cells.extend(control.points().iter().map(|point| cell(control, point, index, build)));
        }
    }
    cells.extend(selected.iter().map(|s| cell(s.scenario, s.point, s.firmware, &firmware[s.firmware])));
    Plan { firmware, cells }
}

/// What a scenario needs, and what one of its points does: over which IP version it boots is a setting.
fn needs(scenario: &Scenario, point: &Point) -> Vec<Capability> {
    let ipv6 = point.network.client.boot.is_ipv6() && !scenario.needs.contains(&Capability::Ipv6);
    scenario.needs.iter().copied().chain(ipv6.then_some(Capability::Ipv6)).collect()
}

fn cell(scenario: &Scenario, point: &Point, index: usize, build: &Firmware) -> Cell {
    Cell {
        id: point.cell_id(&build.id),
        scenario: scenario.id.clone(),
        title: scenario.title.clone(),
        clause: scenario.requirement.spec.clone(),
        scenario_sha256: scenario.sha256.clone(),
        params: point.params.clone(),
        level: point.level,
        expected: point.expected.clone(),
        needs: needs(scenario, point),
        network: point.network.clone(),
        equipment: Ok(Equipment::default()),
        resolved: scenario.resolved(point),
        firmware: index,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_control_is_the_plain_network() {
        let control = super::control();
        let [point] = control.points() else { panic!("the control scenario has one point") };
        assert_eq!(point.network, services::NetworkSettings::default());
        assert_eq!(point.expected.outcome, [record::Outcome::Boots]);
    }
}
