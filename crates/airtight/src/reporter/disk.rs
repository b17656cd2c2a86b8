//! The snapshot on disk: written whole beside its place and renamed, so it is never half a snapshot.
//!
//! One that can't be read is set aside for whoever wants to know why, and the reporter starts empty.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use airtight_control::registry::Snapshot;
use anyhow::Context as _;
use tempfile::NamedTempFile;
use tracing::{error, warn};

use crate::config::SettingError;

const FILE: &str = "registry.json";

/// The folder that holds the snapshot.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Makes the folder, and makes sure that it can be written.
    ///
    /// # Errors
    /// It can't.
    pub(super) fn open(folder: PathBuf) -> Result<Self, SettingError> {
        let writable = fs::create_dir_all(&folder).and_then(|()| NamedTempFile::new_in(&folder).map(drop));
        match writable {
            Ok(()) => Ok(Self { folder }),
            Err(error) => Err(SettingError::new(format!(
                "state folder '{}' can't be written: {error}; choose another by --state",
                folder.display()
            ))),
        }
    }

    /// The last snapshot, or an empty one.
    pub(super) fn load(&self) -> Snapshot {
        let path = self.folder.join(FILE);
        let read = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Snapshot::default(),
            Err(error) => Err(error.to_string()),
            Ok(json) => serde_json::from_slice(&json).map_err(|error| error.to_string()),
        };
        read.unwrap_or_else(|reason| {
            set_aside(&path, &reason);
            Snapshot::default()
        })
    }

    /// Replaces the snapshot.
    ///
    /// # Errors
    /// It can't be written; then the old one is still whole.
    pub(super) fn save(&self, snapshot: &Snapshot) -> anyhow::Result<()> {
        let path = self.folder.join(FILE);
        let failed = || format!("the snapshot '{}' can't be written", path.display());
        let mut file = NamedTempFile::new_in(&self.folder).with_context(failed)?;
        file.write_all(&serde_json::to_vec(snapshot)?).with_context(failed)?;
        file.as_file().sync_data().with_context(failed)?;
        file.persist(&path).with_context(failed)?;
        Ok(())
    }
}

fn set_aside(path: &Path, reason: &str) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let aside = path.with_extension(format!("json.corrupt-{seconds}"));
    let (path, aside_name) = (path.display(), aside.display());
    match fs::rename(path.to_string(), &aside) {
        Ok(()) => warn!(
            "The snapshot '{path}' can't be read ({reason}): set aside as '{aside_name}', starting empty"
        ),
        Err(error) => {
            error!("The snapshot '{path}' can't be read ({reason}) nor set aside ({error}): starting empty");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = r#"{"revision":7,"signals":[{"signal":"live01","last_reported":"2024-04-05T14:23:45Z","packagers":[{"url":"http://p1","last_reported":"2024-04-05T14:23:45Z"}]}]}"#;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path().join("state/of/reporter")).unwrap();
        assert_eq!(disk.load(), Snapshot::default());
        let snapshot: Snapshot = serde_json::from_str(KNOWN).unwrap();
        disk.save(&snapshot).unwrap();
        assert_eq!(disk.load(), snapshot);
        let files: Vec<_> =
            fs::read_dir(&disk.folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, [FILE], "nothing half written is left");
    }

    #[test]
    fn a_corrupt_snapshot_is_set_aside() {
        for corrupt in ["", "{", &KNOWN[..KNOWN.len() - 9], r#"{"revision":1,"signals":[{"signal":".."}]}"#] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(FILE), corrupt).unwrap();
            let disk = Disk::open(folder.path().to_owned()).unwrap();
            assert_eq!(disk.load(), Snapshot::default());
            let aside = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
            assert!(aside.file_name().to_str().unwrap().starts_with("registry.json.corrupt-"));
            assert_eq!(fs::read_to_string(aside.path()).unwrap(), corrupt);
        }
    }

    #[test]
    fn a_folder_that_can_not_be_written_is_refused_by_name() {
        let file = NamedTempFile::new().unwrap();
        let error = Disk::open(file.path().join("state")).unwrap_err().to_string();
        assert!(error.starts_with("state folder '") && error.contains("can't be written"), "{error}");
    }
}
