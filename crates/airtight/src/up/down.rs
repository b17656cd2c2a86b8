//! `airtight down`: ends the parts and their supervisor, also parts whose supervisor is dead.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::future::join_all;
use rustix::process::Signal;
use tokio::time::{Instant, error::Elapsed, timeout};
use tokio_util::sync::CancellationToken;

use super::folder::{Folder, Living, Lock};
use super::plan::Part;
use super::running::Running;
use super::settings;
use crate::child::process::Handle;
use crate::cli;
use crate::config::Settings;

/// How long a supervisor may take to end its parts, one stage after another.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long one may take to leave its parts to another.
const RELIEF: Duration = Duration::from_secs(3);

/// After so long one is told that there is something to wait for.
const SILENCE: Duration = Duration::from_secs(2);

/// The request to a supervisor to end and leave its parts running.
pub const LEAVE: Signal = Signal::USR2;

/// How often a lock that is held is tried again.
const POLL: Duration = Duration::from_millis(50);

/// Ends the system of a folder and waits until nothing of it runs; one that does not run is ended
/// already.
///
/// # Errors
/// If a supervisor can't be ended.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let folder = Folder::new(settings::folder(settings)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(down(&folder))?;
    let place = folder.path().display();
    cli::answer(match ended {
        Ended::Nothing => format!("nothing runs in {place}"),
        Ended::System => format!("all parts in {place} have ended"),
    })
}

/// What there was to end.
#[derive(Debug)]
pub enum Ended {
    /// Nothing ran.
    Nothing,
    /// Parts, or their supervisor.
    System,
}

/// Ends the system of a folder and waits until nothing of it runs.
///
/// # Errors
/// If a supervisor can't be ended.
pub async fn down(folder: &Folder) -> anyhow::Result<Ended> {
    if !folder.exists() {
        return Ok(Ended::Nothing);
    }
    let (supervised, _lock) = end_supervisor(folder).await?;
    let left = end_all(folder, &CancellationToken::new()).await?;
    folder.forget_up();
    Ok(if supervised || left > 0 { Ended::System } else { Ended::Nothing })
}

/// Asks the supervisor, if there is one, to end its parts and itself, and takes its place.
async fn end_supervisor(folder: &Folder) -> anyhow::Result<(bool, Lock)> {
    replace_supervisor(folder, Signal::TERM, PATIENCE).await
}

/// Asks the supervisor, if there is one, to leave its parts to this one, and takes its place.
///
/// # Errors
/// If a supervisor can't be ended.
pub async fn relieve_supervisor(folder: &Folder) -> anyhow::Result<Lock> {
    replace_supervisor(folder, LEAVE, RELIEF).await.map(|(_, lock)| lock)
}

/// Sends the supervisor, if there is one, a request to end, kills it after `patience`, and takes its place.
async fn replace_supervisor(
    folder: &Folder,
    request: Signal,
    patience: Duration,
) -> anyhow::Result<(bool, Lock)> {
    let start = Instant::now();
    let mut supervised = false;
    loop {
        if let Some(lock) = folder.lock()? {
            return Ok((supervised, lock));
        }
        supervised = true;
        // A supervisor that has only just taken the lock records itself in a moment.
        let handle = match folder.read_up() {
            Some(up) => up.process.open()?,
            None => None,
        };
        let Some(handle) = handle else {
            if start.elapsed() > PATIENCE {
                bail!("{} is locked by a process that has not recorded itself", folder.path().display());
            }
            tokio::time::sleep(POLL).await;
            continue;
        };
        handle.signal(request).context("cannot ask the supervisor to end")?;
        if ends_within(patience, &handle).await.is_err() {
            // It is frozen; its parts are ended without it.
            handle.signal(Signal::KILL).context("cannot kill the supervisor")?;
            handle.ended().await?;
        }
    }
}

/// Waits for a supervisor to end, and says so if that takes long.
async fn ends_within(patience: Duration, handle: &Handle) -> Result<(), Elapsed> {
    let end = async {
        if timeout(SILENCE, handle.ended()).await.is_err() {
            let (pid, most) = (handle.process().pid, patience.as_secs());
            tracing::warn!("The supervisor, process {pid}, has not ended yet; it is killed after {most} s");
            let _ = handle.ended().await;
        }
    };
    timeout(patience, end).await
}

/// Ends every part on record, stage after stage, and says how many there were.
///
/// # Errors
/// If the records can't be read.
pub async fn end_all(folder: &Folder, hurry: &CancellationToken) -> anyhow::Result<usize> {
    let mut living = folder.living()?;
    let count = living.len();
    // A part that this version does not know ends last.
    let stage = |part: &Living| part.name.parse::<Part>().map_or(usize::MAX, Part::stage);
    living.sort_by_key(stage);
    while let Some(first) = living.first().map(stage) {
        let next = living.partition_point(|part| stage(part) == first);
        let ending = living.drain(..next).map(|part| async move {
            Running::Adopted(part.handle).end(hurry).await;
            folder.forget(&part.name);
        });
        join_all(ending).await;
    }
    Ok(count)
}
