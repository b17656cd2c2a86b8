//! The layout of a spool: one that another version of this program has left is not misread, and no other folder is
//! taken for one.
//!
//! A marker names the layout. What was written in another one is set aside, never deleted: a spool holds minutes,
//! the other packager holds them, too, and the live edge is not to wait for anybody.

use std::{
    fs::{self, DirEntry},
    io,
    io::Write as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use airtight_media::id::{Lineage, SignalName};
use tempfile::NamedTempFile;
use tracing::warn;

use super::{
    disk::{BAD, UNFINISHED, but_full},
    owner::OWNER,
};

/// The layout that this program reads and writes.
const LAYOUT: &str = "1";
/// The file in the root of a spool that names its layout.
const MARKER: &str = ".layout";
/// How the name of a file begins that is tried or written in the root.
const DRAFT: &str = ".tmp";
/// The record of a signal, in its folder.
const RECORD: &str = "signal.json";
/// Bytes of a marker that are shown.
const SHOWN: usize = 16;
/// What a file system makes by itself in its root.
const FOUND: &str = "lost+found";

/// What is at `root` that no packager puts into a spool, in words; what can't be read is. A packager deletes what has
/// expired, so it is to own all of its folder. With a marker that is said; a full disk leaves a spool without.
///
/// # Errors
/// The folder itself can't be read.
pub(super) fn foreign(root: &Path) -> io::Result<Option<String>> {
    if root.join(MARKER).try_exists()? {
        return Ok(None);
    }
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.display();
        match is_of_spool(&entry) {
            Ok(true) => {}
            Ok(false) => return Ok(Some(format!("'{name}'"))),
            // Another process of this packager has just removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Ok(Some(format!("'{name}', which can't be read ({error})"))),
        }
    }
    Ok(None)
}

fn is_of_spool(entry: &DirEntry) -> io::Result<bool> {
    let (name, kind) = (entry.file_name(), entry.file_type()?);
    let Some(name) = name.to_str() else { return Ok(false) };
    if !kind.is_dir() {
        return Ok(kind.is_file() && (name == OWNER || name.starts_with(MARKER) || name.starts_with(DRAFT)));
    }
    if name == FOUND || name.starts_with(MARKER) {
        return Ok(true);
    }
    Ok(name.parse::<SignalName>().is_ok() && is_of_signal(&entry.path())?)
}

/// Whether a folder is empty, or has the folder of a lineage or a record, be it one that is set aside or that a killed
/// process has left unfinished.
fn is_of_signal(folder: &Path) -> io::Result<bool> {
    let mut names = fs::read_dir(folder)?.map(|entry| Ok::<_, io::Error>(entry?.file_name())).peekable();
    if names.peek().is_none() {
        return Ok(true);
    }
    for name in names {
        if name?.to_str().is_some_and(is_name_in_signal) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_name_in_signal(name: &str) -> bool {
    let is_record = name.strip_suffix(BAD).unwrap_or(name) == RECORD || name.starts_with(UNFINISHED);
    is_record || name.parse::<Lineage>().is_ok()
}

/// Makes the spool at `root` one of this layout. One without a marker is: it is new.
///
/// # Errors
/// What is of another layout can't be set aside.
pub(super) fn claim(root: &Path) -> io::Result<()> {
    match fs::read(root.join(MARKER)) {
        Ok(found) if found.trim_ascii() == LAYOUT.as_bytes() => return Ok(()),
        Ok(found) => {
            let layout: String = String::from_utf8_lossy(&found)
                .chars()
                .filter(|c| c.is_ascii_alphanumeric() || *c == '.')
                .take(SHOWN)
                .collect();
            let aside = set_aside(root, &layout)?;
            warn!(
                "'{}' is a spool of layout '{layout}', this program has layout '{LAYOUT}': what was in it is set aside as \
                 '{}' and takes up room until somebody deletes it",
                root.display(),
                aside.display()
            );
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Without its marker it is taken for one of this layout, which it is.
    but_full(mark(root))
}

fn mark(root: &Path) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(root)?;
    writeln!(file, "{LAYOUT}")?;
    file.persist(root.join(MARKER))?;
    Ok(())
}

/// Moves all that is in the spool into a folder in it, but for what was set aside before, what says whose spool it is,
/// and what is the file system's.
fn set_aside(root: &Path, layout: &str) -> io::Result<PathBuf> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let aside = root.join(format!("{MARKER}-{layout}-{}", now.as_secs()));
    fs::create_dir(&aside)?;
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        let stays = name == OWNER || name == FOUND || name.as_encoded_bytes().starts_with(MARKER.as_bytes());
        if !stays {
            fs::rename(root.join(&name), aside.join(&name))?;
        }
    }
    fs::rename(root.join(MARKER), aside.join(MARKER))?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_that_holds_nothing_else_is_a_spool() {
        let spools: [&[&str]; 9] = [
            &[],
            &["lost+found/", ".tmpAbC", ".owner"],
            &["live01/signal.json", "live02/"],
            &["live01/a-7/720p/"],
            &["live01/.put-AbC"],
            &["live01/signal.json.bad"],
            &["live01/signal.json.bad", "live01/b-7/"],
            &[".layout", "notes.txt"],
            &[".layout-2-7/live01/"],
        ];
        let others: [&[&str]; 7] = [
            &["passwd"],
            &[".ssh/id"],
            &["live01/signal.json", "notes.txt"],
            &["films/holiday.mp4"],
            &["films/holiday.bad"],
            &["my films/"],
            &["films/a-7/x", "signal.json"],
        ];
        for (holds, is_spool) in
            spools.iter().map(|holds| (holds, true)).chain(others.iter().map(|holds| (holds, false)))
        {
            let root = tempfile::tempdir().unwrap();
            for path in holds.iter().map(|path| root.path().join(path)) {
                let folder =
                    path.to_str().unwrap().ends_with('/').then_some(&*path).or(path.parent()).unwrap();
                fs::create_dir_all(folder).unwrap();
                if !path.is_dir() {
                    fs::write(path, "x").unwrap();
                }
            }
            assert_eq!(foreign(root.path()).unwrap().is_none(), is_spool, "{holds:?}");
        }
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", root.path().join("live01")).unwrap();
        assert_eq!(foreign(root.path()).unwrap().unwrap(), "'live01'", "a link leads out of it");
    }

    #[test]
    fn a_spool_of_this_layout_stays_and_one_of_another_is_set_aside() {
        let root = tempfile::tempdir().unwrap();
        let (media, marker) = (root.path().join("live01"), root.path().join(MARKER));
        let found = root.path().join(FOUND);
        fs::create_dir(&media).unwrap();
        fs::create_dir(&found).unwrap();
        for _ in 0..2 {
            claim(root.path()).unwrap();
            assert!(media.is_dir(), "what has no marker, or this one, stays");
            assert_eq!(fs::read_to_string(&marker).unwrap(), "1\n");
        }
        fs::write(&marker, "2/../x\n").unwrap();
        claim(root.path()).unwrap();
        assert_eq!(fs::read_to_string(&marker).unwrap(), "1\n");
        assert!(!media.exists());
        let aside = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().path());
        let aside: Vec<_> = aside.filter(|path| *path != marker && *path != found).collect();
        assert!(found.is_dir(), "it is the file system's");
        assert!(aside.len() == 1 && aside[0].join("live01").is_dir(), "{aside:?}");
        assert_eq!(fs::read_to_string(aside[0].join(MARKER)).unwrap(), "2/../x\n");
    }
}
