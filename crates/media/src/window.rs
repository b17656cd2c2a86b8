//! What viewers may see of a signal now: an immutable snapshot, made anew for each version.
//!
//! The same in packager and origin; they differ in where media comes from. A snapshot holds the
//! index and the bytes of every segment that it lists, and of those that left the list a window
//! ago at most. It decides nothing: the composer makes it, renderers and servers read it.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use bytes::Bytes;

use crate::{
    grid::{Number, Part},
    id::{InitHash, Lineage, TrackName},
    record::{Record, Track},
};

/// Where the bytes of a segment come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// An encoder's run made them.
    By(Lineage),
    /// No encoder delivered in time: slate.
    Slate,
}

/// One segment of one track.
#[derive(Debug, Clone)]
pub struct Media {
    /// Its parts, back to back: a segment is its list of parts.
    pub parts: Arc<[Bytes]>,
    /// Who made it.
    pub made: Made,
}

impl Media {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// True if it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// All tracks of one number.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The number.
    pub number: Number,
    /// One segment per track of the number's era.
    pub tracks: BTreeMap<TrackName, Media>,
}

/// The init and the slate of a track of an era.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The initialisation segment.
    pub init: Bytes,
    /// The slate file: under the same init, every picture a keyframe.
    pub slate: Bytes,
    /// Names the slate's bytes, as an init is named by its own.
    pub named: InitHash,
}

/// One version of what is offered.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The signal's record.
    pub record: Arc<Record>,
    /// The first number that playlists list.
    pub head: Number,
    /// The last number that playlists list.
    pub edge: Number,
    /// The slots that can be fetched, in order and without a gap; the last one is `edge`.
    pub slots: Vec<Arc<Slot>>,
    /// Inits and slates by the init's hash.
    pub openings: Arc<BTreeMap<InitHash, Opening>>,
}

impl Snapshot {
    /// The slots that playlists list.
    pub fn listed(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.slots.iter().filter(|s| s.number >= self.head)
    }

    /// The numbers that playlists list.
    pub fn numbers(&self) -> RangeInclusive<Number> {
        self.listed().next().map_or(self.head, |slot| slot.number)..=self.edge
    }

    /// True if no further number will come.
    pub fn ended(&self) -> bool {
        self.record.has_ended_by(self.edge)
    }

    /// The tracks that a viewer can choose from now.
    pub fn tracks(&self) -> &[Track] {
        self.record.era(self.edge).map_or(&[], |era| &era.tracks)
    }

    /// Segment `number` of `track`, or of what is shown in its place, if it can be fetched.
    pub fn segment(&self, track: &TrackName, number: Number) -> Option<&Media> {
        let first = self.slots.first()?.number;
        let index = usize::try_from(number.0.checked_sub(first.0)?).ok()?;
        let tracks = &self.slots.get(index)?.tracks;
        tracks.get(track).or_else(|| tracks.get(&self.record.shown(track, number)?.name))
    }

    /// Part `part` of segment `number` of `track`, if it can be fetched.
    pub fn part(&self, track: &TrackName, number: Number, part: Part) -> Option<(&Bytes, &Media)> {
        let media = self.segment(track, number)?;
        Some((media.parts.get(usize::try_from(part.0).ok()?)?, media))
    }

    /// The init `hash`, if viewers of `track` need it.
    pub fn init(&self, track: &TrackName, hash: InitHash) -> Option<&Bytes> {
        let opening = self.openings.get(&hash)?;
        let mut shown = self.record.eras.iter().filter_map(|era| self.record.shown(track, era.first));
        shown.any(|shown| shown.init == hash).then_some(&opening.init)
    }

    /// The init and the slate of what viewers of `track` get at `number`.
    pub fn opening(&self, track: &TrackName, number: Number) -> Option<&Opening> {
        self.openings.get(&self.record.shown(track, number)?.init)
    }
}
