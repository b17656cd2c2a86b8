//! What goes wrong with ffmpeg, run after run: the lines that it writes, and why it is started anew.
//!
//! An input that is damaged makes it fail for ever. So the log has the first of each kind in a minute; the others are
//! counted, and their count is told when the minute is over or the worker ends.

use std::{
    collections::HashMap,
    convert::Infallible,
    mem::{Discriminant, discriminant},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, interval};
use tracing::{debug, info, warn};

use super::{fault::Fault, rarely::Rarely};

/// Lines of ffmpeg that are logged in a minute.
const LINES: u32 = 20;
/// Times in a minute that it is said why the encoder is started anew, for each kind of fault.
const FAULTS: u32 = 3;
/// How often it is looked whether a minute is over.
const PERIOD: Duration = Duration::from_secs(1);

/// What goes wrong with the encoder of one input.
#[derive(Debug)]
pub struct Complaints {
    input: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lines: Rarely,
    /// By their kinds, so that a frequent one does not hide another; with the words of the last.
    faults: HashMap<Discriminant<Fault>, (Rarely, String)>,
}

impl Complaints {
    /// Nothing has gone wrong with the encoder of `input`.
    pub fn new(input: String) -> Self {
        let state = State { lines: Rarely::new(LINES), faults: HashMap::new() };
        Self { input, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a line of ffmpeg.
    pub fn line(&self, line: &str, now: Instant) {
        self.tell(now);
        match self.state().lines.may_say(now) {
            true => warn!("ffmpeg: {line}"),
            false => debug!("ffmpeg: {line}"),
        }
    }

    /// Logs why the encoder is started anew in `wait`, and the last line of its ffmpeg.
    pub fn fault(&self, fault: &Fault, last: Option<&str>, wait: Duration, now: Instant) {
        self.tell(now);
        let reason = match last {
            Some(line) => format!("{fault}; the last line of ffmpeg is '{line}'"),
            None => fault.to_string(),
        };
        let (input, wait, mut state) = (&self.input, wait.as_millis(), self.state());
        let kind = state.faults.entry(discriminant(fault));
        let (rarely, newest) = kind.or_insert_with(|| (Rarely::new(FAULTS), String::new()));
        match rarely.may_say(now) {
            true => warn!("The encoder of {input} is started anew in {wait} ms: {reason}"),
            false => debug!("The encoder of {input} is started anew in {wait} ms: {reason}"),
        }
        *newest = reason;
    }

    /// Tells the counts of minutes that are over, for as long as it is polled.
    pub async fn follow(&self) -> Infallible {
        let mut period = interval(PERIOD);
        loop {
            self.tell(period.tick().await);
        }
    }

    /// Tells the counts of minutes that are over at `now`.
    fn tell(&self, now: Instant) {
        self.tell_what(|rarely| rarely.rest(now));
    }

    /// Tells all counts: nothing more will come.
    pub fn finish(&self) {
        self.tell_what(Rarely::unsaid);
    }

    fn tell_what(&self, count: impl Fn(&mut Rarely) -> Option<u64>) {
        let (input, mut state) = (&self.input, self.state());
        if let Some(lines) = count(&mut state.lines) {
            info!("ffmpeg wrote {lines} more lines of errors");
        }
        for (rarely, newest) in state.faults.values_mut() {
            if let Some(times) = count(rarely) {
                warn!(
                    "The encoder of {input} was started anew {times} more times, the last time because: {newest}"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{log::tests::lines, worker::rarely::MINUTE};

    /// How many of the lines say this.
    fn count(said: &[String], what: &str) -> usize {
        said.iter().filter(|line| line.contains(what)).count()
    }

    #[test]
    fn a_flood_of_lines_is_cut_and_counted_though_quiet_follows() {
        let (complaints, now) = (Complaints::new("x.mp4".to_owned()), Instant::now());
        let said = lines(|| (0..100).for_each(|_| complaints.line("Invalid data", now)));
        assert_eq!((count(&said, "WRN ffmpeg: "), count(&said, "DBG ffmpeg: ")), (20, 80));
        assert_eq!(lines(|| complaints.tell(now + MINUTE / 2)), [""; 0], "the minute is not over");
        let said = lines(|| complaints.tell(now + MINUTE));
        assert!(said.len() == 1 && said[0].ends_with("INF ffmpeg wrote 80 more lines of errors"), "{said:?}");
        assert_eq!(lines(|| complaints.tell(now + 2 * MINUTE)), [""; 0], "it is told once");
        let said = lines(|| (0..30).for_each(|_| complaints.line("Invalid data", now + 2 * MINUTE)));
        assert_eq!(count(&said, "WRN ffmpeg: "), 20, "each minute has its own");
        assert_eq!(count(&lines(|| complaints.finish()), "wrote 10 more lines"), 1, "the end tells at once");
    }

    #[test]
    fn a_fault_that_comes_again_and_again_is_cut_and_counted_and_hides_no_other() {
        let (complaints, now) = (Complaints::new("x.mp4".to_owned()), Instant::now());
        let fault = |fault: &Fault| complaints.fault(fault, Some("moov"), Duration::ZERO, now);
        let said = lines(|| {
            (0..10).for_each(|late| fault(&Fault::Behind(late)));
            fault(&Fault::Stays);
        });
        assert_eq!(count(&said, "WRN The encoder of x.mp4 is started anew in 0 ms: it is"), 3);
        assert_eq!(count(&said, "WRN The encoder of x.mp4 is started anew in 0 ms: ffmpeg has closed"), 1);
        assert_eq!(count(&said, "; the last line of ffmpeg is 'moov'"), 11);
        let said = lines(|| complaints.tell(now + MINUTE));
        let rest = "WRN The encoder of x.mp4 was started anew 7 more times, the last time because: it is 9 ms behind";
        assert_eq!((count(&said, rest), said.len()), (1, 1), "{said:?}");
        assert_eq!(lines(|| complaints.finish()), [""; 0]);
    }
}
