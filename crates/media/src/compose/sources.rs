//! Who holds what: the index of all sources, whole and current by their feeds.

use std::collections::{BTreeMap, BTreeSet};

use super::SourceId;
use crate::{
    grid::Number,
    holding::Piece,
    id::{InitHash, Lineage, TrackName},
    record::{Era, Track},
};

/// Segments remembered per source; those farthest in the future give way.
const SEGMENTS: usize = 20_000;
/// Inits and slates remembered per source, each; further ones are not: many times what a packager may hold.
const OPENINGS: usize = 4096;

#[derive(Debug, Default)]
struct Source {
    /// Heard since it last was down.
    up: bool,
    /// Its full listing has come, or it was found to be away.
    listed: bool,
    inits: BTreeMap<(Lineage, TrackName), InitHash>,
    slates: BTreeSet<(Lineage, TrackName)>,
    segments: BTreeSet<(Number, TrackName, Lineage)>,
}

impl Source {
    /// The tracks that a lineage makes, each with its init.
    fn made_by(&self, lineage: &Lineage) -> BTreeMap<&TrackName, InitHash> {
        let from = self.inits.range((lineage.clone(), least_track())..);
        let made = from.take_while(|((known, _), _)| known == lineage);
        made.map(|((_, track), init)| (track, *init)).collect()
    }
}

/// All sources.
#[derive(Debug, Default)]
pub(super) struct Sources {
    sources: BTreeMap<SourceId, Source>,
    /// What is older is of no use to anybody.
    floor: Option<Number>,
}

impl Sources {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.sources.values().map(|s| 1 + s.inits.len() + s.slates.len() + s.segments.len()).sum()
    }

    pub(super) fn new(expected: impl IntoIterator<Item = SourceId>) -> Self {
        Self { sources: expected.into_iter().map(|id| (id, Source::default())).collect(), floor: None }
    }

    pub(super) fn heard(&mut self, id: SourceId) {
        self.sources.entry(id).or_default().up = true;
    }

    pub(super) fn down(&mut self, id: SourceId) {
        let source = self.sources.entry(id).or_default();
        (source.up, source.listed) = (false, true);
    }

    pub(super) fn left(&mut self, id: SourceId) {
        self.sources.remove(&id);
    }

    pub(super) fn reset(&mut self, id: SourceId) {
        self.sources.insert(id, Source { up: true, ..Source::default() });
    }

    pub(super) fn listed(&mut self, id: SourceId) {
        self.sources.entry(id).or_default().listed = true;
    }

    /// True while a source lists what it holds.
    pub(super) fn is_listing(&self, id: SourceId) -> bool {
        self.sources.get(&id).is_some_and(|source| source.up && !source.listed)
    }

    /// True once every expected source has been heard out, or is away.
    pub(super) fn all_listed(&self) -> bool {
        self.sources.values().all(|s| s.listed)
    }

    pub(super) fn holds(&mut self, id: SourceId, piece: Piece) {
        let source = self.sources.entry(id).or_default();
        match piece {
            Piece::Init { .. } if source.inits.len() >= OPENINGS => {}
            Piece::Slate { .. } if source.slates.len() >= OPENINGS => {}
            Piece::Init { lineage, track, init } => {
                source.inits.insert((lineage, track), init);
            }
            Piece::Slate { lineage, track } => {
                source.slates.insert((lineage, track));
            }
            Piece::Segment { number, .. } if self.floor.is_some_and(|floor| number < floor) => {}
            Piece::Segment { lineage, track, number } => {
                source.segments.insert((number, track, lineage));
                if source.segments.len() > SEGMENTS {
                    source.segments.pop_last();
                }
            }
            Piece::Filled { .. } => {}
        }
    }

    pub(super) fn gone(
        &mut self,
        id: SourceId,
        lineage: &Lineage,
        track: Option<&TrackName>,
        before: Number,
    ) {
        let Some(source) = self.sources.get_mut(&id) else { return };
        let concerns = |l: &Lineage, t: &TrackName| l == lineage && track.is_none_or(|track| t == track);
        source.segments.retain(|(n, t, l)| *n >= before || !concerns(l, t));
        if track.is_none() {
            source.inits.retain(|(l, _), _| l != lineage);
            source.slates.retain(|(l, _)| l != lineage);
        }
    }

    /// Segments before `floor` will not be asked for any more.
    pub(super) fn forget_before(&mut self, floor: Number) {
        self.floor = Some(floor);
        for source in self.sources.values_mut() {
            while source.segments.first().is_some_and(|(n, ..)| *n < floor) {
                source.segments.pop_first();
            }
        }
    }

    fn up(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.sources.iter().filter(|(_, s)| s.up).map(|(id, s)| (*id, s))
    }

    /// The copies of one lineage's segment, if it is of this track.
    pub(super) fn who_has(&self, lineage: &Lineage, track: &Track, number: Number) -> Vec<(SourceId, Piece)> {
        let key = (number, track.name.clone(), lineage.clone());
        let holders = self.up().filter(|(_, s)| s.segments.contains(&key));
        let holders = holders.filter(|(id, _)| self.may_be_of(*id, lineage, track));
        holders.map(|(id, _)| (id, segment(&key))).collect()
    }

    /// Who has exactly this.
    pub(super) fn holders(&self, piece: &Piece) -> Vec<SourceId> {
        let has = |source: &Source| match piece {
            Piece::Init { lineage, track, init } => {
                source.inits.get(&(lineage.clone(), track.clone())) == Some(init)
            }
            Piece::Slate { lineage, track } => source.slates.contains(&(lineage.clone(), track.clone())),
            Piece::Segment { lineage, track, number } => {
                source.segments.contains(&(*number, track.clone(), lineage.clone()))
            }
            Piece::Filled { .. } => false,
        };
        self.up().filter(|(_, source)| has(source)).map(|(id, _)| id).collect()
    }

    /// The copies of a segment, of whatever lineage that is of this track.
    pub(super) fn copies(&self, track: &Track, number: Number) -> Vec<(SourceId, Piece)> {
        let of_source = |(id, source): (SourceId, &Source)| {
            // Keys are in order of their numbers: none of another number is looked at.
            let from = source.segments.range((number, track.name.clone(), least_lineage())..);
            let equal = from.take_while(|(n, t, _)| *n == number && *t == track.name);
            let equal = equal.filter(|(.., lineage)| self.may_be_of(id, lineage, track));
            equal.map(|key| (id, segment(key))).collect::<Vec<_>>()
        };
        self.up().flat_map(of_source).collect()
    }

    /// Where the init `init` of a track can be had.
    pub(super) fn inits(&self, init: InitHash) -> Vec<(SourceId, Piece)> {
        let of_source = |(id, source): (SourceId, &Source)| {
            let equal = source.inits.iter().filter(|(_, hash)| **hash == init);
            let piece = |(lineage, track): &(Lineage, TrackName)| Piece::Init {
                lineage: lineage.clone(),
                track: track.clone(),
                init,
            };
            equal.map(|(key, _)| (id, piece(key))).collect::<Vec<_>>()
        };
        self.up().flat_map(of_source).collect()
    }

    /// Where a slate for the init `init` can be had.
    pub(super) fn slates(&self, init: InitHash) -> Vec<(SourceId, Piece)> {
        let of_source = |(id, source): (SourceId, &Source)| {
            let equal = source.slates.iter().filter(|key| source.inits.get(key) == Some(&init));
            let piece = |(lineage, track): &(Lineage, TrackName)| Piece::Slate {
                lineage: lineage.clone(),
                track: track.clone(),
            };
            equal.map(|key| (id, piece(key))).collect::<Vec<_>>()
        };
        self.up().flat_map(of_source).collect()
    }

    /// False for the copies of a lineage that makes another track of this name, that of another era: they may be cut
    /// alike and are not to be shown under this track's init.
    ///
    /// What `from` says of that counts for its own copies alone; one that says nothing is taken at others' word.
    pub(super) fn may_be_of(&self, from: SourceId, lineage: &Lineage, track: &Track) -> bool {
        if let Some(init) = self.init_of(from, lineage, &track.name) {
            return init == track.init;
        }
        let mut said = self.up().filter_map(|(id, _)| self.init_of(id, lineage, &track.name)).peekable();
        said.peek().is_none() || said.any(|init| init == track.init)
    }

    /// The init that a source says a lineage's track begins with.
    pub(super) fn init_of(&self, from: SourceId, lineage: &Lineage, track: &TrackName) -> Option<InitHash> {
        self.sources.get(&from)?.inits.get(&(lineage.clone(), track.clone())).copied()
    }

    /// False for a lineage that makes other tracks than those of `era`, by the word of all who say what it makes.
    pub(super) fn may_make(&self, lineage: &Lineage, era: &Era) -> bool {
        let mut said = self.up().map(|(_, source)| source.made_by(lineage)).filter(|made| !made.is_empty());
        let Some(first) = said.next() else { return true };
        let of_era: BTreeMap<_, _> = era.tracks.iter().map(|track| (&track.name, track.init)).collect();
        first == of_era || said.any(|made| made == of_era)
    }
}

/// The lineage that comes before all others.
fn least_lineage() -> Lineage {
    Lineage::new("0".parse().expect("0 is a name"), 0)
}

/// The track that comes before all others.
fn least_track() -> TrackName {
    "0".parse().expect("0 is a name")
}

fn segment((number, track, lineage): &(Number, TrackName, Lineage)) -> Piece {
    Piece::Segment { lineage: lineage.clone(), track: track.clone(), number: *number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_claims_ever_more_costs_no_more() {
        let (mut sources, id, track) = (Sources::new([]), SourceId(1), "720p".parse::<TrackName>().unwrap());
        for second in 0..100_000 {
            let lineage = Lineage::new("a".parse().unwrap(), second);
            let (track, init) = (track.clone(), InitHash::of(&second.to_be_bytes()));
            sources.holds(id, Piece::Init { lineage: lineage.clone(), track: track.clone(), init });
            sources.holds(id, Piece::Slate { lineage: lineage.clone(), track: track.clone() });
            sources.holds(id, Piece::Segment { lineage, track, number: Number(second) });
        }
        assert_eq!(sources.len(), 1 + 2 * OPENINGS + SEGMENTS);
        assert!(sources.init_of(id, &least_lineage(), &track).is_none());
        let first = Lineage::new("a".parse().unwrap(), 0);
        assert!(sources.init_of(id, &first, &track).is_some(), "what is known stays");
    }
}
