//! The folder of a system: who runs, where its logs and sockets are, and that it has one supervisor.
//!
//! A part records itself in `parts/<part>.json` before it becomes the part, so that no death of `up`
//! leaves one unknown. Records are believed only if the process named there still runs. On a full disk they are links,
//! see [`whole`].

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::plan::{Part, Ports};
use crate::child::process::{Handle, Process};
use crate::config::{Lasting, SettingError};
use crate::whole;

/// Longest path of a unix socket (unix(7)), without the closing zero.
const SOCKET_PATH_MAX: usize = 107;

/// The folder that `up` and `down` work on.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// The right to be the supervisor of a folder; given back when dropped, and by the death of its owner.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// What `up` tells its successor and `down`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Up {
    /// The supervisor.
    pub process: Process,
    /// The ports in use, so that a port chosen by the system stays the same.
    pub ports: Vec<(String, u16)>,
}

/// What a system was given, for upgrades.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Where it was begun: relative paths start there.
    pub folder: PathBuf,
    /// How.
    #[serde(flatten)]
    pub settings: Lasting,
}

/// What follows the name of a part in the record of a process that is to leave.
const LEAVING: &str = "-leaving";

/// A part that runs, with the name it was recorded by.
#[derive(Debug)]
pub struct Living {
    /// Its name; one that this version does not know is none of [`Part`].
    pub name: String,
    /// The hold on it.
    pub handle: Handle,
}

impl Living {
    /// The part that this process has left to another one, or is about to.
    pub fn leaves(&self) -> Option<Part> {
        self.name.strip_suffix(LEAVING)?.parse().ok()
    }
}

impl Folder {
    /// The folder at this path, which need not be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Makes the folder and what is in it.
    ///
    /// # Errors
    /// A [`SettingError`] if it can't be made or its path is too long for the sockets in it.
    pub fn create(&self) -> Result<(), SettingError> {
        let longest = Part::ALL.map(|part| self.socket(part).as_os_str().len()).into_iter().max();
        if longest.is_some_and(|length| length > SOCKET_PATH_MAX) {
            return Err(SettingError::new(format!(
                "run-dir = '{}' can't be used: its path is too long for the sockets in it, \
                 expected at most {} bytes",
                self.path.display(),
                SOCKET_PATH_MAX - "/discovery.sock".len()
            )));
        }
        self.make(["parts", "log"].map(|folder| self.path.join(folder)))
    }

    /// Makes the folders of the parts before these start: what is there before the disk is full needs no room then.
    ///
    /// # Errors
    /// A [`SettingError`] if one can't be made.
    pub fn make(&self, folders: impl IntoIterator<Item = PathBuf>) -> Result<(), SettingError> {
        let make = |folder: PathBuf| {
            fs::create_dir_all(&folder).map_err(|error| self.unusable(&folder, "made", &error))
        };
        folders.into_iter().try_for_each(make)
    }

    /// What the operator is told when something in the folder can't be made, written or moved.
    pub fn unusable(&self, what: &Path, done: &str, error: &io::Error) -> SettingError {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        SettingError::new(format!(
            "run-dir = '{}' can't be used: {} can't be {done}: {error}; {}or choose another --run-dir",
            self.path.display(),
            what.display(),
            if full { "make room on its disk " } else { "make it writable " },
        ))
    }

    /// Becomes the supervisor; none if there is another one.
    ///
    /// # Errors
    /// A [`SettingError`] if the lock file can't be made.
    pub fn lock(&self) -> anyhow::Result<Option<Lock>> {
        let path = self.path.join("lock");
        let file = File::options().create(true).append(true).open(&path);
        let file = file.map_err(|error| self.unusable(&path, "opened", &error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// Whether there is such a folder.
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a part records itself.
    pub fn record(&self, part: &str) -> PathBuf {
        self.path.join("parts").join(part).with_extension("json")
    }

    /// Where a part offers its listening sockets.
    pub fn socket(&self, part: Part) -> PathBuf {
        self.path.join(format!("{part}.sock"))
    }

    /// Where all parts give signs of life.
    pub fn notify(&self) -> PathBuf {
        self.path.join("notify.sock")
    }

    /// Where a part writes what it has to say.
    pub fn log(&self, part: Part) -> PathBuf {
        self.path.join("log").join(format!("{part}.log"))
    }

    /// What the next process of a part has in its environment beyond that of its supervisor: lines of `KEY=value` in
    /// the file `env/<part>`, which need not be there. Empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// The file can't be read, or one of its lines is none of these.
    pub fn environment(&self, part: Part) -> anyhow::Result<Vec<(String, OsString)>> {
        let path = self.environment_file(part);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                bail!("{} is no text in UTF-8: write a KEY=value in each line", path.display());
            }
            text => text
                .with_context(|| format!("cannot read {}: make it readable or remove it", path.display()))?,
        };
        let lines = (1..).zip(text.lines());
        let told = lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim().starts_with('#'));
        told.map(|(number, line)| {
            variable(line).with_context(|| {
                format!("{}, line {number}, has '{line}': expected KEY=value", path.display())
            })
        })
        .collect()
    }

    /// Writes that file.
    ///
    /// # Errors
    /// If the folder can't be written.
    pub fn set_environment(&self, part: Part, variables: &str) -> anyhow::Result<()> {
        let path = self.environment_file(part);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| whole::write(&path, variables.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn environment_file(&self, part: Part) -> PathBuf {
        self.path.join("env").join(part.name())
    }

    /// Takes hold of every recorded part that runs.
    ///
    /// # Errors
    /// If a running one can't be held.
    pub fn living(&self) -> anyhow::Result<Vec<Living>> {
        let entries = match fs::read_dir(self.path.join("parts")) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", self.path.display()));
            }
        };
        let mut living = Vec::new();
        for path in entries.into_iter().map(|entry| entry.path()) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let Some(name) = name.strip_suffix(".json") else { continue };
            let Some(process) = Process::read(&path) else { continue };
            if let Some(handle) = process.open().with_context(|| format!("cannot hold {name}"))? {
                living.push(Living { name: name.to_owned(), handle });
            }
        }
        living.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(living)
    }

    /// Forgets a part that has ended.
    pub fn forget(&self, part: &str) {
        // What is left is harmless: the process it names is gone, the socket has no listener.
        let _ = fs::remove_file(self.record(part));
        let _ = fs::remove_file(self.path.join(format!("{part}.sock")));
    }

    /// Makes room for the record of another process of a part: the present one is to leave.
    ///
    /// # Errors
    /// If the folder can't be written.
    pub fn make_room(&self, part: Part) -> io::Result<()> {
        match fs::rename(self.record(part.name()), self.leaving(part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The process that was to leave a part stays.
    pub fn take_back(&self, part: Part) {
        // Without its record it is known to its supervisor, which records it again.
        let _ = fs::rename(self.leaving(part), self.record(part.name()));
    }

    /// The process that was to leave a part has left.
    pub fn forget_leaving(&self, part: Part) {
        let _ = fs::remove_file(self.leaving(part));
    }

    fn leaving(&self, part: Part) -> PathBuf {
        self.record(&format!("{part}{LEAVING}"))
    }

    /// Records the supervisor; on a full disk as a link, without the ports. Those that were on record stay so if they
    /// are the same.
    ///
    /// # Errors
    /// A [`SettingError`] if the folder can't be written.
    pub fn write_up(&self, ports: &Ports) -> anyhow::Result<()> {
        self.keep_ports(ports);
        let ports = ports.iter().map(|(part, &port)| (part.to_string(), port)).collect();
        let up = Up { process: Process::current()?, ports };
        let path = self.supervisor();
        whole::write_or_link(&path, &serde_json::to_vec(&up)?, &up.process.words())
            .map_err(|error| self.unusable(&path, "written", &error).into())
    }

    /// Records what the system was given; where that fails, nothing is on record.
    ///
    /// # Errors
    /// A [`SettingError`] if the folder can't be written.
    pub fn write_given(&self, given: &Given) -> anyhow::Result<()> {
        // What is on record already needs no room.
        if self.read_given().is_ok_and(|recorded| recorded == *given) {
            return Ok(());
        }
        let path = self.settings();
        whole::write(&path, &serde_json::to_vec_pretty(given)?).map_err(|error| {
            // An upgrade that asks is better than one that goes back to what was before.
            let _ = fs::remove_file(&path);
            self.unusable(&path, "written", &error).into()
        })
    }

    /// What the system was given.
    ///
    /// # Errors
    /// The file's.
    pub fn read_given(&self) -> io::Result<Given> {
        Ok(serde_json::from_slice(&fs::read(self.settings())?)?)
    }

    /// The last supervisor, living or not.
    pub fn read_up(&self) -> Option<Up> {
        let words = whole::words(&self.supervisor()).ok()?;
        let alone = || Some(Up { process: serde_json::from_slice(&words).ok()?, ports: self.kept_ports() });
        serde_json::from_slice(&words).ok().or_else(alone)
    }

    /// Gives the file on record a second name, which takes no room, before a link may take its place. One that has other
    /// ports than these is of no use any more.
    fn keep_ports(&self, ports: &Ports) {
        let (last, kept) = (self.supervisor(), self.last_with_ports());
        let are_same = self.read_up().is_some_and(|up| up.ports() == *ports);
        if are_same && !last.is_file() {
            return;
        }
        let _ = fs::remove_file(&kept);
        if are_same {
            // Where that fails they are on record again as soon as there is room.
            let _ = fs::hard_link(last, kept);
        }
    }

    fn kept_ports(&self) -> Vec<(String, u16)> {
        let kept = fs::read(self.last_with_ports()).ok();
        kept.and_then(|up| serde_json::from_slice::<Up>(&up).ok()).map_or_else(Vec::new, |up| up.ports)
    }

    /// Whether the last supervisor is on record with its ports, in a file.
    pub fn has_whole_up(&self) -> bool {
        self.supervisor().is_file()
    }

    fn supervisor(&self) -> PathBuf {
        self.path.join("up.json")
    }

    /// Where it is recorded what the system was given.
    pub fn settings(&self) -> PathBuf {
        self.path.join("settings.json")
    }

    /// The record of the last supervisor that was a file, with the ports.
    fn last_with_ports(&self) -> PathBuf {
        self.path.join("up-with-ports.json")
    }

    /// Forgets the supervisor and its system.
    pub fn forget_up(&self) {
        let records = [self.supervisor(), self.last_with_ports(), self.settings(), self.notify()];
        // Of one that was about to leave as the others did.
        for record in records.into_iter().chain(Part::ALL.map(|part| self.leaving(part))) {
            let _ = fs::remove_file(record);
        }
    }
}

/// The variable that a line sets; none if it can't be one.
fn variable(line: &str) -> Option<(String, OsString)> {
    let (key, value) = line.split_once('=')?;
    let key = key.trim();
    (!key.is_empty() && !line.contains('\0')).then(|| (key.to_owned(), value.into()))
}

impl Up {
    /// The ports of the parts that this version knows.
    pub fn ports(&self) -> Ports {
        self.ports.iter().filter_map(|(part, port)| Some((part.parse().ok()?, *port))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_supervisor() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        let lock = folder.lock().unwrap();
        assert!(lock.is_some());
        assert!(folder.lock().unwrap().is_none());
        drop(lock);
        assert!(folder.lock().unwrap().is_some());
    }

    #[tokio::test]
    async fn only_parts_that_run_are_found() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        assert!(folder.living().unwrap().is_empty());
        folder.create().unwrap();
        Process::current().unwrap().write(&folder.record("origin1")).unwrap();
        // A pid that has been given to another process since.
        let recycled = format!("{{\"pid\":{},\"start\":1}}", std::process::id());
        fs::write(folder.record("origin2"), recycled).unwrap();
        fs::write(folder.record("server1"), "no record").unwrap();
        let names: Vec<_> = folder.living().unwrap().into_iter().map(|part| part.name).collect();
        assert_eq!(names, ["origin1"]);
        folder.forget("origin1");
        assert!(folder.living().unwrap().is_empty());
    }

    #[test]
    fn a_part_has_an_environment_of_its_own() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        assert!(folder.environment(Part::Origin1).unwrap().is_empty());
        folder.set_environment(Part::Origin1, "A=1=2\n\n# C=3 is no variable\nB=\n").unwrap();
        let expected = [("A", "1=2"), ("B", "")].map(|(key, value)| (key.to_owned(), value.into()));
        assert_eq!(folder.environment(Part::Origin1).unwrap(), expected);
        assert!(folder.environment(Part::Origin2).unwrap().is_empty());
    }

    #[test]
    fn an_environment_that_can_not_be_meant_is_refused_by_file_and_line() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        for line in ["export A", "=1", " =1", "A=\0"] {
            folder.set_environment(Part::Origin1, &format!("A=1\n\n{line}\nB=2\n")).unwrap();
            let error = folder.environment(Part::Origin1).unwrap_err().to_string();
            assert!(
                error.ends_with(&format!("env/origin1, line 3, has '{line}': expected KEY=value")),
                "{error}"
            );
        }
        let path = temporary.path().join("env/origin1");
        fs::write(&path, b"A=\xff\n").unwrap();
        let error = folder.environment(Part::Origin1).unwrap_err().to_string();
        assert!(
            error.ends_with("env/origin1 is no text in UTF-8: write a KEY=value in each line"),
            "{error}"
        );
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let error = folder.environment(Part::Origin1).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read ") && error.ends_with("make it readable or remove it"),
            "{error}"
        );
    }

    #[test]
    fn ports_are_remembered() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        assert!(folder.read_up().is_none());
        let ports = Ports::from([(Part::Origin1, 8000), (Part::Server2, 9090)]);
        folder.write_up(&ports).unwrap();
        let up = folder.read_up().unwrap();
        assert_eq!(up.ports(), ports);
        assert!(up.process.lives());
        assert!(folder.has_whole_up());
        let write_without_room = |ports| {
            folder.keep_ports(ports);
            fs::remove_file(folder.supervisor()).unwrap();
            std::os::unix::fs::symlink(up.process.words(), folder.supervisor()).unwrap();
            assert!(!folder.has_whole_up());
            let up = folder.read_up().unwrap();
            (up.process, up.ports())
        };
        let other = Ports::from([(Part::Origin1, 8500), (Part::Server2, 9090)]);
        for (written, read) in [(&ports, &ports), (&ports, &ports), (&other, &Ports::new())] {
            assert_eq!(write_without_room(written), (up.process, read.clone()));
        }
        for ports in [&other, &other] {
            folder.write_up(ports).unwrap();
            assert_eq!(folder.read_up().unwrap().ports(), *ports);
        }
        folder.forget_up();
        assert!(folder.read_up().is_none());
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "nothing is left of it");
    }

    #[test]
    fn what_an_upgrade_keeps_is_what_was_recorded_last() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        folder.read_given().unwrap_err();
        for window in ["30", "60", "60"] {
            let flags = [("window".to_owned(), window.to_owned())].into();
            let given = Given { folder: "/".into(), settings: Lasting { flags, ..Lasting::default() } };
            folder.write_given(&given).unwrap();
            assert_eq!(folder.read_given().unwrap(), given);
        }
        folder.forget_up();
        folder.read_given().unwrap_err();
    }

    #[test]
    fn a_path_too_long_for_sockets_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let error = Folder::new(temporary.path().join("x".repeat(100))).create().unwrap_err();
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "nothing is made");
        assert!(error.to_string().ends_with("expected at most 92 bytes"), "{error}");
    }
}
