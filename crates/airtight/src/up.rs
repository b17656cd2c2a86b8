//! `airtight up` and `down`: the whole system on one machine, supervised.
//!
//! `up` binds all listening sockets, starts the parts on them, starts again what dies or freezes
//! ([`lives`]), and ends all in order. It is a component like the others: the parts neither wait for it nor die with it, and the
//! next `up` adopts them ([`takeover`]). A part is known by the record it makes of itself
//! ([`folder`]), and its listening sockets come back from it ([`handover`]).
//!
//! Never here: media. No byte that a viewer sees goes through the supervisor.

mod arguments;
mod console;
pub mod down;
mod event;
mod fleet;
pub mod folder;
pub mod handover;
mod lives;
pub mod logs;
pub mod plan;
mod preflight;
mod running;
mod settings;
mod sockets;
mod succession;
mod supervise;
mod takeover;
mod upgrade;

use std::convert::Infallible;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{SettingError, Settings};
use crate::log;
use crate::notify::Signs;
use crate::serve::health::Health;
use console::Console;
use fleet::Fleet;
use folder::{Folder, Given};
use lives::Lives;
use plan::{Part, Ports, System};
use running::Running;
use supervise::UNRECORDED;
use takeover::{Handling, Prepared};
use upgrade::Upgrade;

/// Runs the system until it is told to end.
///
/// # Errors
/// A [`SettingError`] if it can't start with these settings; nothing runs then that did not before.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let (upgrade, folder) = (settings::upgrade(settings)?, Folder::new(settings::folder(settings)?));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let settings = match upgrade {
        true => {
            let runs = runtime.block_on(async { takeover::runs(&folder) })?;
            settings::upgrading(settings, &folder, runs)?
        }
        false => settings.clone(),
    };
    let json = settings.opt::<String>("log-format", None)?.as_deref() == Some("json");
    let (system, wanted) = settings::read(&settings)?;
    let given = settings::given(&settings, &system)?;
    let console = Console::start(json).context("cannot start the console")?;
    let outcome = runtime.block_on(up(&system, &wanted, given, upgrade, &console));
    drop(runtime);
    console.finish();
    outcome
}

async fn up(
    system: &System,
    wanted: &Ports,
    given: Given,
    upgrade: bool,
    console: &Console,
) -> anyhow::Result<()> {
    preflight::check(system, wanted).await?;
    let mut requests = Requests::new()?;
    let mut relieved = listen_to(SignalKind::from_raw(down::LEAVE.as_raw()))?;
    let folder = Folder::new(&system.folder);
    folder.create()?;
    let _lock = lock(system, wanted, &folder, upgrade).await?;
    let lives = Lives::new(system.segment);
    let handling = match upgrade {
        true => Handling::of_upgrade(system, &folder),
        false => Handling::Goes,
    };
    let mut prepared = takeover::prepare(system, wanted, &folder, &lives, &handling, console).await?;
    if prepared.is_fresh() {
        folder.make(plan::folders(system))?;
    }
    if !upgrade && !prepared.is_fresh() {
        takeover::check_given(&folder, &given)?;
    }
    let record = Record::of(&prepared, &given, handling);
    let recorded = folder.write_up(&record.ports);
    // What runs is supervised even by one that can't record itself.
    let recorded = if prepared.is_fresh() { Ok(recorded?) } else { recorded };
    let recorded = recorded.and_then(|()| record.write_given(&folder));
    let (anew, record) = watch::channel(record);
    let record = keep_on_record(&folder, record, recorded, console);
    let follower = tokio::spawn(logs::follow(folder.clone(), system.parts.clone(), console.clone()));
    if prepared.is_fresh() {
        event::Event::of(system).retire(&folder, console)?;
        console.print(plan::welcome(system, &prepared.ports));
    }
    let leaving = tokio::spawn(let_go(folder.clone(), std::mem::take(&mut prepared.leaving)));
    let (unusable, mut unusable_parts) = mpsc::channel(Part::ALL.len());
    let mut fleet = Fleet::start(prepared, unusable);
    let replacing = replace(upgrade.then(|| fleet.upgrade(console)), anew, given, &folder);
    let ending = CancellationToken::new();
    Signs::start(&Health::default(), &ending).ready();
    let outcome = tokio::select! {
        () = requests.next() => Ok(()),
        Some(part) = unusable_parts.recv() => Err(cannot_go_on(&folder, part)),
        fault = fleet.fault() => Err(fault),
        _ = relieved.recv() => {
            console.say("up", "leaves, the parts run on");
            return Ok(());
        }
        never = replacing => match never {},
        never = record => match never {},
        never = lives.run(&folder, console) => match never {},
    };
    ending.cancel();
    console.say("up", "all parts are asked to end");
    leaving.abort();
    end(&mut fleet, &mut requests).await;
    down::end_all(&folder, &fleet.hurry).await?;
    follower.abort();
    folder.forget_up();
    console.say("up", "all parts have ended");
    outcome
}

/// Becomes the supervisor, in the place of the one that runs if that is wanted.
async fn lock(
    system: &System,
    wanted: &Ports,
    folder: &Folder,
    upgrade: bool,
) -> anyhow::Result<folder::Lock> {
    if upgrade {
        takeover::check_upgrade(system, wanted, folder).await?;
    }
    match folder.lock()? {
        Some(lock) => Ok(lock),
        None if upgrade => {
            // Where nobody supervises, anybody who does is better than none.
            takeover::check_event(system, wanted, folder).await?;
            down::relieve_supervisor(folder).await
        }
        None => bail!(supervised_already(folder)),
    }
}

/// Replaces what is to be replaced, and then records what it was given.
async fn replace(
    upgrade: Option<Upgrade>,
    record: watch::Sender<Record>,
    given: Given,
    folder: &Folder,
) -> Infallible {
    let replaced = || {
        record.send_modify(|record| record.given = given);
        // Where that fails it is tried again.
        let _ = record.borrow().write_given(folder);
    };
    match upgrade {
        Some(upgrade) => upgrade.run(replaced).await,
        None => std::future::pending().await,
    }
}

/// Asks processes to leave whose successors run already.
async fn let_go(folder: Folder, processes: Vec<folder::Living>) {
    for process in processes {
        let Some(part) = process.leaves() else { continue };
        Running::Adopted(process.handle).leave(&CancellationToken::new()).await;
        folder.forget_leaving(part);
    }
}

/// What a supervisor leaves to the next one.
struct Record {
    ports: Ports,
    given: Given,
}

impl Record {
    /// Until all parts are replaced it is on record what they were given before, if that is what counts.
    fn of(prepared: &Prepared, given: &Given, handling: Handling) -> Self {
        let given = match handling {
            Handling::KeptUntilReplaced(before) if !prepared.is_fresh() => before,
            _ => given.clone(),
        };
        Self { ports: prepared.ports.clone(), given }
    }

    fn write(&self, folder: &Folder) -> anyhow::Result<()> {
        folder.write_up(&self.ports)?;
        self.write_given(folder)
    }

    fn write_given(&self, folder: &Folder) -> anyhow::Result<()> {
        folder.write_given(&self.given)
    }
}

/// Records this supervisor in files as soon as that is possible, if it was not possible at first, and each time that
/// there is something else to record.
async fn keep_on_record(
    folder: &Folder,
    mut record: watch::Receiver<Record>,
    mut recorded: anyhow::Result<()>,
    console: &Console,
) -> Infallible {
    loop {
        let mut told = false;
        while recorded.is_err() || !folder.has_whole_up() {
            match recorded {
                Err(fault) if !std::mem::replace(&mut told, true) => console.say(
                    "up",
                    format_args!(
                        "supervises without a whole record, which `down` and upgrades read: {fault:#}"
                    ),
                ),
                _ => {}
            }
            tokio::time::sleep(UNRECORDED).await;
            recorded = record.borrow_and_update().write(folder);
        }
        if told {
            console.say("up", "is on record again");
        }
        if record.changed().await.is_err() {
            // Nothing else is to come.
            return std::future::pending().await;
        }
        recorded = record.borrow_and_update().write_given(folder);
    }
}

/// Ends the parts in order; a second request ends the patience with them.
async fn end(fleet: &mut Fleet, requests: &mut Requests) {
    let hurry = fleet.hurry.clone();
    let ending = fleet.end();
    tokio::pin!(ending);
    loop {
        tokio::select! {
            () = &mut ending => return,
            () = requests.next() => hurry.cancel(),
        }
    }
}

/// Requests to end: Ctrl-C and SIGTERM.
struct Requests {
    interrupt: Signal,
    terminate: Signal,
}

impl Requests {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: listen_to(SignalKind::interrupt())?,
            terminate: listen_to(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn listen_to(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot listen to signals")
}

fn supervised_already(folder: &Folder) -> SettingError {
    let who = folder.read_up().map_or_else(String::new, |up| format!(" (process {})", up.process.pid));
    SettingError::new(format!(
        "another `airtight up`{who} supervises the system in {}: end it with `airtight down`, or choose \
         another --run-dir",
        folder.path().display()
    ))
}

/// The part's own last words are the sentence.
fn cannot_go_on(folder: &Folder, part: Part) -> anyhow::Error {
    let log = folder.log(part);
    let said = logs::last_line(&log).unwrap_or_else(|| format!("see {}", log.display()));
    let said = said.strip_prefix(log::SPEAKER).unwrap_or(&said);
    SettingError::new(format!("{part} can't go on: {said}")).into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_part_that_can_t_go_on_is_quoted() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        folder.create().unwrap();
        fs::write(folder.log(Part::WorkerA), "info\nairtight: no ffmpeg here\n").unwrap();
        let error = cannot_go_on(&folder, Part::WorkerA);
        assert_eq!(error.to_string(), "worker-a can't go on: no ffmpeg here");
    }
}
