//! Standard output and error that may stand still: Ctrl-S, a stopped pager, a pipe whose reader sleeps.
//!
//! Lines are queued, and a thread of its own writes them: whoever has something to say never waits. The
//! queue is bounded; lines that find it full are dropped and counted, and the count is told as soon as a
//! line gets through. A stream that is gone takes nothing, which is no reason to end.

use std::{
    io::{self, Write as _},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use prometheus_client::{metrics::counter::Counter, registry::Registry};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait.
const QUEUE: usize = 2048;

/// How long the end of the program waits for the last lines to be taken.
const PATIENCE: Duration = Duration::from_secs(1);

/// All lines that were dropped: a process has its standard streams once.
static LOST: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Lists the count of dropped lines for `GET /metrics`.
pub fn register(registry: &mut Registry) {
    registry.register("log_lines_lost", "Lines of the log that nobody took", LOST.clone());
}

/// Which of the standard streams.
#[derive(Clone, Copy, Debug)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Error,
}

/// A way to the standard streams, to be cloned freely.
#[derive(Clone, Debug)]
pub struct Outlet {
    queue: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Entry {
    /// A line with its end.
    Line(Stream, Vec<u8>),
    /// All that came before is out.
    Flush(SyncSender<()>),
}

impl Outlet {
    /// Starts the writing thread; `lost` words, for standard error, that so many lines were dropped.
    ///
    /// # Errors
    /// If there can be no further thread.
    pub fn start(lost: impl Fn(u64) -> String + Send + 'static) -> io::Result<Self> {
        Self::start_with(lost, |stream, line| {
            // A stream that takes nothing is left alone.
            let _ = match stream {
                Stream::Out => io::stdout().write_all(line).and_then(|()| io::stdout().flush()),
                Stream::Error => io::stderr().write_all(line),
            };
        })
    }

    fn start_with(
        lost: impl Fn(u64) -> String + Send + 'static,
        write: impl FnMut(Stream, &[u8]) + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, entries) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let outlet = Self { queue, dropped: dropped.clone() };
        thread::Builder::new()
            .name("outlet".into())
            .spawn(move || write_all(&entries, &dropped, lost, write))?;
        Ok(outlet)
    }

    /// Queues a line, which is given its end here.
    pub fn say(&self, stream: Stream, line: impl Into<String>) {
        let line = line.into() + "\n";
        self.push(stream, line.into_bytes());
    }

    fn push(&self, stream: Stream, line: Vec<u8>) {
        if self.queue.try_send(Entry::Line(stream, line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            LOST.inc();
        }
    }

    /// Waits until all that was queued is out, at most a second.
    pub fn finish(&self) {
        let (flush, flushed) = sync_channel(1);
        let queue = self.queue.clone();
        // The queue may be full: who waits for room in it is not to be waited for.
        let asked = thread::Builder::new().spawn(move || drop(queue.send(Entry::Flush(flush))));
        if asked.is_ok() {
            let _ = flushed.recv_timeout(PATIENCE);
        }
    }
}

fn write_all(
    entries: &Receiver<Entry>,
    dropped: &AtomicU64,
    lost: impl Fn(u64) -> String,
    mut write: impl FnMut(Stream, &[u8]),
) {
    for entry in entries {
        match entry {
            Entry::Line(stream, line) => write(stream, &line),
            Entry::Flush(flushed) => _ = flushed.send(()),
        }
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            write(Stream::Error, format!("{}\n", lost(count)).as_bytes());
        }
    }
}

/// Each event of a log is one line for standard error.
impl MakeWriter<'_> for Outlet {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl io::Write for Outlet {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(Stream::Error, line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Mutex, mpsc},
        time::Instant,
    };

    use super::*;

    /// What was written, and the word that lets the next line through.
    struct Pipe {
        written: Arc<Mutex<Vec<String>>>,
        through: mpsc::Sender<()>,
    }

    fn outlet() -> (Outlet, Pipe) {
        let written = Arc::new(Mutex::new(Vec::new()));
        let (through, gate) = mpsc::channel();
        let lines = written.clone();
        let write = move |_, line: &[u8]| {
            // Open for good once nobody holds it any more.
            let _ = gate.recv();
            lines.lock().unwrap().push(String::from_utf8_lossy(line).into_owned());
        };
        let outlet = Outlet::start_with(|count| format!("{count} lost"), write).unwrap();
        (outlet, Pipe { written, through })
    }

    #[test]
    fn a_stream_that_stands_still_holds_nobody_and_what_is_lost_is_told() {
        let (outlet, pipe) = outlet();
        let all = QUEUE + 100;
        for number in 0..all {
            outlet.say(Stream::Error, number.to_string());
        }
        let begun = Instant::now();
        outlet.finish();
        assert!((PATIENCE..PATIENCE * 10).contains(&begun.elapsed()), "the end waits, and not for ever");
        drop(pipe.through);
        outlet.finish();
        let written = pipe.written.lock().unwrap();
        let lost: usize = written.iter().find_map(|line| line.strip_suffix(" lost\n")?.parse().ok()).unwrap();
        // One line was being written already, or not yet.
        assert!((all - QUEUE - 1..=all - QUEUE).contains(&lost), "{lost}");
        assert_eq!(written.len() - 1 + lost, all, "every line is written or counted");
    }

    #[test]
    fn the_last_lines_are_out_at_the_end() {
        let (outlet, pipe) = outlet();
        drop(pipe.through);
        outlet.say(Stream::Out, "one");
        io::Write::write_all(&mut outlet.make_writer(), b"two\n").unwrap();
        outlet.finish();
        assert_eq!(*pipe.written.lock().unwrap(), ["one\n", "two\n"]);
    }
}
