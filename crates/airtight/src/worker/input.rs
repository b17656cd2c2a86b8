//! What is encoded: the generated programme, or a file.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{
    codec::Sound,
    command::{Feed, List, Start},
    file::{File, LINK},
    generated::Size,
    source::Source,
};

/// From the start of ffmpeg to its first sample: of the generated programme, of a file.
const LEAD_MS: (u64, u64) = (250, 500);

/// What is encoded.
pub enum Input {
    /// The programme that ffmpeg makes by itself.
    Generated {
        /// How large it is.
        size: Size,
        /// Whether it can have text.
        text: bool,
        /// Its sound.
        sound: Sound,
    },
    /// A file.
    File {
        /// What it holds.
        file: Box<File>,
        /// Where it is.
        path: PathBuf,
        /// The folder of its link and lists.
        folder: PathBuf,
    },
}

impl Input {
    /// The file at `path`; in `folder` the lists that ffmpeg reads are written, beside a link to it.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn file(path: PathBuf, file: File, folder: &Path) -> io::Result<Self> {
        symlink(&path, folder.join(LINK))?;
        write(&file.lists(), folder)?;
        Ok(Self::File { file: Box::new(file), path, folder: folder.to_owned() })
    }

    /// Its pictures and sound.
    pub fn source(&self) -> Source {
        match self {
            Self::Generated { size, sound, .. } => size.source(*sound),
            Self::File { file, .. } => file.source,
        }
    }

    /// What a run from `start` reads; its lists are written.
    ///
    /// # Errors
    /// They can't be.
    pub fn feed(&self, start: &Start) -> io::Result<Feed> {
        match self {
            Self::Generated { size, text, sound } => Ok(size.feed(start, *text, *sound)),
            Self::File { file, folder, .. } => {
                let feed = file.feed(start, &folder.display().to_string());
                write(&feed.lists, folder).map(|()| feed)
            }
        }
    }

    /// What to look at if it can't be encoded.
    pub fn name(&self) -> String {
        match self {
            Self::Generated { .. } => "the generated programme".to_owned(),
            Self::File { path, .. } => path.display().to_string(),
        }
    }

    /// From the start of ffmpeg to its first sample, in milliseconds.
    pub const fn lead_ms(&self) -> u64 {
        match self {
            Self::Generated { .. } => LEAD_MS.0,
            Self::File { .. } => LEAD_MS.1,
        }
    }
}

/// Writes lists that ffmpeg reads.
///
/// # Errors
/// The folder can't be written.
pub fn write(lists: &[List], folder: &Path) -> io::Result<()> {
    lists.iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
}
