//! The start of `up`: what runs already is adopted, all else is made ready, or nothing is changed.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::{sleep, timeout};

use super::arguments;
use super::console::Console;
use super::event::Event;
use super::folder::{Folder, Given, Living};
use super::lives::Lives;
use super::plan::{Part, Ports, System};
use super::running::Running;
use super::supervise::Supervised;
use super::{handover, sockets};
use crate::child::process::Handle;
use crate::config::SettingError;

/// For a process to have a command line.
const SIGHT: Duration = Duration::from_secs(1);
/// Between two looks for it.
const GLANCE: Duration = Duration::from_millis(5);

/// A system whose sockets are bound and whose parts are about to be supervised.
#[derive(Debug)]
pub struct Prepared {
    /// Every part, with its process if one runs already.
    pub parts: Vec<(Supervised, Option<Running>)>,
    /// The ports in use.
    pub ports: Ports,
    /// Processes that a supervisor was about to replace, and whose successors run.
    pub leaving: Vec<Living>,
}

impl Prepared {
    /// Whether nothing ran before.
    pub fn is_fresh(&self) -> bool {
        self.parts.iter().all(|(_, adopted)| adopted.is_none())
    }
}

/// What becomes of the parts that run.
#[derive(Debug)]
pub enum Handling {
    /// They go on, and have to be what is asked for.
    Goes,
    /// They are replaced. One that dies before its turn is started again as asked.
    Replaced,
    /// They are replaced. What they were given before counts for each until its successor is ready, and is on record
    /// until all are replaced.
    KeptUntilReplaced(Given),
}

impl Handling {
    /// In an upgrade what was given before counts until then, if it is known; but not beside a new era: from its number on
    /// the event takes no media of before.
    pub fn of_upgrade(system: &System, folder: &Folder) -> Self {
        let begins_era = system.forwarded.contains_key(arguments::ORDER);
        let before = folder.read_given().ok().filter(|_| !begins_era);
        before.map_or(Self::Replaced, Self::KeptUntilReplaced)
    }
}

/// Adopts the parts that run and binds the sockets of those that do not.
///
/// # Errors
/// A [`SettingError`] if an address can't be bound, or if a part that goes on runs with other settings than asked
/// for. Nothing has been started or changed then.
pub async fn prepare(
    system: &System,
    wanted: &Ports,
    folder: &Folder,
    lives: &Lives,
    handling: &Handling,
    console: &Console,
) -> anyhow::Result<Prepared> {
    let (leaving, living) = living(folder)?;
    let mut living = known(system, living)?;
    let leaving = without_successor(leaving, &mut living, folder);
    let mut ports = if living.is_empty() { wanted.clone() } else { remembered(wanted, folder) };
    let mut listeners = listeners(system, &ports, &living, folder, console).await?;
    for (part, port) in ports.iter_mut().filter(|(_, port)| **port == 0) {
        if let Some(listener) = listeners.get(part) {
            *port = listener.local_addr()?.port();
        }
    }
    let mut parts = Vec::new();
    for &part in &system.parts {
        let mut args = arguments::of(system, &ports, part, crate::cli::reads);
        let (adopted, mut upgraded) = (living.remove(&part), None);
        if let Some(handle) = &adopted {
            match handling {
                Handling::Goes => check_arguments(part, handle, &args).await?,
                Handling::Replaced => {}
                // One whose words can't be seen is started again as asked.
                Handling::KeptUntilReplaced(_) => {
                    let running = command_line(part, handle).await.unwrap_or_default();
                    upgraded = running.map(|running| std::mem::replace(&mut args, running));
                }
            }
            if !matches!(handling, Handling::Replaced) {
                // Nobody is started who could carry it out: a process that follows an unforeseen end must not.
                args.retain(|argument| !arguments::is_order(argument));
            }
            console.say(part, format_args!("is adopted, it runs as process {}", handle.process().pid));
        }
        let supervised = Supervised {
            part,
            args,
            upgraded,
            address: address(system, &ports, part),
            listener: listeners.remove(&part),
            event: part.encodes().then(|| Event::of(system)),
            folder: folder.clone(),
            lives: lives.clone(),
            console: console.clone(),
        };
        parts.push((supervised, adopted.map(Running::Adopted)));
    }
    Ok(Prepared { parts, ports, leaving })
}

/// Checks whether what runs can be upgraded to what is asked for; nothing is changed.
///
/// # Errors
/// A [`SettingError`] if a part runs that is not asked for, or listens elsewhere.
pub async fn check_upgrade(system: &System, wanted: &Ports, folder: &Folder) -> anyhow::Result<()> {
    for (part, running) in running(system, folder).await? {
        let Some(address) = address(system, wanted, part).filter(|address| address.port() != 0) else {
            continue;
        };
        if let Some(other) = arguments::listens(&running).filter(|listens| *listens != address) {
            bail!(other_settings(format_args!("{part} listens on {other}, not on {address}")));
        }
    }
    Ok(())
}

/// Checks whether the event that is on the air allows what is asked for.
///
/// # Errors
/// A [`SettingError`] that names what it is bound to.
pub async fn check_event(system: &System, wanted: &Ports, folder: &Folder) -> anyhow::Result<()> {
    if Event::of(system).is_over().is_some() {
        return Ok(());
    }
    for (part, running) in running(system, folder).await? {
        let asked = arguments::of(system, wanted, part, crate::cli::reads);
        arguments::check_event(&running, &asked).map_err(SettingError::new)?;
    }
    Ok(())
}

/// The parts that run, with their arguments: one that has only begun, or stands still, can't be asked for anything.
async fn running(system: &System, folder: &Folder) -> anyhow::Result<Vec<(Part, Vec<String>)>> {
    let mut running = Vec::new();
    for (part, handle) in known(system, living(folder)?.1)? {
        running.extend(command_line(part, &handle).await?.map(|arguments| (part, arguments)));
    }
    Ok(running)
}

/// Whether anything of the system of a folder runs, be it its supervisor alone.
///
/// # Errors
/// If that can't be seen.
pub fn runs(folder: &Folder) -> anyhow::Result<bool> {
    Ok(folder.exists() && (folder.lock()?.is_none() || !folder.living()?.is_empty()))
}

/// Checks that a system of which something runs was given the same.
///
/// # Errors
/// A [`SettingError`] that names what differs.
pub fn check_given(folder: &Folder, given: &Given) -> Result<(), SettingError> {
    // What is not on record was told by the parts that run.
    let Ok(before) = folder.read_given() else { return Ok(()) };
    let all = |given: &Given| {
        let flags = given.settings.flags.iter().map(|(key, text)| format!("--{key}={text}"));
        flags
            .chain(given.settings.variables.iter().map(|(name, text)| format!("{name}={text}")))
            .collect::<Vec<_>>()
    };
    match arguments::difference(&all(&before), &all(given)) {
        None => Ok(()),
        Some(other) => Err(other_settings(format_args!("it was given {other}"))),
    }
}

/// What runs: processes that are to leave, and the parts.
fn living(folder: &Folder) -> anyhow::Result<(Vec<Living>, Vec<Living>)> {
    Ok(folder.living()?.into_iter().partition(|living| living.leaves().is_some()))
}

/// A process whose successor did not live to follow it is the part again; the others are given back.
fn without_successor(
    leaving: Vec<Living>,
    living: &mut BTreeMap<Part, Handle>,
    folder: &Folder,
) -> Vec<Living> {
    let mut left = Vec::new();
    for process in leaving {
        match process.leaves().filter(|part| !living.contains_key(part)) {
            Some(part) => {
                folder.take_back(part);
                living.insert(part, process.handle);
            }
            None => left.push(process),
        }
    }
    left
}

/// The running parts, all of which must have been asked for.
fn known(system: &System, living: Vec<Living>) -> Result<BTreeMap<Part, Handle>, SettingError> {
    let mut known = BTreeMap::new();
    for Living { name, handle } in living {
        let part = name.parse().ok().filter(|part| system.parts.contains(part));
        let Some(part) = part else {
            return Err(other_settings(format_args!("{name} runs and is not asked for")));
        };
        known.insert(part, handle);
    }
    Ok(known)
}

/// The ports wanted; where the choice is left to the machine, the one it made before.
fn remembered(wanted: &Ports, folder: &Folder) -> Ports {
    let before = folder.read_up().map(|up| up.ports()).unwrap_or_default();
    let remember = |(&part, &port): (&Part, &u16)| match (port, before.get(&part)) {
        (0, Some(&before)) => (part, before),
        _ => (part, port),
    };
    wanted.iter().map(remember).collect()
}

fn address(system: &System, ports: &Ports, part: Part) -> Option<SocketAddr> {
    ports.get(&part).map(|&port| SocketAddr::new(system.host, port))
}

/// The sockets of all parts that listen: from the process that has one, else newly bound.
async fn listeners(
    system: &System,
    ports: &Ports,
    living: &BTreeMap<Part, Handle>,
    folder: &Folder,
    console: &Console,
) -> anyhow::Result<BTreeMap<Part, TcpListener>> {
    let mut listeners = BTreeMap::new();
    for &part in &system.parts {
        let Some(address) = address(system, ports, part) else { continue };
        let listener = if living.contains_key(&part) {
            ask(part, folder, console).await
        } else {
            Some(sockets::bind(part, address)?)
        };
        listeners.extend(listener.map(|listener| (part, listener)));
    }
    Ok(listeners)
}

/// A part that keeps its socket to itself is adopted all the same; it is bound anew when it has ended.
async fn ask(part: Part, folder: &Folder, console: &Console) -> Option<TcpListener> {
    match handover::ask(&folder.socket(part)).await {
        Ok(mut sockets) => sockets.pop(),
        Err(error) => {
            console.say(part, format_args!("{error:#}; its restart would refuse viewers for a moment"));
            None
        }
    }
}

/// A running part has the settings that it was started with.
async fn check_arguments(part: Part, handle: &Handle, args: &[String]) -> anyhow::Result<()> {
    // One that has ended is started anew as asked.
    let Some(running) = command_line(part, handle).await? else { return Ok(()) };
    match arguments::difference(&running, args) {
        None => Ok(()),
        Some(argument) => bail!(other_settings(format_args!("{part} runs with {argument}"))),
    }
}

/// The arguments with which a part was started; none if it has ended. While a program takes the place of another one, and while it ends, it
/// has no command line.
async fn command_line(part: Part, handle: &Handle) -> anyhow::Result<Option<Vec<String>>> {
    let process = handle.process();
    let sight = async {
        loop {
            match std::fs::read(format!("/proc/{}/cmdline", process.pid)) {
                Ok(line) if !line.is_empty() => return Ok(Some(arguments::of_process(&line))),
                _ if !process.lives() => return Ok(None),
                Ok(_) => sleep(GLANCE).await,
                Err(error) => return Err(error),
            }
        }
    };
    let seen = timeout(SIGHT, sight).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    seen.with_context(|| format!("cannot see how {part} was started"))
}

fn other_settings(what: impl std::fmt::Display) -> SettingError {
    SettingError::new(format!(
        "what runs already has other settings: {what}; give the same settings, or end it with \
         `airtight down` first"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::child::process::Process;

    #[tokio::test]
    async fn a_part_that_is_ending_has_no_settings_that_stand_in_the_way() {
        let mut child = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
        let process = Process::of(child.id().unwrap().cast_signed()).unwrap();
        let handle = process.open().unwrap().unwrap();
        let asked = ["origin", "--listen=127.0.0.1:8000"].map(str::to_owned);
        let check = || check_arguments(Part::Origin1, &handle, &asked);
        // Just now it may still be taking its program's place, without a command line.
        let error = check().await.unwrap_err().to_string();
        assert!(error.contains("origin1 runs with 600"), "{error}");
        child.start_kill().unwrap();
        handle.ended().await.unwrap();
        check().await.expect("it ended and was not waited for");
        child.wait().await.unwrap();
        check().await.expect("it is gone");
    }

    #[tokio::test]
    async fn a_process_that_was_to_leave_stays_if_its_successor_is_dead() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        folder.create().unwrap();
        let this = Process::current().unwrap();
        for name in ["reporter", "reporter-leaving", "origin1-leaving"] {
            this.write(&folder.record(name)).unwrap();
        }
        let (leaving, living) = living(&folder).unwrap();
        let mut parts = living.into_iter().map(|part| (part.name.parse().unwrap(), part.handle)).collect();
        let left = without_successor(leaving, &mut parts, &folder);
        assert_eq!(left.iter().filter_map(Living::leaves).collect::<Vec<_>>(), [Part::Reporter]);
        assert_eq!(parts.into_keys().collect::<Vec<_>>(), [Part::Reporter, Part::Origin1]);
        let names: Vec<_> = folder.living().unwrap().into_iter().map(|part| part.name).collect();
        assert_eq!(names, ["origin1", "reporter", "reporter-leaving"]);
    }

    #[test]
    fn a_port_chosen_by_the_machine_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        let wanted = Ports::from([(Part::Origin1, 0), (Part::Origin2, 8001)]);
        assert_eq!(remembered(&wanted, &folder), wanted);
        folder.write_up(&Ports::from([(Part::Origin1, 40_000), (Part::Origin2, 40_001)])).unwrap();
        let expected = Ports::from([(Part::Origin1, 40_000), (Part::Origin2, 8001)]);
        assert_eq!(remembered(&wanted, &folder), expected);
    }
}
