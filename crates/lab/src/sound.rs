//! The beep of the test programme: which of its seconds a viewer heard.
//!
//! A tone of 80 ms begins at each full second since 1970; the rest is silence.

use std::{collections::VecDeque, ops::Add};

use serde::Serialize;

/// The part of a second in which the tone is at its loudest whatever cut it, in thousandths.
const TONE: std::ops::Range<u64> = 25..70;
/// A fifth of the tone's own level: what an encoder makes of silence is far below.
const LOUD: u16 = 1600;

/// What the decoded sound tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Heard {
    /// Seconds of the programme that were decoded.
    pub seconds: u64,
    /// Those without their beep.
    pub silent: u64,
}

impl Add for Heard {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { seconds: self.seconds + other.seconds, silent: self.silent + other.silent }
    }
}

/// A segment that was given to the decoder.
#[derive(Debug)]
struct Stretch {
    /// Its first sample that has not come out, counted since 1970.
    next: u64,
    end: u64,
    slate: bool,
}

/// Follows one track, sample by sample.
#[derive(Debug)]
pub struct Sounds {
    /// Samples in a second.
    hertz: u64,
    fed: VecDeque<Stretch>,
    /// The loudest sample of the tone that is being heard.
    loudest: Option<u16>,
    heard: Heard,
}

impl Sounds {
    /// A track of so many samples in a second.
    pub fn new(hertz: u32) -> Self {
        Self { hertz: u64::from(hertz.max(1)), fed: VecDeque::new(), loudest: None, heard: Heard::default() }
    }

    /// A segment of the samples from `start` to `end`, since 1970, goes into the decoder.
    pub fn feed(&mut self, start: u64, end: u64, slate: bool) {
        self.fed.push_back(Stretch { next: start, end, slate });
    }

    /// A sample comes out.
    pub fn decoded(&mut self, sample: i16) {
        while self.fed.front().is_some_and(|stretch| stretch.next >= stretch.end) {
            self.fed.pop_front();
            // A tone is within one segment.
            self.loudest = None;
        }
        let Some(stretch) = self.fed.front_mut() else { return };
        let (place, slate) = (stretch.next % self.hertz * 1000 / self.hertz, stretch.slate);
        stretch.next += 1;
        if slate {
            return;
        }
        if TONE.contains(&place) {
            self.loudest = self.loudest.max(Some(sample.unsigned_abs()));
        } else if let Some(loudest) = self.loudest.take() {
            self.heard.seconds += 1;
            self.heard.silent += u64::from(loudest < LOUD);
        }
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        self.heard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERTZ: u32 = 1000;

    /// What is heard of segments of two seconds, each slate or not, with a tone in those seconds.
    fn heard(segments: &[bool], tones: &[u64]) -> Heard {
        let mut sounds = Sounds::new(HERTZ);
        for (slate, start) in segments.iter().zip((100_000..).step_by(2000)) {
            // Cut at the blocks of an encoder, a little later than the second.
            sounds.feed(start + 20, start + 2020, *slate);
            for at in start + 20..start + 2020 {
                let tone = at % 1000 < 80 && tones.contains(&(at / 1000));
                sounds.decoded(if tone { -8000 } else { 30 });
            }
        }
        sounds.heard()
    }

    #[test]
    fn a_second_without_its_beep_is_silent() {
        assert_eq!(heard(&[false, false], &[100, 101, 102, 103]), Heard { seconds: 4, silent: 0 });
        assert_eq!(heard(&[false, false], &[100, 103]), Heard { seconds: 4, silent: 2 });
    }

    #[test]
    fn slate_is_no_second_of_the_programme() {
        assert_eq!(heard(&[false, true, false], &[100, 101, 104, 105]), Heard { seconds: 4, silent: 0 });
    }
}
