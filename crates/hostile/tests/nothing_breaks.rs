//! Whatever the outside sends, nothing panics and no promise is broken: seeds, findings of the fuzzer, and
//! thousands of mutations of either.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{fs, path::Path};

use airtight_hostile::{TARGETS, Target};
use proptest::{collection::vec, prelude::*, test_runner::Config};

/// What is done to bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Set(usize, u8),
    Flip(usize, u8),
    Cut(usize),
    Remove(usize, usize),
    Repeat(usize, usize),
    Number(usize, u32),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let place = any::<usize>;
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (place(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        place().prop_map(Mutation::Cut),
        (place(), 1..64usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (place(), 1..64usize).prop_map(|(at, length)| Mutation::Repeat(at, length)),
        (place(), prop_oneof![Just(0), Just(u32::MAX), Just(1 << 31), any::<u32>()])
            .prop_map(|(at, number)| Mutation::Number(at, number)),
    ]
}

fn apply(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let length = bytes.len();
    match *mutation {
        Mutation::Set(at, byte) => bytes[at % length] = byte,
        Mutation::Flip(at, bit) => bytes[at % length] ^= 1 << bit,
        Mutation::Cut(at) => bytes.truncate(at % length),
        Mutation::Remove(at, count) => drop(bytes.drain(at % length..(at % length + count).min(length))),
        Mutation::Repeat(at, count) => {
            let piece = bytes[at % length..(at % length + count).min(length)].to_vec();
            bytes.splice(at % length..at % length, piece);
        }
        Mutation::Number(at, number) => {
            let at = at % length;
            let end = (at + 4).min(length);
            bytes[at..end].copy_from_slice(&number.to_be_bytes()[..end - at]);
        }
    }
}

/// The seeds of a target, and what the fuzzer found for it.
fn known(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings").join(target.name);
    let mut files: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path()).collect();
    files.sort();
    (target.seeds)().into_iter().chain(files.into_iter().map(|file| fs::read(file).unwrap())).collect()
}

#[test]
fn what_is_known_breaks_nothing() {
    for target in TARGETS {
        let known = known(target);
        assert!(!known.is_empty(), "{}", target.name);
        known.iter().for_each(|bytes| (target.run)(bytes));
    }
}

#[test]
fn mutations_break_nothing() {
    for target in TARGETS {
        let known = known(target);
        let strategy = (0..known.len(), vec(mutation(), 1..12));
        let mut runner = proptest::test_runner::TestRunner::new(Config { cases: 1500, ..Config::default() });
        let outcome = runner.run(&strategy, |(which, mutations)| {
            let mut bytes = known[which].clone();
            mutations.iter().for_each(|mutation| apply(&mut bytes, mutation));
            (target.run)(&bytes);
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{}: {failure}", target.name));
    }
}
