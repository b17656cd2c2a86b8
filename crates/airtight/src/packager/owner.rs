//! One packager to a spool: the processes of one may share it, another packager may not.
//!
//! Each process holds a shared lock on a file that says whose spool it is, as long as it lives, however it ends. So what
//! is written there counts only while somebody holds the lock. Processes of one packager have one name and address:
//! the next one begins beside one that serves, drains or stands still, whoever starts it.

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::config::SettingError;

/// The file in the root of a spool.
pub(super) const OWNER: &str = ".owner";
/// Bytes of it that are read.
const LONGEST: u64 = 256;
/// For a process that says whose spool it is to have said so, on a disk that is slow; and between two looks.
const PATIENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(5);

/// The share of this process in a spool, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Owner {
    /// None where nobody can be told apart: the file can't be made, as on a full disk, or not be locked.
    _file: Option<File>,
}

impl Owner {
    /// Shares the spool at `root` as a process of the packager `name`; one that `succeeds` another is told to.
    ///
    /// # Errors
    /// A packager of another name has it.
    pub(super) fn claim(root: &Path, name: &str, succeeds: bool) -> Result<Self, SettingError> {
        let path = root.join(OWNER);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let Ok(mut file) = file else { return Ok(Self { _file: None }) };
        let end = Instant::now() + PATIENCE;
        let other = loop {
            match share(&mut file, name) {
                Ok(Some(owner)) if succeeds || owner.is_empty() || owner == name => {
                    return Ok(Self { _file: Some(file) });
                }
                Ok(Some(owner)) => break format!("packager {owner}"),
                Ok(None) if Instant::now() < end => thread::sleep(LOOK),
                Ok(None) if !succeeds => break "a packager that has not said its name".to_owned(),
                // Where there are no locks nobody gets one.
                Ok(None) | Err(_) => return Ok(Self { _file: None }),
            }
        };
        Err(SettingError::new(format!(
            "root folder '{}' is the spool of {other}, which runs: choose another by --root or \
             OUTPUT_STREAM_PATH, or end that one first",
            root.display()
        )))
    }
}

/// Takes a share of the lock and reads whose spool it is: that of `name` if nobody had it. None while another process
/// is about to say so.
///
/// To go from the lock for one to a share is not atomic (flock(2)): another process may have been in between. So only
/// what is read under a share counts.
///
/// # Errors
/// The system's: there are no locks here.
fn share(file: &mut File, name: &str) -> io::Result<Option<String>> {
    match file.try_lock() {
        // What can't be written tells nobody apart; on a full disk what is there already need not be.
        Ok(()) => {
            if read(file).ok().as_deref() != Some(name) {
                let _ = write(file, name);
            }
        }
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(read(file).unwrap_or_default())),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn write(file: &mut File, name: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(name.as_bytes())
}

fn read(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    const ONE: &str = "server1 at 127.0.0.1:8080";
    const OTHER: &str = "server2 at 127.0.0.1:9090";

    #[test]
    fn processes_of_one_packager_share_a_spool_and_another_is_refused_while_one_lives() {
        let root = tempfile::tempdir().unwrap();
        let claim = |name, succeeds| Owner::claim(root.path(), name, succeeds);
        let first = claim(ONE, false).unwrap();
        let second = claim(ONE, false).unwrap();
        drop(first);
        let error = claim(OTHER, false).unwrap_err().to_string();
        assert!(error.ends_with(&format!("is the spool of packager {ONE}, which runs: choose another by --root or OUTPUT_STREAM_PATH, or end that one first")), "{error}");
        let third = claim(ONE, false).unwrap();
        drop(second);
        claim(OTHER, false).unwrap_err();
        drop(claim(OTHER, true).unwrap());
        drop(third);
        let other = claim(OTHER, false).unwrap();
        claim(ONE, false).unwrap_err();
        drop(other);
        drop(claim(ONE, false).unwrap());
    }

    #[test]
    fn what_another_process_is_about_to_change_is_waited_for_and_not_believed() {
        let root = tempfile::tempdir().unwrap();
        let claim = |name, succeeds| Owner::claim(root.path(), name, succeeds);
        drop(claim(OTHER, false).unwrap());
        let mut begins = File::options().read(true).write(true).open(root.path().join(OWNER)).unwrap();
        begins.try_lock().unwrap();
        let error = claim(ONE, false).unwrap_err().to_string();
        assert!(
            error.contains("is the spool of a packager that has not said its name, which runs"),
            "{error}"
        );
        drop(claim(ONE, true).unwrap());
        thread::scope(|scope| {
            let sibling = scope.spawn(|| claim(ONE, false));
            write(&mut begins, ONE).unwrap();
            begins.try_lock_shared().unwrap();
            let sibling = sibling.join().unwrap().unwrap();
            drop(begins);
            claim(OTHER, false).unwrap_err();
            drop(sibling);
        });
    }

    #[test]
    fn of_packagers_that_begin_together_one_has_the_spool_and_each_process_of_it_a_share() {
        for _ in 0..100 {
            let root = tempfile::tempdir().unwrap();
            let claim = |name| Owner::claim(root.path(), name, false);
            let together = Barrier::new(4);
            let begin = |name| {
                together.wait();
                claim(name).ok().map(|share| (name, share))
            };
            let mut shares: Vec<_> = thread::scope(|scope| {
                [ONE, OTHER, ONE, OTHER]
                    .map(|name| scope.spawn(move || begin(name)))
                    .into_iter()
                    .filter_map(|process| process.join().unwrap())
                    .collect()
            });
            let (owner, last) = shares.pop().unwrap();
            assert!(shares.len() == 1 && shares[0].0 == owner, "{owner}, {shares:?}");
            drop(shares);
            claim("a third").unwrap_err();
            drop(last);
        }
    }

    #[test]
    fn a_spool_whose_owner_can_not_be_told_is_shared() {
        let root = tempfile::tempdir().unwrap();
        // As a full disk leaves it.
        let silent = Owner::claim(root.path(), "", false).unwrap();
        drop(Owner::claim(root.path(), ONE, false).unwrap());
        drop(silent);
        std::fs::remove_file(root.path().join(OWNER)).unwrap();
        std::fs::create_dir(root.path().join(OWNER)).unwrap();
        drop(Owner::claim(root.path(), ONE, false).unwrap());
    }
}
