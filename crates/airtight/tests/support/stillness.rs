//! Whether the machine itself stood still, so that a slow machine is not taken for a slow system.

use std::time::Duration;

use airtight_lab::stillness::{ATTEMPTS, STANDSTILL, Ticker};

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
