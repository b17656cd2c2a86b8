//! A file of state that outlives a restart: written whole beside its place and renamed, so it is never half.
//!
//! One that can't be read is set aside for whoever wants to know why, and its owner starts empty.

use std::{
    fs, io,
    io::Write as _,
    marker::PhantomData,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use serde::{Serialize, de::DeserializeOwned};
use tempfile::NamedTempFile;
use tracing::{error, warn};

use crate::config::SettingError;

/// A `T` in JSON, in a folder of state.
#[derive(Debug)]
pub struct StateFile<T> {
    folder: PathBuf,
    name: &'static str,
    content: PhantomData<fn(T) -> T>,
}

impl<T> Clone for StateFile<T> {
    fn clone(&self) -> Self {
        Self { folder: self.folder.clone(), name: self.name, content: PhantomData }
    }
}

impl<T: Serialize + DeserializeOwned + Default> StateFile<T> {
    /// Makes the folder, and makes sure that it can be written.
    ///
    /// # Errors
    /// It can't.
    pub fn open(folder: PathBuf, name: &'static str) -> Result<Self, SettingError> {
        let writable = fs::create_dir_all(&folder).and_then(|()| NamedTempFile::new_in(&folder).map(drop));
        match writable {
            Ok(()) => Ok(Self { folder, name, content: PhantomData }),
            Err(error) => Err(SettingError::new(format!(
                "state folder '{}' can't be written: {error}; choose another by --state",
                folder.display()
            ))),
        }
    }

    /// What was saved last, or an empty `T`.
    pub fn load(&self) -> T {
        let path = self.folder.join(self.name);
        let read = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return T::default(),
            Err(error) => Err(error.to_string()),
            Ok(json) => serde_json::from_slice(&json).map_err(|error| error.to_string()),
        };
        read.unwrap_or_else(|reason| {
            set_aside(&path, &reason);
            T::default()
        })
    }

    /// Replaces what was saved.
    ///
    /// # Errors
    /// It can't be written; then the old one is still whole.
    pub fn save(&self, content: &T) -> anyhow::Result<()> {
        let path = self.folder.join(self.name);
        let failed = || format!("the state '{}' can't be written", path.display());
        let mut file = NamedTempFile::new_in(&self.folder).with_context(failed)?;
        file.write_all(&serde_json::to_vec(content)?).with_context(failed)?;
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
        Ok(()) => {
            warn!("The state '{path}' can't be read ({reason}): set aside as '{aside_name}', starting empty");
        }
        Err(error) => {
            error!("The state '{path}' can't be read ({reason}) nor set aside ({error}): starting empty");
        }
    }
}

#[cfg(test)]
mod tests {
    use airtight_control::registry::Snapshot;

    use super::*;

    const FILE: &str = "registry.json";

    const KNOWN: &str = r#"{"revision":7,"signals":[{"signal":"live01","last_reported":"2024-04-05T14:23:45Z","packagers":[{"url":"http://p1","last_reported":"2024-04-05T14:23:45Z"}]}]}"#;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let disk = StateFile::<Snapshot>::open(folder.path().join("state/of/reporter"), FILE).unwrap();
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
            let disk = StateFile::<Snapshot>::open(folder.path().to_owned(), FILE).unwrap();
            assert_eq!(disk.load(), Snapshot::default());
            let aside = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
            assert!(aside.file_name().to_str().unwrap().starts_with("registry.json.corrupt-"));
            assert_eq!(fs::read_to_string(aside.path()).unwrap(), corrupt);
        }
    }

    #[test]
    fn a_folder_that_can_not_be_written_is_refused_by_name() {
        let file = NamedTempFile::new().unwrap();
        let error = StateFile::<Snapshot>::open(file.path().join("state"), FILE).unwrap_err().to_string();
        assert!(error.starts_with("state folder '") && error.contains("can't be written"), "{error}");
    }
}
