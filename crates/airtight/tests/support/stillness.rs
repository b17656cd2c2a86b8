//! Whether the machine itself stood still, so that a slow machine is not taken for a slow system.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A run in which the machine stood still for this long says nothing against the system.
pub const STANDSTILL: Duration = Duration::from_millis(300);

const TICK: Duration = Duration::from_millis(10);

/// How often a void run is repeated.
const ATTEMPTS: u32 = 3;

/// Looks at the clock every 10 ms, from its start until it is dropped.
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

impl Drop for Ticker {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

/// What a run that measures time found.
pub struct Outcome {
    /// What must not be, in words; nothing if all was well.
    pub faults: Vec<String>,
    /// The longest standstill that something else than the [`Ticker`] noticed.
    pub standstill: Duration,
}

/// Runs `run`, which gives no fault on a sound system. A run with faults in which the machine stood still
/// is void: it says so and is repeated, twice at most.
///
/// # Panics
/// There are faults and the machine did not stand still, or every run was void.
pub fn judge(what: &str, mut run: impl FnMut() -> Outcome) {
    for attempt in 1..=ATTEMPTS {
        let ticker = Ticker::start();
        let Outcome { faults, standstill } = run();
        if faults.is_empty() {
            return;
        }
        let standstill = standstill.max(ticker.longest());
        let faults = faults.join("\n");
        assert!(standstill >= STANDSTILL, "{what}: {faults}");
        eprintln!("{what}: run {attempt} is void, the machine stood still for {standstill:?}: {faults}");
    }
    panic!("{what}: the machine stood still in each of {ATTEMPTS} runs; nothing is proven");
}
