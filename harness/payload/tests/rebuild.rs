//! The committed images are what their sources give.

#![allow(clippy::unwrap_used)]

use payload::compile::{self, CompileError};
use std::fs;

#[test]
fn every_image_is_recorded_with_its_sources() {
    for target in compile::TARGETS {
        let image = fs::read(compile::image_path(target)).unwrap();
        let committed = fs::read_to_string(compile::record_path(target)).unwrap();
        assert_eq!(
            compile::record(target, &image).unwrap(),
            committed,
            "the sources or the image changed: run `cargo xtask payload`"
        );
    }
}

#[test]
fn every_image_is_rebuilt_byte_for_byte() {
    for target in compile::TARGETS {
        let built = match compile::build(target) {
            Ok(built) => built,
            Err(error @ CompileError::MissingTool { .. }) => {
                assert!(std::env::var_os("PLUGFEST_REQUIRE_TOOLS").is_none(), "{error}");
                eprintln!("skipped {}: {error}", target.architecture);
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let committed = fs::read(compile::image_path(target)).unwrap();
        assert!(
            built == committed,
            "{} is not what its sources give: run `cargo xtask payload`",
            target.architecture
        );
    }
}
