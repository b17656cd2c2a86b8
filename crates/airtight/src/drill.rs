//! `airtight drill`: breaks a system of its own, part by part, and judges it by what its viewers see.
//!
//! `lab` says what is tried, what viewers may notice and whether they did. Here are the processes: the system
//! ([`system`]), the network between its parts ([`network`]), their wall clocks ([`clocks`]) and what the encoders are
//! given ([`content`]), what strikes it ([`strike`]), the wait until it is whole again ([`steady`]), a trial
//! ([`trial`]), and what is seen of the parts over all of them ([`observe`]).

mod clocks;
mod content;
mod disk;
mod network;
mod observe;
mod steady;
mod strike;
mod system;
mod trial;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use airtight_lab::{
    drill::{
        matrix::{Cell, Pattern},
        report::{self, Report, Trial, Verdict},
        storm,
        whole::Whole,
    },
    stillness::ATTEMPTS,
};
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    cli,
    config::{SettingError, Settings},
    serve::run::{block_on_two, until_signal},
};
use observe::Observed;
use steady::Steady;
use system::System;
use trial::Plan;

/// How long a storm lasts if nothing else is said.
const STORM: Duration = Duration::from_secs(600);
/// What playlists offer if nothing else is said: as few segments as may be, so that a system is whole the sooner.
const WINDOW: u64 = 12;
/// Below the folder of the report: the logs of a system whose clocks are set.
const CLOCKS: &str = "clocks";
/// Target durations after a trial in which viewers may still be given slate.
const SETTLE: u32 = 4;

/// What is tried.
enum Tries {
    Cells(Vec<Cell>),
    /// A storm for each seed, one after the other.
    Storms {
        seeds: Vec<u64>,
        count: usize,
        time: Duration,
    },
}

struct Options {
    report: Option<PathBuf>,
    ports: Vec<(&'static str, u16)>,
    ffmpeg: String,
    window: Duration,
}

fn options(settings: &Settings) -> Result<Options, SettingError> {
    let mut ports = Vec::new();
    for &key in cli::PORTS {
        let port = settings.within(key, (0, u64::from(u16::MAX)), 0)?;
        ports.push((key, u16::try_from(port).unwrap_or(0)));
    }
    Ok(Options {
        report: settings.opt("report", None)?,
        ports,
        ffmpeg: settings.get("ffmpeg", None, "ffmpeg".to_owned())?,
        window: Duration::from_secs(settings.within("window", (6, 3600), WINDOW)?),
    })
}

fn tries(settings: &Settings) -> Result<Tries, SettingError> {
    let only: Vec<Pattern> = settings.list("only", "")?;
    let quick = settings.get("quick", None, false)?;
    let count = settings.within("random", (1, 10_000), 0)?;
    let sequences = settings.within("sequences", (1, 1000), 1)?;
    let chosen = [(!only.is_empty(), "--only"), (quick, "--quick"), (count > 0, "--random")];
    let chosen: Vec<_> = chosen.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    if let [one, other, ..] = chosen[..] {
        return Err(SettingError::new(format!("{one} and {other} exclude each other: give one of them")));
    }
    if count > 0 {
        let seed = settings.within("seed", (0, u64::MAX), u64::from(fastrand::u32(..)))?;
        let time = settings.opt::<Span>("duration", None)?.map_or(STORM, |span| span.0);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        return Ok(Tries::Storms { seeds: storm::seeds(seed, sequences).collect(), count, time });
    }
    if sequences > 1 {
        return Err(SettingError::new("--sequences needs --random: how many faults each has".to_owned()));
    }
    if quick {
        return Ok(Tries::Cells(Cell::quick().collect()));
    }
    let asked = Cell::all().filter(|cell| only.is_empty() || only.iter().any(|one| one.has(*cell)));
    let (cells, left_out): (Vec<_>, Vec<_>) = asked.partition(|cell| reason_against(*cell).is_none());
    if let (true, Some(cell)) = (cells.is_empty(), left_out.first()) {
        let what = if cell.senseless().is_some() { "makes no sense" } else { "can't be tried" };
        let why = reason_against(*cell).unwrap_or_default();
        return Err(SettingError::new(format!("--only: {cell} {what}, {why}")));
    }
    Ok(Tries::Cells(cells))
}

/// Why a cell is not tried; none if it is.
fn reason_against(cell: Cell) -> Option<&'static str> {
    let lacking =
        || (cell.fault.sets_clock() && clocks::library().is_none()).then_some("libfaketime is not installed");
    cell.senseless().or_else(lacking)
}

impl Tries {
    /// What is tried in each system, and whether that has clocks that can be set: such a system is one of its own, so
    /// that all else is tried without a library between the parts and their machine.
    fn by_system(self) -> Vec<(Self, bool)> {
        let Self::Cells(cells) = self else { return vec![(self, false)] };
        let (clocks, others): (Vec<_>, Vec<_>) = cells.into_iter().partition(|cell| cell.fault.sets_clock());
        let systems = [(others, false), (clocks, true)];
        let systems = systems.into_iter().filter(|(cells, _)| !cells.is_empty());
        systems.map(|(cells, clocks)| (Self::Cells(cells), clocks)).collect()
    }
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
    let (options, tries) = (options(settings)?, tries(settings)?);
    if let Some(folder) = &options.report {
        fs::create_dir_all(folder).map_err(|error| {
            SettingError::new(format!("report = '{}' can't be used: {error}", folder.display()))
        })?;
    }
    let verdict = block_on_two(async {
        let stop = until_signal()?;
        let (began, clock, mut seen) = (Timestamp::now(), Instant::now(), Seen::new(&tries));
        let outcome = drill_all(&options, tries, &stop, &mut seen).await;
        conclude(&options, outcome, report(began, clock.elapsed(), seen))
    })?;
    verdict.map_or(Ok(()), |verdict| bail!("viewers would have noticed: {verdict}"))
}

/// What a drill has seen so far.
struct Seen {
    trials: Vec<Trial>,
    observed: Observed,
    target: Duration,
    /// Whether origins had to decide for other copies.
    loses_copies: bool,
}

impl Seen {
    fn new(tries: &Tries) -> Self {
        let loses_copies =
            matches!(tries, Tries::Cells(cells) if cells.iter().any(|cell| cell.loses_copies()));
        Self { trials: Vec::new(), observed: Observed::new(), target: Duration::ZERO, loses_copies }
    }

    fn whole(&self) -> Whole {
        let Observed { switches, usage, .. } = &self.observed;
        Whole::of(&switches.borrow(), &usage.borrow(), self.target, self.loses_copies)
    }
}

/// Tries everything, in one system after the other, and leaves nothing of them.
async fn drill_all(
    options: &Options,
    tries: Tries,
    stop: &CancellationToken,
    seen: &mut Seen,
) -> anyhow::Result<()> {
    for (tries, has_clocks) in tries.by_system() {
        let library = has_clocks.then(clocks::library).flatten();
        let system = System::new(&options.ports, options.window, &options.ffmpeg, library).await?;
        let Seen { trials, observed, target, .. } = &mut *seen;
        let outcome = tokio::select! {
            outcome = drill(&system, options, &tries, observed, trials, target) => outcome,
            never = observed.watch(&system) => match never {},
            () = stop.cancelled() => Err(anyhow::anyhow!("it was told to end before all was tried")),
        };
        let kept = keep_logs(&system, options, has_clocks).context("the logs can't be kept");
        first(first(outcome, kept), system.end().await)?;
    }
    Ok(())
}

/// Tells of what was tried, however far that came; why the drill is not passed, if it is not.
fn conclude(
    options: &Options,
    outcome: anyhow::Result<()>,
    report: Report,
) -> anyhow::Result<Option<String>> {
    let cut_short = outcome.as_ref().err().map(|error| format!("{error:#}"));
    first(outcome, tell(options, &Report { cut_short, ..report }))
}

/// What comes next, unless something failed before it; a second failure is logged.
fn first<T>(outcome: anyhow::Result<()>, next: anyhow::Result<T>) -> anyhow::Result<T> {
    if let (Err(_), Err(error)) = (&outcome, &next) {
        tracing::error!("{error:#}");
    }
    outcome.and(next)
}

/// Tries everything in one system.
async fn drill(
    system: &System,
    options: &Options,
    tries: &Tries,
    observed: &Observed,
    trials: &mut Vec<Trial>,
    target: &mut Duration,
) -> anyhow::Result<()> {
    cli::answer(format_args!("A system starts in {}", system.path().display()))?;
    system.supervise().await?;
    let steady = Steady::new(system, options.window);
    *target = steady.started().await.context("the system does not start")?;
    cli::answer(report::head())?;
    for plan in plans(tries, *target) {
        for _ in 0..ATTEMPTS {
            let before = observed.switches.borrow().clone();
            let trial = attempt(system, &steady, options, &plan, *target).await;
            cli::answer(&trial)?;
            let verdict = trial.verdict();
            trials.push(trial);
            if verdict != Verdict::Void {
                break;
            }
            observed.switches.borrow_mut().void_since(&before);
        }
    }
    Ok(())
}

fn report(began: Timestamp, time: Duration, seen: Seen) -> Report {
    let words: Vec<_> = std::env::args().skip(1).collect();
    Report {
        command: format!("airtight {}", words.join(" ")),
        began,
        seconds: time.as_secs(),
        whole: seen.whole(),
        trials: seen.trials,
        cut_short: None,
        left_out: Cell::all().filter_map(|cell| Some((cell.to_string(), reason_against(cell)?))).collect(),
    }
}

/// Writes and says how it went; why the drill is not passed, if it is not.
fn tell(options: &Options, report: &Report) -> anyhow::Result<Option<String>> {
    if let Some(folder) = &options.report {
        write(report, folder).context("the report can't be written")?;
    }
    let omissions = report.omissions().into_iter().map(|omission| format!("left out: {omission}"));
    for line in report.whole.lines().into_iter().chain(omissions) {
        cli::answer(line)?;
    }
    Ok(report.verdict())
}

fn plans(tries: &Tries, target: Duration) -> Vec<Plan> {
    match tries {
        Tries::Cells(cells) => cells.iter().map(|cell| Plan::of_cell(*cell, target)).collect(),
        Tries::Storms { seeds, count, time } => {
            let plan = |seed: &u64| Plan::of_storm(storm::draw(*count, *seed, *time), *seed, *time, target);
            seeds.iter().map(plan).collect()
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
    let mut trial = trial::run(system, &options.ffmpeg, plan, target).await;
    if let Err(lack) = steady.recovered().await {
        trial.troubles.push(format!("{lack:#}"));
    }
    if trial.showed_slate() {
        sleep(SETTLE * target).await;
    }
    trial
}

/// Writes the report, for programs and for people.
fn write(report: &Report, folder: &Path) -> anyhow::Result<()> {
    fs::write(folder.join("drill.json"), serde_json::to_vec_pretty(report)?)?;
    fs::write(folder.join("drill.md"), report.markdown())?;
    Ok(())
}

/// Copies the logs of the parts beside the report, those of parts with clocks of their own into a folder of theirs.
fn keep_logs(system: &System, options: &Options, has_clocks: bool) -> anyhow::Result<()> {
    let Some(folder) = &options.report else { return Ok(()) };
    let folder = if has_clocks { folder.join(CLOCKS) } else { folder.clone() };
    fs::create_dir_all(&folder)?;
    for log in system.logs() {
        // What was told to end early may lack some.
        let Some(name) = log.file_name().filter(|_| log.is_file()) else { continue };
        fs::copy(&log, folder.join(name)).with_context(|| format!("cannot copy {}", log.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_many_storms_is_the_one_that_its_seed_gives_alone() {
        let (time, target) = (Duration::from_secs(20), Duration::from_secs(2));
        let planned = |seed, sequences| {
            let seeds = storm::seeds(seed, sequences).collect();
            let plans = plans(&Tries::Storms { seeds, count: 3, time }, target);
            plans.into_iter().map(|plan| (plan.name, plan.strikes, plan.allowed)).collect::<Vec<_>>()
        };
        let (many, alone) = (planned(7, 20), (7..27).flat_map(|seed| planned(seed, 1)));
        assert_eq!(many, alone.collect::<Vec<_>>());
        assert_eq!((many[0].0.as_str(), many[19].0.as_str()), ("storm 7", "storm 26"));
    }

    #[test]
    fn a_drill_that_can_not_go_on_still_tells_what_it_saw() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            report: Some(folder.path().to_owned()),
            ports: Vec::new(),
            ffmpeg: String::new(),
            window: Duration::from_secs(WINDOW),
        };
        let trial = Trial {
            name: "kill@origin1".to_owned(),
            figures: Vec::new(),
            troubles: Vec::new(),
            standstill_ms: 0,
            told: Vec::new(),
        };
        let report = || {
            let seen = Seen { trials: vec![trial.clone()], ..Seen::new(&Tries::Cells(Vec::new())) };
            report(Timestamp::UNIX_EPOCH, Duration::ZERO, seen)
        };
        let failed = || Err(anyhow::anyhow!("the second system does not start"));
        let error = conclude(&options, failed(), report()).unwrap_err();
        assert_eq!(error.to_string(), "the second system does not start");
        let text = fs::read_to_string(folder.path().join("drill.md")).unwrap();
        assert!(text.contains("| `kill@origin1` passed |"), "{text}");
        assert!(text.contains("Not all was tried: the second system does not start."), "{text}");

        drop(folder);
        let error = conclude(&options, failed(), report()).unwrap_err();
        assert_eq!(error.to_string(), "the second system does not start", "it came first");
        let error = conclude(&options, Ok(()), report()).unwrap_err();
        assert_eq!(error.to_string(), "the report can't be written");
    }
}
