//! What is held of one signal: lineages, their tracks, and what lies in those.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use airtight_media::{
    grid::Number,
    health::Health,
    holding::Piece,
    id::{InitHash, Lineage, SignalName, TrackName},
    record::Record,
};
use serde::Serialize;

use super::{Held, Moment};

/// What is held of a track of a lineage.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) inits: BTreeMap<InitHash, Held>,
    pub(super) slate: Option<Held>,
    pub(super) segments: BTreeMap<Number, Held>,
}

impl Track {
    fn is_empty(&self) -> bool {
        self.inits.is_empty() && self.slate.is_none() && self.segments.is_empty()
    }

    /// The youngest of what is held.
    fn youngest(&self) -> Option<Moment> {
        let all = self.inits.values().chain(&self.slate).chain(self.segments.values());
        all.map(|held| held.since).max()
    }

    /// What a player needs first comes first.
    fn pieces(&self, lineage: &Lineage, track: &TrackName) -> Vec<(Piece, Held)> {
        let (lineage, track) = (|| lineage.clone(), || track.clone());
        let inits = self
            .inits
            .iter()
            .map(|(init, held)| (Piece::Init { lineage: lineage(), track: track(), init: *init }, *held));
        let slate =
            self.slate.iter().map(|held| (Piece::Slate { lineage: lineage(), track: track() }, *held));
        let segments = self.segments.iter().map(|(number, held)| {
            (Piece::Segment { lineage: lineage(), track: track(), number: *number }, *held)
        });
        inits.chain(slate).chain(segments).collect()
    }
}

/// What is held of a signal.
#[derive(Debug)]
pub(super) struct Signal {
    pub(super) record: Arc<Record>,
    /// Segments before it have expired.
    pub(super) horizon: Number,
    pub(super) lineages: BTreeMap<Lineage, BTreeMap<TrackName, Track>>,
    /// Since when its event is known to have an end.
    ended: Option<Moment>,
}

/// How fresh a signal is: an element of `GET /signals`.
#[derive(Debug, Serialize)]
pub(in crate::packager) struct Freshness {
    signal: SignalName,
    record: Record,
    /// The newest number that is whole over all tracks of its era in one lineage.
    newest: Option<Number>,
    /// Since it became whole.
    age_ms: Option<u64>,
    lineages: Vec<LineageFreshness>,
}

#[derive(Debug, Serialize)]
struct LineageFreshness {
    lineage: Lineage,
    newest: Option<Number>,
    age_ms: Option<u64>,
    /// What the content of that number is.
    health: Health,
}

impl Signal {
    pub(super) fn new(record: Arc<Record>) -> Self {
        Self { record, horizon: Number(0), lineages: BTreeMap::new(), ended: None }
    }

    fn track(&self, piece: &Piece) -> Option<&Track> {
        self.lineages.get(piece.lineage()?)?.get(piece.track())
    }

    pub(super) fn held(&self, piece: &Piece) -> Option<Held> {
        let track = self.track(piece)?;
        match piece {
            Piece::Init { init, .. } => track.inits.get(init).copied(),
            Piece::Slate { .. } => track.slate,
            Piece::Segment { number, .. } => track.segments.get(number).copied(),
            Piece::Filled { .. } => None,
        }
    }

    /// False if it is held already, or is nothing that a packager holds.
    pub(super) fn hold(&mut self, piece: &Piece, held: Held) -> bool {
        let Some(lineage) = piece.lineage() else { return false };
        if self.held(piece).is_some() {
            return false;
        }
        let tracks = self.lineages.entry(lineage.clone()).or_default();
        let track = tracks.entry(piece.track().clone()).or_default();
        match piece {
            Piece::Init { init, .. } => drop(track.inits.insert(*init, held)),
            Piece::Slate { .. } => track.slate = Some(held),
            Piece::Segment { number, .. } => drop(track.segments.insert(*number, held)),
            Piece::Filled { .. } => {}
        }
        true
    }

    pub(super) fn newest(&self) -> Option<Number> {
        let tracks = self.lineages.values().flat_map(BTreeMap::values);
        tracks.filter_map(|track| Some(*track.segments.last_key_value()?.0)).max()
    }

    /// Bytes of segments by number, all lineages and tracks together.
    pub(super) fn sizes(&self) -> BTreeMap<Number, u64> {
        let mut sizes = BTreeMap::new();
        for track in self.lineages.values().flat_map(BTreeMap::values) {
            for (number, held) in &track.segments {
                *sizes.entry(*number).or_default() += held.length;
            }
        }
        sizes
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = (Piece, Held)> {
        let tracks =
            self.lineages.iter().flat_map(|(lineage, tracks)| tracks.iter().map(move |t| (lineage, t)));
        tracks.flat_map(|(lineage, (name, track))| track.pieces(lineage, name))
    }

    /// What is held of a lineage, or of the segments before a number of one of its tracks.
    pub(super) fn pieces_of(
        &self,
        lineage: &Lineage,
        only: Option<&TrackName>,
        before: Number,
    ) -> Vec<(Piece, Held)> {
        let tracks = self.lineages.get(lineage).into_iter().flatten();
        let tracks = tracks.filter(|(name, _)| only.is_none_or(|only| only == *name));
        let pieces = tracks.flat_map(|(name, track)| track.pieces(lineage, name));
        let told_gone = |piece: &Piece| match piece {
            Piece::Segment { number, .. } => only.is_none() || *number < before,
            _ => only.is_none(),
        };
        pieces.filter(|(piece, _)| told_gone(piece)).collect()
    }

    /// Removes the segments before `horizon`: lineage, track and pieces of each track that had some.
    pub(super) fn cut_before(&mut self, horizon: Number) -> Vec<(Lineage, TrackName, Vec<Piece>)> {
        let mut cut = Vec::new();
        for (lineage, tracks) in &mut self.lineages {
            for (name, track) in tracks {
                let kept = track.segments.split_off(&horizon);
                let old = std::mem::replace(&mut track.segments, kept);
                if !old.is_empty() {
                    let piece =
                        |number| Piece::Segment { lineage: lineage.clone(), track: name.clone(), number };
                    cut.push((lineage.clone(), name.clone(), old.into_keys().map(piece).collect()));
                }
            }
        }
        cut
    }

    /// Whether its event is over and nothing has come for longer than the retention.
    pub(super) fn is_over(&mut self, now: Moment, retention_ms: u64) -> bool {
        if self.record.end.is_none() {
            return false;
        }
        let ended = *self.ended.get_or_insert(now);
        let youngest = self.lineages.values().flat_map(BTreeMap::values).filter_map(Track::youngest).max();
        youngest.map_or(ended, |youngest| youngest.max(ended)).age_ms(now) > retention_ms
    }

    /// Removes lineages that have no segment and have had no news for longer than `retention_ms`.
    pub(super) fn cut_empty(&mut self, now: Moment, retention_ms: u64) -> Vec<Lineage> {
        let is_over = |tracks: &BTreeMap<TrackName, Track>| {
            let youngest = tracks.values().filter_map(Track::youngest).max();
            tracks.values().all(|track| track.segments.is_empty())
                && youngest.is_none_or(|youngest| youngest.age_ms(now) > retention_ms)
        };
        self.lineages.extract_if(.., |_, tracks| is_over(tracks)).map(|(lineage, _)| lineage).collect()
    }

    /// Removes pieces; gives the shortest "gone before" that covers them, by lineage and track.
    pub(super) fn lose(&mut self, pieces: &[Piece]) -> Vec<(Lineage, Option<TrackName>, Number)> {
        let mut gone: BTreeMap<(Lineage, Option<TrackName>), Number> = BTreeMap::new();
        let mut whole = BTreeSet::new();
        for piece in pieces.iter().filter(|piece| self.held(piece).is_some()).cloned().collect::<Vec<_>>() {
            let Some(lineage) = piece.lineage().cloned() else { continue };
            self.remove(&lineage, &piece);
            let number = match piece {
                Piece::Segment { number, .. } => number.next(),
                _ => Number(u64::MAX),
            };
            if number == Number(u64::MAX) {
                whole.insert(lineage.clone());
            }
            let before = gone.entry((lineage, Some(piece.track().clone()))).or_insert(number);
            *before = number.max(*before);
        }
        gone.retain(|(lineage, _), _| !whole.contains(lineage));
        gone.extend(whole.into_iter().map(|lineage| ((lineage, None), Number(u64::MAX))));
        gone.into_iter().map(|((lineage, track), before)| (lineage, track, before)).collect()
    }

    fn remove(&mut self, lineage: &Lineage, piece: &Piece) {
        let Some(tracks) = self.lineages.get_mut(lineage) else { return };
        if let Some(track) = tracks.get_mut(piece.track()) {
            match piece {
                Piece::Init { init, .. } => drop(track.inits.remove(init)),
                Piece::Slate { .. } => track.slate = None,
                Piece::Segment { number, .. } => drop(track.segments.remove(number)),
                Piece::Filled { .. } => {}
            }
        }
        tracks.retain(|_, track| !track.is_empty());
        if tracks.is_empty() {
            self.lineages.remove(lineage);
        }
    }

    /// The newest number of a lineage that is whole, when it became so, and what its content is at worst.
    fn newest_whole(&self, tracks: &BTreeMap<TrackName, Track>) -> Option<(Number, Moment, Health)> {
        let candidates: BTreeSet<Number> = tracks.values().flat_map(|t| t.segments.keys().copied()).collect();
        candidates.into_iter().rev().find_map(|number| {
            let era = self.record.era(number)?;
            let held = era.tracks.iter().map(|track| tracks.get(&track.name)?.segments.get(&number));
            let held: Vec<&Held> = held.collect::<Option<_>>()?;
            let health = held.iter().map(|held| held.health).max()?;
            Some((number, held.iter().map(|held| held.since).max()?, health))
        })
    }

    pub(super) fn freshness(&self, now: Moment) -> Freshness {
        let whole: Vec<_> =
            self.lineages.iter().map(|(lineage, tracks)| (lineage, self.newest_whole(tracks))).collect();
        // Of the lineages that hold the newest number, the first that held it counts.
        let newest = whole.iter().filter_map(|(_, newest)| *newest);
        let newest = newest.max_by_key(|(number, since, _)| (*number, std::cmp::Reverse(*since)));
        let lineages = whole.iter().map(|(lineage, newest)| LineageFreshness {
            lineage: (*lineage).clone(),
            newest: newest.map(|(number, ..)| number),
            age_ms: newest.map(|(_, since, _)| since.age_ms(now)),
            health: newest.map(|(.., health)| health).unwrap_or_default(),
        });
        Freshness {
            signal: self.record.signal.clone(),
            record: Record::clone(&self.record),
            newest: newest.map(|(number, ..)| number),
            age_ms: newest.map(|(_, since, _)| since.age_ms(now)),
            lineages: lineages.collect(),
        }
    }
}
