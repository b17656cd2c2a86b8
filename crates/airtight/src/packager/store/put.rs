//! What is sent to the store: checked, written, held, in this order. All of it blocks.

use std::{sync::PoisonError, time::SystemTime};

use airtight_media::{
    holding::{Piece, Place},
    id::{Lineage, SignalName},
    mp4::Init,
    record::Record,
};
use bytes::Bytes;
use tracing::{error, info};

use super::{Arrival, Moment, Store, trouble::Trouble, wall_ms};
use crate::packager::{
    admission::{self, Due, Refusal},
    disk::Written,
};

/// What became of something that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::packager) enum Taken {
    /// It is held from now on.
    New,
    /// It, or another copy, was held before.
    Already,
}

/// What has been admitted.
pub(super) struct Admitted {
    pub(super) record: std::sync::Arc<Record>,
    pub(super) init: Option<Init>,
}

impl Store {
    /// Takes what was sent to `place`.
    ///
    /// # Errors
    /// Why it is not taken; nothing is changed then.
    pub(in crate::packager) fn put(&self, place: &Place, bytes: Bytes) -> Result<Taken, Refusal> {
        match place {
            Place::Record(signal) => self.put_record(signal, &bytes),
            Place::LineagePlaylist(signal, lineage) | Place::TrackPlaylist(signal, lineage, _) => {
                self.put_playlist(place, signal, lineage, &bytes)
            }
            Place::Piece(signal, piece) => self.put_piece(place, signal, piece, bytes),
        }
    }

    fn put_playlist(
        &self,
        place: &Place,
        signal: &SignalName,
        lineage: &Lineage,
        bytes: &[u8],
    ) -> Result<Taken, Refusal> {
        admission::playlist(bytes)?;
        if !self.state().index.has_lineage(signal, lineage) {
            return Err(Refusal::Missing(format!("no init of lineage '{lineage}' is held: send it first")));
        }
        let known = self.0.disk.read(place).ok();
        if known.as_ref().is_some_and(|known| known.bytes == bytes) {
            return Ok(Taken::Already);
        }
        let written = self.0.disk.replace(place, bytes);
        written.map_err(|error| Refusal::Fault(format!("the playlist can't be written: {error}")))?;
        Ok(if known.is_some() { Taken::Already } else { Taken::New })
    }

    fn put_piece(
        &self,
        place: &Place,
        signal: &SignalName,
        piece: &Piece,
        bytes: Bytes,
    ) -> Result<Taken, Refusal> {
        if self.state().index.held(signal, piece).is_some() {
            return Ok(Taken::Already);
        }
        let admitted = self.admit(signal, piece, &bytes, true)?;
        let on_disk = match self.0.disk.write(place, &bytes) {
            Ok(Written::New) => {
                self.write_succeeded();
                true
            }
            // Not looked at yet, or sent twice at the same time: the first copy counts.
            Ok(Written::Exists) => {
                self.adopt(place);
                let held = self.state().index.held(signal, piece).is_some();
                let fault = || Refusal::Fault("another file of its name is in the way".to_owned());
                return held.then_some(Taken::Already).ok_or_else(fault);
            }
            Err(error) => {
                self.write_failed(&error);
                false
            }
        };
        let new = self.hold(Arrival {
            signal: signal.clone(),
            piece: piece.clone(),
            bytes,
            since: self.now(),
            on_disk,
            grid: admitted.record.grid,
            init: admitted.init,
        })?;
        Ok(if new { Taken::New } else { Taken::Already })
    }

    /// Checks a piece against what is held.
    pub(super) fn admit(
        &self,
        signal: &SignalName,
        piece: &Piece,
        bytes: &Bytes,
        past_is_limited: bool,
    ) -> Result<Admitted, Refusal> {
        let record = admission::known(signal, self.state().index.record(signal).cloned())?;
        let mut admitted = Admitted { record: record.clone(), init: None };
        match piece {
            Piece::Init { lineage, track, init } => {
                self.has_room(signal, lineage)?;
                admitted.init = Some(admission::init(&record, track, *init, bytes.clone())?);
            }
            Piece::Slate { lineage, track } => {
                let inits: Vec<_> = {
                    let state = self.state();
                    let held = state.index.inits(signal, lineage, track);
                    held.iter().filter_map(|init| state.inits.get(init).cloned()).collect()
                };
                admission::slate(&record, track, &inits, bytes)?;
            }
            Piece::Segment { lineage, track: name, number } => {
                self.in_range(&record, piece, past_is_limited)?;
                let track = admission::track(&record, name, *number)?;
                let piece = Piece::Init { lineage: lineage.clone(), track: name.clone(), init: track.init };
                let init = {
                    let state = self.state();
                    state.index.held(signal, &piece).and_then(|_| state.inits.get(&track.init).cloned())
                };
                let missing = || {
                    let path = piece.path().unwrap_or_default();
                    Refusal::Missing(format!("init {path} of signal '{signal}' is not held: send it first"))
                };
                admission::segment(&record.grid, track, &init.ok_or_else(missing)?, *number, bytes)?;
            }
            Piece::Filled { .. } => {
                return Err(Refusal::Bad("slate stands in for it: it has no bytes".to_owned()));
            }
        }
        Ok(admitted)
    }

    fn has_room(&self, signal: &SignalName, lineage: &Lineage) -> Result<(), Refusal> {
        let state = self.state();
        if state.index.has_lineage(signal, lineage) || state.index.lineages(signal) < admission::LINEAGES {
            return Ok(());
        }
        let lineages = admission::LINEAGES;
        Err(Refusal::Full(format!(
            "signal '{signal}' has {lineages} lineages already: the oldest are to expire first"
        )))
    }

    /// Whether a segment may come now; `past_is_limited`: not if it is older than the retention.
    pub(super) fn in_range(
        &self,
        record: &Record,
        piece: &Piece,
        past_is_limited: bool,
    ) -> Result<(), Refusal> {
        let Piece::Segment { number, .. } = piece else { return Ok(()) };
        let kept = if past_is_limited { self.0.limits.numbers(&record.grid) } else { u64::MAX };
        let horizon = self.state().index.horizon(&record.signal);
        admission::number(record, *number, &Due { now_ms: wall_ms(SystemTime::now()), horizon, kept })
    }

    pub(super) fn write_failed(&self, error: &std::io::Error) {
        self.0.metrics.write_failures.inc();
        if self.trouble().failed() {
            let root = self.0.disk.root().display();
            error!(
                "'{root}' can't be written: {error}; what is recent is kept in memory only: make room there"
            );
        }
    }

    pub(super) fn write_succeeded(&self) {
        if self.trouble().succeeded() {
            info!("'{}' can be written again", self.0.disk.root().display());
        }
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Trouble> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When a file arrived, on the clock of the index.
    pub(super) fn arrived(&self, modified: SystemTime) -> Moment {
        Moment(wall_ms(modified)).min(self.now())
    }
}
