//! The folder of a packager: files appear in it whole, and what is none of ours is left alone.
//!
//! It knows names, not media. All calls block: they belong on a thread that may.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use airtight_media::{
    holding::{Piece, Place},
    id::{Lineage, SignalName},
};
use bytes::Bytes;
use tempfile::NamedTempFile;

use super::{layout, owner::Owner, store::Mode};
use crate::config::SettingError;

/// How files begin that are not whole yet.
pub(super) const UNFINISHED: &str = ".put-";
/// What follows the name of a file that is not what it says.
pub(super) const BAD: &str = ".bad";
/// Bytes of a file that is read: as many as a request may bring.
const LONGEST: u64 = 64 << 20;
/// A file younger than this may still be being written by somebody who does not rename.
const YOUNG: Duration = Duration::from_secs(2);

/// What became of a file to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It is there.
    New,
    /// Another one of its name was there before, and stays.
    Exists,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) bytes: Bytes,
    pub(super) modified: SystemTime,
}

impl File {
    /// True if whoever writes it may not be done.
    pub(super) fn is_young(&self) -> bool {
        self.modified.elapsed().is_ok_and(|age| age < YOUNG)
    }
}

/// The folder.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    root: PathBuf,
}

impl Disk {
    /// Makes the folder if it is not there, and makes sure that a spool holds nothing else and can be written.
    ///
    /// # Errors
    /// It can't be used.
    pub(super) fn open(root: &Path, mode: Mode) -> Result<Self, SettingError> {
        let unusable = |error| unusable(root, &error);
        fs::create_dir_all(root).and_then(|()| fs::read_dir(root).map(drop)).map_err(unusable)?;
        if mode == Mode::Spool {
            if let Some(foreign) = layout::foreign(root).map_err(unusable)? {
                let root = root.display();
                return Err(SettingError::new(format!(
                    "root folder '{root}' is no spool, it holds {foreign}, and a packager deletes in its spool: choose \
                     an empty folder by --root or OUTPUT_STREAM_PATH"
                )));
            }
            but_full(NamedTempFile::new_in(root).map(drop)).map_err(unusable)?;
        }
        Ok(Self { root: fs::canonicalize(root).map_err(unusable)? })
    }

    /// Shares the spool as a process of the packager `name`, as [`Owner::claim`] does, and makes it one of this layout.
    /// In this order: nothing is set aside that another packager serves.
    ///
    /// # Errors
    /// A packager of another name has it, or it can't be used.
    pub(super) fn claim(&self, name: &str, succeeds: bool) -> Result<Owner, SettingError> {
        let owner = Owner::claim(&self.root, name, succeeds)?;
        layout::claim(&self.root).map_err(|error| unusable(&self.root, &error))?;
        Ok(owner)
    }

    /// Where the folder is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folder again if it was removed; gives what tells it from another one of its name.
    pub(super) fn ensure(&self) -> io::Result<(u64, u64)> {
        fs::create_dir_all(&self.root)?;
        let folder = fs::metadata(&self.root)?;
        Ok((folder.dev(), folder.ino()))
    }

    fn path(&self, place: &Place) -> PathBuf {
        self.root.join(place.to_string())
    }

    /// What a path in the folder names.
    pub(super) fn place(&self, path: &Path) -> Option<Place> {
        Place::parse(path.strip_prefix(&self.root).ok()?.to_str()?)
    }

    /// Reads a file. A link is not followed, and a pipe is not waited for.
    ///
    /// # Errors
    /// The system's; no plain file, or one longer than any piece of media.
    pub(super) fn read(&self, place: &Place) -> io::Result<File> {
        let path = self.path(place);
        let about = fs::symlink_metadata(&path)?;
        if !about.is_file() || about.len() > LONGEST {
            let what = format!("{place} is no plain file of at most {LONGEST} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        Ok(File { bytes: fs::read(path)?.into(), modified: about.modified()? })
    }

    /// Whether a file is there.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn exists(&self, place: &Place) -> io::Result<bool> {
        self.path(place).try_exists()
    }

    /// Writes a file that is not there yet.
    ///
    /// # Errors
    /// The system's; nothing is left behind.
    pub(super) fn write(&self, place: &Place, bytes: &[u8]) -> io::Result<Written> {
        match self.unfinished(place, bytes)?.persist_noclobber(self.path(place)) {
            Ok(_) => Ok(Written::New),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Written::Exists),
            Err(error) => Err(error.error),
        }
    }

    /// Writes a file in the place of what was there.
    ///
    /// # Errors
    /// The system's; what was there stays.
    pub(super) fn replace(&self, place: &Place, bytes: &[u8]) -> io::Result<()> {
        self.unfinished(place, bytes)?.persist(self.path(place))?;
        Ok(())
    }

    /// The bytes beside their place, under a name that no reader takes for one of ours.
    fn unfinished(&self, place: &Place, bytes: &[u8]) -> io::Result<NamedTempFile> {
        let path = self.path(place);
        let folder = path.parent().unwrap_or(&self.root);
        let mut builder = tempfile::Builder::new();
        // Readable for the others that share the folder, as any file that is written plainly.
        builder.prefix(UNFINISHED).permissions(fs::Permissions::from_mode(0o666));
        let file = builder.tempfile_in(folder).or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
            fs::create_dir_all(folder)?;
            builder.tempfile_in(folder)
        });
        let mut file = file?;
        file.write_all(bytes)?;
        Ok(file)
    }

    /// Removes a file; one that is not there is removed already.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn remove(&self, signal: &SignalName, piece: &Piece) -> io::Result<()> {
        gone(fs::remove_file(self.path(&Place::Piece(signal.clone(), piece.clone()))))
    }

    /// Removes the folder of a lineage.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn remove_lineage(&self, signal: &SignalName, lineage: &Lineage) -> io::Result<()> {
        gone(fs::remove_dir_all(self.root.join(signal.as_str()).join(lineage.to_string())))
    }

    /// Deletes a signal with all that is in it.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn remove_signal(&self, signal: &SignalName) -> io::Result<()> {
        gone(fs::remove_dir_all(self.root.join(signal.as_str())))
    }

    /// Renames a file that is not what its name says; gives its new name.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn set_aside(&self, place: &Place) -> io::Result<PathBuf> {
        let path = self.path(place);
        let mut aside = path.clone().into_os_string();
        aside.push(BAD);
        gone(fs::rename(path, &aside))?;
        Ok(aside.into())
    }

    /// Every file below `folder` (the root, or a folder in it) whose name is one of ours.
    ///
    /// What can't be read is left out: it may be about to vanish.
    pub(super) fn scan(&self, folder: &Path) -> Vec<Place> {
        let mut places = Vec::new();
        self.each_file(folder, &mut |path| places.extend(self.place(path)));
        places
    }

    /// Removes what a process that died has left unfinished.
    pub(super) fn sweep(&self) {
        self.each_file(&self.root, &mut |path| {
            let name = path.file_name().and_then(|name| name.to_str());
            if name.is_some_and(|name| name.starts_with(UNFINISHED)) {
                // One that stays is in nobody's way.
                let _ = fs::remove_file(path);
            }
        });
    }

    fn each_file(&self, folder: &Path, visit: &mut impl FnMut(&Path)) {
        let depth = folder.strip_prefix(&self.root).map_or(0, |path| path.components().count());
        // Deeper than <signal>/<lineage>/<track> nothing is ours.
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            match entry.file_type() {
                // What is set aside is no part of the layout.
                Ok(kind) if kind.is_dir() && entry.file_name().as_encoded_bytes().starts_with(b".") => {}
                Ok(kind) if kind.is_dir() && depth < 3 => self.each_file(&entry.path(), visit),
                Ok(kind) if kind.is_file() => visit(&entry.path()),
                _ => {}
            }
        }
    }
}

fn unusable(root: &Path, error: &io::Error) -> SettingError {
    SettingError::new(format!(
        "root folder '{}' can't be used: {error}; choose another by --root or OUTPUT_STREAM_PATH, or let this user make \
         and use it",
        root.display()
    ))
}

/// A full disk keeps no packager from its start: it goes on from memory.
pub(super) fn but_full(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if is_full(&error) => Ok(()),
        outcome => outcome,
    }
}

/// Whether it says that the disk has no room, or none for this user.
pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn gone(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_made_or_refused_in_one_sentence_that_names_the_remedy() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("not/there/yet");
        assert!(Disk::open(&missing, Mode::Spool).is_ok() && missing.is_dir());
        let file = NamedTempFile::new().unwrap();
        for mode in [Mode::Shared, Mode::Spool] {
            let error = Disk::open(&file.path().join("root"), mode).unwrap_err().to_string();
            assert!(error.starts_with("root folder '") && error.contains("can't be used"), "{error}");
            assert!(error.contains("choose another by --root"), "{error}");
        }
    }

    #[test]
    fn a_spool_of_another_layout_is_set_aside_only_by_who_shares_it() {
        let root = tempfile::tempdir().unwrap();
        let claim = |name, succeeds| Disk::open(root.path(), Mode::Spool)?.claim(name, succeeds);
        let serves = claim("server1", false).unwrap();
        let media = root.path().join("live01/a-7");
        fs::create_dir_all(&media).unwrap();
        let becomes = |layout| fs::write(root.path().join(".layout"), layout).unwrap();
        becomes("2\n");
        claim("server2", false).unwrap_err();
        assert!(media.is_dir(), "it is served");
        let follows = claim("server1", true).unwrap();
        assert!(!media.exists(), "it is set aside");
        drop(serves);
        becomes("3\n");
        claim("server2", false).unwrap_err();
        drop(follows);
        claim("server2", false).unwrap();
    }
}
