//! One life of ffmpeg: one lineage. It ends when ffmpeg does, or when what it makes is of no use.
//!
//! Every pipe is drained by a task of its own, whatever happens to the media. Nothing here starts a
//! second ffmpeg: the worker decides that.

mod pipes;
mod watch;

use std::{process::Stdio, sync::Arc, time::Duration};

use airtight_media::{
    grid::{Grid, Number, Part},
    holding::Piece,
    id::Lineage,
    mark::{self, Mark},
    segmenter::{Cut, Dropped, Segmenter},
    track::TrackError,
};
use anyhow::Context as _;
use bytes::Bytes;
use tokio::{
    process::Child,
    sync::mpsc,
    task::JoinSet,
    time::{Instant, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    clock,
    command::{Outputs, Start},
    complaints::Complaints,
    event::Event,
    fault::Fault,
    shelf::{Item, Shelf},
    slate::Prepared,
};
use crate::{
    child::{Command, FIRST_DESCRIPTOR},
    notify::Signs,
};
use pipes::{LastLine, pipe};
use watch::{Found, Watch};

/// Cuts, and what is found, that wait for the run.
const QUEUE: usize = 64;
/// For the first part to come.
const FIRST: Duration = Duration::from_secs(15);
/// For ffmpeg to end once it has closed its outputs.
const EXIT: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(200);
/// No media is made so far ahead of its time, unless the clock was set back.
const EARLY_MS: u64 = 1000;

/// Why a run ended.
#[derive(Debug)]
pub enum Ended {
    /// We were told to stop.
    Stopped,
    /// All is made up to this number, the last of the event or of its era.
    Over(Number),
    /// The event has no place for the tracks.
    Refused,
    /// ffmpeg ended, stalled, fell behind or made something unusable; the last line that it wrote, if it did.
    Fault(Fault, Option<String>),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault, None)
    }
}

/// What a run needs.
pub struct Plan<'a> {
    /// The program.
    pub ffmpeg: &'a str,
    /// Its arguments, with [`outputs`] of as many tracks.
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
    /// Where ffmpeg complains.
    pub complaints: &'a Arc<Complaints>,
}

/// The names of the outputs of `count` tracks: their pipes, and behind them those of what is found.
pub fn outputs(count: usize) -> Outputs {
    let mut pipes = (FIRST_DESCRIPTOR..).map(|descriptor| format!("pipe:{descriptor}"));
    let tracks = pipes.by_ref().take(count).collect();
    let mut next = || pipes.next().unwrap_or_default();
    Outputs { tracks, pictures: next(), sound: next(), luma: next() }
}

/// A run of the encoder.
pub struct EncoderRun<'a> {
    plan: Plan<'a>,
    shelf: &'a Shelf,
    event: &'a Event,
    signs: &'a Signs,
    /// The parts of the segment that each track is at.
    parts: Vec<Vec<Bytes>>,
    newest: Vec<Option<Number>>,
    watch: Watch,
    /// Whether inits and slates are on the shelf.
    opened: bool,
    begun: bool,
    /// The first number on the shelf.
    made: Option<Number>,
    /// When each track last gave a part.
    heard: Vec<Option<Instant>>,
    started: Instant,
}

impl<'a> EncoderRun<'a> {
    /// A run that is not started.
    pub fn new(plan: Plan<'a>, shelf: &'a Shelf, event: &'a Event, signs: &'a Signs) -> Self {
        let count = plan.tracks.len();
        let (parts, newest) = (vec![Vec::new(); count], vec![None; count]);
        let begun = plan.tracks.iter().map(|track| {
            let rendition = &track.rendition;
            rendition.rate.ticks(plan.start.origin(rendition.form)).millis()
        });
        let watch = Watch::new(plan.lineage.clone(), begun.min().unwrap_or(0));
        Self {
            plan,
            shelf,
            event,
            signs,
            parts,
            newest,
            watch,
            opened: false,
            begun: false,
            made: None,
            heard: vec![None; count],
            started: Instant::now(),
        }
    }

    /// Runs ffmpeg to its end, or until `stop`.
    pub async fn run(&mut self, stop: &CancellationToken) -> Ended {
        let (sender, mut cuts) = mpsc::channel(QUEUE);
        let (finds, mut found) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        let (mut child, last) = match self.spawn(&mut tasks, sender, finds).await {
            Ok(spawned) => spawned,
            Err(error) => return Fault::Start(error).into(),
        };
        let ended = self.follow(&mut child, &mut cuts, &mut found, stop).await;
        // Also reaps it; a child that has ended can't be killed, and need not be.
        let _ = child.kill().await;
        match ended {
            // What ffmpeg wrote last tells more than how it ended.
            Ended::Fault(fault, _) => Ended::Fault(fault, last.of_ended().await),
            ended => ended,
        }
    }

    async fn follow(
        &mut self,
        child: &mut Child,
        cuts: &mut mpsc::Receiver<(usize, Result<Cut, TrackError>)>,
        found: &mut mpsc::Receiver<Found>,
        stop: &CancellationToken,
    ) -> Ended {
        let mut tick = interval(TICK);
        loop {
            let ended = tokio::select! {
                biased;
                () = stop.cancelled() => Some(Ended::Stopped),
                // Before the cuts: what is found in a segment comes before its last part.
                Some(what) = found.recv() => {
                    self.watch.take(what);
                    None
                }
                cut = cuts.recv() => match cut {
                    Some((track, Ok(cut))) => self.take(track, cut),
                    Some((track, Err(error))) => {
                        let track = self.plan.tracks[track].track.name.clone();
                        Some(Fault::Unreadable { track, error }.into())
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
        found: mpsc::Sender<Found>,
    ) -> anyhow::Result<(Child, LastLine)> {
        let mut command = Command::new(self.plan.ffmpeg).args(self.plan.args.iter()).dies_with_parent();
        command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        for (index, track) in self.plan.tracks.iter().enumerate() {
            let (reader, writer) = pipe()?;
            command = command.descriptor(writer);
            let rendition = &track.rendition;
            let origin = self.plan.start.origin(rendition.form);
            let segmenter = Segmenter::new(self.plan.grid, rendition.rate, origin);
            tasks.spawn(pipes::cut(index, reader, segmenter, sender.clone()));
        }
        // The rate of the pictures, or of the sound, and which of them since 1970 the first one is.
        let first = |pictures| {
            let track = self.plan.tracks.iter().find(|track| track.track.is_video() == pictures)?;
            Some((track.rendition.rate, self.plan.start.origin(track.rendition.form)))
        };
        for pictures in [true, false] {
            let (reader, writer) = pipe()?;
            command = command.descriptor(writer);
            if let Some((rate, origin)) = first(pictures) {
                tasks.spawn(pipes::find(reader, rate, origin, found.clone()));
            }
        }
        let (reader, writer) = pipe()?;
        command = command.descriptor(writer);
        if let Some((rate, origin)) = first(true) {
            tasks.spawn(pipes::look(reader, self.plan.grid, rate, origin, found));
        }
        let mut child = command.spawn().await?;
        tasks.spawn(pipes::progress(child.stdout.take().context("its output is no pipe")?));
        let errors = child.stderr.take().context("its errors are no pipe")?;
        let (wrote, last) = LastLine::new();
        tasks.spawn(pipes::errors(errors, self.plan.complaints.clone(), wrote));
        Ok((child, last))
    }

    fn take(&mut self, index: usize, cut: Cut) -> Option<Ended> {
        let track = &self.plan.tracks[index];
        let name = &track.track.name;
        match cut {
            Cut::Init(init) if init.hash == track.init.hash => None,
            Cut::Init(init) => {
                Some(Fault::Init { track: name.clone(), init: init.hash, slate: track.init.hash }.into())
            }
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
        let bytes = mark::seal(&parts, &self.mark(index, number));
        let track = self.plan.tracks[index].track.name.clone();
        self.shelf.push(Item { piece: Piece::Segment { lineage, track, number }, bytes });
        self.made.get_or_insert(number);
        // While the second is made, the first is delivered.
        if self.newest.iter().all(|newest| newest.zip(self.made).is_some_and(|(n, first)| n > first)) {
            self.signs.ready();
        }
    }

    /// What a segment says of itself.
    fn mark(&mut self, index: usize, number: Number) -> Mark {
        let (grid, track) = (self.plan.grid, &self.plan.tracks[index]);
        let captured = grid.span(number, &track.rendition.rate).start();
        let aired = (grid.start_millis(number), grid.end_millis(number));
        let is_video = track.track.is_video();
        let luma = if is_video { self.watch.first(number) } else { None };
        Mark { health: self.watch.judge(is_video, number, aired), luma, captured }
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
            (late, _) if late > limit && self.started.elapsed() > FIRST => Some(Fault::Behind(late).into()),
            (_, early) if early > EARLY_MS => Some(Fault::Ahead(early).into()),
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
                Fault::Silent { track: track.track.name.clone(), silent: silent.as_secs_f64() }.into()
            })
        });
        stalled.or_else(|| self.over())
    }
}

/// Inits and slates as they are published at the start of a lineage.
pub fn heads(lineage: &Lineage, tracks: &[Prepared]) -> Vec<Item> {
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

async fn exit(child: &mut Child) -> Ended {
    let fault = match timeout(EXIT, child.wait()).await {
        Ok(Ok(status)) => Fault::Exit(status),
        Ok(Err(error)) => Fault::Lost(error),
        Err(_) => Fault::Stays,
    };
    fault.into()
}
