//! Looks at the parts of a system once a second, from its start to its end: what they take of the machine, and how long
//! origins take to decide for another copy. It judges nothing.
//!
//! What an origin decides in the last second before it is killed is not seen.

use std::{cell::RefCell, convert::Infallible, fs, time::Duration};

use airtight_lab::drill::{
    matrix::SUPERVISOR,
    switches::{Counts, Switches},
    usage::{Taken, Usage},
};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::system::System;
use crate::{child::process::Process, up::plan::Part};

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Those who decide.
const ORIGINS: [Part; 2] = [Part::Origin1, Part::Origin2];

/// What was seen, of all systems.
#[derive(Debug)]
pub struct Observed {
    since: Instant,
    pub switches: RefCell<Switches<Process>>,
    pub usage: RefCell<Usage<Process>>,
}

impl Observed {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { since: Instant::now(), switches: RefCell::default(), usage: RefCell::default() }
    }

    /// Looks at a system for as long as it is there.
    pub async fn watch(&self, system: &System) -> Infallible {
        let mut looks = interval(INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::join!(self.count(system, ORIGINS[0]), self.count(system, ORIGINS[1]), async {
            loop {
                looks.tick().await;
                self.weigh(system);
            }
        })
        .2
    }

    fn weigh(&self, system: &System) {
        for name in Part::ALL.map(Part::name).into_iter().chain([SUPERVISOR]) {
            if let Some(process) = system.process(name)
                && let Some(taken) = taken(process)
            {
                self.usage.borrow_mut().saw(name, process, self.since.elapsed(), taken);
            }
        }
    }

    /// Asks one origin again and again. One that stands still holds up nothing but this.
    async fn count(&self, system: &System, origin: Part) -> Infallible {
        let mut looks = interval(INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let process = system.process(origin.name());
            let answer = system.get(origin, "metrics").await;
            // Another process may have answered in its place.
            let same = process.filter(|_| system.process(origin.name()) == process);
            if let (Some(process), Ok(metrics)) = (same, answer) {
                self.switches.borrow_mut().saw(process, &Counts::read(&metrics));
            }
        }
    }
}

/// What a process takes now; none if it is gone.
fn taken(process: Process) -> Option<Taken> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).ok()?;
    let descriptors = fs::read_dir(format!("/proc/{}/fd", process.pid)).ok()?.count();
    let taken = Taken { memory_kib: own_memory(&status)?, descriptors: u64::try_from(descriptors).ok()? };
    process.lives().then_some(taken)
}

/// The memory that is nobody else's, in KiB, from a text as `/proc/<pid>/status` is: resident or swapped out. The pages of
/// the program's file are the machine's to keep or to drop.
fn own_memory(status: &str) -> Option<u64> {
    let line = |name| status.lines().find_map(|line| line.strip_prefix(name));
    let kib = |name| line(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok();
    Some(kib("RssAnon:")? + kib("VmSwap:").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn a_process_is_weighed_while_it_lives() {
        // Another process, for other tests run in this one; it may inherit descriptors that are open here.
        let grows = "exec 3<&- 4<&- 5<&- 6<&-; echo small; read _; \
            held=$(head -c 32000000 /dev/zero | tr '\\0' x); exec 3</dev/null 4</dev/null 5</dev/null 6</dev/null; \
            echo grown; read _";
        let mut command = Command::new("sh");
        let command = command.args(["-c", grows]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let process = Process::of(child.id().cast_signed()).unwrap();
        let (mut orders, mut answers) =
            (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
        assert_eq!(answers.next().unwrap().unwrap(), "small");
        let before = taken(process).unwrap();
        orders.write_all(b"grow\n").unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), "grown");
        let after = taken(process).unwrap();
        assert!(after.memory_kib >= before.memory_kib + 32_000_000 / 1024, "{before:?} {after:?}");
        assert_eq!(after.descriptors, before.descriptors + 4, "{before:?} {after:?}");
        drop(orders);
        child.wait().unwrap();
        assert_eq!(taken(process), None);
    }

    #[test]
    fn what_is_swapped_out_counts_and_what_is_shared_does_not() {
        let status =
            "VmRSS:\t   99000 kB\nRssAnon:\t   17000 kB\nRssFile:\t   82000 kB\nVmSwap:\t     500 kB\n";
        assert_eq!(own_memory(status), Some(17_500));
        assert_eq!(own_memory("Name:\tkthreadd\n"), None);
    }
}
