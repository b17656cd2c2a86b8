//! What variants take of a network, held against what the multivariant playlist says of it.

use std::{collections::VecDeque, time::Duration};

use super::{AVERAGE, Finding, PEAK};
use crate::playlist::{Multivariant, Variant};

/// Over so much media the average of a live variant is taken.
const HOUR: Duration = Duration::from_secs(3600);
/// Segments that are remembered, an hour of tenths of a second: shorter ones are never an hour, and have no average.
const SEGMENTS: usize = 36_000;

/// What one rendition takes.
#[derive(Debug, Default)]
pub struct Rates {
    /// Of any segment, in bits per second.
    peak: u128,
    /// Its last hour: how long its segments are, and their bytes.
    hour: VecDeque<(Duration, usize)>,
    duration: Duration,
    bytes: u128,
}

impl Rates {
    /// The next segment.
    pub fn saw(&mut self, duration: Duration, bytes: usize) {
        self.peak = self.peak.max(rate(bytes as u128, duration));
        self.hour.push_back((duration, bytes));
        self.duration += duration;
        self.bytes += bytes as u128;
        while let Some((first, bytes)) = self.hour.front().copied() {
            if self.duration - first < HOUR && self.hour.len() <= SEGMENTS {
                break;
            }
            self.duration -= first;
            self.bytes -= bytes as u128;
            self.hour.pop_front();
        }
    }

    /// Bits per second over the last hour; none before there is one.
    fn average(&self) -> Option<u128> {
        (self.duration >= HOUR).then(|| rate(self.bytes, self.duration))
    }
}

fn rate(bytes: u128, duration: Duration) -> u128 {
    bytes * 8000 / duration.as_millis().max(1)
}

/// Whether a variant now takes more than it said, with the worst of its sound; `rates` knows those of a URI.
pub fn finding<'a>(offer: &Multivariant, rates: impl Fn(&str) -> Option<&'a Rates>) -> Option<Finding> {
    // A rendition that nobody has loaded from has taken nothing.
    let peak = |uri: &str| Some(rates(uri).map_or(0, |rates| rates.peak));
    let average = |uri: &str| rates(uri)?.average();
    offer.variants.iter().find_map(|variant| {
        let said = u128::from(variant.bandwidth);
        if taken(offer, variant, peak).is_some_and(|took| took * 4 > said * 5) {
            return Some(PEAK.broken(over(variant, said, "a quarter")));
        }
        let said = u128::from(variant.average?);
        let took = taken(offer, variant, average)?;
        (took * 10 > said * 11).then(|| AVERAGE.broken(over(variant, said, "a tenth")))
    })
}

/// What a variant takes with the worst of its sound, if `of` knows what each takes.
fn taken(offer: &Multivariant, variant: &Variant, of: impl Fn(&str) -> Option<u128>) -> Option<u128> {
    let sound = offer.renditions.iter().filter(|r| Some(&r.group) == variant.audio.as_ref());
    let sound =
        sound.filter_map(|r| r.uri.as_deref()).map(&of).try_fold(0, |worst, took| Some(took?.max(worst)));
    Some(of(&variant.uri)? + sound?)
}

fn over(variant: &Variant, said: u128, part: &str) -> String {
    format!("'{}' says {said} bits per second, and takes more than {part} over", variant.uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_without_a_duration_take_no_memory_and_are_no_hour() {
        let mut rates = Rates::default();
        (0..3 * SEGMENTS).for_each(|_| rates.saw(Duration::ZERO, 1));
        assert_eq!((rates.hour.len(), rates.bytes), (SEGMENTS, SEGMENTS as u128));
        assert_eq!(rates.average(), None);
        (0..SEGMENTS).for_each(|_| rates.saw(HOUR / 36_000, 1000));
        assert_eq!(rates.average(), Some(80_000), "of the segments of the last hour alone");
    }
}
