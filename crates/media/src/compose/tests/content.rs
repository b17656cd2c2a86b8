//! Two lineages of one programme, and what is shown of them while the content of one or of both is bad.

use super::{
    alone::{Alone, FIRST, at},
    world::openings,
};
use crate::{
    compose::{Action, Decision},
    grid::Number,
    health::Health,
    holding::Line,
    id::Lineage,
    parity::{CELLS, Luma},
    window::Made,
};

/// What became of a run of numbers.
#[derive(Debug, Default)]
struct Outcome {
    /// Who made each number from the first on, by the first letter of the worker; `-` for slate.
    shown: String,
    /// Changes of the lead, and of contents, as they are logged.
    said: Vec<String>,
    /// What the contents are in the end, and once nobody has delivered for long.
    contents: [Vec<(String, Health)>; 2],
}

/// Plays a number for each pair of `words`: a's, told 100 ms after the number's end, and b's, told `later` ms
/// after that.
fn play(words: &[(Health, Health)], later: u64) -> Outcome {
    let (mut alone, mut outcome) = (Alone::new(), Outcome::default());
    let lineages: [Lineage; 2] = ["a-7", "b-8"].map(|name| name.parse().unwrap());
    alone.list(1000);
    alone.lineage = lineages[1].clone();
    for line in openings(&alone.record.clone(), &lineages[1], FIRST) {
        alone.say(line, 1000);
    }
    alone.holds_of(FIRST, Health::Healthy, 1000 + later);
    let mut now = 1000 + later;
    for (number, (a, b)) in (1..).zip(words) {
        let ends = 900 + number * 2000;
        for (lineage, health, when) in [(0, *a, ends + 100), (1, *b, ends + 100 + later)] {
            pass(&mut alone, &mut outcome, now..when);
            now = when;
            alone.lineage = lineages[lineage].clone();
            alone.holds_of(FIRST.plus(number), health, when);
        }
    }
    pass(&mut alone, &mut outcome, now..now + 1500);
    outcome.contents = [now + 1500, now + 10_000].map(|now| {
        alone.composer.tick(at(now));
        let contents = alone.composer.contents().into_iter();
        contents.map(|(lineage, health)| (lineage.to_string(), health)).collect()
    });
    outcome
}

/// Lets time pass, and answers what is asked for at once.
fn pass(alone: &mut Alone, outcome: &mut Outcome, time: std::ops::Range<u64>) {
    for now in time.step_by(10) {
        alone.composer.tick(at(now));
        while let Some(action) = alone.composer.poll() {
            match action {
                Action::Fetch { ticket, piece, .. } => alone.answer(&(ticket, piece), now),
                Action::Publish(snapshot) => {
                    let made = snapshot.slots.iter().flat_map(|slot| slot.tracks.values());
                    let letter = |made: &Made| match made {
                        Made::By(lineage) => lineage.worker().as_str().to_owned(),
                        Made::Slate => "-".to_owned(),
                    };
                    outcome.shown = made.map(|media| letter(&media.made)).collect();
                }
                Action::Decided(decision @ (Decision::Lead(..) | Decision::Turned(..))) => {
                    outcome.said.push(decision.to_string());
                }
                Action::Cancel(_) | Action::Decided(_) => {}
            }
        }
    }
}

const GOOD: Health = Health::Healthy;
const BAD: Health = Health::Frozen;

#[test]
fn the_contents_are_those_of_whoever_delivers() {
    let of = |a, b| [("a-7".to_owned(), a), ("b-8".to_owned(), b)].to_vec();
    assert_eq!(play(&[(GOOD, GOOD), (BAD, GOOD)], 60).contents, [of(BAD, GOOD), Vec::new()]);
    assert_eq!(play(&[(BAD, BAD), (GOOD, BAD)], 60).contents, [of(GOOD, BAD), Vec::new()]);
}

#[test]
fn the_lead_gives_way_at_the_first_bad_number_and_returns_once() {
    let mut words = vec![(GOOD, GOOD); 12];
    for number in [2, 3, 4] {
        words[number - 1].0 = BAD;
    }
    for later in [0, 60, 300] {
        let outcome = play(&words, later);
        assert_eq!(outcome.shown, "aabbbbbbbbaaa", "b {later} ms later");
        let turned = |n, lineage, health| {
            let number = Number(FIRST.0 + n);
            [
                format!("from number {number} on the content of lineage {lineage} is {health}"),
                format!("from number {number} on the media of lineage {lineage} are used"),
            ]
        };
        let [bad, _] = turned(2, "a-7", "frozen");
        let [good, _] = turned(5, "a-7", "healthy");
        let [[_, first], [_, other], [_, back]] =
            [turned(0, "a-7", ""), turned(2, "b-8", ""), turned(10, "a-7", "")];
        assert_eq!(outcome.said, [first, bad, other, good, back], "b {later} ms later");
    }
}

#[test]
fn a_programme_that_is_rightly_bad_changes_nothing() {
    let mut words = vec![(GOOD, GOOD); 8];
    for number in [3, 4, 5, 6] {
        words[number - 1] = (BAD, BAD);
    }
    for later in [0, 60, 300] {
        assert_eq!(play(&words, later).shown, "aaaaaaaaa", "b {later} ms later");
    }
}

#[test]
fn bad_content_is_better_than_slate() {
    let words = [(GOOD, GOOD), (BAD, BAD), (BAD, GOOD)];
    // b's copies come long after the deadline.
    assert_eq!(play(&words, 1500).shown.replace('b', "a"), "aaaa");
}

#[test]
fn the_pictures_of_those_who_deliver_are_compared_and_of_no_others() {
    let mut alone = Alone::new();
    alone.list(1000);
    let lineages: [Lineage; 3] = ["a-7", "b-8", "c-9"].map(|name| name.parse().unwrap());
    let mut parities = |count: u64, levels: [Option<u16>; 3]| {
        for number in FIRST.0..FIRST.0 + count {
            for (lineage, level) in lineages.iter().zip(levels) {
                alone.lineage = lineage.clone();
                let now = 1000 + (number - FIRST.0) * 2000;
                let mut line = alone.held(alone.segment(Number(number)), GOOD);
                if let Line::Held { luma, .. } = &mut line {
                    *luma = level.map(|level| Luma([level * 256; CELLS]));
                }
                alone.say(line, now);
            }
        }
        let parities = alone.composer.parities().into_iter();
        parities
            .map(|(one, with, parity)| format!("{one} {with} {:.1}", parity.similarity))
            .collect::<Vec<_>>()
    };
    // The first that tells is the measure; whoever is of an earlier version tells nothing.
    assert_eq!(parities(3, [None, Some(5), Some(5)]), ["c-9 b-8 1.0"]);
    assert_eq!(parities(9, [Some(9), Some(9), Some(5)]), ["b-8 a-7 1.0", "c-9 a-7 0.0"]);
    alone.composer.tick(at(100_000));
    assert!(alone.composer.parities().is_empty(), "nobody delivers");
}
