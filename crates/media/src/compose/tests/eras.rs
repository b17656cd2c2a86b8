//! Eras that come late, or that nobody makes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    studio::{Ladder, Studio},
    world::openings,
};
use crate::{
    compose::{Action, Composer, Event, Policy, SourceId},
    grid::Number,
    health::Health,
    holding::{Line, Piece},
    id::{Lineage, TrackName},
    record::{Era, Record},
    window::{Made, Media, Snapshot},
};

const SOURCE: SourceId = SourceId(0);
const FIRST: u64 = 10;
/// Where the era begins.
const ERA: Number = Number(20);
const D: u64 = 2000;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// When number `n` is whole.
fn whole(n: u64) -> u64 {
    (n - FIRST) * D + D / 2
}

/// A composer with one source, in which an old encoder makes what it has tracks for.
struct Rig {
    composer: Composer,
    studio: Studio,
    record: Record,
    era: Era,
    shown: Option<Arc<Snapshot>>,
}

impl Rig {
    fn new(now: u64) -> Self {
        let mut studio = Studio::new();
        let (record, era) = (studio.record(Number(FIRST), Ladder::Both), studio.era(ERA, Ladder::More));
        let policy = Policy { window_millis: 20_000, settle: at(800) };
        let composer = Composer::new(policy, [SOURCE], at(now));
        Self { composer, studio, record, era, shown: None }
    }

    fn on_the_air() -> Self {
        let mut rig = Self::new(0);
        rig.list(0);
        rig.say(Line::Tick, 0);
        rig
    }

    /// The source begins to list what it has: the record, and the old encoder's inits and slates.
    fn list(&mut self, now: u64) {
        self.say(Line::Reset, now);
        self.say(Line::Record { record: self.record.clone() }, now);
        self.open("a-1", Number(FIRST), now);
    }

    fn announce(&mut self, now: u64) {
        self.record.eras.push(self.era.clone());
        self.say(Line::Record { record: self.record.clone() }, now);
    }

    fn open(&mut self, lineage: &str, number: Number, now: u64) {
        for line in openings(&self.record, &lineage.parse().unwrap(), number) {
            self.say(line, now);
        }
    }

    fn holds(&mut self, lineage: &str, n: u64, now: u64) {
        let made = if lineage == "c-9" { &self.era } else { &self.record.eras[0] };
        for track in made.tracks.clone() {
            let (lineage, signal) = (lineage.parse().unwrap(), self.record.signal.clone());
            let piece = Piece::Segment { lineage, track: track.name, number: Number(n) };
            let age_ms = now - whole(n);
            self.say(
                Line::Held { signal, piece, length: 1, age_ms, health: Health::Healthy, luma: None },
                now,
            );
        }
    }

    fn say(&mut self, line: Line, now: u64) {
        self.composer.handle(Event::Says(SOURCE, line), at(now));
        self.pump(now);
    }

    /// Until number `n` + 1 is whole.
    fn pass(&mut self, n: u64) {
        for now in (whole(n)..whole(n + 1)).step_by(50) {
            self.composer.tick(at(now));
            self.pump(now);
        }
    }

    fn pump(&mut self, now: u64) {
        while let Some(action) = self.composer.poll() {
            match action {
                Action::Fetch { ticket, piece, .. } => {
                    let event = Event::Fetched(ticket, self.bytes(&piece));
                    self.composer.handle(event, at(now));
                }
                Action::Publish(snapshot) => self.publish(snapshot),
                Action::Decided(_) | Action::Cancel(_) => {}
            }
        }
    }

    fn bytes(&self, piece: &Piece) -> bytes::Bytes {
        let track = |lineage: &Lineage, name: &TrackName| {
            let made = if lineage.worker().as_str() == "c" { &self.era } else { &self.record.eras[0] };
            made.tracks.iter().find(|track| track.name == *name).unwrap()
        };
        match piece {
            Piece::Init { init, .. } => self.studio.init(*init),
            Piece::Slate { lineage, track: name } => self.studio.slate(track(lineage, name).init),
            Piece::Segment { lineage, track: name, number } => {
                self.studio.segment(lineage, track(lineage, name), *number)
            }
            Piece::Filled { .. } => panic!("nobody fetches that"),
        }
    }

    /// No version changes what a version before said of a number.
    fn publish(&mut self, snapshot: Arc<Snapshot>) {
        if let Some(before) = &self.shown {
            assert!(snapshot.edge >= before.edge);
            for n in (snapshot.head.0..=before.edge.0).map(Number) {
                assert_eq!(snapshot.record.era(n).unwrap().tracks, before.record.era(n).unwrap().tracks);
                assert_eq!(snapshot.record.discontinuity(n), before.record.discontinuity(n));
            }
        }
        self.shown = Some(snapshot);
    }

    fn edge(&self) -> u64 {
        self.shown.as_ref().unwrap().edge.0
    }

    fn slate(&self) -> usize {
        let is_slate =
            |tracks: &BTreeMap<TrackName, Media>| tracks.values().any(|media| media.made == Made::Slate);
        self.shown.as_ref().unwrap().listed().filter(|slot| is_slate(&slot.tracks)).count()
    }

    /// The first listed number of the era.
    fn turned(&self) -> Option<u64> {
        let shown = self.shown.as_ref().unwrap();
        let listed = shown.listed().map(|slot| slot.number);
        listed.into_iter().find(|n| shown.record.discontinuity(*n) == 1).map(|n| n.0)
    }
}

#[test]
fn an_era_that_nobody_makes_stops_nothing_and_begins_once_somebody_does() {
    let mut rig = Rig::on_the_air();
    for n in FIRST..40 {
        if n == 14 {
            rig.announce(whole(n));
        }
        if n < ERA.0 {
            rig.holds("a-1", n, whole(n));
        }
        rig.pass(n);
        assert!(rig.edge() + 1 >= n, "number {n}: the edge is {}", rig.edge());
    }
    assert_eq!((rig.turned(), rig.slate()), (None, 10), "the tracks of before go on with slate");

    for n in 40..60 {
        if n == 40 {
            rig.open("c-9", ERA, whole(n));
        }
        rig.holds("c-9", n, whole(n));
        rig.pass(n);
    }
    assert_eq!((rig.edge(), rig.slate()), (59, 0));
    assert_eq!(rig.shown.unwrap().tracks().len(), 3);
}

#[test]
fn an_era_heard_of_late_begins_with_the_next_number() {
    let mut rig = Rig::on_the_air();
    let mut turned = None;
    for n in FIRST..45 {
        match n {
            ..18 => rig.holds("a-1", n, whole(n)),
            18 => rig.composer.handle(Event::Down(SOURCE), at(whole(n))),
            19..30 => {}
            30 => {
                rig.list(whole(n));
                rig.announce(whole(n));
                rig.open("c-9", ERA, whole(n));
                for made in ERA.0..=n {
                    rig.holds("c-9", made, whole(n));
                }
                rig.say(Line::Tick, whole(n));
            }
            _ => rig.holds("c-9", n, whole(n)),
        }
        rig.pass(n);
        turned = turned.or(rig.turned());
    }
    assert_eq!((turned, rig.edge(), rig.slate()), (Some(30), 44, 0));
}

#[test]
fn the_first_numbers_of_an_era_do_not_wait_for_encoders_that_ended_with_the_one_before() {
    let mut rig = Rig::on_the_air();
    for n in FIRST..30 {
        match n {
            14 => rig.announce(whole(n)),
            18 => rig.open("c-9", ERA, whole(n)),
            _ => {}
        }
        rig.holds(if n < ERA.0 { "a-1" } else { "c-9" }, n, whole(n));
        assert_eq!(rig.edge(), n, "it is published as soon as it is whole");
        rig.pass(n);
    }
    assert_eq!((rig.turned(), rig.slate()), (Some(ERA.0), 0));
}

#[test]
fn one_that_begins_amid_an_era_that_nobody_makes_shows_what_the_others_do() {
    let (began, mut rig) = (whole(30), Rig::new(whole(30)));
    rig.list(began);
    rig.announce(began);
    for n in FIRST..ERA.0 {
        rig.holds("a-1", n, began);
    }
    rig.say(Line::Tick, began);
    for n in 30..40 {
        rig.pass(n);
    }
    assert!(rig.edge() >= 38, "{}", rig.edge());
    assert_eq!(rig.turned(), None);
}

#[test]
fn an_event_that_begins_after_the_end_of_another_takes_its_place() {
    let mut rig = Rig::on_the_air();
    for n in FIRST..20 {
        rig.holds("a-1", n, whole(n));
        rig.pass(n);
    }
    rig.record.end = Some(Number(19));
    let over = rig.record.clone();
    rig.say(Line::Record { record: over.clone() }, whole(20));
    rig.pass(20);
    assert!(rig.shown.as_ref().unwrap().ended());

    let eras = vec![Era { first: Number(30), ..over.eras[0].clone() }];
    rig.record = Record { first: Number(30), end: None, eras, ..over.clone() };
    rig.say(Line::Record { record: rig.record.clone() }, whole(30));
    rig.open("a-2", Number(30), whole(30));
    for n in 30..40 {
        rig.holds("a-2", n, whole(n));
        rig.say(Line::Record { record: over.clone() }, whole(n));
        rig.pass(n);
    }
    let shown = rig.shown.as_ref().unwrap();
    assert_eq!((shown.head.0, shown.edge.0, shown.ended(), rig.slate()), (30, 39, false, 0));
}
