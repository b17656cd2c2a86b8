use proptest::prelude::*;

use super::*;

fn rate(scale: u32, frame: u32) -> Rate {
    Rate::new(scale, frame)
}

fn grid(millis: u32, parts: u32) -> Grid {
    Grid::new(millis, parts)
}

/// Every rate of the real world: 23.976 to 60 fps, AAC at 44.1 and 48 kHz, Opus.
const RATES: [(u32, u32); 11] = [
    (24_000, 1001),
    (24_000, 1000),
    (25_000, 1000),
    (30_000, 1001),
    (30_000, 1000),
    (50_000, 1000),
    (60_000, 1001),
    (60_000, 1000),
    (44_100, 1024),
    (48_000, 1024),
    (48_000, 960),
];

fn rates() -> impl Strategy<Value = Rate> {
    prop::sample::select(&RATES[..]).prop_map(|(scale, frame)| rate(scale, frame))
}

const NOW: u64 = 897_738_816;

#[test]
fn a_rate_that_divides_the_segment_gives_equal_segments() {
    let span = grid(2000, 4).span(Number(NOW), &rate(25_000, 1000));
    assert_eq!((span.first, span.count), (NOW * 50, 50));
    assert_eq!(span.duration().micros(), 2_000_000);
}

#[test]
fn audio_segments_are_93_or_94_frames() {
    let (grid, rate) = (grid(2000, 4), rate(48_000, 1024));
    let counts: Vec<_> = (0..8).map(|i| grid.span(Number(NOW + i), &rate).count).collect();
    assert_eq!(counts.iter().sum::<u64>(), 750);
    assert!(counts.iter().all(|c| (93..=94).contains(c)), "{counts:?}");
}

#[test]
fn parts_of_25_fps_are_13_13_13_11() {
    let (grid, rate) = (grid(2000, 4), rate(25_000, 1000));
    let counts: Vec<_> = (0..5).map(|p| grid.part_span(Number(NOW), Part(p), &rate).count).collect();
    assert_eq!(counts, [13, 13, 13, 11, 0]);
    assert_eq!(grid.part_count(Number(NOW), &rate), 4);
}

#[test]
fn numbers_have_one_spelling() {
    assert_eq!("897738816".parse(), Ok(Number(NOW)));
    for bad in ["", "01", "+1", "-1", " 1", "1.0", "18446744073709551616"] {
        assert_eq!(bad.parse::<Number>(), Err(NumberError), "{bad:?}");
    }
}

/// RFC 8216bis, 4.4.4.9: no part is longer than the target; all but the last of a segment last 85% of it or more.
#[test]
fn parts_of_a_fifth_of_a_second_to_one_keep_to_their_target() {
    for (scale, frame) in RATES {
        let rate = rate(scale, frame);
        for (millis, parts) in (1..=6).flat_map(|s| (s..=5 * s).map(move |parts| (s * 1000, parts))) {
            let grid = grid(millis, parts);
            let target = u128::from(grid.part_target_millis(&rate)) * u128::from(scale);
            for n in NOW..NOW + 20 {
                let count = grid.part_count(Number(n), &rate);
                for p in 0..count {
                    let samples = grid.part_span(Number(n), Part(p), &rate).count;
                    let length = u128::from(samples) * u128::from(frame) * 1000;
                    assert!(length <= target, "{rate:?} {grid:?} {n}.{p}");
                    assert!(p + 1 == count || length * 100 >= target * 85, "{rate:?} {grid:?} {n}.{p}");
                }
            }
        }
    }
}

proptest! {
    /// Segments tile time: none is empty, none overlaps, none leaves a gap.
    #[test]
    fn segments_tile_time(rate in rates(), millis in 1000u32..=6000, n in 1u64..2_000_000_000) {
        let grid = grid(millis, 4);
        let (here, next) = (grid.span(Number(n), &rate), grid.span(Number(n + 1), &rate));
        prop_assert!(here.count > 0);
        prop_assert_eq!(here.first + here.count, next.first);
    }

    /// A sample belongs to the one segment whose span holds it.
    #[test]
    fn number_of_is_the_inverse_of_span(rate in rates(), millis in 1000u32..=6000, index in 1u64..1 << 40) {
        let grid = grid(millis, 4);
        let span = grid.span(grid.number_of(index, &rate), &rate);
        prop_assert!((span.first..span.first + span.count).contains(&index));
    }

    /// Parts tile their segment, all but the last hold the same count, and there are as many as said.
    #[test]
    fn parts_tile_their_segment(rate in rates(), millis in 1000u32..=6000, parts in 1u32..=10, n in 1u64..2_000_000_000) {
        let grid = grid(millis, parts);
        let whole = grid.span(Number(n), &rate);
        let count = grid.part_count(Number(n), &rate);
        let mut at = whole.first;
        for p in 0..count {
            let part = grid.part_span(Number(n), Part(p), &rate);
            prop_assert_eq!(part.first, at);
            prop_assert!(part.count > 0);
            if p + 1 < count {
                prop_assert_eq!(part.count, grid.part_samples(&rate));
            }
            at += part.count;
        }
        prop_assert_eq!(at, whole.first + whole.count);
    }

    /// Two encoders that start anywhere agree on where any instant lies.
    #[test]
    fn the_second_of_a_start_never_matters(rate in rates(), second in 1u64..4_000_000_000) {
        let index = rate.frame_at_second(second);
        let start = rate.ticks(index);
        prop_assert!(u128::from(start.value) >= u128::from(second) * u128::from(rate.scale.get()));
        prop_assert!(start.value - u64::from(rate.frame.get()) < second * u64::from(rate.scale.get()));
    }
}
