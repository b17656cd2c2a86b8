use std::collections::BTreeSet;

use jiff::Timestamp;

use super::*;
use crate::playlist::Segment;

/// Recordings of an encoder: an init and a fragment per frame.
const VIDEO: &[u8] = include_bytes!("../../../media/tests/data/video.mp4");
const AUDIO: &[u8] = include_bytes!("../../../media/tests/data/audio.mp4");

/// The init, and the fragments `moof` + `mdat`.
fn pieces(recording: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut init = Vec::new();
    let mut fragments: Vec<Vec<u8>> = Vec::new();
    for (kind, bytes) in boxes(recording).unwrap() {
        match kind.as_ref() {
            b"ftyp" | b"moov" => init.extend_from_slice(bytes),
            b"moof" => fragments.push(bytes.to_vec()),
            b"mdat" => fragments.last_mut().unwrap().extend_from_slice(bytes),
            _ => {}
        }
    }
    (init, fragments)
}

#[test]
fn the_timing_of_a_segment_is_that_of_its_samples() {
    let (init, fragments) = pieces(VIDEO);
    let init = Init::read(&init).unwrap();
    assert!(init.pictures);
    assert_eq!(init.scale, 25_000);
    let timing = init.timing(&fragments[30..80].concat()).unwrap();
    assert_eq!((timing.samples, timing.end - timing.start), (50, 50_000));
    assert_eq!(timing.duration(), Duration::from_secs(2));
    assert_eq!(timing.longest, Duration::from_millis(40));
    assert!(timing.sync);
    assert!(!init.timing(&fragments[31..80].concat()).unwrap().sync);
    let (init, fragments) = pieces(AUDIO);
    let init = Init::read(&init).unwrap();
    assert!(!init.pictures);
    let timing = init.timing(&fragments[10..20].concat()).unwrap();
    assert_eq!(timing.end - timing.start, 10 * 1024);
}

#[test]
fn what_a_decoder_could_not_use_is_named() {
    let (bytes, fragments) = pieces(VIDEO);
    let init = Init::read(&bytes).unwrap();
    let (one, two, last) = (&fragments[30], &fragments[31], &fragments[33]);
    let whole = [&one[..], two].concat();
    let moof = boxes(one).unwrap()[0].1.to_vec();
    let (sound, _) = pieces(AUDIO);
    let cases: [(&str, &[u8], &str); 6] = [
        ("nothing", &[], "there is no sample in it"),
        ("a word", b"hello", "no box header: "),
        ("cut short", &whole[..whole.len() - 1], "the bytes end inside the mdat box at byte "),
        ("no data", &moof, "a moof box has no mdat box behind it"),
        ("a frame is missing", &[&one[..], last].concat(), "a fragment begins at "),
        ("no fragment", &sound, "there is no sample in it"),
    ];
    for (what, segment, expected) in cases {
        let flaw = init.timing(segment).unwrap_err().to_string();
        assert!(flaw.starts_with(expected), "{what}: {flaw}");
    }
    let flaw = Init::read(&moof).unwrap_err().to_string();
    assert_eq!(flaw, "an init is an ftyp box and then a moov box");
}

/// A segment of the playlist, `start` seconds after 1970, two seconds long.
fn listed(number: u64, start: f64) -> Segment {
    Segment {
        number,
        discontinuity: 0,
        is_discontinuity: false,
        uri: String::new(),
        duration: Duration::from_secs(2),
        date: Timestamp::from_duration(jiff::SignedDuration::from_secs_f64(start)).ok(),
        map: None,
        gap: false,
        lines: Vec::new(),
    }
}

fn timing(start: u64, end: u64) -> Timing {
    let longest = Duration::from_millis(40);
    Timing { start, end, scale: 25_000, samples: 50, longest, sync: true }
}

fn rules(found: impl IntoIterator<Item = crate::rules::Finding>) -> BTreeSet<&'static str> {
    found.into_iter().map(|finding| finding.rule.name).collect()
}

#[test]
fn segments_continue_each_other() {
    let init = Init { scale: 25_000, pictures: true, track: 1, duration: 0, flags: 0 };
    let first = (listed(10, 20.0), timing(500_000, 550_000));
    let discontinuity = Segment { is_discontinuity: true, ..listed(11, 22.0) };
    let late = Timing { sync: false, ..timing(550_000, 600_000) };
    let cases: Vec<(&str, Segment, Timing, &[&str])> = vec![
        ("the next", listed(11, 22.0), timing(550_000, 600_000), &[]),
        ("a tick too late", listed(11, 22.0), timing(550_001, 600_001), &["time-continuous"]),
        ("a tick too early", listed(11, 22.0), timing(549_999, 599_999), &["time-continuous"]),
        ("after one that was not loaded", listed(12, 24.0), timing(600_000, 650_000), &[]),
        ("a discontinuity", discontinuity, timing(0, 50_000), &[]),
        ("no keyframe", listed(11, 22.0), late, &["starts-with-sync"]),
        ("a frame short", listed(11, 22.0), timing(550_000, 599_000), &[]),
        ("two frames short", listed(11, 22.0), timing(550_000, 598_000), &["duration-true"]),
    ];
    for (what, next, is, expected) in cases {
        let mut track = Continuity::default();
        assert_eq!(rules(track.saw(&first.0, first.1, &init)), [].into());
        assert_eq!(rules(track.saw(&next, is, &init)), expected.iter().copied().collect(), "{what}");
    }
    let sound = Init { pictures: false, ..init };
    assert_eq!(rules(Continuity::default().saw(&listed(11, 22.0), late, &sound)), [].into());
}

#[test]
fn gaps_and_overlaps_add_up() {
    let init = Init { scale: 25_000, pictures: true, track: 1, duration: 0, flags: 0 };
    let mut track = Continuity::default();
    for (number, start) in [(1, 0), (2, 75_000), (3, 100_000)] {
        track.saw(&listed(number, 0.0), timing(start, start + 50_000), &init);
    }
    assert_eq!((track.gap, track.overlap), (Duration::from_secs(1), Duration::from_secs(1)));
}

#[test]
fn gaps_and_overlaps_of_any_length_add_up() {
    let init = Init { scale: 1, pictures: true, track: 1, duration: 0, flags: 0 };
    let mut track = Continuity::default();
    let end = u64::MAX;
    for (number, start) in (1..).zip([0, end - 1, 0, end - 1, 0]) {
        let timing = Timing { scale: 1, ..timing(start, start + 1) };
        track.saw(&listed(number, 0.0), timing, &init);
    }
    assert_eq!((track.gap, track.overlap), (Duration::MAX, Duration::MAX));
}

#[test]
fn dates_keep_their_distance_to_media_time() {
    let mut dates = Dates::default();
    assert_eq!(dates.saw(&listed(10, 1020.0), timing(500_000, 550_000)), None);
    assert_eq!(dates.saw(&listed(11, 1022.04), timing(550_000, 600_000)), None);
    let found = dates.saw(&listed(11, 1022.05), timing(550_000, 600_000));
    assert_eq!(rules(found), ["date-maps-time"].into());
    let later = Segment { discontinuity: 1, ..listed(12, 0.0) };
    assert_eq!(dates.saw(&later, timing(600_000, 650_000)), None);
}

#[test]
fn groups_that_are_named_and_not_there_take_no_memory() {
    let (bytes, fragments) = pieces(VIDEO);
    let init = Init::read(&bytes).unwrap();
    for version in 0..=3u8 {
        let fields = &[0; 8][..4 * usize::from(version.min(2))];
        let group = |count: u32| {
            let payload = [&[version, 0, 0, 0][..], b"tele", fields, &count.to_be_bytes()].concat();
            let size = u32::try_from(payload.len() + 8).unwrap();
            [&size.to_be_bytes()[..], b"sgpd", &payload].concat()
        };
        for (count, refused) in [(0, false), (u32::MAX, true)] {
            let group = group(count);
            let mut moof = boxes(&fragments[30]).unwrap()[0].1.to_vec();
            let size = u32::try_from(moof.len() + group.len()).unwrap();
            moof.extend_from_slice(&group);
            moof[..4].copy_from_slice(&size.to_be_bytes());
            let rest = &fragments[30][moof.len() - group.len()..];
            let flaw = init.timing(&[&moof[..], rest].concat()).err().map(|flaw| flaw.to_string());
            let named = flaw.as_deref().is_some_and(|flaw| flaw.starts_with("4294967295 sample groups"));
            assert_eq!(named, refused, "version {version}: {flaw:?}");
        }
    }
}
