//! The signal records: joined, never replaced, and no word changes the tracks of numbers that are known. All of it
//! blocks.
//!
//! In a shared folder others write the record, too: it is written there under their lock, and what comes too late
//! stays in the file, where its writer finds it, and is not used.

use std::{io, sync::PoisonError};

use airtight_media::{
    grid::Number,
    holding::Place,
    id::SignalName,
    record::{Record, RecordError},
};
use tracing::warn;

use super::{Mode, Store, Taken};
use crate::{
    packager::admission::{self, Refusal},
    shared_record,
};

#[allow(clippy::needless_pass_by_value)] // it ends the error of a `map_err`
fn contradiction(error: RecordError) -> Refusal {
    Refusal::Contradiction(error.to_string())
}

impl Store {
    pub(super) fn put_record(&self, signal: &SignalName, json: &[u8]) -> Result<Taken, Refusal> {
        let sent = admission::record(signal, json)?;
        let _turn = self.0.records.lock().unwrap_or_else(PoisonError::into_inner);
        // In a shared folder the record on disk may be newer than what is known of it.
        if self.0.mode == Mode::Shared {
            self.join_record(signal);
        }
        let (known, signals) = {
            let state = self.state();
            (state.index.record(signal).cloned(), state.index.signals().count())
        };
        if known.is_none() && signals >= admission::SIGNALS {
            return Err(Refusal::Full(format!("this packager serves {signals} signals already")));
        }
        let (sent, late) = match &known {
            Some(known) => self.timely(known, &sent),
            None => (sent, None),
        };
        let joined =
            known.as_ref().map_or(Ok(sent.clone()), |known| known.join(&sent)).map_err(contradiction)?;
        joined.keeps_kinds().map_err(contradiction)?;
        if known.as_deref() == Some(&joined) {
            return late.map_or(Ok(Taken::Already), |late| Err(contradiction(late)));
        }
        self.write_record(&joined)?;
        self.change(|state| state.index.join(&joined)).map_err(contradiction)?;
        Ok(Taken::New)
    }

    /// What of `other` comes in time, and why the rest does not. Numbers of which there are media keep their tracks;
    /// of those that were slate here others may have media, and what viewers saw the composer keeps.
    fn timely(&self, known: &Record, other: &Record) -> (Record, Option<RecordError>) {
        match self.newest(&known.signal) {
            Some(newest) => known.timely(other, newest),
            None => (other.clone(), None),
        }
    }

    /// The newest number of a signal of which there are media.
    pub(in crate::packager) fn newest(&self, signal: &SignalName) -> Option<Number> {
        self.state().index.newest(signal)
    }

    /// A spool goes on without its record on disk, until the disk takes it.
    fn write_record(&self, record: &Record) -> Result<(), Refusal> {
        match self.record_to_disk(record) {
            Err(error) if self.0.mode == Mode::Shared => {
                Err(Refusal::Fault(format!("the record can't be written: {error}")))
            }
            Err(error) => {
                self.write_failed(&error);
                self.state().unwritten.insert(record.signal.clone());
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn record_to_disk(&self, record: &Record) -> io::Result<()> {
        match self.0.mode {
            Mode::Shared => {
                shared_record::merge(self.0.disk.root(), record).map(drop).map_err(io::Error::other)
            }
            Mode::Spool => {
                self.0.disk.replace(&Place::Record(record.signal.clone()), &serde_json::to_vec(record)?)
            }
        }
    }

    /// Joins the record on disk with the one that is known, both ways; the caller has the turn.
    pub(super) fn join_record(&self, signal: &SignalName) {
        let place = &Place::Record(signal.clone());
        let Ok(file) = self.0.disk.read(place) else { return };
        let found = match admission::record(signal, &file.bytes) {
            Ok(found) => found,
            Err(refusal) => return self.refuse(place, &file, &refusal.to_string()),
        };
        let known = self.state().index.record(signal).cloned();
        let (timely, late) = known.map_or_else(|| (found.clone(), None), |known| self.timely(&known, &found));
        let joined = self.change(|state| match state.index.join(&timely) {
            // A folder that was emptied and filled anew: nothing is left that the old record is for.
            Err(_) if state.index.is_empty(signal) => {
                state.index.forget(signal);
                state.index.join(&found)
            }
            outcome => outcome,
        });
        if let Some(error) = late.or(joined.err()) {
            self.say_once(place, file.modified, || {
                warn!("'{place}' contradicts what is known and is not used: {error}");
            });
        }
        self.write_news(place, &found);
    }

    /// Two that write the record at once may lose one's news: whoever knows them writes them again.
    fn write_news(&self, place: &Place, found: &Record) {
        let known = self.state().index.record(&found.signal).cloned();
        let Some(Ok(all)) = known.map(|known| known.join(found)) else { return };
        if all != *found
            && let Err(error) = self.record_to_disk(&all)
            && self.0.metrics.write_failures.inc() == 0
        {
            warn!("'{place}' lacks what is known and can't be written: {error}");
        }
    }
}
