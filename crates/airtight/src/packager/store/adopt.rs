//! What others put into the folder, and what was in it at the start. All of it blocks.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::PoisonError,
    time::SystemTime,
};

use airtight_media::{
    grid::Number,
    holding::{Piece, Place},
    id::SignalName,
};
use tracing::{info, warn};

use super::{Arrival, Mode, Store, WINDOWS};
use crate::packager::{admission::Refusal, disk::File};

/// Pieces that are looked at in one turn of the lock.
const SLICE: usize = 1024;
/// Refused files that are remembered by name; beyond that the memory of them starts anew.
const REFUSED: usize = 1024;

impl Store {
    /// Holds all that is in the folder and was not there before, and forgets what is no longer there.
    pub(in crate::packager) fn reconcile(&self) {
        let places = self.0.disk.scan(self.0.disk.root());
        self.forget_vanished(&places);
        self.adopt_all(places);
    }

    /// Holds all that is in a folder of the folder.
    pub(in crate::packager) fn adopt_folder(&self, folder: &Path) {
        self.adopt_all(self.0.disk.scan(folder));
    }

    /// Holds what was left in a spool, and deletes what has expired meanwhile.
    pub(in crate::packager) fn resume(&self) {
        let segments = self.adopt_all(self.0.disk.scan(self.0.disk.root()));
        let (_, pieces, _) = self.size();
        if pieces > 0 {
            info!("{pieces} pieces of media were in the folder and are served again");
        }
        for (number, signal, piece) in segments {
            if number < self.state().index.horizon(&signal) {
                // One that stays takes up room and nothing else.
                let _ = self.0.disk.remove(&signal, &piece);
            }
        }
    }

    /// Holds all these, what others depend on first, then the newest segments, which are given back.
    ///
    /// The folder counts as looked through once what playlists can offer is held: the rest may take its time,
    /// however much it is.
    fn adopt_all(&self, places: Vec<Place>) -> Vec<(Number, SignalName, Piece)> {
        let mut segments = Vec::new();
        let mut first = Vec::new();
        for place in places {
            match place {
                Place::Piece(signal, piece @ Piece::Segment { number, .. }) => {
                    segments.push((number, signal, piece));
                }
                Place::Record(_) => first.push((0, place)),
                Place::Piece(_, Piece::Init { .. }) => first.push((1, place)),
                _ => first.push((2, place)),
            }
        }
        first.sort_by_key(|(rank, _)| *rank);
        first.iter().for_each(|(_, place)| self.adopt(place));
        segments.sort_unstable_by_key(|(number, ..)| Reverse(*number));
        let heads = self.heads(&segments);
        let is_offered = |(number, signal, _): &&(Number, SignalName, Piece)| {
            heads.get(signal).is_some_and(|h| h <= number)
        };
        let adopt = |(_, signal, piece): &(Number, SignalName, Piece)| {
            self.adopt(&Place::Piece(signal.clone(), piece.clone()));
        };
        segments.iter().filter(is_offered).for_each(adopt);
        self.0.indexed.send_replace(true);
        segments.iter().filter(|segment| !is_offered(segment)).for_each(adopt);
        segments
    }

    /// The first number of each signal that playlists can offer, where `segments` are there, newest first.
    fn heads(&self, segments: &[(Number, SignalName, Piece)]) -> BTreeMap<SignalName, Number> {
        let mut heads = BTreeMap::new();
        for (number, signal, piece) in segments {
            if heads.contains_key(signal) {
                continue;
            }
            let record = self.state().index.record(signal).cloned();
            if let Some(record) = record.filter(|record| self.in_range(record, piece, false).is_ok()) {
                let window = self.0.limits.window_numbers(&record.grid);
                heads.insert(signal.clone(), number.next().minus(window * WINDOWS));
            }
        }
        heads
    }

    /// Holds what is at `place`, if it can be: else it is left for later, or set aside.
    pub(in crate::packager) fn adopt(&self, place: &Place) {
        match place {
            Place::Record(signal) => {
                let _turn = self.0.records.lock().unwrap_or_else(PoisonError::into_inner);
                self.join_record(signal);
            }
            Place::Piece(signal, piece) => self.adopt_piece(place, signal, piece),
            Place::LineagePlaylist(..) | Place::TrackPlaylist(..) => {}
        }
    }

    fn adopt_piece(&self, place: &Place, signal: &SignalName, piece: &Piece) {
        let record = {
            let state = self.state();
            if state.index.held(signal, piece).is_some() {
                return;
            }
            state.index.record(signal).cloned()
        };
        // Without its record, or outside its time, it is not even read: a later look will find it.
        let Some(record) = record else { return };
        if self.in_range(&record, piece, false).is_err() {
            return;
        }
        let Ok(file) = self.0.disk.read(place) else { return };
        let held = self.admit(signal, piece, &file.bytes, false).and_then(|admitted| {
            self.hold(Arrival {
                signal: signal.clone(),
                piece: piece.clone(),
                bytes: file.bytes.clone(),
                since: self.arrived(file.modified),
                on_disk: true,
                grid: admitted.record.grid,
                init: admitted.init,
            })
        });
        if let Err(Refusal::Bad(reason)) = held {
            self.refuse(place, &file, &reason);
        }
    }

    /// Sets aside a file that is not what its name says, unless it may still be written.
    pub(super) fn refuse(&self, place: &Place, file: &File, reason: &str) {
        if self.0.mode == Mode::Shared && file.is_young() {
            return;
        }
        self.say_once(place, file.modified, || {
            self.0.metrics.set_aside.inc();
            match self.0.disk.set_aside(place) {
                Ok(aside) => warn!("'{place}' can't be served: {reason}; set aside as '{}'", aside.display()),
                Err(error) => {
                    warn!("'{place}' can't be served: {reason}; it can't be set aside either: {error}");
                }
            }
        });
    }

    pub(super) fn say_once(&self, place: &Place, modified: SystemTime, say: impl FnOnce()) {
        let known = {
            let mut state = self.state();
            if state.refused.len() >= REFUSED {
                state.refused.clear();
            }
            state.refused.insert(place.to_string(), modified)
        };
        if known != Some(modified) {
            say();
        }
    }

    /// Forgets what was at `place` if it is gone.
    pub(in crate::packager) fn vanished(&self, place: &Place) {
        let Place::Piece(signal, piece) = place else { return };
        if matches!(self.0.disk.exists(place), Ok(false)) {
            self.lose(signal, std::slice::from_ref(piece));
        }
    }

    /// Forgets pieces whose files are gone, a few in each turn of the lock: a folder of a day holds nobody up.
    fn lose(&self, signal: &SignalName, pieces: &[Piece]) {
        for slice in pieces.chunks(SLICE) {
            let gone: BTreeSet<_> = slice.iter().collect();
            self.change(|state| {
                state.memory.remove_where(signal, |kept| gone.contains(kept));
                state.index.lose(signal, slice);
            });
        }
    }

    fn forget_vanished(&self, places: &[Place]) {
        let mut there: BTreeMap<&SignalName, BTreeSet<&Piece>> = BTreeMap::new();
        let mut records = BTreeSet::new();
        for place in places {
            match place {
                Place::Record(signal) => drop(records.insert(signal)),
                Place::Piece(signal, piece) => drop(there.entry(signal).or_default().insert(piece)),
                _ => {}
            }
        }
        let signals: Vec<_> = self.state().index.signals().cloned().collect();
        for signal in signals {
            let mut gone = self.gone(&signal, there.get(&signal));
            // Segments first: with an init its whole lineage is told gone, and what is left of it is told anew.
            gone.sort_by_key(|piece| !matches!(piece, Piece::Segment { .. }));
            self.lose(&signal, &gone);
            if !records.contains(&signal) && self.state().index.is_empty(&signal) {
                self.change(|state| state.index.forget(&signal));
                info!("Signal '{signal}' is gone from the folder");
            }
        }
    }

    /// What is held of a signal and is none of `there`. It is looked through piece by piece, so that nobody waits
    /// for the look.
    fn gone(&self, signal: &SignalName, there: Option<&BTreeSet<&Piece>>) -> Vec<Piece> {
        let (mut gone, mut after) = (Vec::new(), None);
        loop {
            let held = self.state().index.pieces_after(signal, after.as_ref(), SLICE);
            let Some(last) = held.last().cloned() else { return gone };
            after = Some(last);
            gone.extend(held.into_iter().filter(|piece| there.is_none_or(|there| !there.contains(piece))));
        }
    }
}
