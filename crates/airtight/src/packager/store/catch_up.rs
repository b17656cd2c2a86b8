//! What only memory has, because the disk of a spool took nothing for a while. It blocks on the disk.

use std::sync::PoisonError;

use airtight_media::{
    holding::{Piece, Place},
    id::SignalName,
};
use bytes::Bytes;
use tracing::debug;

use super::Store;
use crate::packager::disk::Written;

impl Store {
    /// Writes what only memory has, as far as the disk takes it: a packager that is restarted afterwards has it, too.
    pub(in crate::packager) fn catch_up(&self) {
        let (records, pieces) = {
            let state = self.state();
            (state.unwritten.clone(), state.memory.unwritten())
        };
        let written = records
            .iter()
            .try_for_each(|signal| self.write_known_record(signal))
            .and_then(|()| pieces.iter().try_for_each(|piece| self.write_kept(piece)));
        // Whoever sent it first has told of the trouble, and been counted.
        if let Err(error) = written {
            debug!("The disk takes nothing yet: {error}");
        }
    }

    fn write_known_record(&self, signal: &SignalName) -> std::io::Result<()> {
        let _turn = self.0.records.lock().unwrap_or_else(PoisonError::into_inner);
        let record = self.state().index.record(signal).cloned();
        if let Some(record) = record {
            self.0.disk.replace(&Place::Record(signal.clone()), &serde_json::to_vec(&*record)?)?;
        }
        self.state().unwritten.remove(signal);
        Ok(())
    }

    fn write_kept(&self, (signal, piece, bytes): &(SignalName, Piece, Bytes)) -> std::io::Result<()> {
        // One that is in the way is another copy, and stays: this one is given from memory.
        if self.0.disk.write(&Place::Piece(signal.clone(), piece.clone()), bytes)? == Written::New {
            self.write_succeeded();
            self.state().memory.written(signal, piece);
        }
        Ok(())
    }
}
