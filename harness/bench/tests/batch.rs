//! A batch on guests that are fake firmware: every copy is measured, step by step, and none is lost.

#![allow(clippy::unwrap_used)]

use bench::batch::{self, Batch, BatchError, Setup};
use fake_firmware::{Behaviour, FakeFirmware, Moment, TroubleKind};
use firmware::{Architecture, Firmware};
use record::{ClockMode, ImageFile, Outcome};
use run::{Cell, Guests, StartError, Started};
use scenario::Selected;
use std::collections::HashSet;
use std::sync::Arc;

struct Fakes(Behaviour);

impl Guests for Fakes {
    type Guest = FakeFirmware;

    async fn start(
        &self,
        _: &Cell,
        _: &Firmware,
        _: &Arc<[u8]>,
    ) -> Result<Started<FakeFirmware>, StartError> {
        let guest = FakeFirmware::new(self.0.clone());
        Ok(Started { guest, command: None, accelerator: None, rtc_base: 0 })
    }
}

fn build() -> Firmware {
    Firmware {
        id: "fake".into(),
        family: firmware::family_by_id("edk2").unwrap(),
        architecture: Architecture::X64,
        version: "1".into(),
        source: "fake firmware".into(),
        code: firmware::Image {
            path: "/nonexistent".into(),
            file: ImageFile { file: "FAKE.fd".into(), sha256: "0".repeat(64) },
        },
        vars: None,
        files: Default::default(),
        base: None,
        smm: false,
        lacks: Vec::new(),
    }
}

fn measure(behaviour: Behaviour, copies: usize) -> Result<Batch, BatchError> {
    let controls = run::controls();
    let control = &controls[0];
    let selected: Vec<_> =
        control.points().iter().map(|point| Selected { scenario: control, point, firmware: 0 }).collect();
    let plan = run::plan(&selected, vec![build()], &controls);
    let setup = Setup { jobs: 2, clock: ClockMode::Virtual, seed: 1 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(batch::run(&plan.cells, &plan.firmware, copies, Fakes(behaviour), &setup))
}

#[test]
fn every_copy_takes_every_step_in_order() {
    let batch = measure(Behaviour::conforming(), 5).unwrap();
    assert_eq!(batch.cells.len(), 5);
    let ids: HashSet<&str> = batch.cells.iter().map(|measured| measured.id.as_str()).collect();
    assert_eq!(ids.len(), 5, "{ids:?}");
    assert!(batch.most_evidence > 0 && batch.evidence >= 5 * batch.most_evidence / 2);
    for measured in &batch.cells {
        assert_eq!((measured.outcome, measured.attempts), (Some(Outcome::Boots), 1));
        let life = measured.life;
        let mut steps = vec![life.started];
        steps.extend(life.reached.iter().map(|reached| reached.unwrap()));
        steps.extend([life.dropped, life.gone]);
        assert!(steps.is_sorted(), "{life:?}");
        assert!(!life.attempt.is_zero());
        assert!(life.gone.as_secs_f64() <= measured.wall_seconds);
    }
}

#[test]
fn a_cell_that_says_nothing_is_no_figure() {
    let dies = Behaviour::conforming().with_trouble(Moment::GetSent, TroubleKind::Exit);
    let error = measure(dies, 1).unwrap_err().to_string();
    assert!(error.starts_with("failed to measure control/plain#0@fake: "), "{error}");
}
