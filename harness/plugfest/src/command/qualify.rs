//! `plugfest qualify`: a run of a profile, its conformance clause by clause, and a signature under all of it.

use crate::cli::{Accel, Ci, Clock, QualifyArgs, RunArgs, Selection, VerifyArgs};
use crate::command::run;
use crate::exit::{Exit, Failure};
use qualify::{Key, Manifest, ManifestError, Profile, ProfileError, conformance, seal};
use std::path::PathBuf;

/// File of the conformance report in the run's folder.
const CONFORMANCE: &str = "conformance.md";

/// Runs the profile. Exit code 0 if the firmware conforms, 1 if not.
pub fn qualify(args: QualifyArgs) -> Result<Exit, Failure> {
    // What can be wrong is found before hundreds of cells have run.
    let profile = Profile::find(&args.profiles, &args.profile).map_err(refuse_profile)?;
    let (key, made) = match &args.key {
        Some(path) => (Key::read(path).map_err(refuse)?, None),
        None => {
            let path = own_key()?;
            let (key, made) = Key::read_or_make(&path).map_err(refuse)?;
            (key, made.then_some(path))
        }
    };
    if let Some(path) = made {
        eprintln!("plugfest: made a signing key for you, {}; keep it", path.display());
    }
    let (folder, results, ended) = run::begin_kept(&run_args(&args, &profile))?;
    if ended == Exit::Interrupted {
        return Ok(ended);
    }
    let found = conformance(&results, &profile);
    let path = folder.join(CONFORMANCE);
    report::write_file(&path, &found.markdown)
        .map_err(|error| Failure::infrastructure(format!("failed to {error}")))?;
    let manifest = Manifest {
        schema: String::new(),
        run: results.run.id.clone(),
        profile: profile.name.clone(),
        profile_sha256: profile.sha256.clone(),
        conforms: found.conforms(),
        files: Default::default(),
    };
    let manifest = seal(&folder, manifest, &key).map_err(refuse)?;
    let answer = if found.conforms() { "conforms" } else { "does not conform" };
    println!(
        "\n{}: {answer}; {} deviations from must, {} from should or may, {} points open",
        profile.title, found.must_deviations, found.other_deviations, found.open
    );
    println!(
        "Conformance: {}\nSigned: {} files in {}",
        path.display(),
        manifest.files.len(),
        folder.join(qualify::MANIFEST).display()
    );
    Ok(match (found.conforms(), ended) {
        (true, _) => Exit::AsExpected,
        (false, Exit::Infrastructure) => Exit::Infrastructure,
        (false, _) => Exit::Deviations,
    })
}

/// Checks a qualification that was received.
pub fn verify(args: &VerifyArgs) -> Result<Exit, Failure> {
    match qualify::verify(&args.folder, args.key.as_deref()) {
        Ok((manifest, key)) => {
            let answer = if manifest.conforms { "conforms" } else { "does not conform" };
            println!("{}: {} files are as they were signed", args.folder.display(), manifest.files.len());
            println!(
                "  profile    {}: the firmware of run {} {answer}",
                report::visible(&manifest.profile),
                report::visible(&manifest.run)
            );
            println!("  key        SHA-256 {key}");
            if args.key.is_none() {
                println!(
                    "  note       the key is the folder's own; give the signer's with --key to know who signed"
                );
            }
            Ok(Exit::AsExpected)
        }
        Err(error @ (ManifestError::Signature(_) | ManifestError::Files { .. })) => {
            eprintln!("plugfest: failed to {error}");
            Ok(Exit::Deviations)
        }
        Err(error) => Err(refuse(error)),
    }
}

fn run_args(args: &QualifyArgs, profile: &Profile) -> RunArgs {
    RunArgs {
        selection: Selection {
            select: profile.select.clone(),
            firmware: args.firmware.clone(),
            scenarios: args.scenarios.clone(),
            catalog: args.catalog.clone(),
        },
        jobs: None,
        out: args.out.clone(),
        clock: Clock::Virtual,
        accel: Accel::Auto,
        cold: false,
        seed: 1,
        repeat: 1,
        level: profile.levels.clone(),
        shard: None,
        baseline: None,
        ci: Ci::Off,
        fail_fast: false,
        resume: None,
        waivers: args.waivers.clone(),
        color: args.color,
    }
}

/// Where the user's own key is (XDG Base Directory Specification).
fn own_key() -> Result<PathBuf, Failure> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
    let data = data.ok_or_else(|| {
        Failure::bad_input("failed to find a place for a signing key: HOME is not set; give one with --key")
    })?;
    Ok(data.join("plugfest/signing-key.pem"))
}

fn refuse(error: ManifestError) -> Failure {
    Failure::bad_input(format!("failed to {error}"))
}

fn refuse_profile(error: ProfileError) -> Failure {
    Failure::bad_input(format!("failed to {error}"))
}
