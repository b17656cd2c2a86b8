//! Files that are there whole or not at all: written beside their place and renamed.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

/// Permissions as other programs write them: packagers may run as another user.
const MODE: u32 = 0o644;

/// Puts a file in the place of what was there; on failure nothing is left behind.
///
/// # Errors
/// The system's: no such folder, no room.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new();
    draft.prefix(".").suffix(".tmp").permissions(Permissions::from_mode(MODE));
    let mut file = draft.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
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
        write_in_new_folder(&place.join("a/b"), b"x").unwrap();
        assert_eq!(fs::read(place.join("a/b")).unwrap(), b"x");
    }
}
