//! What is encoded: the generated programme, or a file that is shown over and over. Pure.
//!
//! A file's position is a function of the epoch alone: `t mod length`. So that every loop is exact in
//! pictures, in audio samples and in the milliseconds that ffmpeg's lists are written in, the length is
//! a whole number of [units](Cycle::unit_ms).

use airtight_media::grid::Rate;

use super::ladder::AUDIO_HZ;

/// The pictures of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Width as shown, with square pixels.
    pub width: u32,
    /// Height as shown.
    pub height: u32,
    /// The rate that they are encoded at.
    pub rate: Rate,
}

/// What a source has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its pictures, if it has some.
    pub picture: Option<Picture>,
    /// Whether it has sound.
    pub sound: bool,
}

/// The shortest unit, so that audio is not cut into crumbs.
const UNIT_MS: u64 = 20;
/// Between two showings of a file the list leaves at least this much room: pictures that belong
/// behind the last one, but were stored before it, fall into the gap and not onto the next showing.
const GAP_MS: u64 = 1000;

/// How a file is shown over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    /// A whole number of milliseconds, pictures and audio samples.
    pub unit_ms: u64,
    /// Pictures in a unit; 0 without pictures.
    pub unit_pictures: u64,
    /// Units in the file.
    pub units: u64,
    /// Units between two showings on ffmpeg's timeline, which never reach the encoder.
    pub gap: u64,
}

impl Cycle {
    /// The cycle of a file that lasts `millis`, rounded down to whole units; `lead_ms` is how much later
    /// its pictures begin than its sound.
    pub fn new(rate: Option<&Rate>, millis: u64, lead_ms: u64) -> Self {
        let (unit_ms, unit_pictures) = rate.map_or((UNIT_MS, 0), unit);
        let units = (millis / unit_ms).max(1);
        Self { unit_ms, unit_pictures, units, gap: (GAP_MS + lead_ms).div_ceil(unit_ms) }
    }

    /// One showing with the gap behind it, in units.
    pub fn stride(&self) -> u64 {
        self.units + self.gap
    }

    /// Audio samples in a unit.
    pub fn unit_samples(&self) -> u64 {
        self.unit_ms * u64::from(AUDIO_HZ) / 1000
    }

    /// Where the file stands at audio sample `index` since 1970, in units since its beginning, and the
    /// sample since 1970 at which this showing began.
    pub fn position(&self, index: u64) -> (u64, u64) {
        let length = self.units * self.unit_samples();
        let into = index % length;
        (into / self.unit_samples(), index - into)
    }
}

/// The fewest pictures that last a whole number of milliseconds, [`UNIT_MS`] at least: milliseconds, pictures.
fn unit(rate: &Rate) -> (u64, u64) {
    let (scale, frame) = (u64::from(rate.scale.get()), u64::from(rate.frame.get()));
    let whole = scale / gcd(scale, frame * 1000);
    let millis = whole * frame * 1000 / scale;
    let times = UNIT_MS.div_ceil(millis);
    (millis * times, whole * times)
}

/// The greatest common divisor.
pub fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn rate(scale: u32, frame: u32) -> Rate {
        Rate { scale: NonZeroU32::new(scale).unwrap(), frame: NonZeroU32::new(frame).unwrap() }
    }

    #[test]
    fn a_unit_is_whole_in_milliseconds_pictures_and_samples() {
        for (scale, frame, millis, pictures) in [
            (25_000, 1000, 40, 1),
            (50_000, 1000, 20, 1),
            (24_000, 1000, 125, 3),
            (30_000, 1000, 100, 3),
            (60_000, 1000, 50, 3),
            (30_000, 1001, 1001, 30),
            (60_000, 1001, 1001, 60),
            (24_000, 1001, 1001, 24),
        ] {
            assert_eq!(unit(&rate(scale, frame)), (millis, pictures), "{scale}/{frame}");
        }
    }

    #[test]
    fn a_file_is_rounded_down_and_never_empty() {
        let cycle = Cycle::new(Some(&rate(25_000, 1000)), 3119, 21);
        assert_eq!((cycle.units, cycle.gap, cycle.stride()), (77, 26, 103));
        assert_eq!(Cycle::new(Some(&rate(30_000, 1001)), 500, 0).units, 1);
        assert_eq!(Cycle::new(None, 3119, 0).units, 155);
    }

    #[test]
    fn the_position_is_a_function_of_the_epoch() {
        let cycle = Cycle::new(Some(&rate(25_000, 1000)), 3000, 0);
        let showing = 3 * 48_000;
        assert_eq!(cycle.position(showing * 1_000_000), (0, showing * 1_000_000));
        assert_eq!(cycle.position(showing * 1_000_000 + 1920 * 74 + 1919), (74, showing * 1_000_000));
    }
}
