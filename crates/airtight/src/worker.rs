//! The worker: encodes one signal, cuts it on the absolute grid, and delivers it to a folder and to packagers.
//!
//! The worker lives on while one [`run::EncoderRun`] after another comes and goes. Encoding is ffmpeg's,
//! cutting is `media::segmenter`'s, when to start ffmpeg anew is decided by `control::restart`.

mod clock;
mod codec;
mod command;
mod complaints;
mod config;
mod event;
mod fault;
mod file;
mod generated;
mod input;
mod ladder;
mod probe;
mod rarely;
mod run;
mod scratch;
mod shelf;
mod signs;
mod sink;
mod slate;
mod source;
mod standard;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use airtight_control::restart::{Policy, Restart, name_of_run};
use airtight_media::{
    grid::{Grid, Number},
    id::{Lineage, SignalName},
};
use anyhow::Context as _;
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    config::{SettingError, Settings},
    http::Client,
    notify::Signs,
    serve::health::Health,
    serve::run::{block_on, until_signal},
};
use command::{Pace, Start};
use complaints::Complaints;
use config::Config;
pub use config::segment;
use event::Event;
use fault::Fault;
use generated::Size;
use input::Input;
pub use probe::media_in;
use run::{EncoderRun, Ended, Plan};
use scratch::Scratch;
use shelf::Shelf;
use sink::{
    Sink,
    folder::{Contents, Folder},
    packager::Packager,
};
use slate::Prepared;

/// The input that stands for the generated programme.
pub const GENERATED: &str = Size::Full.input();
/// The same in small.
pub const SMALL: &str = Size::Small.input();
/// Media is kept in memory for this long, for packagers that come back.
const SHELF_MS: u64 = 60_000;
/// From the start of ffmpeg to the first number of an era that is waited for: more than it takes to its first
/// sample, so that this number is whole.
const EARLY_MS: u64 = 1500;
/// Between two looks at the record and the clock while an era is waited for.
const LOOK_MS: u64 = 1000;

/// Checks the settings, the ffmpeg and the input that they name; nothing is written.
///
/// # Errors
/// What can't be used first.
pub async fn check(settings: &Settings) -> Result<(), SettingError> {
    look(&Config::new(settings)?).await.map(drop)
}

/// Runs a worker until it is told to stop or its event ends.
///
/// # Errors
/// Settings, an input or an output that can't be used.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let config = Config::new(settings)?;
    block_on(work(config))
}

async fn work(config: Config) -> anyhow::Result<()> {
    let stop = until_signal()?;
    let signs = Signs::start(&Health::default(), &stop);
    let scratch = Scratch::new().context("no temporary folder")?;
    let prepared = tokio::select! {
        prepared = prepare(&config, scratch.path()) => prepared?,
        () = stop.cancelled() => return Ok(()),
    };
    let (input, tracks) = prepared;
    let client = Client::new();
    let described: Vec<_> = tracks.iter().map(|prepared| prepared.track.clone()).collect();
    let event = Event::new(
        config.signal.clone(),
        config.grid,
        described.clone(),
        config.output.clone(),
        config.packagers.clone(),
        client.clone(),
    );
    if config.new_era_ms.is_some() && !config.packagers.is_empty() {
        event.hear().await;
    }
    // The present number does not count: it is under way.
    let ahead = config.new_era_ms.map(|millis| 1 + millis.div_ceil(u64::from(config.grid.millis.get())));
    event.open(now(&config.grid), ahead).await?;
    let shelf = Arc::new(Shelf::new(SHELF_MS.div_ceil(u64::from(config.grid.millis.get()))));
    let done = CancellationToken::new();
    let mut sinks = JoinSet::new();
    if let Some(root) = config.output.clone() {
        let (signal, grid, retention_ms) = (config.signal.clone(), config.grid, config.retention_ms);
        let folder = Folder::new(Contents { root, signal, grid, tracks: described, retention_ms });
        sinks.spawn(Sink::new(folder, shelf.clone(), event.watch()).run(done.clone()));
    }
    for url in config.packagers.iter().cloned() {
        let packager = Packager::new(url, client.clone(), config.signal.clone());
        sinks.spawn(Sink::new(packager, shelf.clone(), event.watch()).run(done.clone()));
    }
    let complaints = Arc::new(Complaints::new(input.name()));
    let worker = Worker {
        config: &config,
        input: &input,
        tracks: &tracks,
        shelf: &shelf,
        event: &event,
        signs: &signs,
        complaints: &complaints,
    };
    let outcome = tokio::select! {
        outcome = worker.run(&stop) => outcome,
        refusal = event.follow() => Err(refusal),
        never = complaints.follow() => match never {},
        // Sinks end after the worker only: one that ends before has panicked, and its destination starves.
        Some(ended) = sinks.join_next() => Ok(ended.context("a sink")?),
    };
    complaints.finish();
    done.cancel();
    sinks.join_all().await;
    outcome.map_err(Into::into)
}

/// The number of the present moment.
fn now(grid: &Grid) -> Number {
    Number(clock::millis() / u64::from(grid.millis.get()))
}

/// Looks at the ffmpeg and the input: the media file and what it holds, none for the generated programme.
async fn look(config: &Config) -> Result<Option<(PathBuf, file::File)>, SettingError> {
    probe::version(&config.ffmpeg).await?;
    let (video, audio) = (config.video.encoder(), config.sound.encoder());
    probe::encoder(&config.ffmpeg, video, "video-codec", config.video).await?;
    probe::encoder(&config.ffmpeg, audio, "audio-codec", config.sound.codec).await?;
    if Size::of(&config.input).is_some() {
        return Ok(None);
    }
    let path = probe::find(Path::new(&config.input), &config.signal)?;
    let file = probe::file(&config.ffmpeg, &path, config.sound).await?;
    Ok(Some((path, file)))
}

/// Looks at all that the worker was given and makes the slates; nothing is published yet.
async fn prepare(config: &Config, scratch: &Path) -> anyhow::Result<(Input, Vec<Prepared>)> {
    let media = look(config).await?;
    if let Some(root) = &config.output {
        writable(root, &config.signal)?;
    }
    let text = probe::draws_text(&config.ffmpeg).await;
    let size = Size::of(&config.input).unwrap_or(Size::Full);
    let input = match media {
        None => Input::Generated { size, text, sound: config.sound },
        Some((path, file)) => {
            info!("Input is {}", path.display());
            Input::file(path, file, scratch).context("cannot write the lists that ffmpeg reads")?
        }
    };
    let renditions = ladder::renditions(&input.source(), config.video);
    let slates = slate::prepare(&config.ffmpeg, &renditions, &config.grid, text, scratch).await;
    let tracks = slates.map_err(|error| SettingError::new(format!("{error:#}")))?;
    let names: Vec<_> = renditions.iter().map(|rendition| rendition.name.as_str()).collect();
    info!("Signal {} is encoded to {}", config.signal, names.join(", "));
    Ok((input, tracks))
}

/// Makes the signal's folder and tries whether it can be written.
fn writable(root: &Path, signal: &SignalName) -> Result<(), SettingError> {
    let folder = root.join(signal.as_str());
    let tried = std::fs::create_dir_all(&folder).and_then(|()| tempfile::tempfile_in(&folder));
    tried.map(drop).map_err(|error| {
        let root = root.display();
        SettingError::new(format!(
            "output = '{root}' can't be used: {error}; give a folder that can be written"
        ))
    })
}

/// Starts one run after another.
struct Worker<'a> {
    config: &'a Config,
    input: &'a Input,
    tracks: &'a [Prepared],
    shelf: &'a Shelf,
    event: &'a Event,
    signs: &'a Signs,
    complaints: &'a Arc<Complaints>,
}

impl Worker<'_> {
    /// Runs until told to stop, or until the event has ended.
    ///
    /// # Errors
    /// The event goes on with other tracks.
    async fn run(&self, stop: &CancellationToken) -> Result<(), SettingError> {
        let mut from = now(&self.config.grid);
        let begun = Instant::now();
        let mut restart = Restart::new(Policy::PROCESS);
        // A process that lived before this one may have begun a run in this very second.
        let mut second = clock::millis() / 1000;
        loop {
            restart.started(begun.elapsed());
            match self.run_once(from, &mut second, stop).await {
                Ended::Stopped => return Ok(()),
                Ended::Over(last) if self.event.end().is_some_and(|end| end <= last) => {
                    info!("The event of {} has ended", self.config.signal);
                    return Ok(());
                }
                Ended::Over(last) => {
                    info!("The era of these tracks has ended with number {last}");
                    from = last.next();
                }
                Ended::Refused => return Err(self.event.refusal()),
                Ended::Fault(fault, last) => {
                    let wait = restart.failed(begun.elapsed(), fastrand::u32(..));
                    self.complaints.fault(&fault, last.as_deref(), wait, Instant::now());
                    tokio::select! {
                        () = sleep(wait) => {}
                        () = stop.cancelled() => return Ok(()),
                    }
                }
            }
        }
    }

    /// Waits for the time to start an encoder of the numbers from `from` on; what keeps it from being started.
    ///
    /// Inits and slates are delivered at once, as a lineage of their own that began in `second`: an era whose encoder
    /// dies before its first number can be shown all the same.
    async fn await_era(&self, from: Number, second: u64, stop: &CancellationToken) -> Option<Ended> {
        let mut told = None;
        loop {
            let Some(stretch) = self.event.stretch(from) else {
                let over = self.event.end().filter(|end| *end < from);
                return Some(over.map_or(Ended::Refused, Ended::Over));
            };
            let due = self.config.grid.start_millis(stretch.first).saturating_sub(EARLY_MS);
            let wait = due.saturating_sub(clock::millis());
            if wait == 0 {
                return None;
            }
            if told.is_none() {
                let lineage = Lineage::new(self.config.name.clone(), second);
                self.shelf.begin(lineage.clone(), run::heads(&lineage, self.tracks));
            }
            if told.replace(stretch.first) != Some(stretch.first) {
                info!(
                    "The era of these tracks begins with number {}, in {} s",
                    stretch.first,
                    wait / 1000 + 1
                );
            }
            tokio::select! {
                () = sleep(Duration::from_millis(wait.min(LOOK_MS))) => {}
                () = stop.cancelled() => return Some(Ended::Stopped),
            }
        }
    }

    /// One run, with a lineage that was never used before.
    async fn run_once(&self, from: Number, second: &mut u64, stop: &CancellationToken) -> Ended {
        let from = from.max(now(&self.config.grid));
        if let Some(ended) = self.await_era(from, *second, stop).await {
            return ended;
        }
        *second = loop {
            if let Some(name) = name_of_run(clock::millis() / 1000, *second) {
                break name;
            }
            tokio::select! {
                () = sleep(Duration::from_millis(20)) => {}
                () = stop.cancelled() => return Ended::Stopped,
            }
        };
        let (grid, source) = (self.config.grid, self.input.source());
        let start = Start::at(clock::millis() + self.input.lead_ms(), &source);
        let renditions: Vec<_> = self.tracks.iter().map(|track| track.rendition.clone()).collect();
        let outputs = run::outputs(renditions.len());
        let feed = match self.input.feed(&start) {
            Ok(feed) => feed,
            Err(error) => return Fault::Lists(error).into(),
        };
        let plan = Plan {
            ffmpeg: &self.config.ffmpeg,
            args: command::encode(&feed, &renditions, &grid, &start, Pace::Live, &outputs),
            lineage: Lineage::new(self.config.name.clone(), *second),
            start,
            from,
            grid,
            tracks: self.tracks,
            complaints: self.complaints,
        };
        EncoderRun::new(plan, self.shelf, self.event, self.signs).run(stop).await
    }
}

#[cfg(test)]
mod tests;
