//! Lines of the log that say the same again and again: so many of them in a minute.

use std::time::Duration;

use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

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

    /// Whether it may be said at `now`; then how many times it was not since it last was.
    pub fn may_say(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now - since >= MINUTE) {
            (self.since, self.said) = (Some(now), 0);
        }
        if self.said >= self.most {
            self.unsaid += 1;
            return None;
        }
        self.said += 1;
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_counted() {
        let (mut rarely, now) = (Rarely::new(2), Instant::now());
        assert_eq!([now; 5].map(|now| rarely.may_say(now)), [Some(0), Some(0), None, None, None]);
        assert_eq!([now + MINUTE; 3].map(|now| rarely.may_say(now)), [Some(3), Some(0), None]);
    }
}
