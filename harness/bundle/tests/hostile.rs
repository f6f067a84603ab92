//! Bundles are read back as they were written, and hostile ones are refused with a reason.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use bundle::{Builder, BundleError, FwCfg, Manifest, Recording};
use sha2::{Digest, Sha256};
use std::io::{Cursor, Read, Write};
use std::path::PathBuf;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

fn manifest() -> Manifest {
    let results = report::sample::results();
    let cell = results.cells[0].clone();
    Manifest {
        schema: bundle::BUNDLE_ID.into(),
        plugfest: "0.1.0".into(),
        firmware: results.firmware.iter().find(|build| build.id == cell.firmware).unwrap().clone(),
        run: results.run,
        cell,
        recording: None,
    }
}

fn written(manifest: &Manifest) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("b.zip");
    let mut builder = Builder::default();
    builder.add(bundle::SCENARIO, "id: x/y\n");
    builder.add(bundle::CONSOLE, vec![b'a'; 100_000]);
    builder.write(manifest, &path).unwrap();
    (folder, path)
}

/// The files of a good bundle.
fn files() -> Vec<(String, Vec<u8>)> {
    let (_folder, path) = written(&manifest());
    let mut zip = ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    (0..zip.len())
        .map(|index| {
            let mut entry = zip.by_index(index).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.name().unwrap().into_owned(), content)
        })
        .collect()
}

/// Why a bundle of these files is refused.
fn refused(files: &[(String, Vec<u8>)]) -> BundleError {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in files {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(content).unwrap();
    }
    refused_bytes(&zip.finish().unwrap().into_inner())
}

fn refused_bytes(bytes: &[u8]) -> BundleError {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    bundle::read(file.path()).expect_err("it is hostile")
}

/// With the checksums that the files have.
fn summed(mut files: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    files.retain(|(name, _)| name != bundle::CHECKSUMS);
    let sum =
        |content: &[u8]| Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let sums: String = files.iter().map(|(name, content)| format!("{}  {name}\n", sum(content))).collect();
    files.push((bundle::CHECKSUMS.to_owned(), sums.into_bytes()));
    files
}

#[test]
fn what_was_written_is_read() {
    let (_folder, path) = written(&manifest());
    let read = bundle::read(&path).unwrap();
    assert_eq!(read.manifest, manifest());
    assert_eq!(read.need(bundle::CONSOLE).unwrap().len(), 100_000);
    assert!(matches!(read.need(bundle::CAPTURE), Err(BundleError::Missing { .. })));
    let (_again, other) = written(&manifest());
    assert_eq!(std::fs::read(path).unwrap(), std::fs::read(other).unwrap(), "the same files, the same bytes");
}

#[test]
fn no_name_leads_anywhere() {
    for name in [
        "../../etc/passwd",
        "/etc/passwd",
        "a\\..\\b",
        "cell.yaml/../x",
        "firmware/../../x",
        "unknown.txt",
        "recording/",
    ] {
        let mut files = files();
        files.push((name.to_owned(), b"x".to_vec()));
        let error = refused(&summed(files));
        assert!(matches!(error, BundleError::Foreign { .. }), "{name}: {error}");
    }
}

#[test]
fn a_link_is_no_file() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink(bundle::CONSOLE, "/etc/passwd", SimpleFileOptions::default()).unwrap();
    let error = refused_bytes(&zip.finish().unwrap().into_inner());
    assert!(matches!(error, BundleError::Foreign { .. }), "{error}");
}

#[test]
fn what_was_changed_or_left_out_is_noticed() {
    for (name, content) in files() {
        if name == bundle::CHECKSUMS {
            continue;
        }
        let mut changed = files();
        let file = changed.iter_mut().find(|(other, _)| *other == name).unwrap();
        file.1 = [content.as_slice(), b" "].concat();
        assert!(matches!(refused(&changed), BundleError::Checksum { .. }), "{name}");
        let mut without = files();
        without.retain(|(other, _)| *other != name);
        assert!(matches!(refused(&without), BundleError::Missing { .. }), "{name}");
    }
    let mut unlisted = files();
    unlisted.push((bundle::KEYS.to_owned(), b"x".to_vec()));
    assert!(matches!(refused(&unlisted), BundleError::Checksum { .. }));
    let mut without = files();
    without.retain(|(name, _)| name != bundle::CHECKSUMS);
    assert!(matches!(refused(&without), BundleError::Missing { .. }));
}

#[test]
fn a_bomb_is_not_unpacked() {
    let mut files = files();
    files.push((bundle::TIMELINE.to_owned(), vec![0; (256 << 20) + 1]));
    let error = refused(&files);
    assert!(matches!(&error, BundleError::TooLarge { name, .. } if name == bundle::TIMELINE), "{error}");
}

#[test]
fn what_is_no_zip_is_an_error() {
    let (_folder, path) = written(&manifest());
    let bytes = std::fs::read(path).unwrap();
    for bytes in [&b""[..], b"PK", &bytes[..bytes.len() / 2], &[0; 1000]] {
        assert!(matches!(refused_bytes(bytes), BundleError::NotZip { .. }));
    }
    // Whatever bit has flipped, it is noticed or of no consequence, and nothing panics.
    for at in (0..bytes.len()).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), flipped).unwrap();
        if let Ok(read) = bundle::read(file.path()) {
            assert_eq!(read.manifest, manifest());
        }
    }
}

type Edit<'a> = &'a dyn Fn(&mut Manifest);

#[test]
fn a_manifest_says_nothing_that_plugfest_would_not() {
    let item = |name: &str| {
        let qemu = manifest().run.qemus.remove(0);
        Some(Recording { qemu, machine: String::new(), fw_cfg: vec![FwCfg { name: name.into() }] })
    };
    let edits: [(&str, Edit<'_>); 9] = [
        ("its schema is", &|it| it.schema = "plugfest-bundle/2".into()),
        ("is no id of a firmware", &|it| it.firmware.id = "../x".into()),
        ("is no id of a firmware", &|it| it.firmware.id = String::new()),
        ("is not of firmware", &|it| it.cell.id = "x/y@other".into()),
        ("is no fw_cfg item", &|it| it.recording = item("etc/x,file=/etc/shadow")),
        ("is no fw_cfg item", &|it| it.recording = item("x")),
        ("is no fw_cfg item", &|it| it.recording = item("opt/x string=1")),
        ("is no fw_cfg item", &|it| it.recording = item(&"etc/".repeat(20))),
        ("are more than", &|it| {
            it.recording = item("opt/x");
            let items = &mut it.recording.as_mut().unwrap().fw_cfg;
            *items = vec![items[0].clone(); 9];
        }),
    ];
    for (said, edit) in edits {
        let mut manifest = manifest();
        edit(&mut manifest);
        let (_folder, path) = written(&manifest);
        let error = bundle::read(&path).expect_err(said).to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
    for text in ["", "[]", "{\"schema\": \"plugfest-bundle/1\"}"] {
        let mut files = files();
        files.iter_mut().find(|(name, _)| name == bundle::MANIFEST).unwrap().1 = text.into();
        assert!(matches!(refused(&summed(files)), BundleError::Malformed { .. }));
    }
}
