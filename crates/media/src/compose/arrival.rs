//! When media come: which lineages live, which one leads, and when a number is due.
//!
//! All times are milliseconds of the monotonic clock of whoever runs the composer. An arrival's
//! *phase* is its time less the media's end since 1970: two clocks are mixed on purpose, their
//! difference cancels out, so a skewed clock anywhere changes nothing.

mod heard;

use std::{cmp::Reverse, collections::BTreeMap};

use self::heard::{Heard, Usual};
use super::{SourceId, content::Words};
use crate::{
    grid::Number,
    health::Health,
    holding::Piece,
    id::{Lineage, TrackName},
    parity::{Luma, Parity, Pictures},
    record::Record,
};

/// Numbers that are remembered of each.
const OBSERVED: usize = 30;
/// Lineages that are remembered: those that were heard of last.
const LINEAGES: usize = 64;
/// Segment durations after which a run that fell silent is forgotten while another is heard.
const SILENT: i64 = 60;
/// Segment durations that a clock may be off before its word alone moves nothing.
const FAR: i64 = 4;
/// Numbers that a run must have delivered in step before it can move the timeline far.
const PROOF: usize = 3;

/// One run of an encoder, as sources tell of it.
#[derive(Debug, Default)]
struct Run {
    heard: BTreeMap<SourceId, Heard>,
    /// What it says of the content of its numbers.
    words: Words,
    /// What its numbers begin with.
    pictures: Pictures,
    /// Its tracks of numbers of which a copy was good, and when: they were there by then.
    proved: BTreeMap<Number, BTreeMap<TrackName, i64>>,
    /// What the slowest of those who tell of it now says is usual.
    usual: Option<Usual>,
}

impl Run {
    /// Takes a new look at what is usual. A number is early for who lies, and late for who is slow: the slowest counts,
    /// so that nobody who tells of numbers ahead of their time makes them due while an honest source lives.
    /// Peers tell of what they have from packagers, some time later: they count where no packager does.
    fn learn(&mut self, record: &Record) {
        let since = self.last().saturating_sub(stale(record));
        let told = self.heard.iter().filter(|(_, heard)| heard.counts() && heard.last() >= since);
        let usual = told.filter_map(|(from, heard)| Some((from.is_peer(), heard.usual()?)));
        self.usual = usual.max_by_key(|(is_peer, usual)| (!is_peer, usual.phase)).map(|(_, usual)| usual);
    }

    /// When it was heard of last.
    fn last(&self) -> i64 {
        self.heard.values().map(Heard::last).max().unwrap_or(i64::MIN)
    }

    /// The newest number of which a copy was good.
    fn proof(&self) -> Option<Number> {
        self.proved.last_key_value().map(|(number, _)| *number)
    }

    fn phase(&self) -> Option<i64> {
        self.usual.map(|usual| usual.phase)
    }

    fn steady(&self) -> usize {
        self.usual.map_or(0, |usual| usual.steady)
    }

    /// Whether `phase` is so early that a number of this run can't have been there.
    fn is_too_early(&self, record: &Record, phase: i64) -> bool {
        self.phase().is_some_and(|usual| phase < usual.saturating_sub(duration(record) * FAR))
    }

    fn has_whole(&self) -> bool {
        self.heard.values().any(|heard| heard.newest().is_some())
    }

    fn is_healthy(&self, record: &Record, now: i64) -> bool {
        let newest = self.heard.values().filter(|heard| heard.counts()).filter_map(Heard::newest);
        newest.map(|(_, at)| at).max().is_some_and(|at| now.saturating_sub(at) <= stale(record))
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
        self.runs.values().flat_map(|run| run.heard.values()).map(|heard| 1 + heard.len()).sum()
    }

    /// A source had the segment `at` this time, of this health and with this first picture. What the content of the
    /// whole number is, if it is not as before.
    pub(super) fn arrived(
        &mut self,
        record: &Record,
        (from, piece): (SourceId, &Piece),
        at: i64,
        (health, luma): (Health, Option<Luma>),
    ) -> Option<Health> {
        let Piece::Segment { lineage, track, number } = piece else { return None };
        let era = record.era(*number)?;
        let run = self.runs.entry(lineage.clone()).or_default();
        let proved = run.proved.get(number).and_then(|tracks| tracks.get(track));
        let at = proved.map_or(at, |proved| at.min(*proved));
        // Who is new to a run may say anything of when it comes; what others say of its content stands.
        let is_heeded = !run.is_too_early(record, at.saturating_sub(end(record, *number)));
        let heard = run.heard.entry(from).or_default();
        if !heard.arrived(record, era, (track, *number), at) {
            return None;
        }
        let is_whole = heard.has_whole(*number);
        if let Some(luma) = luma.filter(|_| is_heeded) {
            run.pictures.show(*number, luma);
        }
        let turned = is_heeded.then(|| {
            run.words.forget_before(number.minus(OBSERVED as u64));
            run.words.say(*number, health, is_whole)
        });
        run.learn(record);
        self.forget(record);
        turned.flatten()
    }

    /// The copy of a source was not what it should be: nothing that it says of the lineage counts until one is good.
    pub(super) fn disproved(&mut self, record: &Record, from: SourceId, lineage: &Lineage, number: Number) {
        let Some(run) = self.runs.get_mut(lineage) else { return };
        run.heard.entry(from).or_default().disproved(record, number);
        run.learn(record);
    }

    /// The copy of a source was good, and is here `at` this time.
    pub(super) fn proved(
        &mut self,
        record: &Record,
        (from, lineage): (SourceId, &Lineage),
        (track, number): (&TrackName, Number),
        at: i64,
    ) {
        let Some(run) = self.runs.get_mut(lineage) else { return };
        run.proved.entry(number).or_default().entry(track.clone()).or_insert(at);
        if run.proved.len() > OBSERVED {
            run.proved.pop_first();
        }
        if run.heard.get_mut(&from).is_some_and(Heard::proved) {
            run.learn(record);
        }
    }

    /// A source tells anew what it holds: what it said before gives way to that.
    pub(super) fn retell(&mut self, from: SourceId) {
        self.runs.values_mut().filter_map(|run| run.heard.get_mut(&from)).for_each(Heard::retell);
    }

    /// A source is not followed any more: nothing that it said counts, and a run of which it alone told is none.
    pub(super) fn left(&mut self, record: &Record, from: SourceId) {
        self.runs.retain(|_, run| {
            if run.heard.remove(&from).is_some() {
                run.learn(record);
            }
            !run.heard.is_empty()
        });
    }

    fn forget(&mut self, record: &Record) {
        let newest = self.runs.values().map(Run::last).max().unwrap_or(0);
        let silent = newest.saturating_sub(duration(record) * SILENT);
        self.runs.retain(|_, run| run.last() >= silent);
        while self.runs.len() > LINEAGES {
            // Runs that are only told of give way first, however new.
            let least = |run: &Run| (run.has_whole(), run.last());
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
    /// never passes a living encoder; one that lags a segment behind the one in use does not count.
    ///
    /// Once `on_air`, only lineages near the phase that is known count, while there is one: what
    /// somebody says of a far future does not carry the timeline there. While all are silent the
    /// last phase holds.
    pub(super) fn observe(&mut self, record: &Record, now: i64, on_air: bool) {
        let known = self.phase.filter(|_| on_air);
        let Some(reference) = known.or_else(|| self.anchor(record, now)).or(self.phase) else { return };
        let proven = || self.healthy(record, now).filter(|r| r.steady() >= PROOF).max_by_key(|r| r.steady());
        let elsewhere = || self.slowest_near(record, now, proven()?.phase()?, None);
        let usual = known.and_then(|known| self.as_usual(record, now, known));
        self.phase = self.slowest_near(record, now, reference, usual).or_else(elsewhere).or(Some(reference));
    }

    /// The phase of who delivers as it is `known`, if anybody does: an encoder whose clock is ahead has good media, and
    /// has them before their time.
    fn as_usual(&self, record: &Record, now: i64, known: i64) -> Option<i64> {
        let phases = self.healthy(record, now).filter_map(Run::phase);
        let near = phases.filter(|phase| phase.abs_diff(known) <= duration(record).unsigned_abs());
        near.min_by_key(|phase| phase.abs_diff(known))
    }

    fn healthy(&self, record: &Record, now: i64) -> impl Iterator<Item = &Run> {
        self.runs.values().filter(move |r| r.is_healthy(record, now))
    }

    /// The phase of the run of which most sources tell, of those the one that delivered most in step.
    fn anchor(&self, record: &Record, now: i64) -> Option<i64> {
        let best = |runs: &mut dyn Iterator<Item = &Run>| {
            let phases = runs.filter_map(|r| Some((r.heard.len(), r.steady(), Reverse(r.phase()?))));
            phases.max().map(|(.., Reverse(phase))| phase)
        };
        best(&mut self.healthy(record, now)).or_else(|| best(&mut self.runs.values()))
    }

    fn slowest_near(&self, record: &Record, now: i64, reference: i64, usual: Option<i64>) -> Option<i64> {
        let near = || {
            let phases = self.healthy(record, now).filter_map(|run| Some((run, run.phase()?)));
            phases.filter(|(_, phase)| is_near(record, *phase, reference))
        };
        // Anybody can tell of media ahead of their time. Those that were good are the measure, and before any were
        // the fastest of which most sources tell.
        let proven = || near().max_by_key(|(run, phase)| (run.proof(), run.heard.len(), Reverse(*phase)));
        let measure = usual.or_else(|| proven().map(|(_, phase)| phase));
        let allowed = measure?.saturating_add(duration(record));
        near().map(|(_, phase)| phase).filter(|phase| *phase <= allowed).max()
    }

    fn is_in_step(&self, record: &Record, run: &Run) -> bool {
        let both = run.phase().zip(self.phase);
        both.is_some_and(|(phase, reference)| is_near(record, phase, reference))
    }

    /// All lineages for `number`, best first: those that deliver in time, of these those with good content, then
    /// the lowest worker name, then the newest.
    pub(super) fn ranked(&self, record: &Record, number: Number, now: i64) -> Vec<Lineage> {
        let whole = self.runs.iter().filter(|(_, run)| run.has_whole());
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

    /// How far the pictures of each lineage that delivers agree with those of the first, which comes second.
    pub(super) fn parities(&self, record: &Record, now: i64) -> Vec<(&Lineage, &Lineage, Parity)> {
        let shows = |run: &Run| run.is_healthy(record, now) && !run.pictures.is_empty();
        let mut shown = self.runs.iter().filter(|(_, run)| shows(run));
        let Some((first, measure)) = shown.next() else { return Vec::new() };
        let others = shown.filter_map(|(l, run)| Some((l, first, run.pictures.parity(&measure.pictures)?)));
        others.collect()
    }

    /// The newest number that any lineage in step has whole, and not long before its time.
    pub(super) fn newest_whole(&self, record: &Record) -> Option<Number> {
        let in_step = self.runs.values().filter(|r| self.is_in_step(record, r));
        let since = self.phase?.saturating_sub(duration(record));
        in_step.flat_map(|run| run.heard.values()).filter_map(|heard| heard.newest_since(record, since)).max()
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
        let phase = self.runs.get(lineage)?.phase()?;
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

/// A run that delivered nothing for so long is not healthy.
fn stale(record: &Record) -> i64 {
    duration(record) * 3
}

fn duration(record: &Record) -> i64 {
    i64::from(record.grid.millis.get())
}

fn end(record: &Record, number: Number) -> i64 {
    i64::try_from(record.grid.end_millis(number)).unwrap_or(i64::MAX)
}
