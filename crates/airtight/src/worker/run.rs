//! One life of ffmpeg: one lineage. It ends when ffmpeg does, or when what it makes is of no use.
//!
//! Every pipe is drained by a task of its own, whatever happens to the media. Nothing here starts a
//! second ffmpeg: the worker decides that.

use std::{os::fd::OwnedFd, process::Stdio, time::Duration};

use airtight_media::{
    grid::{Grid, Number, Part},
    holding::Piece,
    id::Lineage,
    segmenter::{Cut, Dropped, Segmenter},
    track::TrackError,
};
use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    net::unix::pipe::Receiver,
    process::Child,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    clock,
    command::Start,
    event::Event,
    shelf::{Item, Shelf},
    slate::Prepared,
};
use crate::child::{Command, FIRST_DESCRIPTOR};

/// Room in a pipe, so that ffmpeg does not wait while we are not scheduled.
const PIPE: usize = 1 << 20;
/// Cuts that wait for the run.
const QUEUE: usize = 64;
/// For the first part to come.
const FIRST: Duration = Duration::from_secs(15);
/// For ffmpeg to end once it has closed its outputs.
const EXIT: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(200);
/// No media is made so far ahead of its time, unless the clock was set back.
const EARLY_MS: u64 = 1000;
/// Lines of ffmpeg's errors that are logged per run; the others are counted.
const LINES: u64 = 20;

/// Why a run ended.
#[derive(Debug)]
pub enum Ended {
    /// We were told to stop.
    Stopped,
    /// All is made up to this number, the last of the event or of its era.
    Over(Number),
    /// The event has no place for the tracks.
    Refused,
    /// ffmpeg ended, stalled, fell behind or made something unusable: in words.
    Fault(String),
}

/// What a run needs.
pub struct Plan<'a> {
    /// The program.
    pub ffmpeg: &'a str,
    /// Its arguments; output `i` goes to `pipe:<3 + i>`.
    pub args: Vec<String>,
    /// The lineage that it makes.
    pub lineage: Lineage,
    /// What it begins with.
    pub start: Start,
    /// The first number that is to be published.
    pub from: Number,
    /// The grid that it is cut on.
    pub grid: Grid,
    /// Its tracks.
    pub tracks: &'a [Prepared],
}

/// The names of the outputs of `count` tracks.
pub fn outputs(count: usize) -> Vec<String> {
    (FIRST_DESCRIPTOR..).take(count).map(|descriptor| format!("pipe:{descriptor}")).collect()
}

/// A run of the encoder.
pub struct EncoderRun<'a> {
    plan: Plan<'a>,
    shelf: &'a Shelf,
    event: &'a Event,
    /// The parts of the segment that each track is at.
    parts: Vec<Vec<Bytes>>,
    newest: Vec<Option<Number>>,
    /// Whether inits and slates are on the shelf.
    opened: bool,
    begun: bool,
    /// When each track last gave a part.
    heard: Vec<Option<Instant>>,
    started: Instant,
}

impl<'a> EncoderRun<'a> {
    /// A run that is not started.
    pub fn new(plan: Plan<'a>, shelf: &'a Shelf, event: &'a Event) -> Self {
        let count = plan.tracks.len();
        let (parts, newest) = (vec![Vec::new(); count], vec![None; count]);
        Self {
            plan,
            shelf,
            event,
            parts,
            newest,
            opened: false,
            begun: false,
            heard: vec![None; count],
            started: Instant::now(),
        }
    }

    /// Runs ffmpeg to its end, or until `stop`.
    pub async fn run(&mut self, stop: &CancellationToken) -> Ended {
        let (sender, mut cuts) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        let mut child = match self.spawn(&mut tasks, sender).await {
            Ok(child) => child,
            Err(error) => return Ended::Fault(format!("ffmpeg can't be started: {error:#}")),
        };
        let ended = self.follow(&mut child, &mut cuts, stop).await;
        // Also reaps it; a child that has ended can't be killed, and need not be.
        let _ = child.kill().await;
        ended
    }

    async fn follow(
        &mut self,
        child: &mut Child,
        cuts: &mut mpsc::Receiver<(usize, Result<Cut, TrackError>)>,
        stop: &CancellationToken,
    ) -> Ended {
        let mut tick = interval(TICK);
        loop {
            let ended = tokio::select! {
                biased;
                () = stop.cancelled() => Some(Ended::Stopped),
                cut = cuts.recv() => match cut {
                    Some((track, Ok(cut))) => self.take(track, cut),
                    Some((track, Err(error))) => {
                        let name = &self.plan.tracks[track].track.name;
                        Some(Ended::Fault(format!("track {name} can't be followed: {error}")))
                    }
                    // All outputs are closed: the exit code says why.
                    None => Some(exit(child).await),
                },
                _ = tick.tick() => self.watch(),
            };
            if let Some(ended) = ended {
                return ended;
            }
        }
    }

    async fn spawn(
        &self,
        tasks: &mut JoinSet<()>,
        sender: mpsc::Sender<(usize, Result<Cut, TrackError>)>,
    ) -> anyhow::Result<Child> {
        let mut command = Command::new(self.plan.ffmpeg).args(self.plan.args.iter()).dies_with_parent();
        command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        for (index, track) in self.plan.tracks.iter().enumerate() {
            let (reader, writer) = pipe()?;
            command = command.descriptor(writer);
            let rendition = &track.rendition;
            let origin = self.plan.start.origin(rendition.form);
            let segmenter = Segmenter::new(self.plan.grid, rendition.rate, origin);
            tasks.spawn(cut(index, reader, segmenter, sender.clone()));
        }
        let mut child = command.spawn().await?;
        tasks.spawn(progress(child.stdout.take().context("its output is no pipe")?));
        tasks.spawn(errors(child.stderr.take().context("its errors are no pipe")?));
        Ok(child)
    }

    fn take(&mut self, index: usize, cut: Cut) -> Option<Ended> {
        let track = &self.plan.tracks[index];
        let name = &track.track.name;
        match cut {
            Cut::Init(init) if init.hash == track.init.hash => None,
            Cut::Init(init) => Some(Ended::Fault(format!(
                "track {name} has init {}, its slate {}; they were made by different programs",
                init.hash, track.init.hash
            ))),
            Cut::Part { number, part, last, bytes } => {
                self.heard[index] = Some(Instant::now());
                self.parts[index].push(bytes);
                // Those who show a new era from its first number on fetch these before.
                if self.event.is_known() {
                    self.open();
                }
                if last {
                    self.publish(index, number);
                }
                self.lag(index, number, part).or_else(|| self.over())
            }
            Cut::Dropped { number, reason } => {
                self.parts[index].clear();
                match reason {
                    Dropped::Beginning(_) | Dropped::End(_) => {
                        debug!("Segment {number} of {name} is cut short: {reason}");
                    }
                    _ => warn!("Segment {number} of {name} is dropped: {reason}"),
                }
                None
            }
        }
    }

    /// Puts the segment that is whole now on the shelf.
    fn publish(&mut self, index: usize, number: Number) {
        let parts = std::mem::take(&mut self.parts[index]);
        self.newest[index] = Some(number);
        if !self.event.stretch(self.plan.from).is_some_and(|stretch| stretch.contains(number)) {
            return;
        }
        let lineage = self.plan.lineage.clone();
        if !self.begun {
            self.begun = true;
            info!("Lineage {lineage} is on the air from number {number} on");
            self.event.begin(self.plan.start.first_whole(&self.plan.grid, &self.renditions()));
            self.open();
        }
        let mut bytes = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        let track = self.plan.tracks[index].track.name.clone();
        self.shelf.push(Item { piece: Piece::Segment { lineage, track, number }, bytes: bytes.freeze() });
    }

    /// Puts inits and slates on the shelf, once.
    fn open(&mut self) {
        if !std::mem::replace(&mut self.opened, true) {
            let lineage = &self.plan.lineage;
            self.shelf.begin(lineage.clone(), heads(lineage, self.plan.tracks));
        }
    }

    fn renditions(&self) -> Vec<super::ladder::Rendition> {
        self.plan.tracks.iter().map(|track| track.rendition.clone()).collect()
    }

    /// An encoder that can't keep up, or whose clock was set, is begun anew at the present moment.
    fn lag(&self, index: usize, number: Number, part: Part) -> Option<Ended> {
        let span = self.plan.grid.part_span(number, part, &self.plan.tracks[index].rendition.rate);
        let (now, due) = (clock::millis(), span.end().millis());
        let limit = 2 * u64::from(self.plan.grid.millis.get()) + 1000;
        match (now.saturating_sub(due), due.saturating_sub(now)) {
            // One that started slowly first has to catch up.
            (late, _) if late > limit && self.started.elapsed() > FIRST => {
                Some(Ended::Fault(format!("it is {late} ms behind the clock")))
            }
            (_, early) if early > EARLY_MS => {
                Some(Ended::Fault(format!("it is {early} ms ahead of the clock")))
            }
            _ => None,
        }
    }

    /// Whether every track has made the last number of its era or of the event, or the time for it is long
    /// past.
    fn over(&self) -> Option<Ended> {
        let last = match self.event.stretch(self.plan.from) {
            Some(stretch) => stretch.last?,
            // The event was found to have no place for what is made here.
            None => self.plan.from.minus(1),
        };
        let made = self.newest.iter().all(|newest| newest.is_some_and(|n| n >= last));
        let past = clock::millis() > self.plan.grid.end_millis(last.plus(3));
        (made || past).then_some(Ended::Over(last))
    }

    fn watch(&self) -> Option<Ended> {
        let segment = Duration::from_millis(u64::from(self.plan.grid.millis.get()));
        let stalled = self.plan.tracks.iter().zip(&self.heard).find_map(|(track, heard)| {
            let (silent, limit) = match heard {
                Some(heard) => (heard.elapsed(), 2 * segment),
                None => (self.started.elapsed(), FIRST + segment),
            };
            // A file whose sound ends early gives none until it begins again: its pictures go on.
            let vital = track.track.is_video() || !self.plan.tracks[0].track.is_video();
            (vital && silent > limit).then(|| {
                let (name, silent) = (&track.track.name, silent.as_secs_f64());
                Ended::Fault(format!("no media has come for {silent:.1} s on track {name}"))
            })
        });
        stalled.or_else(|| self.over())
    }
}

/// Inits and slates as they are published at the start of a lineage.
fn heads(lineage: &Lineage, tracks: &[Prepared]) -> Vec<Item> {
    let head = |prepared: &Prepared| {
        let (lineage, track) = (lineage.clone(), prepared.track.name.clone());
        let init = Piece::Init { lineage: lineage.clone(), track: track.clone(), init: prepared.init.hash };
        [
            Item { piece: init, bytes: prepared.init.bytes.clone() },
            Item { piece: Piece::Slate { lineage, track }, bytes: prepared.slate.clone() },
        ]
    };
    tracks.iter().flat_map(head).collect()
}

/// A pipe: the end that we read, the end that the child writes.
fn pipe() -> anyhow::Result<(Receiver, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).context("no further pipe")?;
    // Only costs smoothness if the system's limit is lower.
    let _ = fcntl_setpipe_size(&writer, PIPE);
    Ok((Receiver::from_owned_fd(reader)?, writer))
}

/// Cuts what comes out of a pipe until its end.
async fn cut(
    index: usize,
    mut pipe: Receiver,
    mut segmenter: Segmenter,
    sender: mpsc::Sender<(usize, Result<Cut, TrackError>)>,
) {
    let mut buffer = BytesMut::with_capacity(1 << 16);
    loop {
        buffer.clear();
        let more = matches!(pipe.read_buf(&mut buffer).await, Ok(1..));
        let error = if more { segmenter.push(&buffer).err() } else { None };
        if !more {
            segmenter.finish();
        }
        while let Some(cut) = segmenter.poll() {
            if sender.send((index, Ok(cut))).await.is_err() {
                return;
            }
        }
        if let Some(error) = error {
            // The run is over; whether anybody still hears why is all the same.
            let _ = sender.send((index, Err(error))).await;
            return;
        }
        if !more {
            return;
        }
    }
}

async fn exit(child: &mut Child) -> Ended {
    Ended::Fault(match timeout(EXIT, child.wait()).await {
        Ok(Ok(status)) => format!("ffmpeg ended: {status}"),
        Ok(Err(error)) => format!("ffmpeg ended: {error}"),
        Err(_) => "ffmpeg has closed its outputs and does not end".to_owned(),
    })
}

/// Logs how ffmpeg gets on, from its `-progress` lines.
async fn progress(pipe: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(pipe).lines();
    let mut report = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some((key, value)) = line.split_once('=') else { continue };
        match key {
            "frame" | "fps" | "drop_frames" | "speed" => report += &format!(" {key}={}", value.trim()),
            "progress" => {
                debug!("ffmpeg:{report}");
                report.clear();
            }
            _ => {}
        }
    }
}

/// Logs what ffmpeg complains of, which may quote bytes of the input that are no text.
async fn errors(pipe: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(pipe).split(b'\n');
    let mut count = 0_u64;
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        count += 1;
        match count {
            ..=LINES => warn!("ffmpeg: {line}"),
            _ => debug!("ffmpeg: {line}"),
        }
    }
    if count > LINES {
        info!("ffmpeg wrote {} more lines of errors", count - LINES);
    }
}
