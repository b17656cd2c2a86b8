use super::*;
use crate::{check, slate::Slate};

const VIDEO: &[u8] = include_bytes!("../../tests/data/video.mp4");
const AUDIO: &[u8] = include_bytes!("../../tests/data/audio.mp4");
const SLATE: &[u8] = include_bytes!("../../tests/data/slate.mp4");

/// A number of these days.
const N: u64 = 897_738_816;

fn grid() -> Grid {
    Grid::new(2000, 4)
}

fn rate(scale: u32, frame: u32) -> Rate {
    Rate::new(scale, frame)
}

fn video() -> (Rate, u64) {
    // The recording forces keyframes 30 frames after its start: it began 20 frames into a segment.
    (rate(25_000, 1000), N * 50 + 20)
}

fn audio() -> (Rate, u64) {
    let rate = rate(48_000, 1024);
    (rate, rate.frame_at_second(N * 2) + 10)
}

fn cut(pieces: &[&[u8]], (rate, origin): (Rate, u64)) -> Vec<Cut> {
    let mut segmenter = Segmenter::new(grid(), rate, origin);
    for piece in pieces {
        segmenter.push(piece).unwrap();
    }
    segmenter.finish();
    std::iter::from_fn(|| segmenter.poll()).collect()
}

fn init(cuts: &[Cut]) -> Init {
    match &cuts[0] {
        Cut::Init(init) => init.clone(),
        other => panic!("the init comes first, not {other:?}"),
    }
}

/// Whole segments, as their parts joined.
fn whole(cuts: &[Cut]) -> Vec<(Number, Bytes)> {
    let (mut segments, mut parts) = (Vec::new(), Vec::new());
    for cut in cuts {
        match cut {
            Cut::Part { number, last, bytes, .. } => {
                parts.push(bytes.clone());
                if *last {
                    segments.push((*number, std::mem::take(&mut parts).concat().into()));
                }
            }
            Cut::Dropped { .. } => parts.clear(),
            Cut::Init(_) => {}
        }
    }
    segments
}

#[test]
fn the_first_and_the_last_segment_cut_short_are_dropped() {
    let cuts = cut(&[VIDEO], video());
    let numbers: Vec<_> = whole(&cuts).iter().map(|s| s.0.0 - N).collect();
    assert_eq!(numbers, [1, 2]);
    let dropped: Vec<_> = cuts
        .iter()
        .filter_map(|c| match c {
            Cut::Dropped { number, reason } => Some((number.0 - N, *reason)),
            _ => None,
        })
        .collect();
    assert_eq!(dropped, [(0, Dropped::Beginning(20)), (3, Dropped::End(5))]);
}

#[test]
fn a_stream_cut_at_every_byte_gives_the_same_cuts() {
    for (bytes, track) in [(VIDEO, video()), (AUDIO, audio())] {
        let at_once = cut(&[bytes], track);
        assert!(!whole(&at_once).is_empty());
        // The whole stream at each of many places, and byte by byte.
        for at in (0..bytes.len()).step_by(97) {
            assert_eq!(cut(&[&bytes[..at], &bytes[at..]], track), at_once, "cut at {at}");
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(cut(&single, track), at_once);
    }
}

#[test]
fn what_is_cut_passes_the_check_of_those_who_take_it() {
    for (bytes, track) in [(VIDEO, video()), (AUDIO, audio())] {
        let cuts = cut(&[bytes], track);
        let init = init(&cuts);
        for (number, bytes) in whole(&cuts) {
            let parts = check::segment(&bytes, &init, &grid(), number, &track.0).unwrap();
            assert_eq!(parts.concat(), bytes);
            assert_eq!(parts.len(), 4);
            let elsewhere = check::segment(&bytes, &init, &grid(), number.next(), &track.0);
            assert!(matches!(
                elsewhere,
                Err(check::CheckError::Time { .. } | check::CheckError::Count { .. })
            ));
        }
    }
}

#[test]
fn a_segment_truncated_anywhere_is_refused() {
    let cuts = cut(&[VIDEO], video());
    let (init, (number, bytes)) = (init(&cuts), whole(&cuts).remove(0));
    for length in 0..bytes.len() {
        let short = bytes.slice(..length);
        assert!(check::segment(&short, &init, &grid(), number, &video().0).is_err(), "{length}");
    }
}

#[test]
fn a_gap_drops_the_segment_and_the_next_one_is_whole() {
    // Leave out the fifth fragment of the first whole segment.
    let boxes: Vec<_> = crate::mp4::split(Bytes::from_static(VIDEO)).collect::<Result<_, _>>().unwrap();
    let fragment = 2 + 2 * 34;
    let kept = boxes.iter().enumerate().filter(|(i, _)| *i != fragment && *i != fragment + 1);
    let bytes: Vec<u8> = kept.flat_map(|(_, b)| b.bytes.to_vec()).collect();
    let cuts = cut(&[&bytes], video());
    let numbers: Vec<_> = whole(&cuts).iter().map(|s| s.0.0 - N).collect();
    assert_eq!(numbers, [2]);
    let expected = (N + 1) * 50 + 4;
    let gap = Cut::Dropped { number: Number(N + 1), reason: Dropped::Gap { expected, found: expected + 1 } };
    assert!(cuts.contains(&gap), "{cuts:?}");
}

#[test]
fn a_segment_that_begins_without_a_keyframe_is_dropped() {
    let (rate, origin) = video();
    let cuts = cut(&[VIDEO], (rate, origin + 1));
    assert!(whole(&cuts).is_empty());
    assert!(cuts.contains(&Cut::Dropped { number: Number(N + 1), reason: Dropped::NoKeyframe }));
}

#[test]
fn two_lineages_give_the_same_times_and_sizes_of_parts() {
    let (rate, origin) = audio();
    // The same recording, taken to begin three frames later: another lineage of another content.
    let (one, other) = (cut(&[AUDIO], (rate, origin)), cut(&[AUDIO], (rate, origin + 3)));
    assert_eq!(init(&one), init(&other));
    for ((n, a), (m, b)) in whole(&one).iter().zip(&whole(&other)) {
        assert_eq!(n, m);
        let moof = |bytes: &Bytes| crate::mp4::split(bytes.clone()).nth(1).unwrap().unwrap().bytes;
        let times = |bytes: &Bytes| {
            let fragment = crate::mp4::Fragment::parse(&moof(bytes), &init(&one)).unwrap();
            (fragment.time, fragment.samples.len())
        };
        assert_eq!(times(a), times(b));
    }
}

#[test]
fn the_slate_is_a_valid_segment_of_any_number() {
    let cuts = cut(&[VIDEO], video());
    let init = init(&cuts);
    let slate = Slate::parse(SLATE, &init, video().0).unwrap();
    for number in [1, N, N + 1, N + 40].map(Number) {
        let bytes: Bytes = slate.stamp(&grid(), number).concat().into();
        check::segment(&bytes, &init, &grid(), number, &video().0).unwrap();
    }
    let programme = Slate::parse(VIDEO, &init, video().0).unwrap_err();
    assert!(matches!(programme, crate::slate::SlateError::NoKeyframe(1)), "{programme}");
}
