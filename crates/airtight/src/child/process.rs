//! Which process is meant: a pid alone may have been given to another one since.
//!
//! [`Process`] names a process for good by its pid and start time; [`Handle`] holds it by a
//! descriptor, so that a signal can't reach another process and its end is noticed by anyone, not
//! only by its parent.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::Context as _;
use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};
use tokio::io::unix::AsyncFd;

use crate::whole;

/// A process, living or not, told apart from later ones with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Process {
    /// Its process id.
    pub pid: i32,
    /// When it was forked, in clock ticks since the machine started.
    start: u64,
}

impl Process {
    /// This process.
    ///
    /// # Errors
    /// If `/proc` can't be read.
    pub fn current() -> anyhow::Result<Self> {
        let pid = rustix::process::getpid().as_raw_pid();
        Self::of(pid).with_context(|| format!("process {pid} is not in /proc"))
    }

    /// The process that has this pid now; none if it is gone or only waits to be reaped.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        start_of_living(&stat).map(|start| Self { pid, start })
    }

    /// Whether it still runs.
    pub fn lives(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Takes hold of it; none if it is gone.
    ///
    /// # Errors
    /// The system's, if there can be no further descriptor.
    pub fn open(self) -> io::Result<Option<Handle>> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(None);
        };
        let descriptor = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Only now is the pid pinned: if the start time is right, it is the process meant.
        if !self.lives() {
            return Ok(None);
        }
        Ok(Some(Handle { process: self, descriptor: watch(descriptor)? }))
    }

    /// Records it in the place of what was there, whole or not at all; on a full disk as a link, which [`whole`] explains.
    ///
    /// # Errors
    /// If the folder can't be written.
    pub fn write(self, path: &Path) -> anyhow::Result<()> {
        let words = self.words();
        whole::write_or_link(path, words.as_bytes(), &words)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Its record, which fits a link: 44 bytes at most.
    pub fn words(self) -> String {
        format!(r#"{{"pid":{},"start":{}}}"#, self.pid, self.start)
    }

    /// Reads it from its record; none if there is no such record or it says something else.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&whole::words(path).ok()?).ok()
    }

    /// Whether it is on record in a file, which other programs can read, too.
    pub fn is_on_record(self, path: &Path) -> bool {
        path.is_file() && Self::read(path) == Some(self)
    }
}

#[expect(deprecated, reason = "its unsafe successor asks that the descriptor stay open, as an OwnedFd does")]
fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(descriptor)
}

/// The start time in a line of `/proc/<pid>/stat`, unless the process has ended.
///
/// The second field is the program's name in parentheses and may hold any character.
fn start_of_living(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    // proc(5): the state is field 3, the start time field 22.
    let start = fields.nth(18)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(start)
}

/// A hold on a process, whoever started it.
#[derive(Debug)]
pub struct Handle {
    process: Process,
    descriptor: AsyncFd<OwnedFd>,
}

impl Handle {
    /// The process held.
    pub fn process(&self) -> Process {
        self.process
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// The runtime's, when it shuts down.
    pub async fn ended(&self) -> io::Result<()> {
        self.descriptor.readable().await.map(drop)
    }

    /// Sends it a signal; one that is gone needs none.
    ///
    /// # Errors
    /// The system's, if we may not signal it.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match rustix::process::pidfd_send_signal(&self.descriptor, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_program_name() {
        let tail = "S 1 2 3 0 -1 4194560 5 0 0 0 1 2 0 0 20 0 1 0 4711 1000 200";
        for name in ["airtight", "a b", "x) R 9 9", "("] {
            assert_eq!(start_of_living(&format!("12 ({name}) {tail}")), Some(4711), "{name}");
        }
    }

    #[test]
    fn a_process_that_waits_to_be_reaped_does_not_live() {
        let zombie = "12 (airtight) Z 1 2 3 0 -1 4194560 5 0 0 0 1 2 0 0 20 0 1 0 4711 0 0";
        assert_eq!(start_of_living(zombie), None);
        assert_eq!(start_of_living(""), None);
    }

    #[test]
    fn a_recycled_pid_is_another_process() {
        let this = Process::current().unwrap();
        assert!(this.lives());
        assert!(!Process { start: this.start + 1, ..this }.lives());
    }

    #[tokio::test]
    async fn a_process_is_held_only_if_it_is_the_one_meant() {
        let this = Process::current().unwrap();
        assert_eq!(this.open().unwrap().map(|held| held.process()), Some(this));
        assert!(Process { start: this.start + 1, ..this }.open().unwrap().is_none());
    }

    #[tokio::test]
    async fn the_end_of_a_process_is_noticed() {
        let mut child = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        let held = Process::of(pid).unwrap().open().unwrap().unwrap();
        held.signal(Signal::KILL).unwrap();
        held.ended().await.unwrap();
        child.wait().await.unwrap();
        held.signal(Signal::KILL).unwrap();
    }

    #[test]
    fn what_is_written_is_read_back_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.json");
        assert_eq!(Process::read(&path), None);
        let this = Process::current().unwrap();
        this.write(&path).unwrap();
        assert_eq!(Process::read(&path), Some(this));
        assert!(this.is_on_record(&path));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Process::read(&path), None);
        assert!(!this.is_on_record(&path));
    }

    #[test]
    fn a_record_fits_the_inode_of_a_link() {
        // The largest that Linux has: pid_max is 2^22; so many ticks pass in five billion years.
        let most = Process { pid: 1 << 22, start: u64::MAX };
        assert!(most.words().len() < 60, "{}", most.words());
        assert_eq!(serde_json::from_str::<Process>(&most.words()).unwrap(), most);
    }
}
