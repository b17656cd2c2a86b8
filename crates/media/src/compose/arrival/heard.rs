//! When the numbers of one lineage came, by the word of one source.

use std::collections::BTreeMap;

use super::{FAR, OBSERVED, duration, end};
use crate::{
    grid::Number,
    id::TrackName,
    record::{Era, Record},
};

/// What is usual for those numbers that came in step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual {
    /// The median.
    pub(super) phase: i64,
    /// How many are within half a segment of it.
    pub(super) steady: usize,
}

/// What a source says.
#[derive(Debug)]
pub(super) struct Heard {
    /// The earliest arrival of each track of a number.
    tracks: BTreeMap<Number, BTreeMap<TrackName, i64>>,
    /// When numbers were whole.
    whole: BTreeMap<Number, i64>,
    usual: Option<Usual>,
    /// A copy was not what it should be, and none was good since.
    disproved: bool,
    /// What it tells next takes the place of all that it told.
    again: bool,
    last: i64,
}

impl Default for Heard {
    fn default() -> Self {
        let (tracks, whole) = (BTreeMap::new(), BTreeMap::new());
        Self { tracks, whole, usual: None, disproved: false, again: false, last: i64::MIN }
    }
}

impl Heard {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tracks.len() + self.whole.len()
    }

    /// Takes the arrival of a track of a number, unless it is so early that it can't be true.
    pub(super) fn arrived(
        &mut self,
        record: &Record,
        era: &Era,
        (track, number): (&TrackName, Number),
        at: i64,
    ) -> bool {
        let phase = at.saturating_sub(end(record, number));
        // The time of a run does not jump: whoever says so is wrong.
        let far = duration(record) * FAR;
        if self.usual.is_some_and(|usual| phase < usual.phase.saturating_sub(far)) {
            return false;
        }
        if std::mem::take(&mut self.again) {
            self.tracks.clear();
            self.whole.clear();
        }
        let tracks = self.tracks.entry(number).or_default();
        let known = tracks.entry(track.clone()).or_insert(at);
        *known = at.min(*known);
        self.last = self.last.max(at);
        if era.tracks.iter().all(|t| tracks.contains_key(&t.name)) {
            self.whole.insert(number, tracks.values().copied().max().unwrap_or(at));
        }
        while self.tracks.len() > OBSERVED {
            let oldest = self.tracks.pop_first();
            self.whole.remove(&oldest.map_or(number, |(n, _)| n));
        }
        self.learn(record);
        true
    }

    /// Numbers that came more than a segment later than others (a backfill, or a packager that
    /// has lost their ages) say nothing of what is usual.
    fn learn(&mut self, record: &Record) {
        let phases = || self.whole.iter().map(|(n, at)| at.saturating_sub(end(record, *n)));
        let Some(least) = phases().min() else { return };
        let mut usual: Vec<i64> = phases().filter(|p| *p <= least.saturating_add(duration(record))).collect();
        let middle = usual.len() / 2;
        let phase = *usual.select_nth_unstable(middle).1;
        let half = duration(record).unsigned_abs() / 2;
        let steady = phases().filter(|p| p.abs_diff(phase) <= half).count();
        self.usual = Some(Usual { phase, steady });
    }

    /// It begins to tell anew what it holds. What is usual stays until that is known.
    pub(super) fn retell(&mut self) {
        self.again = true;
    }

    /// What it says counts until a copy is not what it should be.
    pub(super) fn counts(&self) -> bool {
        !self.disproved
    }

    /// Its copy of `number` was not what it should be.
    pub(super) fn disproved(&mut self, record: &Record, number: Number) {
        self.tracks.remove(&number);
        self.whole.remove(&number);
        self.disproved = true;
        self.learn(record);
    }

    /// A copy was good. True if none was since one was not.
    pub(super) fn proved(&mut self) -> bool {
        std::mem::take(&mut self.disproved)
    }

    pub(super) fn usual(&self) -> Option<Usual> {
        self.usual
    }

    /// When it was heard last.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    pub(super) fn has_whole(&self, number: Number) -> bool {
        self.whole.contains_key(&number)
    }

    /// The newest whole number, and when it was.
    pub(super) fn newest(&self) -> Option<(Number, i64)> {
        self.whole.last_key_value().map(|(n, at)| (*n, *at))
    }

    /// The newest number that was whole in this phase or later.
    pub(super) fn newest_since(&self, record: &Record, phase: i64) -> Option<Number> {
        let mut newest = self.whole.iter().rev();
        let timely = |(n, at): &(&Number, &i64)| at.saturating_sub(end(record, **n)) >= phase;
        newest.find(timely).map(|(n, _)| *n)
    }
}
