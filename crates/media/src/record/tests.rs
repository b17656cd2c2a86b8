use std::num::NonZeroU32;

use proptest::prelude::*;

use super::*;

pub(super) fn track(name: &str, init: u8) -> Track {
    let rate = Rate::new(25_000, 1000);
    Track {
        name: name.parse().unwrap(),
        content: Content::Video { width: 1280, height: 720 },
        rate,
        codecs: "avc1.64001f".to_owned(),
        bandwidth: 3_000_000,
        init: InitHash::of(&[init]),
    }
}

pub(super) fn record(first: u64, eras: &[(u64, u8)], end: Option<u64>) -> Record {
    Record {
        signal: "live01".parse().unwrap(),
        grid: Grid::new(2000, 4),
        first: Number(first),
        eras: eras
            .iter()
            .map(|(first, init)| Era { first: Number(*first), tracks: vec![track("720p", *init)] })
            .collect(),
        end: end.map(Number),
    }
}

/// Records of one event: which tracks begin at a number is one fact.
fn records() -> impl Strategy<Value = Record> {
    let eras = prop::collection::btree_set(1u64..40, 1..6);
    (1u64..40, eras, prop::option::of(40u64..60)).prop_map(|(first, eras, end)| {
        let eras: Vec<_> = eras.into_iter().map(|n| (n, u8::try_from(n / 10).unwrap())).collect();
        record(first, &eras, end)
    })
}

/// Numbers that an encoder of the tracks `init` may make, told one by one from what viewers see.
fn places(record: &Record, init: u8) -> Vec<u64> {
    let tracks = [track("720p", init)];
    let shown = |n: &u64| record.era(Number(*n)).is_some_and(|era| era.tracks == tracks);
    (record.eras[0].first.0..80).filter(shown).filter(|n| record.end.is_none_or(|end| *n <= end.0)).collect()
}

proptest! {
    /// An encoder makes its numbers of a record and no others, whenever it comes; all of them are in the era
    /// of its tracks, and the last is followed by another era, or none.
    #[test]
    fn an_encoder_has_its_place_in_eras_of_its_tracks(a in records(), init in 0u8..5, now in 1u64..70) {
        let stretch = a.stretch(&[track("720p", init)], Number(now));
        let places = places(&a, init);
        let next = places.iter().find(|n| **n >= now);
        let Some(stretch) = stretch else {
            prop_assert_eq!(next, None);
            return Ok(());
        };
        prop_assert_eq!(next.map(|n| stretch.contains(Number(*n))), Some(true));
        let within = |n: &u64| stretch.contains(Number(*n));
        let taken = (1u64..80).filter(within).collect::<Vec<_>>();
        prop_assert!(taken.iter().all(|n| places.contains(n)), "{:?} of {:?}", taken, places);
        let after = stretch.last.map_or(80, |last| last.0 + 1);
        prop_assert!(after >= 80 || !places.contains(&after));
    }

    /// Two encoders that announce the same tracks without knowing of each other agree once their records have
    /// met, by the earlier number, and nothing before it changes.
    #[test]
    fn two_announcements_of_one_ladder_are_one_era(a in records(), (x, y) in (40u64..45, 40u64..45), ahead in 1u64..20) {
        let a = Record { end: None, ..a };
        let new = [track("720p", 9)];
        let (one, two) = (a.announce(&new, Number(x), ahead).unwrap(), a.announce(&new, Number(y), ahead).unwrap());
        let joined = one.join(&two).unwrap();
        let first = Number(x.min(y) + ahead);
        prop_assert_eq!(joined.stretch(&new, Number(x.max(y))), Some(Stretch { first, last: None }));
        prop_assert_eq!(joined.discontinuity(first), a.discontinuity(first) + 1);
        for n in (1..first.0).map(Number) {
            prop_assert_eq!(joined.era(n).map(|era| &era.tracks), a.era(n).map(|era| &era.tracks));
            prop_assert_eq!(joined.discontinuity(n), a.discontinuity(n));
        }
    }

    /// Whatever is said of an event, and whenever: numbers that are known keep their tracks, later ones get what
    /// both say, and what is left out is named.
    #[test]
    fn numbers_that_are_known_keep_their_tracks(
        a in records(),
        eras in prop::collection::btree_map(1u64..60, 5u8..8, 1..5),
        known in 1u64..60,
    ) {
        let is_new = |(n, _): &(u64, u8)| a.eras.iter().all(|era| era.first.0 != *n);
        let eras = eras.into_iter().filter(is_new);
        let said = record(a.first.0, &eras.collect::<Vec<_>>(), None);
        let (timely, late) = a.timely(&said, Number(known));
        let (joined, all) = (a.join(&timely).unwrap(), a.join(&said).unwrap());
        for n in (a.first.0..=known).map(Number) {
            prop_assert_eq!(joined.era(n).map(|era| &era.tracks), a.era(n).map(|era| &era.tracks));
            prop_assert_eq!(joined.discontinuity(n), a.discontinuity(n));
        }
        // What lies before the first era counts as its.
        let later = Number(known + 1).max(a.eras[0].first);
        let after = |record: &Record| record.eras.iter().filter(|e| e.first >= later).cloned().collect::<Vec<_>>();
        prop_assert_eq!(after(&joined), after(&all));
        prop_assert_eq!(late.is_some(), joined != all);
    }

    /// Whatever is told, and whether its eras can be shown: what viewers know stays, and what can begin does.
    #[test]
    fn viewers_keep_what_they_were_shown_and_get_what_can_begin(
        told in records(),
        shown in records(),
        next in 2u64..60,
        can in any::<bool>(),
    ) {
        let after = told.after(&shown, Number(next), |_| can);
        for n in (1..next).map(Number) {
            prop_assert_eq!(after.era(n).map(|era| &era.tracks), shown.era(n).map(|era| &era.tracks));
            prop_assert_eq!(after.discontinuity(n), shown.discontinuity(n));
        }
        let begins = Number(next).max(told.eras[0].first);
        for n in (begins.0..70).map(Number) {
            let is_later = told.era(n).is_some_and(|era| era.first.0 > next);
            if can || is_later {
                prop_assert_eq!(after.era(n).map(|era| &era.tracks), told.era(n).map(|era| &era.tracks));
            }
        }
    }

    /// However copies travel and meet, they end up equal.
    #[test]
    fn join_is_associative_commutative_and_idempotent(a in records(), b in records(), c in records()) {
        let join = |x: &Record, y: &Record| x.join(y).unwrap();
        prop_assert_eq!(join(&a, &b), join(&b, &a));
        prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
        prop_assert_eq!(join(&a, &a), a);
    }

    /// A record survives its way through a file or a request.
    #[test]
    fn json_is_lossless(a in records()) {
        let json = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), a);
    }
}

#[test]
fn the_record_in_json() {
    let json = serde_json::to_string(&record(897_738_816, &[(897_738_816, 1)], None)).unwrap();
    let expected = concat!(
        r#"{"signal":"live01","d":2000,"parts":4,"first":897738816,"eras":[{"first":897738816,"tracks":["#,
        r#"{"name":"720p","kind":"video","width":1280,"height":720,"scale":25000,"frame":1000,"#,
        r#""codecs":"avc1.64001f","bandwidth":3000000,"init":"4bf5122f344554c5"}]}]}"#
    );
    assert_eq!(json, expected);
}

#[test]
fn two_workers_that_begin_at_different_numbers_make_one_era() {
    let joined = record(20, &[(20, 1)], None).join(&record(12, &[(12, 1)], None)).unwrap();
    assert_eq!(joined.first, Number(12));
    assert_eq!(joined.discontinuity(Number(30)), 0);
    assert_eq!(joined.era(Number(30)).unwrap().first, Number(12));
    assert_eq!(joined.era(Number(3)).unwrap().first, Number(12));
}

#[test]
fn a_new_ladder_is_one_discontinuity_on() {
    let record = record(10, &[(10, 1), (20, 2), (30, 1)], None);
    let sequence = |n| record.discontinuity(Number(n));
    assert_eq!([sequence(10), sequence(19), sequence(20), sequence(29), sequence(30)], [0, 0, 1, 1, 2]);
}

#[test]
fn a_contradiction_names_what_differs() {
    let mut other = record(10, &[(10, 1)], None);
    other.eras[0].tracks[0].bandwidth = 1;
    let error = record(10, &[(10, 1)], None).join(&other).unwrap_err().to_string();
    assert_eq!(
        error,
        "signal live01 has two different sets of tracks from number 10 on: \
         track 720p has 3000000 against 1 bits per second"
    );
}

#[test]
fn tracks_have_their_place_in_the_present_era_or_an_announced_one() {
    let record = record(10, &[(10, 1), (20, 2), (30, 1)], Some(35));
    let stretch = |init, now| {
        let stretch = record.stretch(&[track("720p", init)], Number(now))?;
        Some((stretch.first.0, stretch.last.map(|n| n.0)))
    };
    assert_eq!(stretch(1, 12), Some((10, Some(19))));
    assert_eq!(stretch(2, 12), Some((20, Some(29))), "it is announced");
    assert_eq!(stretch(1, 20), Some((30, Some(35))), "the first era is over, the same tracks come back");
    assert_eq!((stretch(2, 30), stretch(1, 36), stretch(3, 12)), (None, None, None));
}

#[test]
fn one_change_of_tracks_is_announced_at_a_time() {
    let record = record(10, &[(10, 1)], None).announce(&[track("720p", 2)], Number(12), 8).unwrap();
    assert_eq!(record.eras[1].first, Number(20));
    let mut wider = track("720p", 2);
    wider.content = Content::Video { width: 1920, height: 720 };
    assert_eq!(
        record.announce(&[wider.clone()], Number(15), 8).unwrap_err().to_string(),
        "signal live01 changes its tracks at number 20 already: track 720p has \
         pictures of 1280x720 against pictures of 1920x720"
    );
    assert!(record.announce(&[wider], Number(20), 8).is_ok(), "that change is done");
}

#[test]
fn a_change_that_leaves_all_sound_out_is_refused() {
    let mut record = record(10, &[(10, 1)], None);
    let mut sound = track("audio", 2);
    sound.content = Content::Audio { channels: 2 };
    record.eras[0].tracks.push(sound.clone());
    assert!(record.announce(&[track("360p", 3), sound], Number(12), 8).is_ok());
    assert_eq!(
        record.announce(&[track("720p", 3), track("audio", 4)], Number(12), 8).unwrap_err().to_string(),
        "the tracks of signal live01 can't change at number 20: viewers of track audio would have none of its kind any \
         more; keep pictures and sound, or give another --signal"
    );
}

#[test]
fn a_change_that_comes_too_late_is_named_with_its_remedy() {
    let (known, said) = (record(10, &[(10, 1)], None), record(10, &[(10, 1), (20, 2)], Some(60)));
    assert_eq!(known.timely(&said, Number(19)), (said.clone(), None));
    let (timely, late) = known.timely(&said, Number(20));
    assert_eq!(timely, record(10, &[(10, 1)], Some(60)), "all else is learnt");
    assert_eq!(
        late.unwrap().to_string(),
        "the tracks of signal live01 can't change at number 20 any more, up to 20 its numbers are known: track 720p has \
         init 4bf5122f344554c5 against dbc1b4c900ffe48d; announce the change anew with --new-era"
    );
}

#[test]
fn what_cannot_be_is_refused() {
    assert!(record(10, &[(10, 1)], Some(9)).check().is_err());
    assert!(record(10, &[], None).check().is_err());
    assert!(record(10, &[(12, 1), (11, 1)], None).check().is_err());
    let mut twice = record(10, &[(10, 1)], None);
    twice.eras[0].tracks.push(track("720p", 2));
    assert!(twice.check().is_err());
    assert!(record(10, &[(10, 1), (11, 2)], Some(12)).check().is_ok());
}

#[test]
fn a_record_out_of_proportion_is_none() {
    let with = |change: fn(&mut Record)| {
        let mut record = record(1, &[(1, 1)], None);
        change(&mut record);
        record.check()
    };
    assert_eq!(with(|_| {}), Ok(()));
    assert!(with(|r| r.grid.millis = NonZeroU32::MIN).is_err());
    assert!(with(|r| r.grid.millis = NonZeroU32::MAX).is_err());
    assert!(with(|r| r.grid.parts = NonZeroU32::MAX).is_err());
    assert!(with(|r| r.eras[0].tracks[0].rate.frame = NonZeroU32::MAX).is_err(), "no sample in a segment");
    assert!(with(|r| r.eras[0].tracks[0].rate.frame = NonZeroU32::MIN).is_ok(), "50000 samples");
    assert!(with(|r| r.eras[0].tracks[0].rate.scale = NonZeroU32::MAX).is_err(), "too many");
}

#[test]
fn copies_that_each_bring_other_eras_make_no_record_without_end() {
    let eras = |from: u64| (from..from + 1000).map(|n| (n, u8::from(n % 2 == 0))).collect::<Vec<_>>();
    let (one, other) = (record(1, &eras(1), None), record(1, &eras(1001), None));
    assert_eq!((one.check(), other.check()), (Ok(()), Ok(())));
    let error = one.join(&other).unwrap_err().to_string();
    assert_eq!(error, "the record of signal live01 can't be: it has no era, or more than 1024");
}
