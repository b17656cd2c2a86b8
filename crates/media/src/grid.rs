//! The absolute grid: which samples make segment `n`, and which of them make part `k`.
//!
//! Media time is the UNIX epoch. Segment `n` of duration `d` holds the samples whose time lies in
//! `[n·d, (n+1)·d)`; sample `k` of a track lies at `k · frame` ticks since 1970. So every number,
//! time and duration is a function of the clock, whoever computes it. Integers only: nothing here
//! rounds until a text asks for milliseconds.

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Index of a segment on the absolute grid; also its `MEDIA-SEQUENCE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Number(pub u64);

impl Number {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number `count` later.
    #[must_use]
    pub fn plus(self, count: u64) -> Self {
        Self(self.0.saturating_add(count))
    }

    /// The number `count` earlier, not before 0.
    #[must_use]
    pub fn minus(self, count: u64) -> Self {
        Self(self.0.saturating_sub(count))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Index of a part inside its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Part(pub u32);

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no number or part: decimal digits without a leading zero are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a decimal number without a leading zero or a sign")]
pub struct NumberError;

fn canonical<T: FromStr + fmt::Display>(text: &str) -> Result<T, NumberError> {
    let value: T = text.parse().map_err(|_| NumberError)?;
    // One spelling only, so that one resource has one URL.
    if value.to_string() == text { Ok(value) } else { Err(NumberError) }
}

impl FromStr for Number {
    type Err = NumberError;
    fn from_str(text: &str) -> Result<Self, NumberError> {
        canonical(text).map(Self)
    }
}

impl FromStr for Part {
    type Err = NumberError;
    fn from_str(text: &str) -> Result<Self, NumberError> {
        canonical(text).map(Self)
    }
}

/// A point or length of time in units of `1/scale` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    /// How many units.
    pub value: u64,
    /// Units per second.
    pub scale: NonZeroU32,
}

impl Ticks {
    /// In whole milliseconds, rounded down.
    pub fn millis(self) -> u64 {
        scale_floor(self.value, 1000, self.scale)
    }

    /// In whole microseconds, rounded to the nearest.
    pub fn micros(self) -> u64 {
        let scale = u128::from(self.scale.get());
        let micros = (u128::from(self.value) * 1_000_000 + scale / 2) / scale;
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

fn scale_floor(value: u64, numerator: u64, denominator: NonZeroU32) -> u64 {
    let scaled = u128::from(value) * u128::from(numerator) / u128::from(denominator.get());
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

const fn at_least_one(value: u32) -> NonZeroU32 {
    match NonZeroU32::new(value) {
        Some(value) => value,
        None => NonZeroU32::MIN,
    }
}

/// How fast a track's samples follow each other: one every `frame` ticks of `1/scale` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Ticks per second: the track's timescale.
    pub scale: NonZeroU32,
    /// Ticks per sample (a picture, or one block of audio samples).
    pub frame: NonZeroU32,
}

impl Rate {
    /// A sample every `frame` ticks of `1/scale` seconds; 0 of either counts as 1, for both divide.
    pub const fn new(scale: u32, frame: u32) -> Self {
        Self { scale: at_least_one(scale), frame: at_least_one(frame) }
    }

    /// `frames` samples as a length of time.
    pub fn ticks(&self, frames: u64) -> Ticks {
        Ticks { value: frames.saturating_mul(u64::from(self.frame.get())), scale: self.scale }
    }

    /// The index of the first sample at or after `seconds` of the epoch.
    pub fn frame_at_second(&self, seconds: u64) -> u64 {
        first_at_or_after(seconds.saturating_mul(1000), self)
    }
}

/// The samples of a segment or part: `first .. first + count`, indices since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Index of the first sample since 1970.
    pub first: u64,
    /// How many samples.
    pub count: u64,
    /// The rate that the indices count by.
    pub rate: Rate,
}

impl Span {
    /// When the first sample begins, since 1970: the `tfdt` of the span.
    pub fn start(&self) -> Ticks {
        self.rate.ticks(self.first)
    }

    /// When the last sample ends, since 1970.
    pub fn end(&self) -> Ticks {
        self.rate.ticks(self.first.saturating_add(self.count))
    }

    /// The exact length.
    pub fn duration(&self) -> Ticks {
        self.rate.ticks(self.count)
    }
}

/// The grid of a signal: its segment duration and how many parts a segment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Segment duration in milliseconds; also the target duration.
    #[serde(rename = "d")]
    pub millis: NonZeroU32,
    /// Parts per segment.
    pub parts: NonZeroU32,
}

impl Grid {
    /// Segments of `millis` in `parts`; 0 of either counts as 1, for both divide.
    pub const fn new(millis: u32, parts: u32) -> Self {
        Self { millis: at_least_one(millis), parts: at_least_one(parts) }
    }

    /// The segment that holds time `t`: `floor(t/d)`.
    pub fn number(&self, t: Ticks) -> Number {
        let divisor = u128::from(t.scale.get()) * u128::from(self.millis.get());
        let number = u128::from(t.value) * 1000 / divisor;
        Number(u64::try_from(number).unwrap_or(u64::MAX))
    }

    /// The segment that holds sample `index` (since 1970) of a track.
    pub fn number_of(&self, index: u64, rate: &Rate) -> Number {
        self.number(rate.ticks(index))
    }

    /// When segment `n` begins, in milliseconds since 1970.
    pub fn start_millis(&self, n: Number) -> u64 {
        n.0.saturating_mul(u64::from(self.millis.get()))
    }

    /// When segment `n` ends, in milliseconds since 1970.
    pub fn end_millis(&self, n: Number) -> u64 {
        self.start_millis(n.next())
    }

    /// The samples of segment `n` of a track.
    pub fn span(&self, n: Number, rate: &Rate) -> Span {
        let first = first_at_or_after(self.start_millis(n), rate);
        let next = first_at_or_after(self.end_millis(n), rate);
        Span { first, count: next - first, rate: *rate }
    }

    /// Samples per part: `ceil(nominal samples per segment / parts)`, one constant per track.
    pub fn part_samples(&self, rate: &Rate) -> u64 {
        let per_segment = u128::from(self.millis.get()) * u128::from(rate.scale.get());
        let divisor = 1000 * u128::from(rate.frame.get()) * u128::from(self.parts.get());
        u64::try_from(per_segment.div_ceil(divisor)).unwrap_or(u64::MAX).max(1)
    }

    /// The longest part of a track, rounded up to a millisecond: its `PART-TARGET`.
    ///
    /// Each track has its own. All its parts but the last of a segment are equally long; those of pictures and of
    /// sound can differ by more than the 15% that RFC 8216bis, 4.4.4.9, allows.
    pub fn part_target_millis(&self, rate: &Rate) -> u64 {
        rate.ticks(self.part_samples(rate)).micros().div_ceil(1000)
    }

    /// How many parts segment `n` of a track has.
    pub fn part_count(&self, n: Number, rate: &Rate) -> u32 {
        let count = self.span(n, rate).count.div_ceil(self.part_samples(rate));
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The samples of part `p` of segment `n`, in decode order; `count` is 0 past the last part.
    pub fn part_span(&self, n: Number, p: Part, rate: &Rate) -> Span {
        let whole = self.span(n, rate);
        let size = self.part_samples(rate);
        let skipped = size.saturating_mul(u64::from(p.0)).min(whole.count);
        Span { first: whole.first + skipped, count: size.min(whole.count - skipped), rate: *rate }
    }
}

/// The index of the first sample that begins at or after `millis`: `ceil(millis · scale / (1000 · frame))`.
fn first_at_or_after(millis: u64, rate: &Rate) -> u64 {
    let ticks = u128::from(millis) * u128::from(rate.scale.get());
    let index = ticks.div_ceil(1000 * u128::from(rate.frame.get()));
    u64::try_from(index).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
