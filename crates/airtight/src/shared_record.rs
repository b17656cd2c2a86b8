//! The signal record in a shared folder: joined, never replaced.
//!
//! Workers and `airtight end` all write `signal.json`. Each joins what it knows into what is there under a
//! lock on the signal's folder, so that no word is lost between another's look and its rename. Who holds the
//! lock may be frozen, and some file systems have none: then the join is made without, and whatever the
//! outcome, it is made again until what is there holds all that was to be said.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use airtight_media::{
    holding::Place,
    id::SignalName,
    record::{Record, RecordError},
};
use thiserror::Error;

use crate::whole;

/// For another one to be done with the record: it only reads and writes a small file.
const PATIENCE: Duration = Duration::from_millis(300);
/// Between two tries to get the lock.
const POLL: Duration = Duration::from_millis(2);
/// Joins before somebody who does not join but replaces is given way.
const JOINS: usize = 8;

/// Why a record could not be merged into the folder's.
#[derive(Debug, Error)]
pub enum Merge {
    /// The disk's reason.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The two can't be of one event.
    #[error("{0}")]
    Contradiction(#[from] RecordError),
}

/// Joins `record` into the `signal.json` of the folder `root`; returns what it holds then.
///
/// # Errors
/// A folder that can't be written, or a record there that contradicts.
pub fn merge(root: &Path, record: &Record) -> Result<Record, Merge> {
    let path = root.join(Place::Record(record.signal.clone()).to_string());
    let _lock = path.parent().map(lock);
    for _ in 0..JOINS {
        let there = read(root, &record.signal)?;
        let joined = match &there {
            Some(there) => there.join(record)?,
            None => record.clone(),
        };
        if there.as_ref() == Some(&joined) {
            return Ok(joined);
        }
        whole::write_in_new_folder(&path, &serde_json::to_vec_pretty(&joined).map_err(io::Error::from)?)?;
    }
    let reason = format!("{}: another program goes on replacing it", path.display());
    Err(Merge::Io(io::Error::other(reason)))
}

/// The lock on a folder, until it is dropped; none where there is none to be had in time.
fn lock(folder: &Path) -> Option<File> {
    let begun = Instant::now();
    let file = fs::create_dir_all(folder).and_then(|()| File::open(folder)).ok()?;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => thread::sleep(POLL),
            Err(_) => return None,
        }
    }
}

/// The record in the folder `root`; none if there is none.
///
/// # Errors
/// A file that can't be read, or holds no record.
pub fn read(root: &Path, signal: &SignalName) -> io::Result<Option<Record>> {
    let path = root.join(Place::Record(signal.clone()).to_string());
    match fs::read(&path) {
        Ok(json) => {
            let wrong = |reason: String| {
                io::Error::new(ErrorKind::InvalidData, format!("{}: {reason}", path.display()))
            };
            let record: Record = serde_json::from_slice(&json).map_err(|error| wrong(error.to_string()))?;
            record.check().map_err(|error| wrong(error.to_string()))?;
            Ok(Some(record))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A record for the tests of whoever keeps one.
#[cfg(test)]
pub mod fixture {
    use airtight_media::record::Record;

    /// Of signal `live01` with one small track, from `first` on.
    pub fn record(first: u64) -> Record {
        let json = format!(
            r#"{{"signal":"live01","d":2000,"parts":4,"first":{first},"eras":[{{"first":{first},"tracks":[
                {{"name":"720p","kind":"video","width":2,"height":2,"scale":25000,"frame":1000,
                  "codecs":"avc1.64001f","bandwidth":1,"init":"0123456789abcdef"}}]}}]}}"#
        );
        serde_json::from_str(&json).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use airtight_media::grid::{Grid, Number};

    use super::{fixture::record, *};

    #[test]
    fn copies_of_the_record_are_joined_and_a_broken_one_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(merge(root.path(), &record(9)).unwrap(), record(9));
        let joined = merge(root.path(), &record(5)).unwrap();
        assert_eq!((joined.first, joined.eras.len()), (Number(5), 2));
        assert_eq!(read(root.path(), &joined.signal).unwrap(), Some(joined.clone()));
        let other =
            Record { grid: Grid { millis: std::num::NonZeroU32::MIN, ..joined.grid }, ..joined.clone() };
        assert!(matches!(merge(root.path(), &other), Err(Merge::Contradiction(_))));
        let path = root.path().join("live01/signal.json");
        fs::write(&path, "{").unwrap();
        assert!(matches!(merge(root.path(), &joined), Err(Merge::Io(_))));
        assert_eq!(fs::read_to_string(path).unwrap(), "{");
    }

    #[test]
    fn an_end_is_not_lost_to_those_who_write_at_the_same_time() {
        for _ in 0..100 {
            let root = tempfile::tempdir().unwrap();
            merge(root.path(), &record(100)).unwrap();
            let (together, mut ended) = (Barrier::new(4), record(100));
            ended.end = Some(Number(122));
            thread::scope(|scope| {
                for said in [&ended, &record(99), &record(98), &record(97)].map(Clone::clone) {
                    scope.spawn(|| {
                        let said = said;
                        together.wait();
                        merge(root.path(), &said).unwrap();
                    });
                }
            });
            let there = read(root.path(), &ended.signal).unwrap().unwrap();
            assert_eq!((there.first, there.end), (Number(97), Some(Number(122))));
        }
    }

    #[test]
    fn a_frozen_holder_of_the_lock_delays_nobody_for_long() {
        let root = tempfile::tempdir().unwrap();
        let _frozen = lock(&root.path().join("live01")).unwrap();
        let begun = Instant::now();
        merge(root.path(), &record(100)).unwrap();
        assert!((PATIENCE..PATIENCE * 20).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        assert_eq!(read(root.path(), &record(100).signal).unwrap(), Some(record(100)));
    }
}
