//! Disks that take nothing, and disks that give garbage.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

/// Numbers whose files are made garbage: all that a player has not loaded yet.
const NUMBERS: usize = 3;

/// Lets a process write files, or not; for the latter it must ignore SIGXFSZ, which no full disk sends.
///
/// # Errors
/// The system's, if it may not be limited.
pub fn limit(pid: i32, room: bool) -> io::Result<()> {
    let current = (!room).then_some(0);
    prlimit(Pid::from_raw(pid), Resource::Fsize, Rlimit { current, maximum: None })?;
    Ok(())
}

/// Overwrites the newest segments below a spool; says how many files that are.
///
/// # Errors
/// The spool can't be read or written.
pub fn corrupt(spool: &Path) -> anyhow::Result<usize> {
    let mut files = Vec::new();
    segments(spool, &mut files).with_context(|| format!("cannot read {}", spool.display()))?;
    let mut numbers: Vec<u64> = files.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let oldest = numbers.iter().rev().nth(NUMBERS - 1).copied().unwrap_or(0);
    let struck: Vec<_> = files.into_iter().filter(|(number, _)| *number >= oldest).collect();
    for (_, path) in &struck {
        let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
        let garbage = vec![0xa5; usize::try_from(length).unwrap_or(0)];
        fs::write(path, garbage).with_context(|| format!("cannot overwrite {}", path.display()))?;
    }
    Ok(struck.len())
}

/// The segments below a folder, with their numbers.
fn segments(folder: &Path, found: &mut Vec<(u64, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            segments(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "m4s") {
            let number = path.file_stem().and_then(|name| name.to_str()?.parse().ok());
            found.extend(number.map(|number| (number, path)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_numbers_of_every_track_become_garbage_and_nothing_else() {
        let spool = tempfile::tempdir().unwrap();
        for track in ["a-1/360p", "a-1/audio"] {
            let folder = spool.path().join("live01").join(track);
            fs::create_dir_all(&folder).unwrap();
            for number in 7..12 {
                fs::write(folder.join(format!("{number}.m4s")), "media").unwrap();
            }
            fs::write(folder.join("slate.mp4"), "media").unwrap();
        }
        assert_eq!(corrupt(spool.path()).unwrap(), 6);
        let is_media =
            |name: &str| fs::read(spool.path().join("live01/a-1/360p").join(name)).unwrap() == b"media";
        assert!(is_media("8.m4s") && is_media("slate.mp4"));
        assert!(!is_media("9.m4s") && !is_media("11.m4s"));
    }
}
