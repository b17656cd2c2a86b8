//! What only memory has, because the disk of a spool took nothing for a while. It blocks on the disk.

use std::sync::PoisonError;

use airtight_media::{
    holding::{Piece, Place},
    id::SignalName,
};
use bytes::Bytes;
use tracing::debug;

use super::Store;

impl Store {
    /// Writes what only memory has, as far as the disk takes it: a packager that is restarted afterwards has it, too.
    /// What can't be written keeps nothing else back.
    pub(in crate::packager) fn catch_up(&self) {
        let (records, pieces) = {
            let state = self.state();
            (state.unwritten.clone(), state.memory.unwritten())
        };
        let records = records.iter().map(|signal| self.write_known_record(signal));
        let written = records.chain(pieces.iter().map(|piece| self.write_kept(piece)));
        let failed: Vec<_> = written.filter_map(Result::err).collect();
        // Whoever sent it first has told of the trouble, and been counted.
        if let Some(error) = failed.first() {
            debug!("The disk does not take {} files yet: {error}", failed.len());
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

    /// Bytes never change under a name: what was given from memory replaces what nobody was given.
    fn write_kept(&self, (signal, piece, bytes): &(SignalName, Piece, Bytes)) -> std::io::Result<()> {
        self.0.disk.replace(&Place::Piece(signal.clone(), piece.clone()), bytes)?;
        self.write_succeeded();
        match self.state().memory.written(signal, piece) {
            true => Ok(()),
            // Memory has let it go meanwhile, and everybody was told.
            false => self.0.disk.remove(signal, piece),
        }
    }
}
