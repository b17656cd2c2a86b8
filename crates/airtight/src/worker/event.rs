//! Keeps the signal record in step with the folder and the packagers.
//!
//! Every copy is joined into every other one, so workers that share a folder or a packager agree without
//! talking to each other. It decides nothing about media; an end that it learns of is told to the worker.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};

use airtight_control::ingest::PartUrl;
use airtight_media::{
    grid::{Grid, Number},
    id::SignalName,
    record::{self, Era, Record, Track},
};
use futures_util::future::join_all;
use serde::Deserialize;
use tokio::{sync::watch, task::spawn_blocking, time::interval};
use tracing::warn;

use crate::{
    config::SettingError,
    http::{Budget, Client},
    shared_record::{self, Merge},
};

/// How often the copies are looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// For a packager to list its signals.
const BUDGET: Budget = Budget { time: Duration::from_millis(800), bytes: 8 << 20 };

/// The record of the signal that is encoded, and where its copies are.
#[derive(Debug)]
pub struct Event {
    signal: SignalName,
    grid: Grid,
    tracks: Vec<Track>,
    folder: Option<PathBuf>,
    packagers: Vec<PartUrl>,
    client: Client,
    record: watch::Sender<Option<Record>>,
}

impl Event {
    /// An event of which nothing is known yet.
    pub fn new(
        signal: SignalName,
        grid: Grid,
        tracks: Vec<Track>,
        folder: Option<PathBuf>,
        packagers: Vec<PartUrl>,
        client: Client,
    ) -> Self {
        Self { signal, grid, tracks, folder, packagers, client, record: watch::Sender::new(None) }
    }

    /// Reads what folder and packagers know of the event; one that does not answer is left out.
    ///
    /// # Errors
    /// The event can't be taken up with these settings, or is over at `now`.
    pub async fn open(&self, now: Number) -> Result<(), SettingError> {
        let wrong =
            |what: String| SettingError::new(format!("signal '{}' can't be encoded: {what}", self.signal));
        if let Some(root) = &self.folder {
            let found = shared_record::read(root, &self.signal).map_err(|error| wrong(error.to_string()))?;
            found.map_or(Ok(()), |found| self.join(&found)).map_err(wrong)?;
        }
        for (url, found) in self.ask_packagers().await {
            found
                .map_or(Ok(()), |found| self.join(&found))
                .map_err(|why| wrong(format!("{why} (says {url})")))?;
        }
        if let Some(difference) = self.difference() {
            let hint = "give it the input and the settings of the other workers, or another --signal";
            return Err(wrong(format!("the event runs with {difference}; {hint}")));
        }
        match self.end() {
            Some(end) if end < now => {
                let hint = "give another --signal, or remove the signal's folder to begin a new event";
                Err(wrong(format!("its event has ended with number {end}; {hint}")))
            }
            _ => Ok(()),
        }
    }

    /// The first whole segment of this worker is `first`: announces it if the event is new.
    pub fn begin(&self, first: Number) {
        self.record.send_if_modified(|record| {
            if record.is_some() {
                return false;
            }
            let eras = vec![Era { first, tracks: self.tracks.clone() }];
            *record = Some(Record { signal: self.signal.clone(), grid: self.grid, first, eras, end: None });
            true
        });
    }

    /// The record and every change of it.
    pub fn watch(&self) -> watch::Receiver<Option<Record>> {
        self.record.subscribe()
    }

    /// The last number of the event, once that is known.
    pub fn end(&self) -> Option<Number> {
        self.record.borrow().as_ref().and_then(|record| record.end)
    }

    /// Follows all copies for as long as it is polled.
    pub async fn follow(&self) {
        let mut told = BTreeSet::new();
        let mut period = interval(PERIOD);
        loop {
            period.tick().await;
            let mut tell = |what: String| {
                if told.len() < 64 && told.insert(what.clone()) {
                    warn!("A copy of the signal record is left alone: {what}");
                }
            };
            for (url, found) in self.ask_packagers().await {
                if let Some(Err(why)) = found.map(|found| self.join(&found)) {
                    tell(format!("{why} (says {url})"));
                }
            }
            if let Some(root) = &self.folder
                && let Err(why) = self.merge(root).await
            {
                tell(why);
            }
        }
    }

    /// Joins the folder's copy and ours, both ways.
    async fn merge(&self, root: &Path) -> Result<(), String> {
        let (root, signal, ours) = (root.to_owned(), self.signal.clone(), self.record.borrow().clone());
        let merged = spawn_blocking(move || match ours {
            Some(ours) => shared_record::merge(&root, &ours).map(Some),
            None => shared_record::read(&root, &signal).map_err(Merge::Io),
        });
        match merged.await {
            Ok(Ok(Some(found))) => self.join(&found),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok(None)) | Err(_) => Ok(()),
        }
    }

    /// Joins a copy into ours.
    fn join(&self, found: &Record) -> Result<(), String> {
        let ours = self.record.borrow().clone();
        let joined = match &ours {
            Some(ours) => ours.join(found).map_err(|error| error.to_string())?,
            None if found.grid != self.grid => return Err(self.other_grid(found)),
            None => found.clone(),
        };
        if ours.as_ref() != Some(&joined) {
            self.record.send_replace(Some(joined));
        }
        Ok(())
    }

    fn other_grid(&self, found: &Record) -> String {
        format!(
            "the event runs with segments of {} ms in {} parts, not of {} ms in {}; set segment and parts alike",
            found.grid.millis, found.grid.parts, self.grid.millis, self.grid.parts
        )
    }

    /// How the tracks of the running era differ from ours.
    fn difference(&self) -> Option<String> {
        let record = self.record.borrow();
        let era = record.as_ref()?.eras.last()?;
        record::difference(&era.tracks, &self.tracks)
    }

    async fn ask_packagers(&self) -> Vec<(&PartUrl, Option<Record>)> {
        join_all(self.packagers.iter().map(|url| async move { (url, self.ask(url).await) })).await
    }

    /// The record that a packager has; none if it has none or does not answer, which its sink tells.
    async fn ask(&self, url: &PartUrl) -> Option<Record> {
        let answer = self.client.get(&format!("{url}/signals"), BUDGET).await.ok()?;
        if !answer.status.is_success() {
            return None;
        }
        let listed: Vec<serde_json::Value> = serde_json::from_slice(&answer.body).ok()?;
        let records = listed.into_iter().filter_map(|entry| serde_json::from_value::<Listed>(entry).ok());
        let record = records.map(|listed| listed.record).find(|record| record.signal == self.signal)?;
        record.check().is_ok().then_some(record)
    }
}

/// What counts here of an entry of `/signals`.
#[derive(Deserialize)]
struct Listed {
    record: Record,
}

#[cfg(test)]
mod tests;
