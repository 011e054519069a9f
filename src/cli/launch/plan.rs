//! How the library gets into a program.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

use super::library::{self, Kind, SONAME};
use super::program::{CANNOT_RUN, Elf, Program};
use crate::cli::failure::Failure;

/// The three ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Way {
    /// The system's library passes calls on to this one.
    Delegate,
    /// The loader loads this one first.
    Preload,
    /// The loader finds this one before the system's.
    Path,
}

impl Way {
    pub(in crate::cli) fn parse(text: &str) -> Option<Self> {
        match text {
            "delegate" => Some(Self::Delegate),
            "preload" => Some(Self::Preload),
            "path" => Some(Self::Path),
            _ => None,
        }
    }
}

/// What is decided for a program.
#[derive(Debug)]
pub(in crate::cli) struct Plan {
    pub(in crate::cli) program: PathBuf,
    pub(in crate::cli) environment: Vec<(String, OsString)>,
    /// In words.
    pub(in crate::cli) why: String,
    folder: Option<Folder>,
}

impl Plan {
    /// Chooses the way that fits the program, or takes the one that is wished for.
    pub(in crate::cli) fn decide(name: &OsStr, library: &Path, wish: Option<Way>) -> Result<Self, Failure> {
        let program = Program::of(name)?;
        refuse(&program, library)?;
        let system = library::system();
        let (way, why) = match wish {
            Some(way) => (way, "as told by --by".to_owned()),
            None => choose(&program, system.as_deref()),
        };
        let mut plan = Self {
            program: program.path.clone(),
            environment: Vec::new(),
            why,
            folder: None,
        };
        match way {
            Way::Delegate => {
                if system.as_deref().and_then(library::kind) != Some(Kind::Redirector) {
                    return Err(Failure::new(
                        "the system's library does not pass calls on: that is pcsc-lite 2.1 or later",
                    )
                    .advise("--by preload, or --by path")
                    .with_status(CANNOT_RUN));
                }
                plan.environment.push(("LIBPCSCLITE_DELEGATE".into(), library.into()));
            }
            Way::Preload => plan
                .environment
                .push(("LD_PRELOAD".into(), before("LD_PRELOAD", library.as_os_str()))),
            Way::Path => {
                let folder = plan.folder_for(library)?;
                plan.environment
                    .push(("LD_LIBRARY_PATH".into(), before("LD_LIBRARY_PATH", folder.as_os_str())));
            }
        }
        Ok(plan)
    }

    /// A folder where the library has the name that programs ask for.
    fn folder_for(&mut self, library: &Path) -> Result<PathBuf, Failure> {
        let own = library.parent().unwrap_or(Path::new("/"));
        if library::is_ours(&own.join(SONAME)) {
            return Ok(own.to_owned());
        }
        let folder = Folder::new()?;
        symlink(library, folder.path.join(SONAME))?;
        let path = folder.path.clone();
        self.folder = Some(folder);
        Ok(path)
    }

    /// Whether nothing is to be put away after the program.
    pub(in crate::cli) fn is_lasting(&self) -> bool {
        self.folder.is_none()
    }
}

/// The variable with a new first entry.
fn before(variable: &str, first: &OsStr) -> OsString {
    let mut value = first.to_owned();
    if let Some(old) = env::var_os(variable).filter(|old| !old.is_empty()) {
        value.push(":");
        value.push(old);
    }
    value
}

/// Says why no way leads into a program, if so.
fn refuse(program: &Program, library: &Path) -> Result<(), Failure> {
    let name = program.binary.display();
    let cannot = |text: String| Err(Failure::new(text).with_status(CANNOT_RUN));
    if let Some(how) = program.privilege() {
        return Err(
            Failure::new(format!("{name} is {how}: the loader ignores its environment there"))
                .advise(
                    "install this library in the place of the system's, or in a folder that the loader looks at first",
                )
                .advise("OpenSC, and ssh-agent with it: provider_library in opensc.conf names the library")
                .with_status(CANNOT_RUN),
        );
    }
    let Some(loader) = &program.elf.loader else {
        return cannot(format!("{name} is linked statically: it loads no library"));
    };
    if loader.to_string_lossy().contains("musl") {
        return cannot(format!(
            "{name} uses musl's loader, and this library is built for another"
        ));
    }
    let own = Elf::of(library).unwrap_or_default();
    if (own.is_64, own.machine) != (program.elf.is_64, program.elf.machine) {
        return cannot(format!(
            "{name} is built for another kind of processor than {}",
            library.display()
        ));
    }
    Ok(())
}

fn choose(program: &Program, system: Option<&Path>) -> (Way, String) {
    let libraries = program.libraries(&[]);
    // WinPR exports the functions itself, with 32-bit numbers, and loads the library by name: a preloaded one would be called in
    // their place.
    let winpr = libraries
        .iter()
        .map(|(name, _)| name)
        .find(|name| name.starts_with("libwinpr"));
    if let Some(winpr) = winpr {
        return (
            Way::Path,
            format!("library path: {winpr} defines SCard functions itself"),
        );
    }
    if let Some(system) = system.filter(|system| library::kind(system) == Some(Kind::Redirector)) {
        return (Way::Delegate, format!("delegate: {} passes calls on", system.display()));
    }
    (
        Way::Preload,
        "preload: works whether the program is linked with the library or opens it".to_owned(),
    )
}

/// A folder of our own, removed with what is in it.
#[derive(Debug)]
pub(in crate::cli) struct Folder {
    pub(in crate::cli) path: PathBuf,
}

impl Folder {
    pub(in crate::cli) fn new() -> Result<Self, Failure> {
        let places = env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .into_iter()
            .chain([env::temp_dir()]);
        let mut last = None;
        for place in places.filter(|place| place.is_absolute()) {
            let path = place.join(format!(
                "winscard-{}-{:08x}",
                std::process::id(),
                crate::random::nonzero_u32()
            ));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) => last = Some(Failure::new(format!("{}: {error}", path.display()))),
            }
        }
        Err(last
            .unwrap_or_else(|| Failure::new("no folder for temporary files"))
            .advise("set TMPDIR to a folder you may write to"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _somebody_was_faster = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn a_library_that_passes_calls_on_is_told_to() {
        let folder = Folder::new().unwrap();
        let system = folder.path.join(SONAME);
        let program = Program::of(OsStr::new("sh")).unwrap();
        fs::write(&system, "getenv LIBPCSCLITE_DELEGATE dlopen").unwrap();
        assert_eq!(choose(&program, Some(&system)).0, Way::Delegate);
        fs::write(&system, "any other").unwrap();
        assert_eq!(choose(&program, Some(&system)).0, Way::Preload);
        assert_eq!(choose(&program, None).0, Way::Preload);
    }

    /// As root only: nobody else can make a program of another's.
    #[test]
    fn programs_with_more_rights_are_refused() {
        let folder = Folder::new().unwrap();
        let path = folder.path.join("privileged");
        fs::copy("/bin/true", &path).unwrap();
        let own = env::current_exe().unwrap();
        assert!(refuse(&Program::of(path.as_os_str()).unwrap(), &own).is_ok());
        if chown(&path, Some(65_534), Some(65_534)).is_err() {
            return;
        }
        for (mode, how) in [(0o4755, "setuid"), (0o2755, "setgid")] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let failure = refuse(&Program::of(path.as_os_str()).unwrap(), &own).unwrap_err();
            assert_eq!(failure.status(), CANNOT_RUN);
            let text = failure.to_string();
            assert!(text.contains(how) && text.contains("provider_library"), "{text}");
        }
    }

    #[test]
    fn a_library_of_another_kind_of_machine_is_refused() {
        let program = Program {
            elf: Elf {
                machine: 0xFFFF,
                ..Program::of(OsStr::new("sh")).unwrap().elf
            },
            ..Program::of(OsStr::new("sh")).unwrap()
        };
        let text = refuse(&program, &env::current_exe().unwrap()).unwrap_err().to_string();
        assert!(text.contains("another kind of processor"), "{text}");
        let musl = Program {
            elf: Elf {
                loader: Some("/lib/ld-musl-x86_64.so.1".into()),
                ..program.elf.clone()
            },
            ..program
        };
        assert!(refuse(&musl, Path::new("/")).unwrap_err().to_string().contains("musl"));
    }
}
