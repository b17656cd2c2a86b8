//! Lines of the log that say the same again and again: so many of them in a minute, and the count of the others.

use std::time::Duration;

use tokio::time::Instant;

/// The time in which something may be said so many times.
pub const MINUTE: Duration = Duration::from_secs(60);

/// What may be said so many times in a minute.
#[derive(Debug)]
pub struct Rarely {
    most: u32,
    /// When the minute began.
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Rarely {
    /// Nothing was said yet.
    pub const fn new(most: u32) -> Self {
        Self { most, since: None, said: 0, unsaid: 0 }
    }

    /// Whether it may be said at `now`; else it is counted.
    pub fn may_say(&mut self, now: Instant) -> bool {
        if self.is_over(now) {
            (self.since, self.said) = (Some(now), 0);
        }
        let may = self.said < self.most;
        match may {
            true => self.said += 1,
            false => self.unsaid += 1,
        }
        may
    }

    /// How many times it was not said in a minute that is over at `now`, if it was so: once.
    pub fn rest(&mut self, now: Instant) -> Option<u64> {
        if self.is_over(now) { self.unsaid() } else { None }
    }

    /// How many times it was not said, if it was so, though its minute may not be over: once.
    pub fn unsaid(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.unsaid)).filter(|unsaid| *unsaid > 0)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) >= MINUTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_counted_and_told_once() {
        let (mut rarely, now) = (Rarely::new(2), Instant::now());
        assert_eq!([now; 5].map(|now| rarely.may_say(now)), [true, true, false, false, false]);
        assert_eq!([now, now + MINUTE, now + MINUTE].map(|now| rarely.rest(now)), [None, Some(3), None]);
        assert_eq!([now + MINUTE; 3].map(|now| rarely.may_say(now)), [true, true, false]);
        assert_eq!([rarely.unsaid(), rarely.unsaid()], [Some(1), None]);
    }
}
