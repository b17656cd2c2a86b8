//! When media come: which lineages live, which one leads, and when a number is due.
//!
//! All times are milliseconds of the monotonic clock of whoever runs the composer. An arrival's
//! *phase* is its time less the media's end since 1970: two clocks are mixed on purpose, their
//! difference cancels out, so a skewed clock anywhere changes nothing.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    grid::Number,
    id::{Lineage, TrackName},
    record::Record,
};

/// Whole numbers per lineage that the median is taken over.
const OBSERVED: usize = 30;
/// Lineages that are remembered: those that were heard of last.
const LINEAGES: usize = 64;

/// One run of an encoder, as it was seen to deliver.
#[derive(Debug, Default)]
struct Run {
    /// Arrivals of numbers that are not whole yet, by track.
    partial: BTreeMap<Number, BTreeMap<TrackName, i64>>,
    /// When numbers were whole.
    whole: BTreeMap<Number, i64>,
}

impl Run {
    fn newest(&self) -> Option<(Number, i64)> {
        self.whole.last_key_value().map(|(n, at)| (*n, *at))
    }

    fn is_healthy(&self, record: &Record, now: i64) -> bool {
        let stale = i64::from(record.grid.millis.get()) * 3;
        self.newest().is_some_and(|(_, at)| now - at <= stale)
    }

    fn phase(&self, record: &Record) -> Option<i64> {
        let mut phases: Vec<i64> = self.whole.iter().map(|(n, at)| at - end(record, *n)).collect();
        let middle = phases.len() / 2;
        (!phases.is_empty()).then(|| *phases.select_nth_unstable(middle).1)
    }
}

/// The arrivals of all lineages.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    runs: BTreeMap<Lineage, Run>,
    phase: Option<i64>,
}

impl Arrivals {
    /// A source had the segment `at` this time; the earliest source counts.
    pub(super) fn arrived(
        &mut self,
        record: &Record,
        lineage: &Lineage,
        track: &TrackName,
        number: Number,
        at: i64,
    ) {
        let Some(era) = record.era(number) else { return };
        let run = self.runs.entry(lineage.clone()).or_default();
        if run.whole.contains_key(&number) {
            return;
        }
        let tracks = run.partial.entry(number).or_default();
        let known = tracks.entry(track.clone()).or_insert(at);
        *known = at.min(*known);
        if era.tracks.iter().all(|t| tracks.contains_key(&t.name)) {
            let last = tracks.values().copied().max().unwrap_or(at);
            run.partial.remove(&number);
            run.whole.insert(number, last);
        }
        while run.whole.len() > OBSERVED {
            run.whole.pop_first();
        }
        while run.partial.len() > OBSERVED {
            run.partial.pop_first();
        }
        self.bound();
    }

    fn bound(&mut self) {
        while self.runs.len() > LINEAGES {
            let oldest =
                self.runs.iter().min_by_key(|(_, run)| run.newest()).map(|(lineage, _)| lineage.clone());
            if let Some(oldest) = oldest {
                self.runs.remove(&oldest);
            }
        }
    }

    /// Takes a new look at the phase: the slowest healthy lineage's median, so that a deadline
    /// never passes a living encoder; one that lags a segment behind the fastest does not count.
    /// While all are silent the last one holds.
    pub(super) fn observe(&mut self, record: &Record, now: i64) {
        let healthy = self.runs.values().filter(|r| r.is_healthy(record, now));
        let phases: Vec<i64> = healthy.filter_map(|r| r.phase(record)).collect();
        let allowed = phases.iter().min().map(|least| least + i64::from(record.grid.millis.get()));
        let slowest = phases.into_iter().filter(|p| Some(*p) <= allowed).max();
        let newest = || self.runs.values().max_by_key(|r| r.newest()).and_then(|r| r.phase(record));
        self.phase = slowest.or(self.phase).or_else(newest);
    }

    /// All lineages, best first: healthy, then the lowest worker name, then the newest.
    pub(super) fn ranked(&self, record: &Record, now: i64) -> Vec<Lineage> {
        let whole = self.runs.iter().filter(|(_, run)| !run.whole.is_empty());
        let mut ranked: Vec<_> = whole.map(|(l, run)| (!run.is_healthy(record, now), l)).collect();
        ranked.sort_by_key(|(sick, l)| (*sick, l.worker(), Reverse(l.start())));
        ranked.into_iter().map(|(_, l)| l.clone()).collect()
    }

    /// The newest number that any lineage has whole.
    pub(super) fn newest_whole(&self) -> Option<Number> {
        self.runs.values().filter_map(Run::newest).map(|(n, _)| n).max()
    }

    /// When `number` is due, `patience` milliseconds after it usually comes; unknown until
    /// anything has come.
    pub(super) fn due(&self, record: &Record, number: Number, patience: i64) -> Option<i64> {
        Some(end(record, number).saturating_add(self.phase?).saturating_add(patience))
    }

    /// The newest number that is due at `now`.
    pub(super) fn overdue(&self, record: &Record, patience: i64, now: i64) -> Option<Number> {
        let ended = now.saturating_sub(self.phase?).saturating_sub(patience);
        let count = u64::try_from(ended).ok()? / u64::from(record.grid.millis.get());
        Some(Number(count.checked_sub(1)?))
    }
}

fn end(record: &Record, number: Number) -> i64 {
    i64::try_from(record.grid.end_millis(number)).unwrap_or(i64::MAX)
}
