//! The last good answer of the reporter, on disk: an origin that starts while the control plane
//! is dead begins from it.

use std::{fs, io::Write as _, path::PathBuf};

use airtight_control::ingest::Ingest;
use anyhow::Context as _;
use tempfile::NamedTempFile;
use tracing::warn;

use crate::config::SettingError;

const FILE: &str = "ingests.json";

/// The folder that holds the answer.
#[derive(Debug)]
pub(super) struct Saved {
    folder: PathBuf,
}

impl Saved {
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

    /// The answer that was saved; none if there is none, or none that can be read.
    pub(super) fn load(&self) -> Vec<Ingest> {
        let path = self.folder.join(FILE);
        match fs::read(&path).map(|json| serde_json::from_slice(&json)) {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                warn!("The saved answer '{}' is not used: {error}", path.display());
                Vec::new()
            }
            Err(_) => Vec::new(),
        }
    }

    /// Replaces the saved answer.
    ///
    /// # Errors
    /// It can't be written; then the old one is still whole.
    pub(super) fn save(&self, answer: &[Ingest]) -> anyhow::Result<()> {
        let path = self.folder.join(FILE);
        let failed = || format!("the last answer of the reporter can't be saved in '{}'", path.display());
        let mut file = NamedTempFile::new_in(&self.folder).with_context(failed)?;
        file.write_all(&serde_json::to_vec(answer)?).with_context(failed)?;
        file.persist(&path).with_context(failed)?;
        Ok(())
    }
}
