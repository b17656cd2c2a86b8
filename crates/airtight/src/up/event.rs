//! The event that the system carries, as its spools know it.
//!
//! An event ends by its record only. Then the encoders have no more to do; and a system that starts
//! anew with the same signal begins a new event, for which what the spools hold of the old one is moved
//! away.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use airtight_media::{grid::Number, id::SignalName, record::Record};

use super::console::Console;
use super::folder::Folder;
use super::plan::{self, Part, System};
use crate::config::SettingError;

/// The event of a signal in the spools of a system.
#[derive(Clone, Debug)]
pub struct Event {
    signal: SignalName,
    spools: [PathBuf; 2],
}

impl Event {
    /// The event of a system.
    pub fn of(system: &System) -> Self {
        Self {
            signal: system.signal.clone(),
            spools: [Part::Server1, Part::Server2].map(|part| plan::spool(&system.folder, part)),
        }
    }

    /// Its last number, if that has passed.
    pub fn is_over(&self) -> Option<Number> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis();
        let over = |record: Record| record.end.filter(|&end| u128::from(record.grid.end_millis(end)) <= now);
        self.records().filter_map(over).min()
    }

    /// Moves it out of the spools if it has an end, and tells so.
    ///
    /// # Errors
    /// A [`SettingError`] if a folder can't be moved: the new event could not begin.
    pub fn retire(&self, run: &Folder, console: &Console) -> Result<(), SettingError> {
        let Some(end) = self.records().filter_map(|record| record.end).min() else { return Ok(()) };
        let mut places = Vec::new();
        for spool in &self.spools {
            places.extend(self.move_away(run, spool, end)?.map(|place| place.display().to_string()));
        }
        let (signal, places) = (&self.signal, places.join(" and "));
        console.say(
            "up",
            format_args!("the event of {signal} ended with {end}: a new one begins, the old is in {places}"),
        );
        Ok(())
    }

    fn records(&self) -> impl Iterator<Item = Record> {
        let read = |spool: &PathBuf| {
            let bytes = fs::read(spool.join(self.signal.as_str()).join("signal.json")).ok()?;
            serde_json::from_slice(&bytes).ok()
        };
        self.spools.iter().filter_map(read)
    }

    fn move_away(&self, run: &Folder, spool: &Path, end: Number) -> Result<Option<PathBuf>, SettingError> {
        let from = spool.join(self.signal.as_str());
        if !from.exists() {
            return Ok(None);
        }
        let ended = run.path().join("ended").join(spool.file_name().unwrap_or_default());
        fs::create_dir_all(&ended).map_err(|error| run.unusable(&ended, "made", &error))?;
        let to = ended.join(format!("{}-{end}", self.signal));
        fs::rename(&from, &to).map_err(|error| run.unusable(&from, "moved", &error))?;
        Ok(Some(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(folder: &Path) -> Event {
        Event::of(&System {
            signal: "live01".parse().unwrap(),
            input: "testsrc".to_owned(),
            folder: folder.to_owned(),
            host: std::net::IpAddr::from([127, 0, 0, 1]),
            parts: Part::ALL.to_vec(),
            segment: std::time::Duration::from_secs(2),
            forwarded: std::collections::BTreeMap::new(),
            via: std::collections::BTreeMap::new(),
        })
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
        let console = Console::start(false).unwrap();
        let first = record(run, "spool-1", "live01", "7");
        // The end reached one packager only.
        let second = record(run, "spool-2", "live01", "null");
        let other = record(run, "spool-2", "live02", "7");
        event(run).retire(&Folder::new(run), &console).unwrap();
        assert!(!first.exists() && !second.exists() && other.exists());
        assert!(run.join("ended/spool-1/live01-7/signal.json").exists());
        assert!(run.join("ended/spool-2/live01-7/signal.json").exists());
    }

    #[test]
    fn an_event_that_goes_on_stays() {
        let temporary = tempfile::tempdir().unwrap();
        let console = Console::start(false).unwrap();
        let folder = record(temporary.path(), "spool-1", "live01", "null");
        let event = event(temporary.path());
        event.retire(&Folder::new(temporary.path()), &console).unwrap();
        assert_eq!(event.is_over(), None);
        assert!(folder.exists());
    }

    #[test]
    fn an_event_is_over_when_its_last_number_has_passed() {
        let temporary = tempfile::tempdir().unwrap();
        record(temporary.path(), "spool-2", "live01", "7");
        assert_eq!(event(temporary.path()).is_over(), Some(Number(7)));
        record(temporary.path(), "spool-2", "live01", "9000000000");
        assert_eq!(event(temporary.path()).is_over(), None, "it ends in centuries");
    }
}
