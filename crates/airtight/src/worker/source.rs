//! What is encoded: the generated programme, or a file that is shown over and over. Pure.
//!
//! A file's position is a function of the epoch alone. Showing `k` begins at `k` times the exact length of
//! the file's pictures, whatever that is in milliseconds or audio samples; a [`Reel`] counts one stream of it
//! in whole pieces.

use std::num::NonZeroU32;

use airtight_media::grid::Rate;

use super::codec::{Hertz, Sound};

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
    /// How its sound is encoded, if it has some.
    pub sound: Option<Sound>,
}

/// Between two showings of a file its list leaves at least this much room: pictures that belong
/// behind the last one, but were stored before it, fall into the gap and not onto the next showing.
const GAP_MS: u64 = 1000;
/// Sound is sought in steps that are whole at every sampling rate.
const AUDIO_STEP_MS: u64 = 10;

/// One stream of a file that is shown over and over, in pieces: pictures, or a few audio samples each.
///
/// On ffmpeg's timeline showings are `stride` pieces apart, a whole number of milliseconds; what lies between
/// the end of one and the next never reaches the encoder. On the air they follow each other without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reel {
    /// How the pieces follow each other.
    pub piece: Rate,
    /// The length of a showing in pieces: the first of a fraction, and by what it is divided.
    pub length: (u64, u64),
    /// Milliseconds from the beginning of one showing to that of the next, as ffmpeg reads them.
    pub stride_ms: u64,
    /// The same in pieces.
    pub stride: u64,
    /// Reading can begin at every so many pieces.
    pub step: u64,
}

impl Reel {
    /// The pictures of a file that lasts `micros`, rounded down to whole ones; `lead_ms` is how much later they
    /// begin than anything in it.
    pub fn pictures(rate: &Rate, micros: u64, lead_ms: u64) -> Self {
        let (scale, frame) = (u64::from(rate.scale.get()), u64::from(rate.frame.get()));
        // Containers round the end of the last picture, some to the millisecond.
        let micros = u128::from(micros) + 500;
        let pictures = micros * u128::from(scale) / (u128::from(frame) * 1_000_000);
        Self::new(*rate, (u64::try_from(pictures).unwrap_or(1).max(1), 1), 1, lead_ms)
    }

    /// The sound that accompanies `pictures`: as long as they are, to the fraction of a sample.
    pub fn accompanying(pictures: &Self, hertz: Hertz, lead_ms: u64) -> Self {
        let piece = crumb(hertz);
        let times = |a: NonZeroU32, b: NonZeroU32| u64::from(a.get()) * u64::from(b.get());
        let (above, below) =
            (times(pictures.piece.frame, piece.scale), times(pictures.piece.scale, piece.frame));
        let common = gcd(above, below);
        let length = (pictures.length.0 * (above / common), below / common);
        let common = gcd(length.0, length.1);
        Self::new(piece, (length.0 / common, length.1 / common), step(&piece), lead_ms)
    }

    /// The sound of a file that has no pictures and lasts `micros`.
    pub fn alone(hertz: Hertz, micros: u64) -> Self {
        let piece = crumb(hertz);
        let steps = (micros / (AUDIO_STEP_MS * 1000)).max(1);
        Self::new(piece, (steps * step(&piece), 1), step(&piece), 0)
    }

    fn new(piece: Rate, length: (u64, u64), step: u64, lead_ms: u64) -> Self {
        let (scale, frame) = (u64::from(piece.scale.get()), u64::from(piece.frame.get()));
        let shown_ms = (length.0.div_ceil(length.1) * frame * 1000).div_ceil(scale);
        // The fewest pieces that last a whole number of milliseconds.
        let unit = scale / gcd(scale, frame * 1000);
        let unit_ms = unit * frame * 1000 / scale;
        let units = (shown_ms + lead_ms + GAP_MS).div_ceil(unit_ms);
        Self { piece, length, stride_ms: units * unit_ms, stride: units * unit, step }
    }

    /// The first piece since 1970 of showing `k`.
    pub fn first(&self, k: u64) -> u64 {
        let first = u128::from(k) * u128::from(self.length.0) / u128::from(self.length.1);
        u64::try_from(first).unwrap_or(u64::MAX)
    }

    /// The showing that piece `index` since 1970 belongs to.
    pub fn showing(&self, index: u64) -> u64 {
        let showing = ((u128::from(index) + 1) * u128::from(self.length.1) - 1) / u128::from(self.length.0);
        u64::try_from(showing).unwrap_or(u64::MAX)
    }

    /// The piece of a showing at which to begin to read, `preroll_ms` before piece `into` or a little more.
    pub fn seek(&self, into: u64, preroll_ms: u64) -> u64 {
        let early = (preroll_ms * u64::from(self.piece.scale.get()))
            .div_ceil(1000 * u64::from(self.piece.frame.get()));
        into.saturating_sub(early) / self.step * self.step
    }

    /// An expression of ffmpeg that is true for piece `n` of its timeline if it belongs to a showing; piece 0 is
    /// piece `seek` of showing `k`.
    ///
    /// All terms are integers that a double holds exactly, for centuries of running.
    pub fn shows(&self, k: u64, seek: u64) -> String {
        let (length, parts) = self.length;
        let place = format!("mod(n+{seek},{})", self.stride);
        if parts == 1 {
            return format!("lt({place},{length})");
        }
        // Showing j has floor((j+1)·length/parts) − floor(j·length/parts) pieces.
        let (rest, whole) = (length % parts, length / parts);
        let phase = u128::from(k) * u128::from(rest) % u128::from(parts);
        let over = format!("mod(floor((n+{seek})/{})*{rest}+{phase},{parts})", self.stride);
        format!("lt({place},{whole}+gte({over}+{rest},{parts}))")
    }
}

/// The pieces of sound, about a millisecond each and whole in [`AUDIO_STEP_MS`].
fn crumb(hertz: Hertz) -> Rate {
    let samples = match hertz {
        Hertz::Hz44100 => 49,
        Hertz::Hz48000 => 48,
    };
    Rate::new(hertz.get(), samples)
}

/// How many pieces of sound [`AUDIO_STEP_MS`] last.
fn step(piece: &Rate) -> u64 {
    u64::from(piece.scale.get()) * AUDIO_STEP_MS / (1000 * u64::from(piece.frame.get()))
}

/// The greatest common divisor.
pub fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::standard::BROADCAST;

    fn rate(scale: u32, frame: u32) -> Rate {
        Rate::new(scale, frame)
    }

    #[test]
    fn a_file_is_rounded_down_to_whole_pictures_at_any_rate() {
        for (scale, frame, micros, pictures) in [
            (25_000, 1000, 3_119_999, 78),
            (25_000, 1000, 3_119_000, 77),
            (30_000, 1001, 10_010_000, 300),
            (30_000, 1001, 9_976_633, 299),
            (60_000, 1001, 9_976_100, 597),
            (24_000, 1001, 41_708, 1),
            (24_000, 1001, 0, 1),
        ] {
            let reel = Reel::pictures(&rate(scale, frame), micros, 0);
            assert_eq!(reel.length, (pictures, 1), "{scale}/{frame} {micros}");
        }
    }

    #[test]
    fn strides_are_whole_in_milliseconds_and_pieces_and_leave_a_gap() {
        for (scale, frame) in BROADCAST {
            let pictures = Reel::pictures(&rate(scale, frame), 9_976_633, 22);
            for hertz in [Hertz::Hz44100, Hertz::Hz48000] {
                for reel in
                    [pictures, Reel::accompanying(&pictures, hertz, 22), Reel::alone(hertz, 9_976_633)]
                {
                    let ticks = reel.stride * u64::from(reel.piece.frame.get()) * 1000;
                    assert_eq!(ticks, reel.stride_ms * u64::from(reel.piece.scale.get()), "{reel:?}");
                    assert!(reel.stride_ms >= 10_900 && reel.stride_ms < 12_200, "{reel:?}");
                }
            }
        }
    }

    #[test]
    fn sound_never_drifts_from_its_pictures() {
        for (scale, frame) in BROADCAST {
            for hertz in [Hertz::Hz44100, Hertz::Hz48000] {
                let pictures = Reel::pictures(&rate(scale, frame), 9_976_633, 0);
                let sound = Reel::accompanying(&pictures, hertz, 0);
                for k in (0..50).chain(180_000_000..180_000_050) {
                    let seconds = |reel: &Reel| {
                        let piece = reel.piece;
                        u128::from(reel.first(k)) * u128::from(piece.frame.get()) * 1_000_000_000
                            / u128::from(piece.scale.get())
                    };
                    let late = seconds(&pictures).abs_diff(seconds(&sound));
                    assert!(late < 1_200_000, "{scale}/{frame} {hertz:?} {k}: {late} ns");
                    assert_eq!(sound.showing(sound.first(k)), k);
                    assert_eq!(sound.showing(sound.first(k + 1) - 1), k);
                }
            }
        }
    }

    /// Evaluates what ffmpeg is asked to evaluate, with its doubles.
    fn shown(reel: &Reel, k: u64, seek: u64, n: u64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "ffmpeg counts in doubles, too")]
        let double = |n: u64| n as f64;
        let expression = reel.shows(k, seek);
        let numbers: Vec<f64> = expression
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|digits| digits.parse().ok())
            .collect();
        let at = double(n) + numbers[0];
        let place = at.rem_euclid(numbers[1]);
        match numbers[2..] {
            [length] => place < length,
            [whole, _, stride, rest, phase, parts, ..] => {
                let over = ((at / stride).floor() * rest + phase).rem_euclid(parts);
                place < whole + f64::from(u8::from(over + rest >= parts))
            }
            _ => panic!("{expression}"),
        }
    }

    #[test]
    fn showings_follow_each_other_on_the_air_without_a_gap() {
        for (scale, frame) in BROADCAST {
            let pictures = Reel::pictures(&rate(scale, frame), 345_678, 0);
            for reel in [pictures, Reel::accompanying(&pictures, Hertz::Hz44100, 0)] {
                for k in [0, 1, 5_187_000_017] {
                    let counts: Vec<u64> = (0..40)
                        .map(|j| {
                            (0..reel.stride).filter(|n| shown(&reel, k, 0, j * reel.stride + n)).count()
                                as u64
                        })
                        .collect();
                    let expected: Vec<u64> = (k..k + 40).map(|k| reel.first(k + 1) - reel.first(k)).collect();
                    assert_eq!(counts, expected, "{reel:?} from {k}");
                }
            }
        }
    }

    #[test]
    fn reading_begins_early_enough_and_on_a_step() {
        let pictures = Reel::pictures(&rate(30_000, 1001), 9_976_633, 0);
        assert_eq!((pictures.seek(100, 500), pictures.seek(14, 500)), (85, 0));
        let sound = Reel::accompanying(&pictures, Hertz::Hz44100, 0);
        // 500 ms are 450 crumbs of 49 samples.
        assert_eq!((sound.step, sound.seek(1000, 500)), (9, 549));
    }
}
