//! Files that are there whole or not at all: written beside their place and renamed.
//!
//! A few words find their place on a full disk, too: as the target of a symbolic link that leads nowhere. A file
//! system keeps a short target (under 60 bytes on ext4) in the inode and takes no further room for it.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::{
        ffi::OsStringExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    path::Path,
};

/// Permissions as other programs write them: packagers may run as another user.
const MODE: u32 = 0o644;

/// Puts a file in the place of what was there; on failure nothing is left behind.
///
/// # Errors
/// The system's: no such folder, no room.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = draft().permissions(Permissions::from_mode(MODE)).tempfile_in(folder_of(path))?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The same; where there is no room for a file, `words` take its place as a link. [`words`] reads both.
///
/// # Errors
/// The system's, if there can't be a link either.
pub fn write_or_link(path: &Path, bytes: &[u8], words: &str) -> io::Result<()> {
    write(path, bytes).or_else(|error| link(path, words).map_err(|_| error))
}

fn link(path: &Path, words: &str) -> io::Result<()> {
    let link = draft().make_in(folder_of(path), |draft| symlink(words, draft))?;
    link.persist(path).map(drop).map_err(|error| error.error)
}

/// What is in a file, or was put in its place as a link.
///
/// # Errors
/// The system's, if there is neither.
pub fn words(path: &Path) -> io::Result<Vec<u8>> {
    fs::read_link(path).map(|words| words.into_os_string().into_vec()).or_else(|_| fs::read(path))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What is not in its place yet.
fn draft() -> tempfile::Builder<'static, 'static> {
    let mut draft = tempfile::Builder::new();
    draft.prefix(".").suffix(".tmp");
    draft
}

/// The same, and makes the file's folder if it is not there.
///
/// # Errors
/// The system's.
pub fn write_in_new_folder(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    write(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_can_t_take_its_place_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        fs::create_dir(&place).unwrap();
        write(&place, b"x").unwrap_err();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["place"]);
        write_or_link(&place, b"x", "y").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "neither does a link");
        write_in_new_folder(&place.join("a/b"), b"x").unwrap();
        assert_eq!(fs::read(place.join("a/b")).unwrap(), b"x");
    }

    #[test]
    fn words_are_read_from_a_link_and_from_the_file_that_follows_it() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        words(&place).unwrap_err();
        write(&place, b"before").unwrap();
        link(&place, "meanwhile").unwrap();
        assert_eq!(words(&place).unwrap(), b"meanwhile");
        write_or_link(&place, b"after", "never").unwrap();
        assert_eq!(words(&place).unwrap(), b"after");
        assert!(place.is_file());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}
