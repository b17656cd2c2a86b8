//! Signs of life: a loop that beats is not frozen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Beaten by a loop, read by whoever asks whether it lives. Clones are one pulse.
#[derive(Debug, Clone)]
pub struct Pulse {
    began: Instant,
    last: Arc<AtomicU64>,
}

impl Pulse {
    /// A pulse that beats now.
    pub fn new() -> Self {
        Self { began: Instant::now(), last: Arc::default() }
    }

    /// Shows that the loop lives.
    pub fn beat(&self) {
        self.last.store(self.millis(), Ordering::Relaxed);
    }

    /// How long ago it last beat.
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.millis().saturating_sub(self.last.load(Ordering::Relaxed)))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
