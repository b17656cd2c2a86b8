//! The composer in simulation: whole worlds in virtual time, random and seeded.

mod alone;
mod arrivals;
mod content;
mod eras;
mod random;
mod rules;
mod several;
mod studio;
mod world;

use studio::Ladder;
use world::{D, Fault, Incident, SETTLE, Setup, WINDOW, World, end_of, number_at};

use crate::{holding::Line, window::Made};

/// The end of a run: the last number and a fetch are over.
const LAST: u64 = 60_000;
const MINUTE: u64 = 60_000;

fn setup(seed: u64) -> Setup {
    Setup { seed, ladder: Ladder::Both, skew: 0, heartbeat: None, origins: 2 }
}

#[test]
fn a_calm_day_has_no_slate() {
    for heartbeat in [None, Some(250)] {
        let mut world = World::new(Setup { heartbeat, ..setup(1) }, &[]);
        world.run(120_000);
        assert_eq!(world.rules.filled, 0, "{:#?}", world.rules.log);
        assert!(world.rules.versions > 100, "{}", world.rules.versions);
    }
}

fn during(at: u64, lasts: u64, fault: Fault) -> Incident {
    Incident { at, lasts, fault }
}

fn run(incidents: &[Incident], until: u64) -> World {
    let mut world = World::new(setup(7), incidents);
    world.run(until);
    world
}

/// How many segments of the newest snapshot are slate.
fn slates(world: &World, o: usize) -> usize {
    let slots = &world.snapshot(o).unwrap().slots;
    slots.iter().flat_map(|s| s.tracks.values()).filter(|m| m.made == Made::Slate).count()
}

#[test]
fn one_path_left_means_no_slate() {
    for (w, p) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for broken in [Fault::Packager(p), Fault::Freeze(p), Fault::Corrupt(p), Fault::Link(0, p)] {
            for start in (20_000..22_000).step_by(250) {
                let incidents = [during(10_000, 50_000, Fault::Worker(w)), during(start, 15_000, broken)];
                let world = run(&incidents, LAST);
                assert_eq!(world.rules.filled, 0, "{broken:?} {start} {:#?}", world.rules.log);
            }
        }
    }
}

#[test]
fn another_copy_is_decided_for_within_half_a_target_duration() {
    let faults =
        [Fault::Worker(0), Fault::Packager(0), Fault::Freeze(0), Fault::Corrupt(0), Fault::Link(0, 0)];
    for fault in faults {
        let mut took = Vec::new();
        for start in (20_000..22_000).step_by(100) {
            let world = run(&[during(start, 15_000, fault)], 40_000);
            took.extend(world.rules.switched);
        }
        took.sort();
        assert!(took.len() >= 10, "{fault:?}: {took:?}");
        let worst = took[took.len() * 99 / 100];
        assert!(worst < std::time::Duration::from_millis(D / 2), "{fault:?}: {worst:?} of {}", took.len());
    }
}

#[test]
fn what_a_frozen_packager_owes_is_asked_of_the_other_before_it_is_found_out() {
    let mut hedged = 0;
    for start in (20_000..22_000).step_by(50) {
        let world = run(&[during(start, 15_000, Fault::Freeze(0))], 40_000);
        assert_eq!(world.rules.filled, 0, "{start} {:#?}", world.rules.log);
        hedged += world.rules.hedged;
    }
    assert!(hedged > 0);
}

#[test]
fn no_encoder_means_slate_and_the_programme_is_back_within_a_segment() {
    let incidents = [during(20_000, 20_000, Fault::Worker(0)), during(20_000, 20_000, Fault::Worker(1))];
    let mut world = run(&incidents, 39_000);
    // Numbers that ended in the outage, in two tracks, on two origins.
    assert!((28..=40).contains(&world.rules.filled), "{}", world.rules.filled);
    world.run(LAST);
    assert!(world.rules.filled <= 44, "{}", world.rules.filled);
    let first_whole = number_at(40_000).next();
    for o in 0..2 {
        for slot in world.snapshot(o).unwrap().slots.iter().filter(|s| s.number >= first_whole) {
            assert!(slot.tracks.values().all(|m| m.made != Made::Slate), "{}", slot.number);
        }
    }
}

#[test]
fn a_deaf_origin_lives_on_what_its_peer_holds() {
    let incidents = [during(20_000, 30_000, Fault::Link(0, 0)), during(20_000, 30_000, Fault::Link(0, 1))];
    let world = run(&incidents, LAST);
    // What its peer published is there before the deadline, or replaces the slate.
    assert_eq!(world.rules.filled, world.rules.replaced, "{:#?}", world.rules.log);
    assert_eq!(slates(&world, 0), 0);
}

#[test]
fn a_restarted_replica_is_where_it_was_within_its_settling_time() {
    for around in [None, Some(Fault::Packager(0)), Some(Fault::Freeze(1))] {
        let mut incidents = vec![during(40_000, 1, Fault::Origin(0))];
        incidents.extend(around.map(|fault| during(39_500, 10_000, fault)));
        let mut world = run(&incidents, 39_999);
        let before = world.snapshot(0).unwrap().edge;
        world.run(40_001 + SETTLE + 200);
        let after = world.snapshot(0).unwrap_or_else(|| panic!("{around:?}: not on air"));
        assert!(after.edge >= before);
        world.run(LAST);
        assert_eq!(world.rules.filled, 0, "{around:?} {:#?}", world.rules.log);
    }
}

#[test]
fn a_replica_that_hears_its_peer_alone_takes_its_window_from_it() {
    // Later on the peer holds nothing but slate: only it tells when numbers are due.
    for restart in [40_000, 100_000] {
        let incidents = [
            during(30_000, 100_000, Fault::Packager(0)),
            during(30_000, 100_000, Fault::Packager(1)),
            during(restart, 1, Fault::Origin(0)),
        ];
        let mut world = run(&incidents, restart - 1);
        let before = world.snapshot(0).unwrap().edge;
        world.run(restart + 1 + SETTLE + 200);
        assert!(world.snapshot(0).unwrap().edge >= before);
        world.run(restart + 25_000);
        let [one, other] = [0, 1].map(|o| world.snapshot(o).unwrap().edge.0);
        assert!(one.abs_diff(other) <= 1, "{one} and {other} drift apart");
    }
}

#[test]
fn an_event_ends_at_its_end_number_on_every_replica() {
    for (ahead, heartbeat) in [(2, None), (3, None), (4, None), (3, Some(250))] {
        let mut world = World::new(Setup { heartbeat, ..setup(ahead) }, &[]);
        world.run(30_000);
        let end = number_at(world.now).plus(ahead);
        let record = crate::record::Record { end: Some(end), ..world.record.clone() };
        world.announce(record);
        world.run(end_of(end) + 30_000);
        for o in 0..2 {
            let snapshot = world.snapshot(o).unwrap();
            assert!(snapshot.ended() && snapshot.edge == end, "{} is not {end}", snapshot.edge);
            assert_eq!(world.wake_at(o), None);
        }
        assert_eq!(world.rules.filled, 0);
    }
}

#[test]
fn a_new_era_begins_at_its_number_and_nothing_else_changes() {
    let mut world = World::new(setup(3), &[]);
    world.run(40_000);
    let first = number_at(world.now).plus(WINDOW);
    let mut record = world.record.clone();
    record.eras.push(world.studio.era(first, Ladder::More));
    world.announce(record);
    // Long before, across, and long after: the rules look at every version.
    world.run(end_of(first) + 3 * WINDOW * D);
    assert_eq!(world.rules.filled, 0, "{:#?}", world.rules.log);
    let snapshot = world.snapshot(0).unwrap();
    assert!(snapshot.head > first && snapshot.tracks().len() == 3);
}

#[test]
fn numbers_of_the_far_future_move_nothing() {
    for p in 0..2 {
        let world = run(&[during(20_000, 1, Fault::Far(p)), during(25_000, 10_000, Fault::Worker(0))], LAST);
        assert_eq!(world.rules.filled, 0, "{:#?}", world.rules.log);
        assert!(world.snapshot(0).unwrap().edge <= number_at(LAST));
    }
}

#[test]
fn a_lie_heard_before_the_truth_does_not_begin_the_timeline() {
    let world = run(&[during(5_000, 4_000, Fault::Origin(0)), during(9_100, 1, Fault::Far(0))], 30_000);
    assert!(world.snapshot(0).unwrap().edge <= number_at(30_000));
}

#[test]
fn encoders_whose_clocks_differ_stand_in_for_each_other() {
    for skew in [100, 200, 300] {
        for dies in 0..2 {
            let incidents = [during(20_000, 20_000, Fault::Worker(dies))];
            let mut world = World::new(Setup { skew, ..setup(skew) }, &incidents);
            world.run(LAST);
            assert_eq!(world.rules.filled, 0, "{skew} {dies} {:#?}", world.rules.log);
        }
    }
}

#[test]
fn an_encoder_that_is_restarted_again_and_again_is_still_heard() {
    let restarts = (0..100).map(|i| during(10_000 + i * 6_000, 100, Fault::Worker(usize::from(i % 2 == 1))));
    let world = run(&restarts.collect::<Vec<_>>(), 620_000);
    assert_eq!(world.rules.filled, 0, "{:#?}", world.rules.log);
}

#[test]
fn an_encoder_far_behind_never_slows_the_timeline() {
    for skew in [900, 1500, 1900, 6000, 30_000] {
        let incidents = [during(40_000, 30_000, Fault::Worker(0))];
        let mut world = World::new(Setup { skew, ..setup(skew) }, &incidents);
        // The rules bound the time between two numbers, before, during and after.
        world.run(100_000);
    }
}

#[test]
fn a_feed_told_anew_at_any_moment_of_the_start_keeps_nobody_off_the_air() {
    for at in (1_000..3_500).step_by(10) {
        let alone = during(0, 60_000, Fault::Packager(1));
        let world = run(&[alone, during(at, 1, Fault::Reset(0))], 8_000);
        assert!(world.snapshot(0).is_some() && world.snapshot(1).is_some(), "reset at {at}");
    }
}

#[test]
fn no_record_changes_what_was_published() {
    let mut world = World::new(setup(9), &[]);
    world.run(31_000);
    let edge = world.snapshot(0).unwrap().edge;
    let mut record = world.record.clone();
    record.first = record.first.minus(5);
    record.eras.insert(0, world.studio.era(record.first, Ladder::Picture));
    record.eras.push(world.studio.era(edge.minus(2), Ladder::More));
    world.say(0, 0, vec![Line::Record { record: record.clone() }]);
    world.say(1, 1, vec![Line::Record { record }]);
    world.run(LAST);
    for o in 0..2 {
        assert_eq!(*world.snapshot(o).unwrap().record, world.record);
    }
}

/// One hour's faults, one after the other, beside one origin that lives all day.
fn an_hour_of_faults(hour: u64) -> impl Iterator<Item = Incident> {
    let which = usize::try_from(hour % 2).unwrap();
    let faults = [
        Fault::Worker(which),
        Fault::Packager(which),
        Fault::Freeze(which),
        Fault::Corrupt(which),
        Fault::Link(0, which),
        Fault::Far(which),
        Fault::Reset(which),
    ];
    (1..).zip(faults).map(move |(turn, fault)| during((hour * 60 + turn * 6) * MINUTE, 3 * MINUTE, fault))
}

/// The day is of one track and one origin, in the profile that all tests are built in: a few seconds, so that the
/// bound says something about the composer even on a machine that does other things as well.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test measures how long a day takes")]
fn a_day_of_faults_skips_no_number_and_costs_no_more_than_its_first_hours() {
    let began = std::time::Instant::now();
    let incidents: Vec<_> = (0..24).flat_map(an_hour_of_faults).collect();
    let mut world = World::new(Setup { ladder: Ladder::Picture, origins: 1, ..setup(5) }, &incidents);
    // The most things and bytes that the composer kept at any full minute of an hour.
    let mut most = [(0, 0); 24];
    for minute in 1..=24 * 60 {
        world.run(minute * MINUTE);
        let (things, bytes) = &mut most[usize::try_from((minute - 1) / 60).unwrap()];
        if let Some(composer) = world.composer(0) {
            *things = composer.held().max(*things);
            *bytes = composer.kept_bytes().max(*bytes);
        }
    }
    // The rules look at each version: none lacks the number after the one before.
    let edge = world.snapshot(0).unwrap().edge;
    assert!(number_at(world.now).0 - edge.0 <= 1, "{edge} is shown at the end of the day");
    assert_eq!(world.rules.filled, 0, "{:#?}", world.rules.log);
    let peak = |hours: &[(usize, usize)]| {
        (hours.iter().map(|m| m.0).max().unwrap(), hours.iter().map(|m| m.1).max().unwrap())
    };
    // Two hours have had every fault of either of the pair.
    let (first, later) = (peak(&most[..2]), peak(&most[2..]));
    assert!(first.0 <= 1000 && first.1 <= 4_000_000, "{first:?}");
    assert!(later.0 * 10 <= first.0 * 11 && later.1 * 10 <= first.1 * 11, "{first:?} grew to {later:?}");
    assert!(world.most_flying as u64 <= 2 * WINDOW, "{}", world.most_flying);
    let took = began.elapsed();
    assert!(took.as_secs() < 60, "a day took {took:?}");
}
