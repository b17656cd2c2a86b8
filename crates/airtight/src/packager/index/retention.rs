//! What is kept, by time and by bytes.

use std::time::Duration;

use airtight_media::grid::{Grid, Number};

use super::{numbers, sizes::Sizes};

/// What a packager keeps of each signal.
#[derive(Debug, Clone, Copy)]
pub(in crate::packager) struct Limits {
    /// Time that playlists offer: kept whatever the other two say.
    pub(in crate::packager) window: Duration,
    /// Time that is kept, up to the newest segment.
    pub(in crate::packager) retention: Duration,
    /// Bytes of segments that are kept.
    pub(in crate::packager) bytes: u64,
    /// News of all signals together that a follower can resume from.
    pub(in crate::packager) news: usize,
}

impl Limits {
    /// How many numbers the retention is.
    pub(in crate::packager) fn numbers(&self, grid: &Grid) -> u64 {
        numbers(self.retention_ms(), grid).max(self.window_numbers(grid))
    }

    /// How many numbers a window is.
    pub(in crate::packager) fn window_numbers(&self, grid: &Grid) -> u64 {
        numbers(millis(self.window), grid)
    }

    /// The retention in milliseconds.
    pub(in crate::packager) fn retention_ms(&self) -> u64 {
        millis(self.retention)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The first number that is kept of a signal of which this much is held.
pub(super) fn horizon(sizes: &Sizes, grid: &Grid, limits: &Limits) -> Number {
    let Some((newest, _)) = sizes.numbers().next_back() else { return Number(0) };
    let by_time = newest.next().minus(limits.numbers(grid));
    let mut total = sizes.segments();
    let mut by_bytes = Number(0);
    for (number, size) in sizes.numbers() {
        if total <= limits.bytes {
            break;
        }
        total -= size;
        by_bytes = number.next();
    }
    let window = newest.next().minus(limits.window_numbers(grid));
    by_time.max(by_bytes).min(window)
}

#[cfg(test)]
mod tests {
    use airtight_media::holding::Piece;
    use proptest::prelude::*;

    use super::*;

    const GRID: Grid = Grid::new(2000, 4);

    fn limits(window: u64, retention: u64, bytes: u64) -> Limits {
        Limits {
            window: Duration::from_secs(window),
            retention: Duration::from_secs(retention),
            bytes,
            news: 0,
        }
    }

    fn sizes(numbers: impl IntoIterator<Item = (Number, u64)>) -> Sizes {
        let mut sizes = Sizes::default();
        for (number, bytes) in numbers {
            let (lineage, track) = ("a-1".parse().unwrap(), "720p".parse().unwrap());
            sizes.add(&Piece::Segment { lineage, track, number }, bytes);
        }
        sizes
    }

    fn even(numbers: std::ops::Range<u64>, bytes: u64) -> Sizes {
        sizes(numbers.map(|number| (Number(number), bytes)))
    }

    #[test]
    fn time_counts_from_the_newest_segment() {
        let sizes = even(100..200, 1);
        assert_eq!(horizon(&sizes, &GRID, &limits(6, 60, 1000)), Number(170));
        assert_eq!(horizon(&Sizes::default(), &GRID, &limits(6, 60, 1000)), Number(0));
    }

    #[test]
    fn bytes_cut_the_oldest_first_but_never_the_window() {
        let sizes = even(100..200, 10);
        assert_eq!(horizon(&sizes, &GRID, &limits(6, 600, 500)), Number(150));
        assert_eq!(horizon(&sizes, &GRID, &limits(6, 600, 509)), Number(150));
        assert_eq!(horizon(&sizes, &GRID, &limits(6, 600, 0)), Number(197));
    }

    proptest! {
        /// What is kept obeys the limits, or is the window.
        #[test]
        fn what_is_kept_is_within_the_limits_or_the_window(
            held in prop::collection::btree_map((1u64..500).prop_map(Number), 0u64..100, 1..60),
            // A window of less than six seconds can't be set.
            (window, retention, bytes) in (6u64..100, 0u64..400, 0u64..3000),
        ) {
            let limits = limits(window, retention, bytes);
            let horizon = horizon(&sizes(held.clone()), &GRID, &limits);
            let newest = *held.last_key_value().unwrap().0;
            let window = newest.next().minus(limits.window_numbers(&GRID));
            prop_assert!(horizon <= window);
            let kept: u64 = held.range(horizon..).map(|(_, size)| size).sum();
            prop_assert!(kept <= bytes || horizon == window);
            prop_assert!(newest.0 - horizon.0 < limits.numbers(&GRID).max(1) || horizon == window);
        }
    }
}
