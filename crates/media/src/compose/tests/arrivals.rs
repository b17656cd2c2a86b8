//! When numbers are usual, by what sources tell and by what was fetched of it.

use super::studio::{Ladder, Studio};
use crate::{
    compose::{SourceId, arrival::Arrivals},
    grid::Number,
    health::Health,
    holding::Piece,
    id::Lineage,
    record::Record,
};

const FIRST: Number = Number(10);
const HONEST: SourceId = SourceId(0);
const NEW: SourceId = SourceId(1);

struct Told {
    record: Record,
    arrivals: Arrivals,
}

impl Told {
    fn new() -> Self {
        Self { record: Studio::new().record(FIRST, Ladder::Both), arrivals: Arrivals::default() }
    }

    fn end(&self, number: Number) -> i64 {
        self.record.grid.end_millis(number).try_into().unwrap()
    }

    /// A source has a track of a number at this time.
    fn says(
        &mut self,
        from: SourceId,
        lineage: &str,
        (track, number): (usize, Number),
        at: i64,
        health: Health,
    ) {
        let lineage: Lineage = lineage.parse().unwrap();
        let track = self.record.eras[0].tracks[track].name.clone();
        let piece = Piece::Segment { lineage, track, number };
        self.arrivals.arrived(&self.record, (from, &piece), at, (health, None));
    }

    /// That copy was good, and is here at this time.
    fn proves(&mut self, lineage: &str, (track, number): (usize, Number), at: i64) {
        let track = self.record.eras[0].tracks[track].name.clone();
        self.arrivals.proved(&self.record, (HONEST, &lineage.parse().unwrap()), (&track, number), at);
    }

    /// The lineages for a number, best first, in the moment of its end.
    fn ranked(&self, number: Number) -> Vec<String> {
        let ranked = self.arrivals.ranked(&self.record, number, self.end(number));
        ranked.iter().map(Lineage::to_string).collect()
    }
}

#[test]
fn sound_that_is_here_makes_no_pictures_usual_before_their_time() {
    let (mut told, lineage) = (Told::new(), "a-7");
    let numbers = (0..20).map(|n| FIRST.plus(n));
    for number in numbers {
        let end = told.end(number);
        told.says(HONEST, lineage, (1, number), end + 160, Health::Healthy);
        told.proves(lineage, (1, number), end + 200);
        told.says(HONEST, lineage, (0, number), end + 900, Health::Healthy);
        told.proves(lineage, (0, number), end + 950);
    }
    let number = FIRST.plus(20);
    let due = told.arrivals.due_from(&told.record, &lineage.parse().unwrap(), number, 0);
    assert_eq!(due, Some(told.end(number) + 900));
}

#[test]
fn what_is_here_was_there_whoever_tells_of_it_late() {
    let (mut told, lineage) = (Told::new(), "a-7");
    for number in (0..20).map(|n| FIRST.plus(n)) {
        let end = told.end(number);
        for track in [0, 1] {
            told.says(HONEST, lineage, (track, number), end + 100, Health::Healthy);
            told.proves(lineage, (track, number), end + 200);
            told.says(NEW, lineage, (track, number), end + 1500, Health::Healthy);
        }
    }
    let number = FIRST.plus(20);
    let due = told.arrivals.due_from(&told.record, &lineage.parse().unwrap(), number, 0);
    assert_eq!(due, Some(told.end(number) + 200), "by the word of the slower one it were 1500");
}

#[test]
fn who_is_new_to_a_run_and_ahead_of_time_makes_no_bad_content_good() {
    let mut told = Told::new();
    for number in (0..20).map(|n| FIRST.plus(n)) {
        let end = told.end(number);
        for (lineage, health) in [("a-7", Health::Black), ("b-8", Health::Healthy)] {
            for track in [0, 1] {
                told.says(HONEST, lineage, (track, number), end + 100, health);
            }
        }
    }
    let last = FIRST.plus(19);
    told.arrivals.observe(&told.record, told.end(last) + 100, false);
    assert_eq!(told.ranked(last), ["b-8", "a-7"]);
    for track in [0, 1] {
        told.says(NEW, "a-7", (track, FIRST.plus(10_000)), told.end(last) + 150, Health::Healthy);
    }
    assert_eq!(told.ranked(last), ["b-8", "a-7"]);
}

#[test]
fn an_encoder_whose_clock_is_ahead_makes_nobody_late() {
    let mut told = Told::new();
    let mut deliver = |lineage, number: Number, after: i64| {
        let at = told.end(number) + after;
        for track in [0, 1] {
            told.says(HONEST, lineage, (track, number), at, Health::Healthy);
            told.proves(lineage, (track, number), at + 50);
        }
        told.arrivals.observe(&told.record, at, number > FIRST);
        told.arrivals.due(&told.record, number, 0).map(|due| due - told.end(number))
    };
    for number in (0..20).map(|n| FIRST.plus(n)) {
        deliver("a-7", number, 100);
        assert_eq!(deliver("b-8", number, 150), Some(150));
        if number >= FIRST.plus(10) {
            // Its media are good, and newer than those of all others.
            let ahead = number.plus(3);
            assert_eq!(deliver("c-9", ahead, 150 - 6000), Some(150), "number {number}");
        }
    }
}
