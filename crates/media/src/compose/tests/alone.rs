//! One composer and one source, spoken to by hand: what only an exact order of events shows.

use std::time::Duration;

use super::{
    studio::{Ladder, Studio},
    world::openings,
};
use crate::{
    compose::{Action, Composer, Decision, Event, Policy, SourceId, Ticket},
    grid::Number,
    health::Health,
    holding::{Line, Piece},
    id::Lineage,
    record::Record,
};

pub(super) const SOURCE: SourceId = SourceId(0);
pub(super) const FIRST: Number = Number(10);

pub(super) fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) struct Alone {
    pub(super) composer: Composer,
    pub(super) studio: Studio,
    pub(super) record: Record,
    pub(super) lineage: Lineage,
    pub(super) corrupt: usize,
    pub(super) filled: usize,
}

impl Alone {
    pub(super) fn new() -> Self {
        let mut studio = Studio::new();
        let record = studio.record(FIRST, Ladder::Picture);
        let policy = Policy { window_millis: 20_000, settle: at(800) };
        let composer = Composer::new(policy, [SOURCE], at(0));
        Self { composer, studio, record, lineage: "a-7".parse().unwrap(), corrupt: 0, filled: 0 }
    }

    pub(super) fn say(&mut self, line: Line, now: u64) {
        self.say_from(SOURCE, line, now);
    }

    pub(super) fn say_from(&mut self, from: SourceId, line: Line, now: u64) {
        self.composer.handle(Event::Says(from, line), at(now));
    }

    /// Tells all: the record, init and slate, and the first number.
    pub(super) fn list(&mut self, now: u64) {
        self.list_from(SOURCE, now);
    }

    pub(super) fn list_from(&mut self, from: SourceId, now: u64) {
        self.say_from(from, Line::Reset, now);
        self.say_from(from, Line::Record { record: self.record.clone() }, now);
        for line in openings(&self.record, &self.lineage, self.record.first) {
            self.say_from(from, line, now);
        }
        self.holds_from(from, FIRST, now);
        self.say_from(from, Line::Tick, now);
    }

    fn holds(&mut self, number: Number, now: u64) {
        self.holds_of(number, Health::Healthy, now);
    }

    pub(super) fn holds_of(&mut self, number: Number, health: Health, now: u64) {
        let line = self.held(self.segment(number), health);
        self.say(line, now);
    }

    pub(super) fn holds_from(&mut self, from: SourceId, number: Number, now: u64) {
        let line = self.held(self.segment(number), Health::Healthy);
        self.say_from(from, line, now);
    }

    pub(super) fn segment(&self, number: Number) -> Piece {
        let track = self.record.eras[0].tracks[0].name.clone();
        Piece::Segment { lineage: self.lineage.clone(), track, number }
    }

    pub(super) fn held(&self, piece: Piece, health: Health) -> Line {
        Line::Held { signal: self.record.signal.clone(), piece, length: 1, age_ms: 0, health, luma: None }
    }

    /// The fetches that are wanted now, and of whom.
    pub(super) fn asked(&mut self) -> Vec<(SourceId, (Ticket, Piece))> {
        let mut asked = Vec::new();
        while let Some(action) = self.composer.poll() {
            match action {
                Action::Fetch { ticket, from, piece, .. } => asked.push((from, (ticket, piece))),
                Action::Decided(Decision::Corrupt { .. }) => self.corrupt += 1,
                Action::Decided(Decision::Filled(..)) => self.filled += 1,
                _ => {}
            }
        }
        asked
    }

    pub(super) fn wanted(&mut self) -> Vec<(Ticket, Piece)> {
        self.asked().into_iter().map(|(_, fetch)| fetch).collect()
    }

    pub(super) fn one(&mut self) -> (Ticket, Piece) {
        let wanted = self.wanted();
        assert_eq!(wanted.len(), 1, "{wanted:?}");
        wanted[0].clone()
    }

    pub(super) fn answer(&mut self, (ticket, piece): &(Ticket, Piece), now: u64) {
        let track = &self.record.eras[0].tracks[0];
        let bytes = match piece {
            Piece::Init { .. } => self.studio.init(track.init),
            Piece::Slate { .. } => self.studio.slate(track.init),
            Piece::Segment { number, .. } => self.studio.segment(&self.lineage, track, *number),
            Piece::Filled { .. } => panic!("nobody fetches that"),
        };
        self.composer.handle(Event::Fetched(*ticket, bytes), at(now));
    }

    /// On the way to the air: init and slate are here, the first segment is asked for.
    pub(super) fn opened(&mut self) -> (Ticket, Piece) {
        self.list(1000);
        for kind in ["init", "slate"] {
            let fetch = self.one();
            assert!(fetch.1.path().unwrap().contains(kind), "{fetch:?}");
            self.answer(&fetch, 1000);
        }
        self.one()
    }
}

#[test]
fn a_fetch_that_failed_is_made_again_after_growing_pauses_without_any_event() {
    let mut alone = Alone::new();
    let (mut ticket, piece) = alone.opened();
    let mut now = 1010;
    for pause in [200, 400, 800] {
        alone.composer.handle(Event::Failed(ticket), at(now));
        assert_eq!(alone.wanted(), []);
        // Other things may be due before.
        while now < 1010 + 5000 {
            let wake = alone.composer.wake_at().unwrap();
            let since = u64::try_from(wake.as_millis()).unwrap() - now;
            alone.composer.tick(wake);
            if let [(next, again)] = &alone.wanted()[..] {
                assert_eq!((again, since), (&piece, pause));
                (ticket, now) = (*next, now + since);
                break;
            }
            assert!(since < pause, "woken too late");
            alone.composer.tick(at(now));
        }
    }
}

#[test]
fn the_lines_of_a_listing_are_looked_at_together() {
    let mut alone = Alone::new();
    alone.say(Line::Reset, 1000);
    alone.say(Line::Record { record: alone.record.clone() }, 1000);
    for line in openings(&alone.record, &alone.lineage, FIRST) {
        alone.say(line, 1005);
    }
    assert_eq!((alone.wanted(), alone.composer.wake_at()), (vec![], Some(at(1020))));
    alone.composer.tick(at(1020));
    assert!(matches!(alone.one().1, Piece::Init { .. }));
}

#[test]
fn an_answer_from_before_a_reset_is_void_and_spoils_nothing() {
    let mut alone = Alone::new();
    alone.list(1000);
    let init = alone.one();
    alone.answer(&init, 1000);
    let slate = alone.one();
    alone.say(Line::Reset, 1005);
    alone.answer(&slate, 1010);
    assert_eq!((alone.wanted(), alone.corrupt), (Vec::new(), 0));
    alone.list(1020);
    let again = alone.one();
    assert_eq!(again.1, slate.1);
    alone.answer(&again, 1025);
    assert!(matches!(alone.one().1, Piece::Segment { number: FIRST, .. }));
}

#[test]
fn a_corrupt_copy_is_not_asked_for_again_unless_its_source_begins_anew() {
    let mut alone = Alone::new();
    let (ticket, piece) = alone.opened();
    alone.composer.handle(Event::Fetched(ticket, bytes::Bytes::from_static(b"no media")), at(1010));
    for now in (1010..1700).step_by(10) {
        alone.composer.tick(at(now));
        assert_eq!(alone.wanted(), []);
    }
    assert_eq!(alone.corrupt, 1);
    alone.list(1700);
    assert_eq!(alone.one().1, piece);
}

#[test]
fn a_composer_that_overslept_does_not_race_through_what_it_missed() {
    let mut alone = Alone::new();
    let fetch = alone.opened();
    alone.answer(&fetch, 1010);
    let mut edge = FIRST;
    let mut newest = |alone: &mut Alone| {
        while let Some(action) = alone.composer.poll() {
            if let Action::Publish(snapshot) = action {
                edge = snapshot.edge;
            }
        }
        edge
    };
    assert_eq!(newest(&mut alone), FIRST);
    // Ten numbers are overdue; their media may be in the very next lines.
    alone.composer.tick(at(21_000));
    assert_eq!(newest(&mut alone), FIRST.next());
    assert_eq!(alone.composer.wake_at(), Some(at(22_000)));
    alone.composer.tick(at(22_000));
    assert_eq!(newest(&mut alone), FIRST.plus(2));
}

#[test]
fn the_newest_lineage_is_known_however_many_came_before() {
    let mut studio = Studio::new();
    let record = studio.record(FIRST, Ladder::Both);
    let mut arrivals = crate::compose::arrival::Arrivals::default();
    for run in 0..200u64 {
        let lineage = Lineage::new("a".parse().unwrap(), run);
        let (number, at) = (FIRST.plus(run), i64::try_from(run * 2000).unwrap());
        for track in &record.eras[0].tracks {
            let piece = Piece::Segment { lineage: lineage.clone(), track: track.name.clone(), number };
            arrivals.arrived(&record, (SOURCE, &piece), at, (Health::Healthy, None));
        }
        arrivals.observe(&record, at, true);
        assert_eq!(arrivals.ranked(&record, number, at).first(), Some(&lineage));
    }
}

#[test]
fn sources_that_come_and_go_cost_no_more_however_many_there_were() {
    let mut alone = Alone::new();
    let first = alone.opened();
    alone.answer(&first, 1000);
    let mut most = [0; 10];
    for visit in 1..=10_000 {
        let (visitor, number) = (SourceId(visit), FIRST.plus(visit.into()));
        let now = 1000 + 2000 * u64::from(visit);
        // It is the first to have the number, is asked for it, and brings nothing.
        alone.list_from(visitor, now);
        alone.holds_from(visitor, number, now);
        assert!(alone.asked().iter().any(|(from, _)| *from == visitor), "visit {visit}");
        alone.composer.handle(Event::Down(visitor), at(now + 10));
        alone.holds(number, now + 20);
        for (from, fetch) in alone.asked() {
            assert_eq!(from, SOURCE);
            alone.answer(&fetch, now + 30);
        }
        alone.composer.handle(Event::Left(visitor), at(now + 40));
        let most = &mut most[usize::try_from((visit - 1) / 1000).unwrap()];
        *most = alone.composer.held().max(*most);
    }
    assert_eq!((alone.filled, alone.corrupt), (0, 0));
    assert!(most[9] <= most[0], "{most:?}");
}

#[test]
fn media_of_an_encoder_with_other_tracks_are_not_taken_for_those_of_this_era() {
    let mut alone = Alone::new();
    let first = alone.opened();
    alone.answer(&first, 1000);
    let era = alone.studio.era(FIRST, Ladder::More);
    let elsewhere = Record { eras: vec![era], ..alone.record.clone() };
    for (stray, record) in [("b-8", elsewhere), ("c-9", alone.record.clone())] {
        alone.lineage = stray.parse().unwrap();
        for line in openings(&record, &alone.lineage, FIRST) {
            alone.say(line, 3000);
        }
        alone.holds(FIRST.next(), 3000);
    }
    // The time for the lead's copy is over.
    alone.composer.tick(at(3600));
    let taken: Vec<_> = alone.wanted().into_iter().filter_map(|(_, piece)| piece.path()).collect();
    assert_eq!(taken, ["c-9/720p/11.m4s"]);
}

#[test]
fn what_has_just_left_the_window_is_kept_by_a_run_that_begins_late() {
    let mut alone = Alone::new();
    let (edge, window) = (Number(FIRST.0 + 30), 10);
    alone.list(1000);
    for ahead in 1..=30 {
        alone.holds(FIRST.plus(ahead), 1000);
    }
    let (mut newest, mut heads) = (None, Vec::new());
    for now in 1000..1400 {
        alone.composer.tick(at(now));
        while let Some(action) = alone.composer.poll() {
            match action {
                Action::Fetch { ticket, piece, .. } => alone.answer(&(ticket, piece), now),
                Action::Publish(snapshot) => {
                    heads.push(snapshot.head);
                    newest = Some(snapshot);
                }
                Action::Cancel(_) | Action::Decided(_) => {}
            }
        }
    }
    let newest = newest.unwrap();
    assert_eq!((newest.head, newest.edge), (edge.next().minus(window), edge));
    // The list is that of the first version: what lies before it can be fetched, and is not listed.
    assert!(heads.windows(2).all(|pair| pair[0] == pair[1]), "{heads:?}");
    assert_eq!(newest.slots.first().unwrap().number, edge.next().minus(2 * window));
    assert!(newest.slots.windows(2).all(|pair| pair[0].number.next() == pair[1].number));
}

#[test]
fn a_segment_that_is_far_too_long_is_not_kept() {
    let mut alone = Alone::new();
    let (ticket, piece) = alone.opened();
    let Piece::Segment { number, .. } = piece else { panic!("{piece:?}") };
    let media = alone.studio.segment(&alone.lineage, &alone.record.eras[0].tracks[0], number);
    // A box that players skip; the track says that it needs a quarter of a megabyte.
    let padding = [&(2_u32 << 20).to_be_bytes()[..], b"free", &[0; (2 << 20) - 8]].concat();
    alone.composer.handle(Event::Fetched(ticket, [&padding[..], &media].concat().into()), at(1010));
    assert_eq!((alone.wanted(), alone.corrupt), (vec![], 1));
}

#[test]
fn a_record_that_no_packager_would_take_is_not_joined() {
    let mut alone = Alone::new();
    alone.list(0);
    let mut nonsense = alone.record.clone();
    let mut era = nonsense.eras[0].clone();
    (era.first, era.tracks[0].codecs) = (FIRST.plus(50), "avc1\"\n#EXT-X-ENDLIST".to_owned());
    nonsense.eras.push(era);
    alone.say(Line::Record { record: nonsense }, 1);
    assert_eq!(alone.composer.record().map(|known| &**known), Some(&alone.record));
}

#[test]
fn who_tells_of_media_that_are_none_moves_no_deadline() {
    let mut alone = Alone::new();
    let first = alone.opened();
    alone.answer(&first, 1000);
    alone.wanted();
    // An honest encoder delivers as each number ends; another tells of each as it begins, and has garbage.
    let honest = alone.lineage.clone();
    let liar: Lineage = "0-1".parse().unwrap();
    for step in 1..=12 {
        let (number, begins) = (FIRST.plus(step), 1000 + (step - 1) * 2000);
        alone.lineage = liar.clone();
        alone.holds(number, begins);
        for (ticket, _) in alone.wanted() {
            alone
                .composer
                .handle(Event::Fetched(ticket, bytes::Bytes::from_static(b"garbage")), at(begins + 10));
        }
        alone.lineage = honest.clone();
        let ends = begins + 2000 + 100;
        alone.composer.tick(at(ends - 1));
        alone.holds(number, ends);
        for fetch in alone.wanted() {
            assert!(matches!(&fetch.1, Piece::Segment { lineage, .. } if *lineage == honest), "{fetch:?}");
            alone.answer(&fetch, ends + 10);
        }
        alone.wanted();
        assert_eq!(alone.filled, 0, "number {number} is not slate");
    }
    assert!(alone.corrupt >= 1, "{}", alone.corrupt);
}
