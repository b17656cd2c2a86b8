//! `airtight drill`: breaks a system of its own, part by part, and judges it by what its viewers see.
//!
//! `lab` says what is tried, what viewers may notice and whether they did. Here are the processes: the system
//! ([`system`]), the network between its parts ([`network`]), what strikes it ([`strike`]), the wait until it is whole again ([`steady`]), and a trial ([`trial`]).

mod disk;
mod network;
mod steady;
mod strike;
mod system;
mod trial;

use std::{fs, path::PathBuf, time::Duration};

use airtight_lab::{
    drill::{
        matrix::{Cell, Pattern},
        report::{self, Report, Trial, Verdict},
        storm,
    },
    stillness::ATTEMPTS,
};
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use crate::{
    cli,
    config::{SettingError, Settings},
    serve::run::{block_on_two, until_signal},
};
use steady::Steady;
use system::System;
use trial::Plan;

/// How long a storm lasts if nothing else is said.
const STORM: Duration = Duration::from_secs(600);
/// Target durations after a trial in which viewers may still be given slate.
const SETTLE: u32 = 4;

/// What is tried.
enum Tries {
    Cells(Vec<Cell>),
    Storm { count: usize, seed: u64, time: Duration },
}

struct Options {
    tries: Tries,
    report: Option<PathBuf>,
    ports: Vec<(&'static str, u16)>,
    decoder: String,
    window: Duration,
}

fn options(settings: &Settings) -> Result<Options, SettingError> {
    let mut ports = Vec::new();
    for &key in cli::PORTS {
        let port = settings.within(key, (0, u64::from(u16::MAX)), 0)?;
        ports.push((key, u16::try_from(port).unwrap_or(0)));
    }
    Ok(Options {
        tries: tries(settings)?,
        report: settings.opt("report", None)?,
        ports,
        decoder: settings.get("ffmpeg", None, "ffmpeg".to_owned())?,
        window: Duration::from_secs(settings.within("window", (6, 3600), 30)?),
    })
}

fn tries(settings: &Settings) -> Result<Tries, SettingError> {
    let only: Vec<Pattern> = settings.list("only", "")?;
    let quick = settings.get("quick", None, false)?;
    let count = settings.within("random", (1, 10_000), 0)?;
    let chosen = [(!only.is_empty(), "--only"), (quick, "--quick"), (count > 0, "--random")];
    let chosen: Vec<_> = chosen.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    if let [one, other, ..] = chosen[..] {
        return Err(SettingError::new(format!("{one} and {other} exclude each other: give one of them")));
    }
    if count > 0 {
        let seed = settings.within("seed", (0, u64::MAX), u64::from(fastrand::u32(..)))?;
        let time = settings.opt::<Span>("duration", None)?.map_or(STORM, |span| span.0);
        return Ok(Tries::Storm { count: usize::try_from(count).unwrap_or(usize::MAX), seed, time });
    }
    if quick {
        return Ok(Tries::Cells(Cell::quick().collect()));
    }
    let asked = Cell::all().filter(|cell| only.is_empty() || only.iter().any(|one| one.has(*cell)));
    let (cells, senseless): (Vec<_>, Vec<_>) = asked.partition(|cell| cell.senseless().is_none());
    if let (true, Some(cell)) = (cells.is_empty(), senseless.first()) {
        let why = cell.senseless().unwrap_or_default();
        return Err(SettingError::new(format!("--only: {cell} makes no sense, {why}")));
    }
    Ok(Tries::Cells(cells))
}

/// A time as people write it.
struct Span(Duration);

impl std::str::FromStr for Span {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let span = text.parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
        let sane = |time: &Duration| (10..=86_400).contains(&time.as_secs());
        span.filter(sane).map(Self).ok_or("expected a time from 10s to 24h, such as 10m")
    }
}

/// Drills a system of its own, and leaves nothing of it.
///
/// # Errors
/// Wrong settings; a bar that was missed; an order to end.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let options = options(settings)?;
    if let Some(folder) = &options.report {
        fs::create_dir_all(folder).map_err(|error| {
            SettingError::new(format!("report = '{}' can't be used: {error}", folder.display()))
        })?;
    }
    let verdict = block_on_two(async {
        let stop = until_signal()?;
        let system = System::new(&options.ports, options.window).await?;
        let outcome = tokio::select! {
            outcome = drill(&system, &options) => outcome,
            () = stop.cancelled() => Err(anyhow::anyhow!("it was told to end before all was tried")),
        };
        system.end().await?;
        outcome
    })?;
    verdict.map_or(Ok(()), |verdict| bail!("viewers would have noticed: {verdict}"))
}

/// Tries everything; why it is not passed, if it is not.
async fn drill(system: &System, options: &Options) -> anyhow::Result<Option<String>> {
    let (began, clock) = (Timestamp::now(), Instant::now());
    cli::answer(format_args!("A system starts in {}", system.path().display()))?;
    system.supervise().await?;
    let steady = Steady::new(system, options.window);
    let target = steady.started().await.context("the system does not start")?;
    cli::answer(report::head())?;
    let mut trials = Vec::new();
    for plan in plans(&options.tries, target) {
        for _ in 0..ATTEMPTS {
            let trial = attempt(system, &steady, options, &plan, target).await;
            cli::answer(&trial)?;
            let verdict = trial.verdict();
            trials.push(trial);
            if verdict != Verdict::Void {
                break;
            }
        }
    }
    let senseless = Cell::all().filter_map(|cell| Some((cell.to_string(), cell.senseless()?)));
    let words: Vec<_> = std::env::args().skip(1).collect();
    let report = Report {
        command: format!("airtight {}", words.join(" ")),
        began,
        seconds: clock.elapsed().as_secs(),
        trials,
        senseless: senseless.collect(),
    };
    if let Some(folder) = &options.report {
        write(&report, folder, system).context("the report can't be written")?;
    }
    for (cell, why) in &report.senseless {
        cli::answer(format_args!("{cell:22}left out: {why}"))?;
    }
    Ok(report.verdict())
}

fn plans(tries: &Tries, target: Duration) -> Vec<Plan> {
    match tries {
        Tries::Cells(cells) => cells.iter().map(|cell| Plan::of_cell(*cell, target)).collect(),
        Tries::Storm { count, seed, time } => {
            vec![Plan::of_storm(storm::draw(*count, *seed, *time), *seed, *time, target)]
        }
    }
}

/// Tries a plan once, and waits until the system is whole again.
async fn attempt(
    system: &System,
    steady: &Steady<'_>,
    options: &Options,
    plan: &Plan,
    target: Duration,
) -> Trial {
    let mut trial = trial::run(system, &options.decoder, plan, target).await;
    if let Err(lack) = steady.recovered().await {
        trial.troubles.push(format!("{lack:#}"));
    }
    if trial.figures.iter().any(|figure| figure.what.contains("slate") && figure.is > 0) {
        sleep(SETTLE * target).await;
    }
    trial
}

/// Writes the report, and the logs of the parts beside it.
fn write(report: &Report, folder: &std::path::Path, system: &System) -> anyhow::Result<()> {
    fs::write(folder.join("drill.json"), serde_json::to_vec_pretty(report)?)?;
    fs::write(folder.join("drill.md"), report.markdown())?;
    for log in system.logs() {
        let Some(name) = log.file_name() else { continue };
        fs::copy(&log, folder.join(name)).with_context(|| format!("cannot copy {}", log.display()))?;
    }
    Ok(())
}
