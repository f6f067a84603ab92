//! Building the images from `efi/` with clang and lld: the same bytes on every machine.
//!
//! Only for those who change the payload; everybody else uses the committed images. Called by `cargo xtask payload` and
//! by the test that proves the committed images to be what their sources give.

use crate::pe;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fmt::Write as _, fs, io};

/// The clang and lld that an image comes from; another version may generate other code.
#[derive(Debug)]
struct Llvm {
    /// What both say that they are.
    version: &'static str,
    /// What Debian's programs and packages of it have behind their names.
    suffix: &'static str,
}

const LLVM_14: Llvm = Llvm { version: "14.0.6", suffix: "-14" };
/// 14 has no LoongArch.
const LLVM_19: Llvm = Llvm { version: "19.1.7", suffix: "-19" };

/// An architecture that the payload can be built for.
#[derive(Debug)]
pub struct Target {
    /// In the words of UEFI's removable-media file names; `bios` for a PC BIOS.
    pub architecture: &'static str,
    llvm: Llvm,
    triple: &'static str,
    flags: &'static [&'static str],
    form: Form,
}

/// What an image is.
#[derive(Debug, PartialEq, Eq)]
enum Form {
    /// An EFI application.
    Efi {
        /// What the machine field of the COFF header has to be, where the linker writes something else.
        machine: Option<u16>,
    },
    /// An EFI application whose headers a linker script writes: lld-link does not know the machine.
    EfiOfElf {
        /// Among them the machine field of the COFF header.
        linker_flags: &'static [&'static str],
    },
    /// A network bootstrap program for a PC BIOS.
    Nbp,
    /// The first process of Linux.
    Init {
        /// Among them for which machine it is.
        linker_flags: &'static [&'static str],
    },
}

/// Every architecture.
pub const TARGETS: &[Target] = &[
    Target {
        architecture: "ia32",
        llvm: LLVM_14,
        triple: "i686-unknown-windows",
        flags: &["-mno-stack-arg-probe"],
        form: Form::Efi { machine: None },
    },
    Target {
        architecture: "x64",
        llvm: LLVM_14,
        triple: "x86_64-unknown-windows",
        // UEFI 2.11 §2.3.4: interrupts use the stack below the stack pointer, so no red zone.
        flags: &["-mno-red-zone", "-mno-stack-arg-probe"],
        form: Form::Efi { machine: None },
    },
    Target {
        architecture: "arm",
        llvm: LLVM_14,
        triple: "thumbv7-unknown-windows",
        // UEFI 2.11 §2.3.5: not to use floating point or vector registers. U-Boot knows no relocations of movw and movt.
        flags: &["-mfpu=none", "-mno-movt", "-mno-stack-arg-probe"],
        // UEFI 2.11 §2.1.1: EFI_IMAGE_MACHINE_ARMTHUMB_MIXED. lld writes that of Windows, ARMNT.
        form: Form::Efi { machine: Some(0x01c2) },
    },
    Target {
        architecture: "aa64",
        llvm: LLVM_14,
        triple: "aarch64-unknown-windows",
        flags: &["-mno-stack-arg-probe"],
        form: Form::Efi { machine: None },
    },
    Target {
        architecture: "riscv64",
        llvm: LLVM_14,
        triple: "riscv64-unknown-none-elf",
        // UEFI 2.11 §2.3.7.1: no floating point in the calling convention; everything relative to the program counter.
        flags: &[
            "-march=rv64imac",
            "-mabi=lp64",
            "-mcmodel=medany",
            "-mno-relax",
            "-fno-pic",
            "-fno-builtin",
            "-fno-asynchronous-unwind-tables",
        ],
        form: Form::EfiOfElf {
            linker_flags: &["-m", "elf64lriscv", "--defsym=MACHINE=0x5064", "--oformat", "binary"],
        },
    },
    Target {
        architecture: "loongarch64",
        llvm: LLVM_19,
        triple: "loongarch64-unknown-none",
        // Neither floating point, which UEFI does not pass, nor unaligned access, which a processor may be without.
        flags: &[
            "-mabi=lp64s",
            "-msoft-float",
            "-mstrict-align",
            "-fno-pic",
            "-fno-builtin",
            "-fno-asynchronous-unwind-tables",
        ],
        form: Form::EfiOfElf {
            linker_flags: &["-m", "elf64loongarch", "--defsym=MACHINE=0x6264", "--oformat", "binary"],
        },
    },
    Target {
        architecture: "bios",
        llvm: LLVM_14,
        triple: "i386-unknown-none-elf",
        // Real mode, with a compiler for 32 bits; no library has what it could make of loops.
        flags: &[
            "-m16",
            "-march=i386",
            "-DPLUGFEST_BIOS",
            "-fno-pic",
            "-fno-builtin",
            "-fno-asynchronous-unwind-tables",
        ],
        form: Form::Nbp,
    },
    Target {
        architecture: "linux-x64",
        llvm: LLVM_14,
        triple: "x86_64-unknown-linux-gnu",
        flags: LINUX_FLAGS,
        form: Form::Init { linker_flags: &["-m", "elf_x86_64", "-static", "--strip-all", "--build-id=none"] },
    },
    Target {
        architecture: "linux-aa64",
        llvm: LLVM_14,
        triple: "aarch64-unknown-linux-gnu",
        flags: LINUX_FLAGS,
        form: Form::Init {
            // Debian's kernel has pages of 4 KiB; for 64 KiB the file would be as large.
            linker_flags: &[
                "-m",
                "aarch64linux",
                "-z",
                "max-page-size=4096",
                "-static",
                "--strip-all",
                "--build-id=none",
            ],
        },
    },
];

/// A program at a fixed place, without a library.
const LINUX_FLAGS: &[&str] =
    &["-DPLUGFEST_LINUX", "-fno-pic", "-fno-builtin", "-fno-asynchronous-unwind-tables"];

impl Target {
    fn sources(&self) -> &'static [&'static str] {
        match self.form {
            Form::Efi { .. } | Form::EfiOfElf { .. } => &["main.c", "announcement.c", "transmit.c"],
            Form::Nbp => &["nbp.c", "announcement.c"],
            Form::Init { .. } => &["init.c", "announcement.c"],
        }
    }

    fn headers(&self) -> &'static [&'static str] {
        match self.form {
            Form::Efi { .. } => &["arch.h", "uefi.h", "announcement.h", "transmit.h"],
            Form::EfiOfElf { .. } => &["arch.h", "uefi.h", "announcement.h", "transmit.h", "efi.ld"],
            Form::Nbp => &["arch.h", "uefi.h", "announcement.h", "nbp.ld"],
            Form::Init { .. } => &["arch.h", "uefi.h", "announcement.h"],
        }
    }

    /// What says where everything goes, if the linker does not know it by itself.
    fn script(&self) -> Option<&'static str> {
        match self.form {
            Form::Nbp => Some("nbp.ld"),
            Form::EfiOfElf { .. } => Some("efi.ld"),
            Form::Efi { .. } | Form::Init { .. } => None,
        }
    }

    fn linker(&self) -> (&'static str, &'static [&'static str]) {
        match self.form {
            Form::Efi { .. } => ("lld-link", EFI_LINKER_FLAGS),
            Form::EfiOfElf { linker_flags } | Form::Init { linker_flags } => ("ld.lld", linker_flags),
            Form::Nbp => ("ld.lld", NBP_LINKER_FLAGS),
        }
    }
}

const COMPILER_FLAGS: &[&str] = &[
    "-std=c11",
    "-ffreestanding",
    "-fshort-wchar",        // CHAR16
    "-fno-stack-protector", // no run-time support
    "-Os",
    "-Wall",
    "-Wextra",
    "-Werror",
];

const EFI_LINKER_FLAGS: &[&str] = &[
    "/nologo",
    "/subsystem:efi_application",
    "/entry:efi_main",
    "/nodefaultlib",
    "/timestamp:0", // else the time of the build is in the image
];

const NBP_LINKER_FLAGS: &[&str] = &["-m", "elf_i386", "--oformat", "binary"];

/// Why the images could not be built.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The tools are not here.
    #[error(
        "failed to find {name} {version}: install it (Debian 12: apt-get install clang{suffix} lld{suffix}); found {found}"
    )]
    MissingTool {
        /// `clang`, `lld-link` or `ld.lld`.
        name: &'static str,
        /// The version that is needed.
        version: &'static str,
        /// What Debian's packages of it have behind their names.
        suffix: &'static str,
        /// What there was instead.
        found: String,
    },
    /// A tool did not accept the sources.
    #[error("failed to build the payload: `{command}` said: {stderr}")]
    Tool {
        /// Program and arguments.
        command: String,
        /// What it wrote.
        stderr: String,
    },
    /// A file or a tool could not be used.
    #[error("failed to build the payload, at {what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// Why.
        source: io::Error,
    },
}

/// Builds the image for `target`, with the tools on the path.
pub fn build(target: &Target) -> Result<Vec<u8>, CompileError> {
    let directory = tempfile::tempdir().map_err(|source| io_error("a temporary directory", source))?;
    let out = directory.path();
    let clang = find("clang", &target.llvm)?;
    for source in target.sources() {
        let mut command = Command::new(&clang);
        command
            .args(compiler_arguments(target))
            .arg("-c")
            .arg(source)
            .arg("-o")
            .arg(out.join(object(source)));
        run(command.current_dir(sources()))?;
    }
    let objects = target.sources().iter().map(|source| object(source));
    let (linker, flags) = target.linker();
    let mut command = Command::new(find(linker, &target.llvm)?);
    command.args(flags);
    match target.form {
        Form::Efi { .. } => command.arg("/out:payload"),
        _ => command.args(["-o", "payload"]),
    };
    if let Some(script) = target.script() {
        command.arg("-T").arg(sources().join(script));
    }
    run(command.args(objects).current_dir(out))?;
    let mut image = read(&out.join("payload"))?;
    match target.form {
        Form::Efi { machine: Some(machine) } => {
            // Behind the signature, whose place is at 0x3c.
            let at = usize::from(image[0x3c]) | usize::from(image[0x3d]) << 8;
            image[at + 4..at + 6].copy_from_slice(&machine.to_le_bytes());
        }
        Form::EfiOfElf { .. } => {
            image = pe::as_in_file(&image)
                .expect("invariant: the linker script writes the headers of a PE image");
        }
        Form::Efi { machine: None } | Form::Nbp | Form::Init { .. } => {}
    }
    Ok(image)
}

/// Where the committed image for `target` is.
pub fn image_path(target: &Target) -> PathBuf {
    let extension = match target.form {
        Form::Efi { .. } | Form::EfiOfElf { .. } => "efi",
        Form::Nbp => "0",
        Form::Init { .. } => "elf",
    };
    package().join(format!("images/payload-{}.{extension}", target.architecture))
}

/// Where the record of how it was built is.
pub fn record_path(target: &Target) -> PathBuf {
    image_path(target).with_extension("txt")
}

/// What `image` was built with and from: shows without any tool that an image and its sources belong together.
pub fn record(target: &Target, image: &[u8]) -> Result<String, CompileError> {
    let mut text = format!(
        "Written by `cargo xtask payload`.\n\nclang and lld {}\nclang {} -c\n{} {}\n\n",
        target.llvm.version,
        compiler_arguments(target).join(" "),
        target.linker().0,
        target.linker().1.join(" "),
    );
    for name in target.sources().iter().chain(target.headers()) {
        // Invariant: writing to a string succeeds.
        let _ = writeln!(text, "{}  efi/{name}", sha256(&read(&sources().join(name))?));
    }
    let name = image_path(target).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let _ = writeln!(text, "{}  images/{name}", sha256(image));
    Ok(text)
}

fn compiler_arguments(target: &Target) -> Vec<&'static str> {
    [&["-target", target.triple], target.flags, COMPILER_FLAGS].concat()
}

fn object(source: &str) -> String {
    format!("{source}.obj")
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> PathBuf {
    package().join("efi")
}

/// The program called `name`, with or without Debian's suffix.
fn find(name: &'static str, llvm: &Llvm) -> Result<String, CompileError> {
    let mut found = Vec::new();
    for program in [format!("{name}{}", llvm.suffix), name.to_owned()] {
        let Ok(output) = Command::new(&program).arg("--version").output() else { continue };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.split_whitespace().any(|word| word == llvm.version) {
            return Ok(program);
        }
        found.push(format!("{program}: {}", text.lines().next().unwrap_or("no version")));
    }
    let found = if found.is_empty() { "none".into() } else { found.join(", ") };
    Err(CompileError::MissingTool { name, version: llvm.version, suffix: llvm.suffix, found })
}

fn run(command: &mut Command) -> Result<(), CompileError> {
    let output =
        command.output().map_err(|source| io_error(&command.get_program().to_string_lossy(), source))?;
    if output.status.success() {
        return Ok(());
    }
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    Err(CompileError::Tool {
        command: words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "),
        // lld-link reports on stdout when it plays Microsoft's linker.
        stderr: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CompileError> {
    fs::read(path).map_err(|source| io_error(&path.display().to_string(), source))
}

fn io_error(what: &str, source: io::Error) -> CompileError {
    CompileError::Io { what: what.into(), source }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
