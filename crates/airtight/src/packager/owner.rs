//! One packager to a spool: the processes of one may share it, another packager may not.
//!
//! Each process holds a shared lock on a file that says whose spool it is, as long as it lives, however it ends. So what
//! is written there counts only while somebody holds the lock. Processes of one packager have one name and address:
//! the next one begins beside one that serves, drains or stands still, whoever starts it.

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
};

use crate::config::SettingError;

/// The file in the root of a spool.
pub(super) const OWNER: &str = ".owner";
/// Bytes of it that are read.
const LONGEST: u64 = 256;

/// The share of this process in a spool, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Owner {
    /// None where nobody can be told apart: the file can't be made, as on a full disk.
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
        match file.try_lock() {
            // Nobody had it. What can't be written tells nobody apart.
            Ok(()) => _ = write(&mut file, name),
            Err(TryLockError::WouldBlock) => {
                let other = read(&mut file).unwrap_or_default();
                if !(succeeds || other.is_empty() || other == name) {
                    return Err(SettingError::new(format!(
                        "root folder '{}' is the spool of packager {other}, which runs: choose another by --root or \
                         OUTPUT_STREAM_PATH, or end that one first",
                        root.display()
                    )));
                }
            }
            // Where there are no locks nobody gets one.
            Err(TryLockError::Error(_)) => {}
        }
        let _ = file.try_lock_shared();
        Ok(Self { _file: Some(file) })
    }
}

fn write(file: &mut File, name: &str) -> io::Result<()> {
    file.set_len(0)?;
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
