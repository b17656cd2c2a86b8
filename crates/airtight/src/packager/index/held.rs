//! What is held of one signal: lineages, their tracks, and what lies in those.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeBounds,
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

use super::{Held, Moment, sizes::Sizes};

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

    /// When the youngest of what comes before segments came.
    fn opened(&self) -> Option<Moment> {
        self.inits.values().chain(&self.slate).map(|held| held.since).max()
    }

    /// What comes behind `after`. What a player needs first comes first.
    fn pieces_after<'a>(
        &'a self,
        lineage: &'a Lineage,
        track: &'a TrackName,
        after: Option<&'a Piece>,
    ) -> impl Iterator<Item = (Piece, Held)> + 'a {
        let from = match after {
            Some(Piece::Segment { number, .. }) => number.next(),
            _ => Number(0),
        };
        let segments = self.segments_in(lineage, track, from..);
        let (lineage, track) = (|| lineage.clone(), || track.clone());
        let inits = self.inits.iter().map(move |(init, held)| {
            (Piece::Init { lineage: lineage(), track: track(), init: *init }, *held)
        });
        let slate =
            self.slate.iter().map(move |held| (Piece::Slate { lineage: lineage(), track: track() }, *held));
        let few = inits.chain(slate).filter(move |(piece, _)| after.is_none_or(|after| piece > after));
        few.chain(segments)
    }

    fn segments_in<'a>(
        &'a self,
        lineage: &'a Lineage,
        track: &'a TrackName,
        numbers: impl RangeBounds<Number> + 'a,
    ) -> impl Iterator<Item = (Piece, Held)> + 'a {
        self.segments.range(numbers).map(|(number, held)| {
            (Piece::Segment { lineage: lineage.clone(), track: track.clone(), number: *number }, *held)
        })
    }

    fn pieces<'a>(
        &'a self,
        lineage: &'a Lineage,
        track: &'a TrackName,
    ) -> impl Iterator<Item = (Piece, Held)> + 'a {
        self.pieces_after(lineage, track, None)
    }
}

/// What is held of a signal.
#[derive(Debug)]
pub(super) struct Signal {
    pub(super) record: Arc<Record>,
    /// Segments before it have expired.
    pub(super) horizon: Number,
    pub(super) lineages: BTreeMap<Lineage, BTreeMap<TrackName, Track>>,
    /// How much that is: nobody walks through all of it to know.
    pub(super) sizes: Sizes,
    /// When the youngest of all that ever was held came.
    youngest: Option<Moment>,
    /// Since when its event is known to have an end.
    ended: Option<Moment>,
}

/// How fresh a signal is: an element of `GET /signals`.
#[derive(Debug, Serialize)]
pub(in crate::packager) struct Freshness {
    signal: SignalName,
    record: Record,
    /// The newest number that is whole over all tracks of its era in one lineage.
    pub(super) newest: Option<Number>,
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
        let (lineages, sizes) = (BTreeMap::new(), Sizes::default());
        Self { record, horizon: Number(0), lineages, sizes, youngest: None, ended: None }
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
            Piece::Filled { .. } => return false,
        }
        self.sizes.add(piece, held.length);
        self.youngest = self.youngest.max(Some(held.since));
        true
    }

    pub(super) fn newest(&self) -> Option<Number> {
        let tracks = self.lineages.values().flat_map(BTreeMap::values);
        tracks.filter_map(|track| Some(*track.segments.last_key_value()?.0)).max()
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = (Piece, Held)> {
        let tracks =
            self.lineages.iter().flat_map(|(lineage, tracks)| tracks.iter().map(move |t| (lineage, t)));
        tracks.flat_map(|(lineage, (name, track))| track.pieces(lineage, name))
    }

    /// The pieces behind `after`, in order.
    pub(super) fn pieces_after<'a>(&'a self, after: Option<&'a Piece>) -> impl Iterator<Item = Piece> + 'a {
        let place = after.and_then(|after| Some((after.lineage()?, after.track())));
        let lineages = self
            .lineages
            .iter()
            .map(move |(lineage, tracks)| tracks.iter().map(move |(name, track)| ((lineage, name), track)));
        let tracks = lineages.flatten().filter(move |(at, _)| place.is_none_or(|place| *at >= place));
        let pieces = tracks
            .flat_map(move |(at, track)| track.pieces_after(at.0, at.1, after.filter(|_| place == Some(at))));
        pieces.map(|(piece, _)| piece)
    }

    /// What is held of a lineage, or of the segments before a number of one of its tracks.
    pub(super) fn pieces_of(
        &self,
        lineage: &Lineage,
        only: Option<&TrackName>,
        before: Number,
    ) -> Vec<(Piece, Held)> {
        let Some(tracks) = self.lineages.get(lineage) else { return Vec::new() };
        match only {
            Some(name) => {
                let track = tracks.get(name).into_iter();
                track.flat_map(|track| track.segments_in(lineage, name, ..before)).collect()
            }
            None => tracks.iter().flat_map(|(name, track)| track.pieces(lineage, name)).collect(),
        }
    }

    /// Removes the segments before `horizon`: lineage, track and pieces of each track that had some.
    pub(super) fn cut_before(&mut self, horizon: Number) -> Vec<(Lineage, TrackName, Vec<Piece>)> {
        let mut cut = Vec::new();
        for (lineage, tracks) in &mut self.lineages {
            for (name, track) in tracks {
                let mut old = Vec::new();
                while let Some(first) = track.segments.first_entry().filter(|first| *first.key() < horizon) {
                    let (number, held) = first.remove_entry();
                    let piece = Piece::Segment { lineage: lineage.clone(), track: name.clone(), number };
                    self.sizes.remove(&piece, held.length);
                    old.push(piece);
                }
                if !old.is_empty() {
                    cut.push((lineage.clone(), name.clone(), old));
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
        self.youngest.map_or(ended, |youngest| youngest.max(ended)).age_ms(now) > retention_ms
    }

    /// Removes lineages that have no segment and have had no news for longer than `retention_ms`.
    pub(super) fn cut_empty(&mut self, now: Moment, retention_ms: u64) -> Vec<Lineage> {
        let is_over = |tracks: &BTreeMap<TrackName, Track>| {
            tracks.values().all(|track| track.segments.is_empty())
                && tracks.values().filter_map(Track::opened).all(|opened| opened.age_ms(now) > retention_ms)
        };
        let over: Vec<_> = self.lineages.extract_if(.., |_, tracks| is_over(tracks)).collect();
        for (lineage, tracks) in &over {
            let pieces = tracks.iter().flat_map(|(name, track)| track.pieces(lineage, name));
            pieces.for_each(|(piece, held)| self.sizes.remove(&piece, held.length));
        }
        over.into_iter().map(|(lineage, _)| lineage).collect()
    }

    /// Removes pieces; gives the shortest "gone before" that covers them, by lineage and track.
    pub(super) fn lose(&mut self, pieces: &[Piece]) -> Vec<(Lineage, Option<TrackName>, Number)> {
        let mut gone: BTreeMap<(Lineage, Option<TrackName>), Number> = BTreeMap::new();
        let mut whole = BTreeSet::new();
        for piece in pieces {
            let (Some(lineage), Some(held)) = (piece.lineage().cloned(), self.held(piece)) else { continue };
            self.remove(&lineage, piece, held.length);
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

    fn remove(&mut self, lineage: &Lineage, piece: &Piece, length: u64) {
        let Some(tracks) = self.lineages.get_mut(lineage) else { return };
        self.sizes.remove(piece, length);
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
    ///
    /// From the newest down to the number that the furthest behind of its tracks has, until all have it.
    fn newest_whole(&self, tracks: &BTreeMap<TrackName, Track>) -> Option<(Number, Moment, Health)> {
        let mut number = *tracks.values().filter_map(|track| track.segments.keys().next_back()).max()?;
        loop {
            let era = self.record.era(number)?;
            let at_most = |name| tracks.get(name)?.segments.range(..=number).next_back();
            let held: Option<Vec<_>> = era.tracks.iter().map(|track| at_most(&track.name)).collect();
            let Some(held) = held.filter(|held| !held.is_empty()) else {
                // A track has none so early: no earlier number of this era is whole.
                number = Number(Some(era.first).filter(|first| *first <= number)?.0.checked_sub(1)?);
                continue;
            };
            let last = *held.iter().map(|(number, _)| *number).min()?;
            if last == number {
                let health = held.iter().map(|(_, held)| held.health).max()?;
                return Some((number, held.iter().map(|(_, held)| held.since).max()?, health));
            }
            number = last;
        }
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
