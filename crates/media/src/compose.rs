//! The composer: many sources in, what is published out.
//!
//! A state machine of one signal. Its inputs are what sources say they hold ([`Event`]) and the
//! time; its outputs are fetches to make and snapshots to publish ([`Action`]). It has no socket,
//! no clock and no task. Promises, whatever comes in:
//!
//! - Nothing is published before its bytes are here, all tracks of a number at once.
//! - Each number has a deadline. What no source gave by then is slate; the timeline never waits.
//! - What was published never changes and never goes back; late media only replace slate bytes.
//! - Replicas that see the same sources choose the same lineage.

mod arrival;
mod asking;
mod content;
mod due;
mod eras;
mod event;
mod fetches;
mod openings;
mod pace;
mod sources;
mod switches;
mod timeline;

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;

pub use self::event::{Action, Decision, Event, Monotonic, Policy, SourceId, Ticket};
use self::{
    arrival::Arrivals,
    due::{LISTING, budget, deadline, millis},
    fetches::Fetches,
    openings::Openings,
    sources::Sources,
    switches::Switches,
    timeline::Timeline,
};
use crate::{
    check,
    grid::Number,
    health::Health,
    holding::{Line, Piece},
    id::Lineage,
    parity::Parity,
    record::{Record, Track},
    window::{Made, Media, Snapshot},
};

/// A playlist lists so many numbers at least: HLS Authoring Specification, 8.11.
const LEAST: u64 = 6;
/// Numbers whose media are asked for at a time.
const AHEAD: u64 = 4;

/// The composer of one signal.
#[derive(Debug)]
pub struct Composer {
    policy: Policy,
    settled: Monotonic,
    /// Until then a number that is past its deadline may wait for its media to be backfilled.
    backfilled: Monotonic,
    /// When the newest number was decided, once on air.
    moved: Option<Monotonic>,
    /// The deadline that the number to decide next had when the one before was decided.
    promised: Option<i64>,
    now: Monotonic,
    /// When it was last found out what is due.
    looked: Monotonic,
    /// Something was told since that may make something due.
    unseen: bool,
    /// What sources say of the signal.
    told: Option<Arc<Record>>,
    /// What of that can be shown, and was.
    record: Option<Arc<Record>>,
    sources: Sources,
    arrivals: Arrivals,
    openings: Openings,
    fetches: Fetches,
    switches: Switches,
    timeline: Timeline,
    actions: VecDeque<Action>,
}

impl Composer {
    /// A composer that begins at `now` and may hear from `expected` sources.
    pub fn new(policy: Policy, expected: impl IntoIterator<Item = SourceId>, now: Monotonic) -> Self {
        Self {
            policy,
            settled: now + policy.settle,
            backfilled: now + policy.settle,
            moved: None,
            promised: None,
            now,
            looked: now,
            unseen: false,
            told: None,
            record: None,
            sources: Sources::new(expected),
            arrivals: Arrivals::default(),
            openings: Openings::default(),
            fetches: Fetches::default(),
            switches: Switches::default(),
            timeline: Timeline::default(),
            actions: VecDeque::new(),
        }
    }

    /// Takes an event that happened at `now`, and does whatever `now` makes due. The lines of a listing, which may be
    /// very many, are looked at together.
    pub fn handle(&mut self, event: Event, now: Monotonic) {
        self.now = now.max(self.now);
        let is_listed =
            matches!(&event, Event::Says(from, Line::Held { .. }) if self.sources.is_listing(*from));
        match event {
            Event::Says(source, line) => self.says(source, line),
            Event::Down(source) => {
                self.sources.down(source);
                self.abandon(source);
            }
            Event::Left(source) => self.left(source),
            Event::Fetched(ticket, bytes) => self.fetched(ticket, &bytes),
            Event::Failed(ticket) => {
                if let Some(flight) = self.fetches.failed(ticket, self.now) {
                    self.lost(flight.from, &flight.piece, flight.since);
                }
            }
        }
        if is_listed && self.now < self.looked + LISTING {
            self.unseen = true;
        } else {
            self.tick(now);
        }
    }

    /// Does what `now` makes due.
    pub fn tick(&mut self, now: Monotonic) {
        self.now = now.max(self.now);
        (self.looked, self.unseen) = (self.now, false);
        self.turn();
        let Some(record) = self.record.clone() else { return };
        self.arrivals.observe(&record, self.millis(), self.timeline.next().is_some());
        self.look_for_others(&record);
        self.fetch_openings();
        if self.timeline.next().is_none() {
            self.begin(&record);
        }
        self.fetch_past(&record);
        self.advance(&record);
        self.fetch_late(&record);
        self.hedge(&record);
        self.look_for_others(&record);
    }

    /// The next action, in order.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How many things it remembers: bounded, however long it runs.
    #[cfg(test)]
    fn held(&self) -> usize {
        self.sources.len()
            + self.fetches.len()
            + self.arrivals.len()
            + self.switches.len()
            + self.actions.len()
    }

    /// How many bytes of media it keeps: bounded, too.
    #[cfg(test)]
    fn kept_bytes(&self) -> usize {
        self.openings.bytes() + self.timeline.bytes()
    }

    /// The signal's record, once known.
    pub fn record(&self) -> Option<&Arc<Record>> {
        self.record.as_ref()
    }

    /// The lineages that deliver, and what the content of each is.
    pub fn contents(&self) -> Vec<(&Lineage, Health)> {
        let contents = self.record.as_ref().map(|record| self.arrivals.contents(record, self.millis()));
        contents.into_iter().flatten().collect()
    }

    /// How far the pictures of each lineage that delivers agree with those of the first, which comes second.
    pub fn parities(&self) -> Vec<(&Lineage, &Lineage, Parity)> {
        self.record.as_ref().map(|record| self.arrivals.parities(record, self.millis())).unwrap_or_default()
    }

    fn millis(&self) -> i64 {
        millis(self.now)
    }

    fn decided(&mut self, decision: Decision) {
        self.actions.push_back(Action::Decided(decision));
    }

    fn says(&mut self, source: SourceId, line: Line) {
        self.sources.heard(source);
        match line {
            Line::Reset => {
                self.sources.reset(source);
                self.abandon(source);
                self.fetches.retell(source);
                self.arrivals.retell(source);
            }
            Line::Tick => self.sources.listed(source),
            Line::Record { record } => self.join(&record),
            Line::Held { piece: Piece::Filled { number, .. }, age_ms, .. } => {
                self.timeline.peer_published(number);
                let now = self.millis();
                let at = now.saturating_sub_unsigned(age_ms);
                if let Some(record) = &self.record {
                    self.arrivals.filled(record, number, at, deadline(record), now);
                }
            }
            Line::Held { piece, age_ms, health, luma, .. } => {
                let at = self.millis().saturating_sub_unsigned(age_ms);
                if let (Piece::Segment { lineage, number, .. }, Some(record)) = (&piece, &self.record)
                    && let Some(health) = self.arrivals.arrived(record, (source, &piece), at, (health, luma))
                {
                    self.decided(Decision::Turned(*number, lineage.clone(), health));
                }
                self.sources.holds(source, piece);
            }
            Line::Gone { lineage, track, before, .. } => {
                self.sources.gone(source, &lineage, track.as_ref(), before);
            }
        }
    }

    fn left(&mut self, source: SourceId) {
        self.sources.left(source);
        self.abandon(source);
        self.fetches.left(source);
        if let Some(record) = &self.record {
            self.arrivals.left(record, source);
        }
    }

    fn fetched(&mut self, ticket: Ticket, bytes: &Bytes) {
        let Some(flight) = self.fetches.take(ticket, self.now) else { return };
        let Some(record) = self.record.clone() else { return };
        if let Err(reason) = self.admit(&record, flight.from, &flight.piece, bytes) {
            let path = flight.piece.path().unwrap_or_default();
            self.lost(flight.from, &flight.piece, flight.since);
            self.decided(Decision::Corrupt { from: flight.from, path, reason });
            if let Piece::Segment { lineage, number, .. } = &flight.piece {
                self.arrivals.disproved(&record, flight.from, lineage, *number);
            }
            return self.fetches.corrupt(flight.from, flight.piece);
        }
        let overtaken = self.fetches.overtaken(&flight, self.now);
        self.actions.extend(overtaken.into_iter().map(Action::Cancel));
    }

    /// Takes the bytes of a piece if they are what they should be; else says why not.
    fn admit(&mut self, record: &Record, from: SourceId, piece: &Piece, bytes: &Bytes) -> Result<(), String> {
        match piece {
            Piece::Init { init, .. } => self.openings.init(*init, bytes).map_err(|e| e.to_string()),
            Piece::Slate { lineage, track } => {
                let init = self.sources.init_of(from, lineage, track);
                let tracks = self.told.iter().flat_map(|told| &told.eras).flat_map(|e| &e.tracks);
                let known = tracks.into_iter().find(|t| t.name == *track && Some(t.init) == init);
                let known = known.ok_or("the record has no such track")?;
                self.openings.slate(known.init, bytes, known.rate).map_err(|e| e.to_string())
            }
            Piece::Segment { lineage, track, number } => {
                let known = record.track(track, *number).ok_or("the record has no such track")?;
                // The era may have become known while the segment was under way.
                if !self.sources.may_be_of(from, lineage, known) {
                    return Err("it is of another era".to_owned());
                }
                let init = self.openings.parsed(known.init).ok_or("its init is not here")?;
                let parts = check::size(bytes, known, &record.grid)
                    .and_then(|()| check::segment(bytes, init, &record.grid, *number, &known.rate));
                let parts = parts.map_err(|e| e.to_string())?.into();
                self.arrivals.proved(record, (from, lineage), (track, *number), millis(self.now));
                let media = Media { parts, made: Made::By(lineage.clone()) };
                if self.timeline.hold(*number, track, media) {
                    self.decided(Decision::Replaced(*number, track.clone()));
                }
                Ok(())
            }
            Piece::Filled { .. } => Ok(()),
        }
    }

    /// Finds where the timeline begins: so far back that its first version holds the whole window.
    fn begin(&mut self, record: &Record) {
        if self.now < self.settled && !self.sources.all_listed() {
            return;
        }
        let overdue = self.arrivals.overdue(record, deadline(record), self.millis());
        let usual = self.arrivals.overdue(record, 0, self.millis());
        let peer_edge = self.timeline.peer_edge().filter(|edge| usual.is_none_or(|u| *edge <= u.plus(AHEAD)));
        let known = [self.arrivals.newest_whole(record), overdue, peer_edge];
        let Some(edge) = known.into_iter().flatten().max() else { return };
        let edge = record.end.map_or(edge, |end| edge.min(end));
        if edge < record.first {
            return;
        }
        let head = self.head(record, edge);
        let shown = |n: &Number| record.era(*n).is_some_and(|era| self.openings.admit(era));
        let numbers = (0..=edge.0 - head.0).map(|i| head.plus(i));
        let first = numbers.rev().find(|n| !shown(n)).map_or(head, Number::next);
        if first != head && self.now >= self.settled && self.leave_out(record, first.minus(1)) {
            return;
        }
        // An era whose inits nobody has any more must not keep the programme off the air.
        if first == head || (first <= edge && self.now >= self.settled) {
            self.timeline.begin(first, edge);
            self.backfilled = self.settled.max(self.now + budget(record) * 5 / 2);
        }
    }

    fn window(&self, record: &Record) -> u64 {
        (self.policy.window_millis / u64::from(record.grid.millis.get())).max(LEAST)
    }

    fn head(&self, record: &Record, edge: Number) -> Number {
        record.first.max(edge.next().minus(self.window(record)))
    }

    /// The oldest number that can be fetched: one that has left the window stays for another.
    fn kept(&self, record: &Record, edge: Number) -> Number {
        record.first.max(edge.next().minus(2 * self.window(record)))
    }

    /// Decides number after number, as far as media or deadlines reach; then publishes.
    fn advance(&mut self, record: &Arc<Record>) {
        while let Some(next) = self.timeline.next().filter(|n| !record.has_ended_by(n.minus(1))) {
            let backfill = self.timeline.shown_from().map_or(0, |n| n.0.saturating_sub(next.0) + 1);
            for ahead in 0..AHEAD.max(backfill) {
                self.fetch_media(record, next.plus(ahead));
            }
            if !self.decide(record, next) {
                break;
            }
        }
        if self.timeline.is_news() {
            self.publish(record);
        }
    }

    /// Decides `number` if all its media are here, or with slate if it can't wait any longer.
    fn decide(&mut self, record: &Record, number: Number) -> bool {
        let Some(era) = record.era(number) else { return false };
        let lacking = era.tracks.iter().filter(|t| !self.timeline.holds(number, &t.name));
        let lacking: Vec<&Track> = lacking.collect();
        if !lacking.is_empty() && !self.cannot_wait(record, number, &lacking) {
            return false;
        }
        for track in lacking {
            let Some(parts) = self.openings.stamp(track, &record.grid, number) else { return false };
            self.timeline.hold(number, &track.name, Media { parts: parts.into(), made: Made::Slate });
            self.decided(Decision::Filled(number, track.name.clone()));
        }
        if let Some(lineage) = self.timeline.decide() {
            self.decided(Decision::Lead(number, lineage));
        }
        self.switches.forget_before(number.next());
        if self.timeline.edge().is_some() {
            self.moved = Some(self.now);
            self.promised = self.arrivals.due(record, number.next(), deadline(record));
        }
        true
    }

    /// True if the deadline of `number` has passed. Before anything is shown, what a peer has
    /// published is past its deadline too, and either the time for a backfill is over or there is
    /// nothing to wait for.
    fn cannot_wait(&self, record: &Record, number: Number, lacking: &[&Track]) -> bool {
        let is_due = self.is_due(record, number);
        if self.moved.is_some() {
            return is_due;
        }
        let published = self.timeline.peer_edge().is_some_and(|edge| number <= edge);
        let may_come = |track: &&Track| {
            let copies = self.sources.copies(track, number);
            copies.iter().any(|(from, piece)| {
                self.fetches.in_flight(piece) || self.fetches.may_try(*from, piece, self.now)
            })
        };
        (is_due || published) && (self.now >= self.backfilled || !lacking.iter().any(may_come))
    }

    fn publish(&mut self, record: &Arc<Record>) {
        let Some(edge) = self.timeline.edge() else { return };
        let head = self.head(record, edge);
        let kept = self.kept(record, edge);
        let slots = self.timeline.publish(kept);
        self.sources.forget_before(kept);
        self.fetches.forget_before(kept);
        let openings = self.openings.published();
        // The window is shorter where an era before could not be shown.
        let head = slots.first().map_or(head, |s| head.max(s.number));
        let snapshot = Snapshot { record: record.clone(), head, edge, slots, openings };
        self.actions.push_back(Action::Publish(Arc::new(snapshot)));
    }
}

#[cfg(test)]
mod tests;
