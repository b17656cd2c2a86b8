//! Two sources of one lineage, of which one does not do what it should, spoken to by hand.

use super::{
    alone::{Alone, FIRST, SOURCE, at},
    world::openings,
};
use crate::{
    compose::{Action, Decision, Event, SourceId},
    grid::Number,
    holding::{Line, Piece},
    id::InitHash,
};

const OTHER: SourceId = SourceId(1);

#[test]
fn what_was_asked_of_a_source_that_is_down_is_asked_elsewhere() {
    let mut alone = Alone::new();
    let (ticket, piece) = alone.opened();
    alone.list_from(OTHER, 1010);
    assert_eq!(alone.wanted(), [], "it is under way");
    alone.composer.handle(Event::Down(SOURCE), at(1020));
    let again = alone.one();
    assert_eq!(again.1, piece);
    assert_ne!(again.0, ticket);
}

/// Both hold `number`; it is asked of the first, and answered after 10 ms.
fn brought_in_time(alone: &mut Alone, number: u64, now: u64) {
    both_hold(alone, Number(number), now);
    let fetch = alone.one();
    alone.answer(&fetch, now + 10);
    alone.wanted();
}

fn both_hold(alone: &mut Alone, number: Number, now: u64) {
    alone.holds_from(SOURCE, number, now);
    alone.holds_from(OTHER, number, now);
}

#[test]
fn a_slow_fetch_is_made_beside_where_the_same_copy_is_and_the_loser_is_broken_off() {
    let mut alone = Alone::new();
    let first = alone.opened();
    alone.answer(&first, 1010);
    alone.wanted();
    let (mut number, mut now) = (FIRST.0 + 1, 3000);
    for _ in 0..3 {
        // So many that slow ones stay rare.
        for _ in 0..60 {
            brought_in_time(&mut alone, number, now);
            (number, now) = (number + 1, now + 2000);
        }
        both_hold(&mut alone, Number(number), now);
        let slow_one = alone.one();
        assert_eq!(alone.composer.wake_at(), Some(at(now + 10)));
        alone.composer.tick(at(now + 9));
        assert_eq!(alone.wanted(), []);
        alone.composer.tick(at(now + 10));
        let beside = alone.one();
        assert_eq!(beside.1, slow_one.1);
        assert_ne!(beside.0, slow_one.0);
        // No third one.
        alone.composer.tick(at(now + 100));
        assert_eq!(alone.wanted(), []);
        alone.answer(&beside, now + 110);
        let actions: Vec<_> = std::iter::from_fn(|| alone.composer.poll()).collect();
        let is_loser = |action: &Action| matches!(action, Action::Cancel(ticket) if *ticket == slow_one.0);
        assert_eq!(actions.iter().filter(|action| is_loser(action)).count(), 1, "{actions:?}");
        // What the loser brings after all is of no account.
        alone.answer(&slow_one, now + 120);
        assert_eq!(alone.corrupt, 0);
        (number, now) = (number + 1, now + 2000);
    }
}

#[test]
fn a_source_that_brought_nothing_is_still_asked_for_what_it_alone_has() {
    let mut alone = Alone::new();
    let (ticket, _) = alone.opened();
    alone.holds_from(OTHER, FIRST, 1010);
    alone.composer.handle(Event::Failed(ticket), at(1400));
    let asked = alone.asked();
    assert_eq!(asked[0].0, OTHER);
    alone.answer(&asked[0].1, 1410);
    alone.holds_from(SOURCE, FIRST.next(), 3000);
    // The suspect alone has it: better than nobody.
    assert_eq!(alone.asked()[0].0, SOURCE);
}

/// `FIRST` is asked of the first source at 1000 ms and fails at 1400. How long after that the other, which has it from
/// `has_it` on, is decided for.
fn decided_for_after(has_it: u64) -> Vec<u64> {
    let mut alone = Alone::new();
    let (ticket, _) = alone.opened();
    let failed = Event::Failed(ticket);
    if has_it < 1400 {
        alone.holds_from(OTHER, FIRST, has_it);
    }
    alone.composer.handle(failed, at(1400));
    // Else the first, which alone has it, would be tried again.
    alone.composer.handle(Event::Down(SOURCE), at(1410));
    if has_it > 1400 {
        alone.holds_from(OTHER, FIRST, has_it);
    }
    let actions = std::iter::from_fn(|| alone.composer.poll());
    let after = actions.filter_map(|action| match action {
        Action::Decided(Decision::Switched { after, .. }) => u64::try_from(after.as_millis()).ok(),
        _ => None,
    });
    after.collect()
}

#[test]
fn the_time_to_decide_counts_from_the_trouble_or_from_when_there_is_another_copy() {
    assert_eq!(decided_for_after(1010), [400], "it was there all the time");
    assert_eq!(decided_for_after(1390), [400], "it was there when the first turned out to have failed");
    assert_eq!(decided_for_after(1700), [0], "there was nothing to decide for");
}

#[test]
fn a_source_that_hangs_and_begins_anew_over_and_over_is_not_waited_for() {
    let mut alone = Alone::new();
    let first = alone.opened();
    alone.answer(&first, 1010);
    alone.list_from(OTHER, 1020);
    let mut hung = 0;
    for step in 1..=40 {
        let (number, now) = (FIRST.plus(step), 1000 + step * 2000);
        alone.list(now);
        alone.holds_from(SOURCE, number, now);
        assert_eq!(alone.asked()[0].0, SOURCE, "it alone has it");
        alone.holds_from(OTHER, number, now + 10);
        let (mut asked, mut later) = (alone.asked(), now + 10);
        if asked.is_empty() {
            hung += 1;
            later = now + 300;
            alone.list(later);
            asked = alone.asked();
        }
        assert!(matches!(asked[..], [(OTHER, _)]), "number {number}: {asked:?}");
        alone.answer(&asked[0].1, later + 10);
        alone.wanted();
    }
    assert_eq!(hung, 2, "times of 40 that the one that hangs was waited for");
    assert_eq!(alone.filled, 0);
}

/// Says what an honest source would say, but that everything begins with another init.
fn names_a_wrong_init(alone: &mut Alone, now: u64) {
    alone.say(Line::Reset, now);
    alone.say(Line::Record { record: alone.record.clone() }, now);
    for mut line in openings(&alone.record, &alone.lineage, FIRST) {
        if let Line::Held { piece: Piece::Init { init, .. }, .. } = &mut line {
            *init = InitHash::of(b"another");
        }
        alone.say(line, now);
    }
    alone.holds_from(SOURCE, FIRST, now);
    alone.say(Line::Tick, now);
}

#[test]
fn who_names_a_wrong_init_hides_no_copy_of_others() {
    let mut alone = Alone::new();
    names_a_wrong_init(&mut alone, 1000);
    assert_eq!(alone.asked(), [], "nothing of it is of use");
    alone.list_from(OTHER, 1010);
    for now in [1010, 1020, 1030] {
        let asked = alone.asked();
        assert!(matches!(&asked[..], [(OTHER, _)]), "{asked:?}");
        alone.answer(&asked[0].1, now);
    }
    let published = std::iter::from_fn(|| alone.composer.poll()).find_map(|action| match action {
        Action::Publish(snapshot) => Some(snapshot.edge),
        _ => None,
    });
    assert_eq!((published, alone.corrupt), (Some(FIRST), 0));
}
