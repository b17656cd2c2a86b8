//! The layout of a spool: one that another version of this program has left is not misread.
//!
//! A marker names the layout. What was written in another one is set aside, never deleted: a spool holds minutes,
//! the other packager holds them, too, and the live edge is not to wait for anybody.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use tempfile::NamedTempFile;
use tracing::warn;

use super::disk::but_full;

/// The layout that this program reads and writes.
const LAYOUT: &str = "1";
/// The file in the root of a spool that names its layout.
const MARKER: &str = ".layout";
/// Bytes of a marker that are shown.
const SHOWN: usize = 16;

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

/// Moves all that is in the spool, but what was set aside before, into a folder beside it.
fn set_aside(root: &Path, layout: &str) -> io::Result<PathBuf> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let aside = root.join(format!("{MARKER}-{layout}-{}", now.as_secs()));
    fs::create_dir(&aside)?;
    for entry in fs::read_dir(root)? {
        let name = entry?.file_name();
        if !name.as_encoded_bytes().starts_with(MARKER.as_bytes()) {
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
    fn a_spool_of_this_layout_stays_and_one_of_another_is_set_aside() {
        let root = tempfile::tempdir().unwrap();
        let (media, marker) = (root.path().join("live01"), root.path().join(MARKER));
        fs::create_dir(&media).unwrap();
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
        let aside: Vec<_> = aside.filter(|path| *path != marker).collect();
        assert!(aside.len() == 1 && aside[0].join("live01").is_dir(), "{aside:?}");
        assert_eq!(fs::read_to_string(aside[0].join(MARKER)).unwrap(), "2/../x\n");
    }
}
