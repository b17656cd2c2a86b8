//! One fault, made in a running system.

use std::fs;

use airtight_lab::{
    drill::matrix::{Cell, Component, Fault},
    proxy::weather::Weather,
};
use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use tokio::time::{Duration, Instant, sleep};

use super::{
    clocks::{self, Clocks},
    disk, first,
    system::System,
};
use crate::{
    child::process::{Handle, Process},
    up::plan::Part,
};

/// The figure of a packager that counts segments by their health.
const SEGMENTS: &str = "airtight_packager_segments_total";
/// For the last segment of an encoder to reach it.
const SENT: Duration = Duration::from_secs(4);
/// Between two looks.
const POLL: Duration = Duration::from_millis(250);

/// Strikes what the cell names, waits as long as the fault lasts, and takes it away. What is done goes to `tell`.
///
/// # Errors
/// What is to be struck does not run, or can't be.
pub async fn strike(
    system: &System,
    cell: Cell,
    lasts: Duration,
    tell: impl Fn(String),
) -> anyhow::Result<()> {
    if let Some(weather) = cell.fault.weather() {
        let change = |weather: Weather| {
            cell.component.parts().iter().for_each(|part| system.network().set(part, weather));
            tell(format!("{}: {weather:?}", cell.component.name()));
        };
        change(weather);
        sleep(lasts).await;
        change(Weather::Clear);
        return Ok(());
    }
    match cell.fault {
        fault if fault.spoils() => spoil(system, cell, lasts, tell).await,
        fault if fault.sets_clock() => set_clock(system, cell, lasts, tell).await,
        Fault::DiskFull => fill_disk(system, cell, lasts, tell).await,
        Fault::Upgrade => {
            tell("another program takes over".to_owned());
            system.upgrade().await?;
            tell("every part is replaced".to_owned());
            Ok(())
        }
        Fault::Corrupt => {
            for part in cell.component.parts() {
                let files = disk::corrupt(&system.spool(part)?)?;
                tell(format!("{files} files of {part} are garbage"));
            }
            signal(system, cell, lasts, tell).await
        }
        _ => signal(system, cell, lasts, tell).await,
    }
}

/// Takes the room for files from what is struck, and gives it back to all of it in any case.
async fn fill_disk(
    system: &System,
    cell: Cell,
    lasts: Duration,
    tell: impl Fn(String),
) -> anyhow::Result<()> {
    let mut struck = Vec::new();
    for part in cell.component.parts() {
        struck.extend(targets(system, cell.fault, part)?);
    }
    let room = |room: bool| {
        let limited = struck.iter().map(|target| limit(target, room, &tell));
        limited.fold(Ok(()), first)
    };
    for_a_while(lasts, || room(false), || room(true)).await
}

/// Lets a process write files, or not, if it lives.
fn limit(target: &Handle, room: bool, tell: &impl Fn(String)) -> anyhow::Result<()> {
    let process = target.process();
    if process.lives() {
        disk::limit(process.pid, room)
            .with_context(|| format!("cannot limit the files of process {}", process.pid))?;
        tell(format!(
            "process {} has {}",
            process.pid,
            if room { "room again" } else { "no room for files" }
        ));
    }
    Ok(())
}

/// Strikes, waits if that was possible, and takes back what was done of it in any case: all that is tried later depends
/// on it.
async fn for_a_while(
    lasts: Duration,
    strike: impl FnOnce() -> anyhow::Result<()>,
    take_back: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let outcome = strike();
    if outcome.is_ok() {
        sleep(lasts).await;
    }
    first(outcome, take_back())
}

/// Makes the input of what is struck bad, and all of it good again in any case.
async fn spoil(system: &System, cell: Cell, lasts: Duration, tell: impl Fn(String)) -> anyhow::Result<()> {
    let before = bad_segments(system, cell.fault).await?;
    let set = |bad: bool| {
        let inputs = cell.component.parts().iter().map(|part| {
            system.content().set(part, cell.fault, bad)?;
            let what = if bad { cell.fault.name() } else { "good again" };
            tell(format!("the input of {part} is {what}"));
            Ok(())
        });
        inputs.fold(Ok(()), first)
    };
    for_a_while(lasts, || set(true), || set(false)).await?;
    // Without them viewers had nothing to notice.
    let begun = Instant::now();
    while bad_segments(system, cell.fault).await? == before {
        ensure!(begun.elapsed() < SENT, "no packager was sent a {} segment", cell.fault.name());
        sleep(POLL).await;
    }
    Ok(())
}

/// How many segments with such content the first packager was sent.
async fn bad_segments(system: &System, fault: Fault) -> anyhow::Result<u64> {
    let metrics = system.get(Part::Server1, "metrics").await?;
    let health = format!("health=\"{}\"", fault.name());
    let counts = metrics.lines().filter(|line| line.starts_with(SEGMENTS) && line.contains(&health));
    Ok(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
}

/// Sets the clock of what is struck, and sets it right in any case: all that is tried later depends on it.
async fn set_clock(
    system: &System,
    cell: Cell,
    lasts: Duration,
    tell: impl Fn(String),
) -> anyhow::Result<()> {
    let clocks = system.clocks().context("the system has the clock of its machine")?;
    let wrong = if cell.fault == Fault::Ahead { 1 } else { -1 };
    let outcome = begin_by(system, clocks, cell, wrong, &tell).await;
    if outcome.is_ok() {
        sleep(lasts).await;
    }
    let back = begin_by(system, clocks, cell, 0, &tell).await;
    first(outcome, back)
}

/// Sets all clocks of what is struck, and kills a single part, so that its next process begins by that clock.
async fn begin_by(
    system: &System,
    clocks: &Clocks,
    cell: Cell,
    seconds: i8,
    tell: &impl Fn(String),
) -> anyhow::Result<()> {
    let set = clocks.set_all(cell.component.parts(), seconds);
    tell(format!("the clock of {} is {seconds:+} s", cell.component.name()));
    sleep(clocks::READ).await;
    set?;
    if cell.component.is_pair() {
        return Ok(());
    }
    for part in cell.component.parts() {
        for target in targets(system, cell.fault, part)? {
            target.signal(Signal::KILL).with_context(|| format!("cannot strike {part}"))?;
            tell(format!("{part}, process {}, is killed", target.process().pid));
        }
    }
    Ok(())
}

/// Sends what is struck a signal.
async fn signal(system: &System, cell: Cell, lasts: Duration, tell: impl Fn(String)) -> anyhow::Result<()> {
    let signal = match cell.fault {
        Fault::Kill | Fault::Corrupt => Signal::KILL,
        Fault::Terminate => Signal::TERM,
        _ => Signal::STOP,
    };
    let mut struck = Vec::new();
    for part in cell.component.parts() {
        struck.extend(targets(system, cell.fault, part)?.into_iter().map(|target| (*part, target)));
    }
    let struck_by = struck.iter().map(|(part, target)| {
        target.signal(signal).with_context(|| format!("cannot strike {part}"))?;
        tell(format!("{} {part}, process {}", cell.fault.name(), target.process().pid));
        Ok(())
    });
    let outcome = struck_by.fold(Ok(()), first);
    if outcome.is_ok() {
        if lasts.is_zero() {
            return Ok(());
        }
        sleep(lasts).await;
    }
    match (cell.fault, cell.component) {
        (Fault::Kill, Component::Supervisor) => {
            let next = system.supervise().await.context("no other supervisor can be started");
            return first(outcome, next.map(|()| tell("another supervisor runs".to_owned())));
        }
        _ => struck.iter().for_each(|(part, target)| release(part, target, &tell)),
    }
    outcome
}

/// Lets what was frozen go on, if nobody killed it.
fn release(part: &str, target: &Handle, tell: &impl Fn(String)) {
    let pid = target.process().pid;
    if target.process().lives() {
        let _ = target.signal(Signal::CONT);
        tell(format!("{part}, process {pid}, goes on"));
    } else {
        tell(format!("{part}, process {pid}, is gone"));
    }
}

/// The processes that a fault in a part strikes.
fn targets(system: &System, fault: Fault, part: &str) -> anyhow::Result<Vec<Handle>> {
    let process = system.hold(part)?.with_context(|| format!("{part} does not run"))?;
    if fault != Fault::Stall {
        return Ok(vec![process]);
    }
    let mut encoders = Vec::new();
    for child in children(process.process().pid)? {
        encoders.extend(child.open()?);
    }
    ensure!(!encoders.is_empty(), "{part} has no encoder that runs");
    Ok(encoders)
}

/// The processes whose parent is `parent`.
fn children(parent: i32) -> anyhow::Result<Vec<Process>> {
    let entries = fs::read_dir("/proc").context("cannot look at processes")?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let of_parent = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // proc(5): the name is in parentheses and may hold anything; state and parent follow it.
        let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
        fields.and_then(|fields| fields.split(' ').nth(1)?.parse().ok()) == Some(parent)
    };
    Ok(pids.filter(of_parent).filter_map(Process::of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_clock_is_set_right_although_its_part_can_not_be_struck() {
        let library = clocks::library().expect("scripts/setup.sh test installs libfaketime");
        let system = System::new(&[], Duration::from_secs(12), "ffmpeg", Some(library)).await.unwrap();
        let said = std::cell::RefCell::new(Vec::new());
        let cell = Cell { fault: Fault::Ahead, component: Component::Origin1 };
        let outcome = strike(&system, cell, Duration::ZERO, |line| said.borrow_mut().push(line)).await;
        assert_eq!(outcome.unwrap_err().to_string(), "origin1 does not run");
        assert_eq!(*said.borrow(), ["the clock of origin1 is +1 s", "the clock of origin1 is +0 s"]);
        let file = system.clocks().unwrap().file("origin1");
        assert_eq!(fs::read_to_string(file).unwrap(), "+0\n");
    }

    #[tokio::test]
    async fn what_was_struck_is_made_good_although_something_else_can_not_be() {
        let mut child = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
        let of = |pid: u32| Process::of(pid.cast_signed()).unwrap().open().unwrap().unwrap();
        let (struck, said) = (of(child.id().unwrap()), std::cell::RefCell::new(Vec::new()));
        let tell = |line: String| said.borrow_mut().push(line);
        let fails = || anyhow::bail!("it can't be struck");
        let strike = || first(limit(&struck, false, &tell), fails());
        let outcome = for_a_while(Duration::from_secs(600), strike, || limit(&struck, true, &tell)).await;
        assert_eq!(outcome.unwrap_err().to_string(), "it can't be struck");
        let pid = child.id().unwrap();
        assert_eq!(
            *said.borrow(),
            [format!("process {pid} has no room for files"), format!("process {pid} has room again")]
        );
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let size = limits.lines().find(|line| line.starts_with("Max file size")).unwrap();
        assert_eq!(size.split_whitespace().nth(3), Some("unlimited"), "{size}");
        child.kill().await.unwrap();
    }

    #[tokio::test]
    async fn children_are_found_by_their_parent() {
        let mut child = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
        let pid = i32::try_from(child.id().unwrap()).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(children(own).unwrap().iter().any(|process| process.pid == pid));
        assert!(children(pid).unwrap().is_empty());
        child.kill().await.unwrap();
    }
}
