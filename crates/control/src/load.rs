//! Is a server so busy that one more viewer would take from those whom it has?
//!
//! It is when a loop that serves has had no rest for a second, and no longer once it rests a fifth of the time. Between
//! the two it stays of its mind, so that those whom it refuses do not make it waver.

use core::time::Duration;

/// Over such a time it is judged.
const PERIOD: Duration = Duration::from_secs(1);
/// Of a hundred parts of the time, those that a full loop works.
const FULL: u32 = 95;
/// Below these it has room again.
const ROOM: u32 = 80;

/// A change of mind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// No more are to be taken.
    Full,
    /// There is room again.
    Room,
}

/// What one loop has done of late.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Where the time that is being judged began: the moment, and how long the loop had worked until then.
    began: (Duration, Duration),
    full: bool,
}

impl Load {
    /// Takes how long the loop has worked until `now`, in all; returns the change that this brings about.
    pub fn handle(&mut self, worked: Duration, now: Duration) -> Option<Turn> {
        let elapsed = now.saturating_sub(self.began.0);
        if elapsed < PERIOD {
            return None;
        }
        let working = worked.saturating_sub(self.began.1);
        self.began = (now, worked);
        let threshold = if self.full { ROOM } else { FULL };
        let full = working >= elapsed * threshold / 100;
        let turned = full != self.full;
        self.full = full;
        turned.then_some(if full { Turn::Full } else { Turn::Room })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a loop does that is asked ten times a second and works so many milliseconds of each second in turn.
    fn turns(seconds: &[u64]) -> Vec<(usize, Turn)> {
        let (mut load, mut worked) = (Load::default(), Duration::ZERO);
        let mut turns = Vec::new();
        for (second, millis) in seconds.iter().enumerate() {
            for tenth in 1..=10 {
                worked += Duration::from_millis(millis / 10);
                let now = Duration::from_millis(second as u64 * 1000 + tenth * 100);
                turns.extend(load.handle(worked, now).map(|turn| (second, turn)));
            }
        }
        turns
    }

    #[test]
    fn a_loop_without_rest_is_full_within_two_seconds_and_has_room_as_soon() {
        assert_eq!(turns(&[300, 1000, 1000, 300, 300]), [(1, Turn::Full), (3, Turn::Room)]);
    }

    #[test]
    fn a_loop_that_rests_now_and_then_stays_of_its_mind() {
        assert_eq!(turns(&[900, 940, 900, 940]), []);
        assert_eq!(turns(&[1000, 900, 820, 900, 790]), [(0, Turn::Full), (4, Turn::Room)]);
    }

    #[test]
    fn a_loop_that_stood_still_is_judged_by_all_of_that_time() {
        let mut load = Load::default();
        assert_eq!(load.handle(Duration::from_millis(10), Duration::from_secs(60)), None);
        assert_eq!(load.handle(Duration::from_secs(60), Duration::from_secs(120)), Some(Turn::Full));
    }
}
