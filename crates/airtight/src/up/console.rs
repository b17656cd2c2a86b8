//! What the one at the terminal sees: `up`'s own words and the logs of the parts.
//!
//! A terminal may stand still (Ctrl-S, a stopped pager). So lines are queued, and a thread of its own
//! writes them; the queue is bounded, lines that find it full are dropped and counted. Supervision
//! never waits for the terminal.

use std::fmt;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::log;

/// Lines that may wait for the terminal.
const QUEUE: usize = 2048;

/// How long the end of the program waits for the terminal to take the last lines.
const PATIENCE: Duration = Duration::from_secs(1);

/// A way to the terminal, to be cloned freely.
#[derive(Clone, Debug)]
pub struct Console {
    lines: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
    json: bool,
    zone: TimeZone,
}

/// Ends the console when the last lines are out.
#[derive(Debug)]
pub struct Writer {
    done: Receiver<()>,
}

#[derive(Debug)]
enum Line {
    /// For standard output.
    Out(String),
    /// For standard error.
    Error(String),
}

impl Console {
    /// Starts the writing thread; with `json` each line on standard error is an object.
    ///
    /// # Errors
    /// If there can be no further thread.
    pub fn start(json: bool) -> std::io::Result<(Self, Writer)> {
        let (lines, queue) = sync_channel(QUEUE);
        let (finished, done) = sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let console = Self { lines, dropped: Arc::clone(&dropped), json, zone: log::zone() };
        std::thread::Builder::new().name("console".into()).spawn(move || {
            write_all(&queue, &dropped);
            let _ = finished.send(());
        })?;
        Ok((console, Writer { done }))
    }

    /// The answer to the command, on standard output.
    pub fn print(&self, text: impl Into<String>) {
        self.queue(Line::Out(text.into()));
    }

    /// Something that happened to a part, or to `up` itself.
    pub fn say(&self, who: impl fmt::Display, what: impl fmt::Display) {
        let now = jiff::Timestamp::now();
        let line = if self.json {
            let (who, what) = (who.to_string(), what.to_string());
            serde_json::json!({"timestamp": now.to_string(), "part": who, "message": what}).to_string()
        } else {
            let time = now.to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
            format!("[up] {time} {who} {what}")
        };
        self.queue(Line::Error(line));
    }

    /// A line of a part's log.
    pub fn pass_on(&self, part: impl fmt::Display, line: &str) {
        self.queue(Line::Error(if self.json { line.to_owned() } else { format!("[{part}] {line}") }));
    }

    fn queue(&self, line: Line) {
        if self.lines.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Writer {
    /// Waits until all is written, at most a second. Every [`Console`] must have been dropped.
    pub fn finish(self) {
        // If the terminal stands still, the logs hold what it was not shown.
        let _ = self.done.recv_timeout(PATIENCE);
    }
}

fn write_all(queue: &Receiver<Line>, dropped: &AtomicU64) {
    for line in queue {
        // A terminal that is gone is no reason to end: the parts go on, and so does their supervisor.
        let _ = match line {
            Line::Out(text) => writeln!(std::io::stdout(), "{text}"),
            Line::Error(text) => writeln!(std::io::stderr(), "{text}"),
        };
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(std::io::stderr(), "[up] {lost} lines were not shown here, the logs have them");
        }
    }
}
