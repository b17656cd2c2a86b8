//! The picture rates that are encoded. Pure.

use airtight_media::grid::Rate;

/// Pictures per second as fractions; a source with others is brought to the nearest.
const RATES: [(u32, u32); 12] = [
    (10, 1),
    (12, 1),
    (15, 1),
    (20, 1),
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
];

/// Those of television and film as ticks of their scale, for tests over each.
#[cfg(test)]
pub const BROADCAST: [(u32, u32); 8] = [
    (24_000, 1001),
    (24_000, 1000),
    (25_000, 1000),
    (30_000, 1001),
    (30_000, 1000),
    (50_000, 1000),
    (60_000, 1001),
    (60_000, 1000),
];

/// The standard rate that is nearest to `pictures/seconds`, neither of them 0.
pub fn nearest(pictures: u32, seconds: u32) -> Rate {
    let wanted = (u64::from(pictures), u64::from(seconds));
    // |a/b − c/d|, by a common denominator for each candidate.
    let distance = |&(p, s): &(u32, u32)| {
        let (p, s) = (u64::from(p), u64::from(s));
        let difference = (wanted.0 * s).abs_diff(wanted.1 * p);
        u128::from(difference) * 1_000_000 / (u128::from(s) * u128::from(wanted.1))
    };
    let (pictures, seconds) = RATES.into_iter().min_by_key(distance).unwrap_or((25, 1));
    // A tick count per picture that is whole at any rate: 25000 and 1000, 30000 and 1001.
    let scale = if seconds == 1 { pictures * 1000 } else { pictures };
    let frame = if seconds == 1 { 1000 } else { seconds };
    Rate::new(scale, frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_rates_become_the_nearest_standard_one() {
        for (given, scale, frame) in [
            ((25, 1), 25_000, 1000),
            ((30_000, 1001), 30_000, 1001),
            ((2997, 100), 30_000, 1001),
            ((24_390, 1000), 24_000, 1000),
            ((120, 1), 60_000, 1000),
            ((1, 1), 10_000, 1000),
        ] {
            let rate = nearest(given.0, given.1);
            assert_eq!((rate.scale.get(), rate.frame.get()), (scale, frame), "{given:?}");
        }
    }
}
