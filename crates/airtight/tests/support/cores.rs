//! Which core a thread has, and with it all threads and processes that it starts from then on.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Two cores that this process may use, one each.
///
/// # Panics
/// It may use one only.
pub fn two() -> [CpuSet; 2] {
    let allowed = sched_getaffinity(None).expect("a thread may ask for its own");
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).map(|core| {
        let mut one = CpuSet::new();
        one.set(core);
        one
    });
    let mut next = || cores.next().expect("this takes two cores");
    [next(), next()]
}

/// Keeps this thread on these cores.
///
/// # Panics
/// It may not use them.
pub fn pin(cores: &CpuSet) {
    sched_setaffinity(None, cores).expect("it may use them");
}
