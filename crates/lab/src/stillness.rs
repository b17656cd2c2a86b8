//! Whether the machine itself stood still, so that a slow machine is not taken for a slow system.
//!
//! A [`Ticker`] looks from a thread of its own, [`pulse`] from among the tasks of an instrument: either may stand
//! still without the other.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A run in which the machine stood still for this long says nothing against the system.
pub const STANDSTILL: Duration = Duration::from_millis(300);

/// How often a run is made at most, if each is void.
pub const ATTEMPTS: u32 = 3;

const TICK: Duration = Duration::from_millis(10);

/// Looks at the clock every 10 ms, from its start until it is dropped.
#[derive(Debug)]
pub struct Ticker {
    longest: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
}

impl Ticker {
    /// Begins to look.
    pub fn start() -> Self {
        let ticker = Self { longest: Arc::default(), end: Arc::default() };
        let (longest, end) = (ticker.longest.clone(), ticker.end.clone());
        thread::spawn(move || {
            let mut last = Instant::now();
            while !end.load(Ordering::Relaxed) {
                thread::sleep(TICK);
                let passed = u64::try_from(last.elapsed().as_millis()).unwrap_or(u64::MAX);
                longest.fetch_max(passed, Ordering::Relaxed);
                last = Instant::now();
            }
        });
        ticker
    }

    /// The longest time between two looks so far.
    pub fn longest(&self) -> Duration {
        Duration::from_millis(self.longest.load(Ordering::Relaxed))
    }
}

/// Looks at the clock every 10 ms as a task, until `over` is done; gives the longest time between two looks.
pub async fn pulse(over: impl Future<Output = ()>) -> Duration {
    let (mut longest, mut last) = (Duration::ZERO, Instant::now());
    let mut over = pin!(over);
    loop {
        let ended = tokio::select! {
            () = &mut over => true,
            () = tokio::time::sleep(TICK) => false,
        };
        longest = longest.max(last.elapsed());
        last = Instant::now();
        if ended {
            return longest;
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_holds_up_all_others_is_noticed() {
        let busy = async {
            tokio::time::sleep(TICK).await;
            thread::sleep(STANDSTILL);
        };
        assert!(pulse(busy).await >= STANDSTILL);
    }
}
