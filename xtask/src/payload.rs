//! `cargo xtask payload`: builds the boot images from `harness/payload/efi`, or checks that the committed ones are those.

use payload::compile;
use std::fs;

/// Builds every architecture's image and its record; with `check`, compares them with the committed ones instead.
pub fn build(check: bool) -> Result<(), String> {
    for target in compile::TARGETS {
        let image = compile::build(target).map_err(|error| error.to_string())?;
        let record = compile::record(target, &image).map_err(|error| error.to_string())?;
        for (path, bytes) in
            [(compile::image_path(target), &image[..]), (compile::record_path(target), record.as_bytes())]
        {
            if !check {
                fs::write(&path, bytes)
                    .map_err(|error| format!("failed to write {}: {error}", path.display()))?;
                println!("{}: {} bytes", path.display(), bytes.len());
            } else if fs::read(&path).ok().as_deref() != Some(bytes) {
                return Err(format!(
                    "failed to reproduce {}: run `cargo xtask payload` and commit what it writes",
                    path.display()
                ));
            }
        }
    }
    Ok(())
}
