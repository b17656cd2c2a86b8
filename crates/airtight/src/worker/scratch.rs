//! The worker's temporary folder, for the lists and slates that ffmpeg reads and writes.
//!
//! A worker that is killed leaves its folder behind, and a later one removes it. A folder is in use for as
//! long as its owner holds the lock on it, which ends with the owner however that dies.

use std::{
    env,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::Duration,
};

use tempfile::TempDir;

/// How the name of such a folder begins and ends; no other folder has one like it by chance.
const NAME: (&str, &str) = ("airtight-worker-", ".tmp");
/// A folder younger than this may be about to be locked by the one who made it.
const YOUNG: Duration = Duration::from_secs(60);

/// A temporary folder, removed when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one, and removes those of workers that were killed.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        Self::new_in(&env::temp_dir())
    }

    fn new_in(root: &Path) -> io::Result<Self> {
        for path in fs::read_dir(root)?.flatten().map(|entry| entry.path()) {
            if is_left(&path).unwrap_or(false) {
                // What can't be removed costs room only.
                let _ = fs::remove_dir_all(path);
            }
        }
        let folder = tempfile::Builder::new().prefix(NAME.0).suffix(NAME.1).tempdir_in(root)?;
        let lock = File::open(folder.path())?;
        // Where there are no locks nobody gets one, and nothing is taken for left behind.
        let _ = lock.try_lock();
        Ok(Self { folder, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether it is a folder of ours whose owner is dead.
fn is_left(path: &Path) -> io::Result<bool> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let ours = name.strip_prefix(NAME.0).is_some_and(|name| name.ends_with(NAME.1));
    let about = fs::symlink_metadata(path)?;
    let own = about.uid() == rustix::process::geteuid().as_raw();
    let old = about.modified()?.elapsed().is_ok_and(|age| age > YOUNG);
    Ok(ours && about.is_dir() && own && old && File::open(path)?.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::SystemTime};

    use super::*;

    fn old(path: &Path) {
        File::open(path).unwrap().set_modified(SystemTime::now() - 2 * YOUNG).unwrap();
    }

    #[test]
    fn what_a_killed_worker_left_is_removed_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str| -> PathBuf {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("list-1.ffconcat"), "x").unwrap();
            path
        };
        let (left, young) = (folder("airtight-worker-a.tmp"), folder("airtight-worker-b.tmp"));
        let other = folder("airtight-worker-films");
        let used = Scratch::new_in(root.path()).unwrap();
        [&left, &other, &used.path().to_owned()].into_iter().for_each(|path| old(path));
        let second = Scratch::new_in(root.path()).unwrap();
        assert!(!left.exists());
        assert!(young.exists() && other.exists() && used.path().exists() && second.path().exists());
        drop((used, second));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2, "nothing is left at an orderly end");
    }
}
