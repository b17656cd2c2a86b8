//! When media come: which lineages live, which one leads, and when a number is due.
//!
//! All times are milliseconds of the monotonic clock of whoever runs the composer. An arrival's
//! *phase* is its time less the media's end since 1970: two clocks are mixed on purpose, their
//! difference cancels out, so a skewed clock anywhere changes nothing.

use std::{cmp::Reverse, collections::BTreeMap};

use super::content::Words;
use crate::{
    grid::Number,
    health::Health,
    id::{Lineage, TrackName},
    record::{Era, Record},
};

/// Numbers per lineage that the median is taken over.
const OBSERVED: usize = 30;
/// Lineages that are remembered: those that were heard of last.
const LINEAGES: usize = 64;
/// Segment durations after which a run that fell silent is forgotten while another is heard.
const SILENT: i64 = 60;
/// Segment durations that a clock may be off before its word alone moves nothing.
const FAR: i64 = 4;
/// Numbers that a run must have delivered in step before it can move the timeline far.
const PROOF: usize = 3;

/// One run of an encoder, as it was seen to deliver.
#[derive(Debug)]
struct Run {
    /// The earliest arrival of each track of a number.
    tracks: BTreeMap<Number, BTreeMap<TrackName, i64>>,
    /// When numbers were whole.
    whole: BTreeMap<Number, i64>,
    /// It was told of what was nowhere to be had: nothing that is told of it counts until a copy is good.
    disproved: bool,
    /// What it says of their content.
    words: Words,
    /// The median of what it delivered in step.
    phase: Option<i64>,
    /// Whole numbers within half a segment of that.
    steady: usize,
    /// When it was heard of last.
    last: i64,
}

impl Run {
    fn new() -> Self {
        let (tracks, whole, words) = (BTreeMap::new(), BTreeMap::new(), Words::default());
        Self { tracks, whole, disproved: false, words, phase: None, steady: 0, last: i64::MIN }
    }

    fn newest(&self) -> Option<(Number, i64)> {
        self.whole.last_key_value().map(|(n, at)| (*n, *at))
    }

    fn is_healthy(&self, record: &Record, now: i64) -> bool {
        let stale = duration(record) * 3;
        !self.disproved && self.newest().is_some_and(|(_, at)| now.saturating_sub(at) <= stale)
    }

    fn arrived(&mut self, era: &Era, track: &TrackName, number: Number, at: i64) {
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
        let oldest = self.tracks.first_key_value();
        self.words.forget_before(oldest.map_or(number, |(n, _)| *n));
    }

    /// Numbers that came more than a segment later than others (a backfill, or a packager that
    /// has lost their ages) say nothing of what is usual.
    fn learn(&mut self, record: &Record) {
        let phases = || self.whole.iter().map(|(n, at)| at.saturating_sub(end(record, *n)));
        let Some(least) = phases().min() else {
            (self.phase, self.steady) = (None, 0);
            return;
        };
        let mut usual: Vec<i64> = phases().filter(|p| *p <= least.saturating_add(duration(record))).collect();
        let middle = usual.len() / 2;
        let median = *usual.select_nth_unstable(middle).1;
        let half = duration(record).unsigned_abs() / 2;
        let steady = phases().filter(|p| p.abs_diff(median) <= half).count();
        (self.phase, self.steady) = (Some(median), steady);
    }
}

/// The arrivals of all lineages.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    runs: BTreeMap<Lineage, Run>,
    phase: Option<i64>,
}

impl Arrivals {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.runs.values().map(|r| r.tracks.len() + r.whole.len()).sum()
    }

    /// A source had the segment `at` this time, of this health; the earliest source counts. What the content of
    /// the whole number is, if it is not as before.
    pub(super) fn arrived(
        &mut self,
        record: &Record,
        lineage: &Lineage,
        track: &TrackName,
        number: Number,
        at: i64,
        health: Health,
    ) -> Option<Health> {
        let era = record.era(number)?;
        let run = self.runs.entry(lineage.clone()).or_insert_with(Run::new);
        let phase = at.saturating_sub(end(record, number));
        // The time of a run does not jump: whoever says so is wrong.
        let far = duration(record) * FAR;
        if run.phase.is_some_and(|usual| phase < usual.saturating_sub(far)) {
            return None;
        }
        run.arrived(era, track, number, at);
        run.learn(record);
        let is_whole = run.whole.contains_key(&number);
        let turned = run.words.say(number, health, is_whole);
        self.forget(record);
        turned
    }

    /// A copy of the segment was not what it should be: that it was told of says nothing of when media come.
    pub(super) fn disproved(&mut self, record: &Record, lineage: &Lineage, number: Number) {
        let Some(run) = self.runs.get_mut(lineage) else { return };
        run.tracks.remove(&number);
        run.whole.remove(&number);
        run.disproved = true;
        run.learn(record);
    }

    /// A copy of one of its segments was good.
    pub(super) fn proved(&mut self, lineage: &Lineage) {
        if let Some(run) = self.runs.get_mut(lineage) {
            run.disproved = false;
        }
    }

    fn forget(&mut self, record: &Record) {
        let newest = self.runs.values().map(|run| run.last).max().unwrap_or(0);
        let silent = newest.saturating_sub(duration(record) * SILENT);
        self.runs.retain(|_, run| run.last >= silent);
        while self.runs.len() > LINEAGES {
            // Runs that are only told of give way first, however new.
            let least = |run: &Run| (!run.whole.is_empty(), run.last);
            let oldest = self.runs.iter().min_by_key(|(_, run)| least(run)).map(|(l, _)| l.clone());
            oldest.and_then(|oldest| self.runs.remove(&oldest));
        }
    }

    /// A peer showed `number` as slate `at` this time: a deadline tells the phase, too. While no
    /// lineage is heard the earliest one counts, so that replicas show slate together.
    pub(super) fn filled(&mut self, record: &Record, number: Number, at: i64, patience: i64, now: i64) {
        let phase = at.saturating_sub(end(record, number)).saturating_sub(patience);
        let silent = self.healthy(record, now).next().is_none();
        self.phase = Some(match self.phase {
            None => phase,
            Some(known) if silent && is_near(record, phase, known) => phase.min(known),
            Some(known) => known,
        });
    }

    /// Takes a new look at the phase: the slowest healthy lineage's median, so that a deadline
    /// never passes a living encoder; one that lags a segment behind the fastest does not count.
    ///
    /// Once `on_air`, only lineages near the phase that is known count, while there is one: what
    /// somebody says of a far future does not carry the timeline there. While all are silent the
    /// last phase holds.
    pub(super) fn observe(&mut self, record: &Record, now: i64, on_air: bool) {
        let known = self.phase.filter(|_| on_air);
        let Some(reference) = known.or_else(|| self.anchor(record, now)).or(self.phase) else { return };
        let proven = || self.healthy(record, now).filter(|r| r.steady >= PROOF).max_by_key(|r| r.steady);
        let elsewhere = || self.slowest_near(record, now, proven()?.phase?);
        self.phase = self.slowest_near(record, now, reference).or_else(elsewhere).or(Some(reference));
    }

    fn healthy(&self, record: &Record, now: i64) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(move |r| r.is_healthy(record, now))
    }

    /// The phase of the run that delivered most in step.
    fn anchor(&self, record: &Record, now: i64) -> Option<i64> {
        let best = |runs: &mut dyn Iterator<Item = &Run>| {
            let phases = runs.filter_map(|r| Some((r.steady, Reverse(r.phase?))));
            phases.max().map(|(_, Reverse(phase))| phase)
        };
        best(&mut self.healthy(record, now)).or_else(|| best(&mut self.runs.values()))
    }

    fn slowest_near(&self, record: &Record, now: i64, reference: i64) -> Option<i64> {
        let near = || {
            let phases = self.healthy(record, now).filter_map(|r| r.phase);
            phases.filter(|phase| is_near(record, *phase, reference))
        };
        let allowed = near().min()?.saturating_add(duration(record));
        near().filter(|phase| *phase <= allowed).max()
    }

    fn is_in_step(&self, record: &Record, run: &Run) -> bool {
        let both = run.phase.zip(self.phase);
        both.is_some_and(|(phase, reference)| is_near(record, phase, reference))
    }

    /// All lineages for `number`, best first: those that deliver in time, of these those with good content, then
    /// the lowest worker name, then the newest.
    pub(super) fn ranked(&self, record: &Record, number: Number, now: i64) -> Vec<Lineage> {
        let whole = self.runs.iter().filter(|(_, run)| !run.whole.is_empty());
        let well = |run: &Run| run.is_healthy(record, now) && self.is_in_step(record, run);
        let timely: Vec<_> = self.runs.values().filter(|run| well(run)).map(|run| &run.words).collect();
        let sick = |run: &Run| (!well(run), run.words.is_in_trouble(number, &timely));
        let mut ranked: Vec<_> = whole.map(|(l, run)| (sick(run), l)).collect();
        ranked.sort_by_key(|(sick, l)| (*sick, l.worker(), Reverse(l.start())));
        ranked.into_iter().map(|(_, l)| l.clone()).collect()
    }

    /// The lineages that deliver, and what each says of its newest number.
    pub(super) fn contents(&self, record: &Record, now: i64) -> impl Iterator<Item = (&Lineage, Health)> {
        let delivers = self.runs.iter().filter(move |(_, run)| run.is_healthy(record, now));
        delivers.map(|(lineage, run)| (lineage, run.words.last()))
    }

    /// The newest number that any lineage in step has whole.
    pub(super) fn newest_whole(&self, record: &Record) -> Option<Number> {
        let in_step = self.runs.values().filter(|r| self.is_in_step(record, r));
        in_step.filter_map(Run::newest).map(|(n, _)| n).max()
    }

    /// When `number` is due, `patience` milliseconds after it usually comes; unknown until
    /// anything has come.
    pub(super) fn due(&self, record: &Record, number: Number, patience: i64) -> Option<i64> {
        Some(end(record, number).saturating_add(self.phase?).saturating_add(patience))
    }

    /// The same for the copy of one lineage.
    pub(super) fn due_from(
        &self,
        record: &Record,
        lineage: &Lineage,
        number: Number,
        patience: i64,
    ) -> Option<i64> {
        let phase = self.runs.get(lineage)?.phase?;
        Some(end(record, number).saturating_add(phase).saturating_add(patience))
    }

    /// The newest number that is due at `now`.
    pub(super) fn overdue(&self, record: &Record, patience: i64, now: i64) -> Option<Number> {
        let ended = now.saturating_sub(self.phase?).saturating_sub(patience);
        let count = u64::try_from(ended).ok()? / u64::from(record.grid.millis.get());
        Some(Number(count.checked_sub(1)?))
    }
}

fn is_near(record: &Record, phase: i64, reference: i64) -> bool {
    phase.abs_diff(reference) <= (duration(record) * FAR).unsigned_abs()
}

fn duration(record: &Record) -> i64 {
    i64::from(record.grid.millis.get())
}

fn end(record: &Record, number: Number) -> i64 {
    i64::try_from(record.grid.end_millis(number)).unwrap_or(i64::MAX)
}
