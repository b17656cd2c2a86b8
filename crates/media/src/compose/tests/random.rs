//! Random faults, some at a time, in any order: every rule holds at every version.

use std::time::Duration;

use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

use super::{
    setup,
    world::{D, Fault, Incident, Lie, Setup, World},
};

const SEQUENCES: u32 = 500;
/// Faults begin and end before that, and there is time to recover.
const UNTIL: u64 = 45_000;

fn lie() -> impl Strategy<Value = Lie> {
    prop_oneof![
        (1..=2u64).prop_map(Lie::Early),
        (prop::sample::select(vec!["0", "z"]), 0..=2u64)
            .prop_map(|(worker, ahead)| Lie::Feigned(worker, ahead)),
        (500..4000u64).prop_map(Lie::Older),
        prop::sample::select(vec![
            Lie::Garbage,
            Lie::Nothing,
            Lie::Hangs,
            Lie::Inits,
            Lie::Stalls,
            Lie::Slander,
            Lie::Younger,
            Lie::Gone,
            Lie::Repeats,
            Lie::Regresses,
        ]),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let one = 0..2usize;
    prop_oneof![
        2 => one.clone().prop_map(Fault::Worker),
        1 => one.clone().prop_map(Fault::Packager),
        1 => one.clone().prop_map(Fault::Freeze),
        1 => (one.clone(), one.clone()).prop_map(|(o, p)| Fault::Link(o, p)),
        1 => one.clone().prop_map(Fault::Origin),
        1 => one.clone().prop_map(Fault::Corrupt),
        1 => one.clone().prop_map(Fault::Far),
        1 => one.clone().prop_map(Fault::Reset),
        1 => (one.clone(), 0..1000u64).prop_map(|(w, late)| Fault::Clock(w, late)),
        5 => (one, lie()).prop_map(|(p, lie)| Fault::Lie(p, lie)),
    ]
}

fn incident() -> impl Strategy<Value = Incident> {
    (3_000..30_000u64, 50..10_000u64, fault()).prop_map(|(at, lasts, fault)| Incident { at, lasts, fault })
}

fn run(seed: u64, skew: u64, incidents: &[Incident]) -> World {
    let mut world = World::new(Setup { skew, ..setup(seed) }, incidents);
    world.run(UNTIL);
    assert!(world.rules.versions > 0, "nothing was published");
    world
}

const LIES: [Lie; 18] = [
    Lie::Early(1),
    Lie::Early(2),
    Lie::Feigned("0", 0),
    Lie::Feigned("0", 2),
    Lie::Feigned("z", 0),
    Lie::Feigned("z", 2),
    Lie::Older(1500),
    Lie::Garbage,
    Lie::Nothing,
    Lie::Hangs,
    Lie::Inits,
    Lie::Stalls,
    Lie::Slander,
    Lie::Younger,
    Lie::Gone,
    Lie::Repeats,
    Lie::Regresses,
    Lie::Record,
];

#[test]
fn one_liar_costs_no_media_and_no_time_while_an_honest_source_lives() {
    for lie in LIES {
        let mut switched = Vec::new();
        for (p, dies, at) in [(0, 0, 10_300), (0, 1, 10_750), (1, 0, 10_300), (1, 1, 10_750)] {
            let lies = Incident { at, lasts: 20_000, fault: Fault::Lie(p, lie) };
            let dies = Incident { at: 20_000, lasts: 8000, fault: Fault::Worker(dies) };
            let world = run(7, 100, &[lies, dies]);
            assert_eq!(world.rules.filled, 0, "{lie:?} by {p} while {dies:?}: {:#?}", world.rules.log);
            switched.extend(world.rules.switched);
        }
        switched.sort();
        let worst = switched.get(switched.len() * 99 / 100).copied().unwrap_or_default();
        assert!(worst < Duration::from_millis(D / 2), "{lie:?}: {worst:?} of {}", switched.len());
    }
}

/// Sequences in which a rule was violated when they were found.
mod kept {
    use super::*;

    fn faults(of: &[(u64, u64, Fault)]) -> Vec<Incident> {
        of.iter().map(|(at, lasts, fault)| Incident { at: *at, lasts: *lasts, fault: *fault }).collect()
    }

    #[test]
    fn ages_are_lies_while_the_honest_source_is_cut_off() {
        let lie = Fault::Lie(0, Lie::Older(1972));
        run(35_020_728_343_182_583, 14, &faults(&[(20_506, 6051, lie), (16_999, 5438, Fault::Link(0, 1))]));
    }

    #[test]
    fn a_restarted_origin_hears_its_peer_first_while_an_encoder_is_dead() {
        let faults = faults(&[(12_321, 5656, Fault::Worker(0)), (10_399, 3126, Fault::Origin(0))]);
        run(12_276_636_189_501_315_438, 27, &faults);
    }

    #[test]
    fn everything_is_said_to_have_come_just_now_while_both_encoders_are_dead() {
        let lie = Fault::Lie(1, Lie::Younger);
        let dead = [(3824, 8356, Fault::Worker(0)), (9877, 5356, lie), (6870, 7643, Fault::Worker(1))];
        run(5_854_287_610_867_521_200, 135, &faults(&dead));
    }

    #[test]
    fn the_honest_source_begins_anew_while_another_tells_of_numbers_early() {
        let lie = Fault::Lie(1, Lie::Early(1));
        run(8_760_943_002_408_713_677, 215, &faults(&[(18_957, 8239, lie), (21_019, 5150, Fault::Reset(0))]));
    }

    #[test]
    fn an_encoder_dies_whose_clock_was_late() {
        let late = (3764, 6719, Fault::Clock(0, 869));
        run(14_392_252_837_288_604_785, 78, &faults(&[(12_273, 3469, Fault::Worker(0)), late]));
    }

    #[test]
    fn an_origin_begins_with_its_peer_alone() {
        let dead = [(10_371, 7967, Fault::Packager(1)), (10_823, 8958, Fault::Freeze(0))];
        run(3_283_083_749_094_540_558, 191, &faults(&[dead[0], dead[1], (5487, 8960, Fault::Origin(1))]));
    }

    #[test]
    fn numbers_are_told_early_by_one_and_damaged_at_the_other() {
        let lie = Fault::Lie(1, Lie::Early(2));
        run(
            12_555_274_496_923_577_428,
            135,
            &faults(&[(7160, 8536, lie), (11_775, 4887, Fault::Corrupt(0))]),
        );
    }
}

/// The sequences are the same each time. A failure prints the least set of incidents, and the seed.
#[test]
fn every_rule_holds_whatever_happens() {
    let config = ProptestConfig {
        cases: SEQUENCES,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let sequences = (any::<u64>(), 0..300u64, prop::collection::vec(incident(), 1..8));
    let outcome = TestRunner::new_with_rng(config, rng).run(&sequences, |(seed, skew, incidents)| {
        run(seed, skew, &incidents);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
