//! Wall clocks of the parts, each to be set by itself: Debian's libfaketime between a part and its machine.
//!
//! It is preloaded into all of a system, and reads for each part a file of its own, so that a clock can be set while
//! the part runs. Clocks that only ever go forward are left alone, as they are on a machine whose clock is set.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;

use crate::up::{folder::Folder, plan::Part};

/// Where libraries of the machine's architecture lie.
const LIBRARIES: [&str; 3] = ["/usr/lib", "/usr/local/lib", "/usr/lib64"];
/// The library, for programs of several threads, below one of these or a folder in it.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";
/// What it leaves of a process that was killed.
const SHARED: [&str; 2] = ["faketime_shm_", "sem.faketime_sem_"];
/// After so long a part has read its clock anew.
pub const READ: Duration = Duration::from_secs(2);

/// The library, if the machine has it.
pub fn library() -> Option<PathBuf> {
    let within = |folder: &str| {
        let below = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        below.chain([PathBuf::from(folder)]).map(|folder| folder.join(LIBRARY)).find(|path| path.is_file())
    };
    LIBRARIES.into_iter().find_map(within)
}

/// The clocks of the parts of a system.
#[derive(Debug)]
pub struct Clocks {
    library: PathBuf,
    folder: PathBuf,
}

impl Clocks {
    /// Right clocks for the parts that will run in `system`, kept in `folder`.
    ///
    /// # Errors
    /// The folders can't be written.
    pub fn write(library: PathBuf, folder: &Path, system: &Folder) -> anyhow::Result<Self> {
        let clocks = Self { library, folder: folder.to_owned() };
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for part in Part::ALL {
            clocks.set(part.name(), 0)?;
            let variable = format!("FAKETIME_TIMESTAMP_FILE={}\n", clocks.file(part.name()).display());
            system.set_environment(part, &variable)?;
        }
        Ok(clocks)
    }

    /// Variables for the supervisor, from which the parts have them.
    pub fn variables(&self) -> Vec<(&'static str, OsString)> {
        let variables = [
            ("FAKETIME_CACHE_DURATION", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
        ];
        let variables = variables.map(|(key, value)| (key, OsString::from(value)));
        variables.into_iter().chain([("LD_PRELOAD", self.library.clone().into_os_string())]).collect()
    }

    /// Sets the clock of a part to so many seconds more than the machine's.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn set(&self, part: &str, seconds: i8) -> anyhow::Result<()> {
        crate::whole::write(&self.file(part), format!("{seconds:+}\n").as_bytes())
            .with_context(|| format!("cannot set the clock of {part}"))
    }

    /// Sets the clocks of some parts, also those that come after one which can't be set.
    ///
    /// # Errors
    /// The first one's.
    pub fn set_all(&self, parts: &[&str], seconds: i8) -> anyhow::Result<()> {
        parts.iter().map(|part| self.set(part, seconds)).fold(Ok(()), Result::and)
    }

    /// Where the library reads what the clock of a part is ahead.
    pub fn file(&self, part: &str) -> PathBuf {
        self.folder.join(part)
    }
}

/// Removes what the library left of a process.
pub fn tidy(pid: i32) {
    for name in SHARED {
        // There is none of a process that had the machine's clock.
        let _ = fs::remove_file(format!("/dev/shm/{name}{pid}"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn each_part_has_a_clock_that_is_set_by_itself() {
        let library = library().expect("scripts/setup.sh test installs libfaketime");
        let temporary = tempfile::tempdir().unwrap();
        let system = Folder::new(temporary.path().join("run"));
        let clocks = Clocks::write(library, &temporary.path().join("clocks"), &system).unwrap();
        clocks.set("origin1", -100).unwrap();
        let ahead = |part: Part| {
            let mut date = std::process::Command::new("date");
            let date = date.arg("+%s").envs(clocks.variables()).envs(system.environment(part).unwrap());
            let said = String::from_utf8(date.output().unwrap().stdout).unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            said.trim().parse::<i64>().unwrap() - i64::try_from(now).unwrap()
        };
        assert!((-102..=-98).contains(&ahead(Part::Origin1)));
        assert!((-2..=2).contains(&ahead(Part::Origin2)));
    }
}
