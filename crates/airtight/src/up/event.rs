//! An event that has ended makes room for the next one.
//!
//! Spools outlive the system, and so does the end of an event that they hold. A system that starts
//! anew with the same signal begins a new event: what the spools hold of the old one is moved away.

use std::fs;
use std::path::{Path, PathBuf};

use airtight_media::{grid::Number, record::Record};
use anyhow::Context as _;

use super::console::Console;
use super::plan::{self, Part, System};

/// Moves the signal out of the spools if its event has ended.
///
/// # Errors
/// If a folder can't be moved: the new event could not begin.
pub fn retire(system: &System, console: &Console) -> anyhow::Result<()> {
    let signal = system.signal.as_str();
    let spools = [Part::Server1, Part::Server2].map(|part| plan::spool(&system.folder, part));
    let Some(end) = spools.iter().filter_map(|spool| end_of(&spool.join(signal))).min() else {
        return Ok(());
    };
    let mut places = Vec::new();
    for spool in spools.iter().filter(|spool| spool.join(signal).exists()) {
        places.push(move_away(&system.folder, spool, signal, end)?.display().to_string());
    }
    let places = places.join(" and ");
    console.say(
        "up",
        format_args!("the event of {signal} ended with {end}: a new one begins, the old is in {places}"),
    );
    Ok(())
}

/// The end number in the record of a signal's folder.
fn end_of(folder: &Path) -> Option<Number> {
    let record: Record = serde_json::from_slice(&fs::read(folder.join("signal.json")).ok()?).ok()?;
    record.end
}

fn move_away(run: &Path, spool: &Path, signal: &str, end: Number) -> anyhow::Result<PathBuf> {
    let name = spool.file_name().unwrap_or_default();
    let ended = run.join("ended").join(name);
    fs::create_dir_all(&ended).with_context(|| format!("cannot make {}", ended.display()))?;
    let (from, to) = (spool.join(signal), ended.join(format!("{signal}-{end}")));
    fs::rename(&from, &to).with_context(|| format!("cannot move {} to {}", from.display(), to.display()))?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(folder: &Path) -> System {
        System {
            signal: "live01".parse().unwrap(),
            input: "testsrc".to_owned(),
            folder: folder.to_owned(),
            host: std::net::IpAddr::from([127, 0, 0, 1]),
            parts: Part::ALL.to_vec(),
            forwarded: std::collections::BTreeMap::new(),
        }
    }

    fn record(folder: &Path, spool: &str, signal: &str, end: &str) -> PathBuf {
        let folder = folder.join(spool).join(signal);
        fs::create_dir_all(&folder).unwrap();
        let record = format!(r#"{{"signal":"{signal}","d":2000,"parts":4,"first":1,"eras":[],"end":{end}}}"#);
        fs::write(folder.join("signal.json"), record).unwrap();
        folder
    }

    #[test]
    fn an_ended_event_makes_room_in_both_spools() {
        let temporary = tempfile::tempdir().unwrap();
        let run = temporary.path();
        let (console, _writer) = Console::start(false).unwrap();
        let first = record(run, "spool-1", "live01", "7");
        // The end reached one packager only.
        let second = record(run, "spool-2", "live01", "null");
        let other = record(run, "spool-2", "live02", "7");
        retire(&system(run), &console).unwrap();
        assert!(!first.exists() && !second.exists() && other.exists());
        assert!(run.join("ended/spool-1/live01-7/signal.json").exists());
        assert!(run.join("ended/spool-2/live01-7/signal.json").exists());
    }

    #[test]
    fn an_event_that_goes_on_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let (console, _writer) = Console::start(false).unwrap();
        let folder = record(temporary.path(), "spool-1", "live01", "null");
        retire(&system(temporary.path()), &console).unwrap();
        assert!(folder.exists());
    }
}
