//! What a packager holds, and the news of it in the order in which it came.
//!
//! Pure: no clock, no file, no socket. Whoever holds something has checked it and can give its bytes; here it
//! is only remembered. A follower that resumes after any revision ends up with the same set as one that asks
//! for all of it.

mod held;
mod log;
mod retention;
mod sizes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use airtight_media::{
    grid::{Grid, Number},
    health::Health,
    holding::{Entry, Line, Piece, Revision},
    id::{InitHash, Lineage, SignalName, TrackName},
    parity::Luma,
    record::{Record, RecordError},
};

pub(super) use held::Freshness;
use held::Signal;
use log::Log;
pub(super) use retention::Limits;

/// Milliseconds since 1970 on a clock that never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Moment(pub(super) u64);

impl Moment {
    /// How long ago it was at `now`, in milliseconds.
    pub(super) fn age_ms(self, now: Self) -> u64 {
        now.0.saturating_sub(self.0)
    }
}

/// How long something is, since when it has been held, and what its content is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// Bytes.
    pub(super) length: u64,
    /// When it arrived.
    pub(super) since: Moment,
    /// What it says of its content.
    pub(super) health: Health,
    /// What its first picture looks like.
    pub(super) luma: Option<Luma>,
}

/// One line of the feed, whose age is told when it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    rev: Revision,
    what: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    Reset,
    Tick,
    Record(Arc<Record>),
    Held(SignalName, Piece, Held),
    /// The segments of a track before a number; without a track the whole lineage.
    Gone(SignalName, Lineage, Option<TrackName>, Number),
}

impl News {
    /// A sign of life at `rev`.
    pub(super) fn tick(rev: Revision) -> Self {
        Self { rev, what: Change::Tick }
    }

    /// True for the start of a listing of everything.
    pub(super) fn is_reset(&self) -> bool {
        self.what == Change::Reset
    }

    /// What to resume after.
    pub(super) fn rev(&self) -> Revision {
        self.rev
    }

    /// The line, written at `now`.
    pub(super) fn entry(&self, now: Moment) -> Entry {
        let line = match self.what.clone() {
            Change::Reset => Line::Reset,
            Change::Tick => Line::Tick,
            Change::Record(record) => Line::Record { record: Record::clone(&record) },
            Change::Held(signal, piece, Held { length, since, health, luma }) => {
                Line::Held { signal, piece, length, age_ms: since.age_ms(now), health, luma }
            }
            Change::Gone(signal, lineage, track, before) => Line::Gone { signal, lineage, track, before },
        };
        Entry { rev: self.rev, line }
    }
}

/// What has expired or vanished, for whoever has its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expired {
    /// A segment.
    Segment(SignalName, Piece),
    /// A lineage with all that is in it.
    Lineage(SignalName, Lineage),
}

/// All that is held.
#[derive(Debug)]
pub(super) struct Index {
    limits: Limits,
    log: Log,
    signals: BTreeMap<SignalName, Signal>,
}

impl Index {
    /// An empty index of run `run` of a packager (not 0), which keeps what `limits` says.
    pub(super) fn new(run: u64, limits: Limits) -> Self {
        Self { limits, log: Log::new(run, limits.news), signals: BTreeMap::new() }
    }

    /// The signals that are known.
    pub(super) fn signals(&self) -> impl Iterator<Item = &SignalName> {
        self.signals.keys()
    }

    /// The record of a signal.
    pub(super) fn record(&self, signal: &SignalName) -> Option<&Arc<Record>> {
        self.signals.get(signal).map(|s| &s.record)
    }

    /// Joins a record with the one that is known; true if that changes it.
    ///
    /// # Errors
    /// It contradicts; nothing is changed.
    pub(super) fn join(&mut self, record: &Record) -> Result<bool, RecordError> {
        let known = self.signals.get_mut(&record.signal);
        let joined = match &known {
            Some(known) => known.record.join(record)?,
            None => record.clone(),
        };
        let joined = Arc::new(joined);
        match known {
            Some(known) if known.record == joined => return Ok(false),
            Some(known) => known.record = joined.clone(),
            None => {
                self.signals.insert(record.signal.clone(), Signal::new(joined.clone()));
            }
        }
        self.log.push(Change::Record(joined));
        Ok(true)
    }

    /// Remembers that `piece` is held; false if it was already, or if its signal has no record.
    pub(super) fn hold(&mut self, signal: &SignalName, piece: &Piece, held: Held) -> bool {
        let Some(known) = self.signals.get_mut(signal) else { return false };
        if !known.hold(piece, held) {
            return false;
        }
        if let Piece::Segment { number, .. } = piece {
            let kept = self.limits.numbers(&known.record.grid);
            known.horizon = known.horizon.max(number.next().minus(kept));
        }
        self.log.push(Change::Held(signal.clone(), piece.clone(), held));
        true
    }

    /// Whether, how much and since when a piece is held.
    pub(super) fn held(&self, signal: &SignalName, piece: &Piece) -> Option<Held> {
        self.signals.get(signal)?.held(piece)
    }

    /// Whether anything of a lineage is held.
    pub(super) fn has_lineage(&self, signal: &SignalName, lineage: &Lineage) -> bool {
        self.signals.get(signal).is_some_and(|s| s.lineages.contains_key(lineage))
    }

    /// How many lineages of a signal are held.
    pub(super) fn lineages(&self, signal: &SignalName) -> usize {
        self.signals.get(signal).map_or(0, |s| s.lineages.len())
    }

    /// The inits of a track of a lineage that are held.
    pub(super) fn inits(&self, signal: &SignalName, lineage: &Lineage, track: &TrackName) -> Vec<InitHash> {
        let track = self.signals.get(signal).and_then(|s| s.lineages.get(lineage)?.get(track));
        track.map(|t| t.inits.keys().copied().collect()).unwrap_or_default()
    }

    /// The inits that are held in any lineage.
    pub(super) fn all_inits(&self) -> BTreeSet<InitHash> {
        let tracks = self.signals.values().flat_map(|s| s.lineages.values()).flat_map(BTreeMap::values);
        tracks.flat_map(|t| t.inits.keys().copied()).collect()
    }

    /// Segments before this number have expired and don't come back.
    pub(super) fn horizon(&self, signal: &SignalName) -> Number {
        self.signals.get(signal).map_or(Number(0), |s| s.horizon)
    }

    /// The newest number of any track of a signal.
    pub(super) fn newest(&self, signal: &SignalName) -> Option<Number> {
        self.signals.get(signal)?.newest()
    }

    /// Whether nothing of a signal is held.
    pub(super) fn is_empty(&self, signal: &SignalName) -> bool {
        self.signals.get(signal).is_none_or(|s| s.lineages.is_empty())
    }

    /// At most `most` pieces of a signal that are held, in order, from behind `after` on.
    pub(super) fn pieces_after(&self, signal: &SignalName, after: Option<&Piece>, most: usize) -> Vec<Piece> {
        let signal = self.signals.get(signal);
        signal.map(|s| s.pieces_after(after).take(most).collect()).unwrap_or_default()
    }

    /// Bytes and pieces that are held.
    pub(super) fn size(&self) -> (u64, u64) {
        let sizes = self.signals.values().map(|signal| signal.sizes.all());
        sizes.fold((0, 0), |(bytes, pieces), more| (bytes + more.0, pieces + more.1))
    }

    /// How fresh each signal is, in order of their names.
    pub(super) fn freshness(&self, now: Moment) -> Vec<Freshness> {
        self.signals.values().map(|signal| signal.freshness(now)).collect()
    }

    /// Lets go what is beyond the limits: oldest numbers first, never the newest window.
    pub(super) fn expire(&mut self, now: Moment) -> Vec<Expired> {
        let mut expired = Vec::new();
        for (name, signal) in &mut self.signals {
            let horizon = retention::horizon(&signal.sizes, &signal.record.grid, &self.limits);
            signal.horizon = signal.horizon.max(horizon);
            for (lineage, track, piece) in signal.cut_before(signal.horizon) {
                let change = Change::Gone(name.clone(), lineage, Some(track), signal.horizon);
                self.log.push(change);
                expired.extend(piece.into_iter().map(|piece| Expired::Segment(name.clone(), piece)));
            }
            for lineage in signal.cut_empty(now, self.limits.retention_ms()) {
                self.log.push(Change::Gone(name.clone(), lineage.clone(), None, signal.horizon));
                expired.push(Expired::Lineage(name.clone(), lineage));
            }
        }
        expired
    }

    /// Forgets signals whose event is over and of which nothing has come for longer than the retention: they make
    /// room for others.
    pub(super) fn let_go(&mut self, now: Moment) -> Vec<SignalName> {
        let retention_ms = self.limits.retention_ms();
        let over = self.signals.extract_if(.., |_, signal| signal.is_over(now, retention_ms));
        let over: Vec<_> = over.map(|(name, _)| name).collect();
        if !over.is_empty() {
            self.log.cut();
        }
        over
    }

    /// Forgets pieces whose bytes are no more.
    ///
    /// The feed can only say "all before"; what is told gone too much is told held again.
    pub(super) fn lose(&mut self, signal: &SignalName, pieces: &[Piece]) {
        let Some(known) = self.signals.get_mut(signal) else { return };
        for (lineage, track, before) in known.lose(pieces) {
            let change = Change::Gone(signal.clone(), lineage.clone(), track.clone(), before);
            self.log.push(change);
            for (piece, held) in known.pieces_of(&lineage, track.as_ref(), before) {
                self.log.push(Change::Held(signal.clone(), piece, held));
            }
        }
    }

    /// Forgets a signal. The feed has no word for that: every follower is sent everything anew.
    pub(super) fn forget(&mut self, signal: &SignalName) {
        if self.signals.remove(signal).is_some() {
            self.log.cut();
        }
    }

    /// The revision of the newest news.
    pub(super) fn revision(&self) -> Revision {
        self.log.revision()
    }

    /// What came after `revision`; all that is held if that is unknown, too old or of another run.
    pub(super) fn since(&self, revision: Option<Revision>) -> Vec<News> {
        revision.and_then(|revision| self.log.since(revision)).unwrap_or_else(|| self.listing())
    }

    /// Everything. A listing that breaks off can't be resumed: its lines carry a revision of no run.
    fn listing(&self) -> Vec<News> {
        let mut all = vec![Change::Reset];
        for (name, signal) in &self.signals {
            all.push(Change::Record(signal.record.clone()));
            all.extend(signal.pieces().map(|(piece, held)| Change::Held(name.clone(), piece, held)));
        }
        let inside = Revision { run: 0, sequence: 0 };
        let mut news: Vec<_> = all.into_iter().map(|what| News { rev: inside, what }).collect();
        news.push(News::tick(self.revision()));
        news
    }
}

/// How many segments `millis` are, rounded up.
fn numbers(millis: u64, grid: &Grid) -> u64 {
    millis.div_ceil(u64::from(grid.millis.get()))
}

#[cfg(test)]
mod tests;
