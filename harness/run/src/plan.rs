//! Which cells a run has.

use crate::{Equipment, Unequipped};
use firmware::Firmware;
use indexmap::IndexMap;
use record::{Assertion, Capability, Expected, Level, Shard};
use scenario::{Point, Scenario, Selected};
use services::NetworkSettings;
use std::path::Path;

/// The scenario that a firmware must boot before anything is said about it: boot by HTTP, if it can.
pub const CONTROL: &str = "control/plain";
/// The same for a firmware that has no boot by HTTP.
const CONTROL_WITHOUT_HTTP: &str = "control/pxe";

/// The controls, as shipped. What one of them needs, it probes: a firmware that is declared to be without that and does
/// not boot it is not tried on the other scenarios that need it. A new one is a file there and a line here.
const SHIPPED: [(&str, &[u8]); 6] = [
    (CONTROL, include_bytes!("../../../scenarios/control/plain.yaml")),
    (CONTROL_WITHOUT_HTTP, include_bytes!("../../../scenarios/control/pxe.yaml")),
    ("control/https", include_bytes!("../../../scenarios/control/https.yaml")),
    ("control/ipv6", include_bytes!("../../../scenarios/control/ipv6.yaml")),
    ("control/ram-disk", include_bytes!("../../../scenarios/control/ram-disk.yaml")),
    ("control/secure-boot", include_bytes!("../../../scenarios/control/secure-boot.yaml")),
];

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
    /// What it does on the way.
    pub conversation: Vec<Assertion>,
    /// Whether it is its firmware's control.
    pub control: bool,
    /// The first of what it needs that the firmware is declared to be without.
    pub lacks: Option<Capability>,
    /// The network.
    pub network: NetworkSettings,
    /// What `equip` has made for it, or why it could not.
    pub equipment: Result<Equipment, Unequipped>,
    /// The resolved scenario as YAML, for `cell.yaml`.
    pub resolved: String,
    /// Index into [`Plan::firmware`].
    pub firmware: usize,
    /// Its place among all cells that were selected, also where the plan is a part of them.
    pub place: usize,
}

impl Cell {
    /// What its firmware is declared to be without, if this cell probes that.
    pub(crate) fn probes(&self) -> Option<Capability> {
        let control = SHIPPED.iter().any(|(id, _)| self.scenario == *id);
        self.lacks.filter(|_| control && !self.control)
    }

    /// Whether its guest starts with variables that the scenario has written.
    pub(crate) fn writes_variables(&self) -> bool {
        let client = &self.network.client;
        !client.nvram.entries.is_empty() || client.secure_boot.is_set()
    }
}

/// What a run is going to do.
pub struct Plan {
    /// Firmware columns.
    pub firmware: Vec<Firmware>,
    /// Cells, ordered by scenario, point and firmware.
    pub cells: Vec<Cell>,
    /// Which part of all cells these are, and how many there are in all; all of them if absent.
    pub sharded: Option<(Shard, usize)>,
}

impl Plan {
    /// The cells that run before the one at `index` and may spare it: its firmware's control, then the probe of what it lacks.
    pub(crate) fn gates(&self, index: usize) -> impl Iterator<Item = usize> {
        let cell = &self.cells[index];
        let is_gate = move |other: &Cell| {
            other.firmware == cell.firmware
                && !cell.control
                && (other.control
                    || cell.probes().is_none() && cell.lacks.is_some() && other.probes() == cell.lacks)
        };
        let of_kind =
            move |control| self.cells.iter().position(|other| other.control == control && is_gate(other));
        of_kind(true).into_iter().chain(of_kind(false))
    }
}

/// The control scenarios, as shipped: they are in every run that has use for them, whatever else was selected.
pub fn controls() -> Vec<Scenario> {
    let parse = |(id, shipped): (&str, &[u8])| {
        Scenario::parse(&Path::new(id).with_extension("yaml"), shipped, Some(id))
            .expect("invariant: a test reads the shipped controls")
    };
    SHIPPED.into_iter().map(parse).collect()
}

/// The cells of `selected`, and before them the cells of `controls` that each firmware needs and that are not selected: the
/// one that needs nothing, and those that probe what the firmware is declared to be without and a selected cell needs.
pub fn plan(selected: &[Selected<'_>], firmware: Vec<Firmware>, controls: &[Scenario]) -> Plan {
    let mut cells = Vec::new();
    for (index, build) in firmware.iter().enumerate() {
        let of_build: Vec<_> = selected.iter().filter(|selected| selected.firmware == index).collect();
        if of_build.is_empty() {
            continue;
        }
        let missed: Vec<_> =
            of_build.iter().filter_map(|selected| lack(selected.scenario, selected.point, build)).collect();
        for control in controls {
            let absent = of_build.iter().all(|selected| selected.scenario.id != control.id);
            let points = control.points().iter().filter(|point| match lack(control, point, build) {
                _ if !absent => false,
                Some(lack) => control.id == control_of(build) || missed.contains(&lack),
                None => control.id == control_of(build),
            });
            cells.extend(points.map(|point| cell(control, point, index, build)));
        }
    }
    cells.extend(selected.iter().map(|s| cell(s.scenario, s.point, s.firmware, &firmware[s.firmware])));
    for (place, cell) in cells.iter_mut().enumerate() {
        cell.place = place;
    }
    Plan { firmware, cells, sharded: None }
}

/// The control of a firmware.
fn control_of(build: &Firmware) -> &'static str {
    if build.has(Capability::Http) { CONTROL } else { CONTROL_WITHOUT_HTTP }
}

/// What a firmware is declared to be without and the scenario needs, or one of its points: over which IP version it boots is
/// a setting.
fn lack(scenario: &Scenario, point: &Point, build: &Firmware) -> Option<Capability> {
    let ipv6 = point.network.client.boot.is_ipv6().then_some(Capability::Ipv6);
    scenario.needs.iter().copied().chain(ipv6).find(|need| !build.has(*need))
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
        conversation: point.conversation.clone(),
        control: scenario.id == control_of(build),
        lacks: lack(scenario, point, build),
        network: point.network.clone(),
        equipment: Ok(Equipment::default()),
        resolved: scenario.resolved(point),
        firmware: index,
        place: 0,
    }
}

#[cfg(test)]
mod tests {
    use record::Capability;

    #[test]
    fn the_control_is_the_plain_network_and_the_others_need_what_they_probe() {
        let controls = super::controls();
        for control in &controls {
            let [point] = control.points() else { panic!("{} has one point", control.id) };
            let boots = control.id != "control/secure-boot";
            assert_eq!(point.expected.outcome == [record::Outcome::Boots], boots, "{}", control.id);
        }
        assert_eq!(controls[0].points()[0].network, services::NetworkSettings::default());
        let needs: Vec<_> = controls.iter().filter_map(|control| control.needs.last().copied()).collect();
        use Capability::{Http, Https, Ipv6, Pxe, RamDisk, SecureBoot};
        assert_eq!(needs, [Http, Pxe, Https, Ipv6, RamDisk, SecureBoot]);
    }
}
