//! What only memory has, because the disk of a spool took nothing for a while. It blocks on the disk.

use std::{io, sync::PoisonError};

use airtight_media::{
    holding::{Piece, Place},
    id::SignalName,
};
use bytes::Bytes;
use tracing::debug;

use super::Store;
use crate::packager::disk::is_full;

impl Store {
    /// Writes what only memory has, as far as the disk takes it: a packager that is restarted afterwards has it, too.
    /// What can't be written keeps nothing else back, unless the disk is full.
    pub(in crate::packager) fn catch_up(&self) {
        let (records, pieces) = {
            let state = self.state();
            (state.unwritten.clone(), state.memory.unwritten())
        };
        let records = records.iter().map(|signal| self.write_known_record(signal));
        let writes = records.chain(pieces.iter().map(|piece| self.write_kept(piece)));
        // Whoever sent it first has told of the trouble, and been counted.
        for error in until_full(writes) {
            debug!("The disk does not take all files yet: {error}");
        }
    }

    fn write_known_record(&self, signal: &SignalName) -> io::Result<()> {
        let _turn = self.0.records.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.state().index.record(signal).cloned();
        if let Some(record) = record {
            self.0.disk.replace(&Place::Record(signal.clone()), &serde_json::to_vec(&*record)?)?;
        }
        self.state().unwritten.remove(signal);
        Ok(())
    }

    /// Bytes never change under a name: what was given from memory replaces what nobody was given.
    pub(super) fn write_kept(&self, (signal, piece, bytes): &(SignalName, Piece, Bytes)) -> io::Result<()> {
        self.0.disk.replace(&Place::Piece(signal.clone(), piece.clone()), bytes)?;
        self.write_succeeded();
        let is_held = {
            let mut state = self.state();
            state.memory.written(signal, piece) || state.index.held(signal, piece).is_some()
        };
        // Memory has let it go meanwhile, and everybody was told. If it was sent again since, it is held from this file.
        if is_held { Ok(()) } else { self.0.disk.remove(signal, piece) }
    }
}

/// The failures of these writes, up to the one that meets a full disk: further ones would take its last bytes
/// from what is being sent.
fn until_full(writes: impl Iterator<Item = io::Result<()>>) -> Vec<io::Error> {
    let mut failures = Vec::new();
    for error in writes.filter_map(Result::err) {
        let is_full = is_full(&error);
        failures.push(error);
        if is_full {
            break;
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use io::ErrorKind::{FileTooLarge, NotADirectory, PermissionDenied, QuotaExceeded, StorageFull};

    use super::*;

    #[test]
    fn a_full_disk_is_tried_once_and_another_failure_keeps_nothing_back() {
        for full in [StorageFull, QuotaExceeded, FileTooLarge] {
            let outcomes =
                [None, Some(PermissionDenied), None, Some(NotADirectory), Some(full), None, Some(full)];
            let mut tried = 0;
            let writes = outcomes.iter().inspect(|_| tried += 1);
            let failures = until_full(writes.map(|failure| failure.map_or(Ok(()), |kind| Err(kind.into()))));
            let kinds: Vec<_> = failures.iter().map(io::Error::kind).collect();
            assert_eq!((tried, kinds), (5, vec![PermissionDenied, NotADirectory, full]));
        }
    }
}
