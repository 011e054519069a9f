//! Which library programs load.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::cli::Failure;
use crate::cli::launch::library::{self, Kind, SONAME};
use crate::cli::launch::program::Program;

/// Variables that name a file which is not there, or is another.
pub(super) fn environment() -> Vec<Finding> {
    let preloaded = env::var_os("LD_PRELOAD").unwrap_or_default();
    let preloaded: Vec<PathBuf> = preloaded
        .to_string_lossy()
        .split([':', ' '])
        .filter(|word| word.contains("pcsclite") || word.contains("winscard"))
        .map(PathBuf::from)
        .collect();
    let delegate = env::var_os("LIBPCSCLITE_DELEGATE").map(PathBuf::from);
    let named = preloaded
        .iter()
        .map(|path| ("LD_PRELOAD", path))
        .chain(delegate.iter().map(|path| ("LIBPCSCLITE_DELEGATE", path)));
    named
        .filter(|(_, path)| path.is_absolute())
        .filter_map(|(variable, path)| wrong(variable, path))
        .collect()
}

fn wrong(variable: &str, path: &Path) -> Option<Finding> {
    let (text, remedy) = match library::kind(path) {
        Some(Kind::Ours) => return None,
        Some(_) => (
            "which is not this library",
            "name this library's file, or unset the variable",
        ),
        None => ("which is not there", "name this library's file, or unset the variable"),
    };
    Some(Finding::problem("environment", format!("{variable} names {}, {text}", path.display())).remedy(remedy))
}

/// What programs load: all of them, one of them, and those that run.
pub(super) fn loaded(program: Option<&OsStr>) -> Result<Vec<Finding>, Failure> {
    let found = library::found_by_loader();
    let mut findings = match program {
        Some(program) => vec![of_program(program, found.as_deref())?],
        None => vec![of_all(found.as_deref())],
    };
    findings.extend(running());
    Ok(findings)
}

fn of_all(found: Option<&Path>) -> Finding {
    let Some(path) = found else {
        return Finding::note(
            "library",
            format!("no {SONAME} is installed: programs that need one do not start"),
        )
        .remedy("winscard run -- PROGRAM runs one with this library");
    };
    let shown = path.display();
    match library::kind(path) {
        Some(Kind::Ours) => Finding::good("library", format!("programs load this library: {shown}")),
        Some(Kind::Redirector) => Finding::note(
            "library",
            format!(
                "programs load pcsc-lite's {shown}, which asks pcscd unless LIBPCSCLITE_DELEGATE names another library"
            ),
        )
        .remedy("winscard run -- PROGRAM sets it; or export LIBPCSCLITE_DELEGATE"),
        _ => Finding::note(
            "library",
            format!("programs load {shown}, which is not this library and needs pcscd"),
        )
        .remedy("winscard run -- PROGRAM runs one with this library; winscard doctor -- PROGRAM looks at one"),
    }
}

fn of_program(name: &OsStr, found: Option<&Path>) -> Result<Finding, Failure> {
    let program = Program::of(name)?;
    let shown = program.path.display();
    if let Some(how) = program.privilege() {
        return Ok(Finding::problem(
            "other-library",
            format!("{shown} is {how}, and takes no library from the environment"),
        )
        .remedy("install this library in the place of the system's"));
    }
    if program.elf.loader.is_none() {
        return Ok(Finding::problem(
            "other-library",
            format!("{shown} is linked statically: it loads no library"),
        ));
    }
    let linked = program.libraries(&[]);
    // A preloaded library answers to the same name.
    let preloaded = linked.iter().map(|(_, path)| path).find(|path| library::is_ours(path));
    let by_name = linked
        .iter()
        .find(|(name, _)| name == SONAME)
        .map(|(_, path)| path.as_path());
    let (how, path) = match (preloaded, by_name) {
        (Some(path), _) => ("loads", Some(path.as_path())),
        (None, Some(path)) => ("is linked with", Some(path)),
        (None, None) => ("is not linked with any; if it opens one, that is", found),
    };
    let Some(path) = path else {
        return Ok(Finding::problem("other-library", format!("{shown} finds no {SONAME}"))
            .remedy(format!("winscard run -- {}", name.to_string_lossy())));
    };
    let delegated = env::var_os("LIBPCSCLITE_DELEGATE")
        .map(PathBuf::from)
        .filter(|path| library::is_ours(path));
    Ok(match (library::kind(path), delegated) {
        (Some(Kind::Ours), _) => Finding::good("library", format!("{shown} {how} this library: {}", path.display())),
        (Some(Kind::Redirector), Some(delegate)) => Finding::good(
            "library",
            format!(
                "{shown} {how} {}, which passes calls on to {}",
                path.display(),
                delegate.display()
            ),
        ),
        _ => Finding::problem(
            "other-library",
            format!("{shown} {how} {}, which is not this library", path.display()),
        )
        .remedy(format!("winscard run -- {}", name.to_string_lossy())),
    })
}

/// Processes looked at, and told.
const MAX_PROCESSES: usize = 8192;
const MAX_TOLD: usize = 5;

/// Programs that run with another library: they keep it until they are started anew.
fn running() -> Option<Finding> {
    let mut kinds: BTreeMap<PathBuf, bool> = BTreeMap::new();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .take(MAX_PROCESSES)
    {
        let process = entry.path();
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(maps) = fs::read_to_string(process.join("maps")) else {
            continue;
        };
        let Some(path) = maps
            .lines()
            .filter_map(|line| line.split_whitespace().nth(5))
            .find(|path| path.contains("libpcsclite.so"))
        else {
            continue;
        };
        let path = process.join("root").join(path.trim_start_matches('/'));
        let is_ours = *kinds.entry(path).or_insert_with_key(|path| library::is_ours(path));
        if !is_ours {
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            found.push(format!("{} (process {pid})", name.trim_end()));
        }
    }
    if found.is_empty() {
        return None;
    }
    let more = found.len().saturating_sub(MAX_TOLD);
    found.truncate(MAX_TOLD);
    let and_more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Some(
        Finding::note(
            "running",
            format!("run with another PC/SC library: {}{and_more}", found.join(", ")),
        )
        .remedy("they keep it until they are started anew"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::Weight;
    use super::*;

    #[test]
    fn a_program_without_this_library_is_told() {
        let finding = of_program(OsStr::new("sh"), Some(Path::new("/etc/passwd"))).unwrap();
        assert_eq!((finding.id, finding.weight), ("other-library", Weight::Problem));
        let finding = of_program(OsStr::new("sh"), None).unwrap();
        assert!(finding.text.contains("finds no libpcsclite.so.1"), "{finding:?}");
        assert_eq!(
            of_program(OsStr::new("no-such-program"), None).unwrap_err().status(),
            127
        );
    }

    #[test]
    fn variables_that_lead_nowhere_are_told() {
        assert_eq!(
            wrong("LD_PRELOAD", Path::new("/nowhere/libpcsclite.so.1")).unwrap().id,
            "environment"
        );
        assert!(
            wrong("LD_PRELOAD", Path::new("/etc/passwd"))
                .unwrap()
                .text
                .contains("not this library")
        );
        let ours = env::current_exe().unwrap();
        assert_eq!(wrong("LD_PRELOAD", &ours), None);
    }
}
