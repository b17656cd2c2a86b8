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
    record::{self, Era, Record, Stretch, Track},
};
use futures_util::future::join_all;
use serde::Deserialize;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{interval, sleep, timeout},
};
use tracing::{info, warn};

use crate::{
    config::SettingError,
    http::{Budget, Client},
    shared_record::{self, Merge},
};

/// How often the copies are looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// For packagers to tell of an event that is to be changed.
const HEARSAY: Duration = Duration::from_secs(5);
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

    /// Waits until a packager tells of the event, for a while at most: whoever changes the tracks of one that runs
    /// may have been started together with them.
    pub async fn hear(&self) {
        let heard = async {
            while !self.ask_packagers().await.iter().any(|(_, found)| found.is_some()) {
                sleep(PERIOD / 4).await;
            }
        };
        // If nobody has heard of it by then, it is new.
        let _ = timeout(HEARSAY, heard).await;
    }

    /// Reads what folder and packagers know of the event; one that does not answer is left out. If it runs
    /// with other tracks than ours, or a packager says so, ours are announced `ahead` numbers after `now`.
    ///
    /// # Errors
    /// The event is over at `now`, or can't be taken up with these settings: the segments are others, or the
    /// tracks, and no era may be announced for them.
    pub async fn open(&self, now: Number, ahead: Option<u64>) -> Result<(), SettingError> {
        let wrong = |what: String| self.wrong(&what);
        if let Some(root) = &self.folder {
            let found = shared_record::read(root, &self.signal).map_err(|error| wrong(error.to_string()))?;
            found.map_or(Ok(()), |found| self.join(&found)).map_err(wrong)?;
        }
        let mut everywhere = true;
        for (url, found) in self.ask_packagers().await {
            everywhere &= found.as_ref().is_none_or(|found| found.stretch(&self.tracks, now).is_some());
            found
                .map_or(Ok(()), |found| self.join(&found))
                .map_err(|why| wrong(format!("{why} (says {url})")))?;
        }
        if let Some(end) = self.end().filter(|end| *end < now) {
            let hint = if self.packagers.is_empty() {
                "give another --signal, or remove the signal's folder to begin a new event"
            } else {
                "give another --signal, or wait until the packagers forget it, their --retention after its end"
            };
            return Err(wrong(format!("its event has ended with number {end}; {hint}")));
        }
        match ahead {
            _ if self.stretch(now).is_some() && (everywhere || ahead.is_none()) => Ok(()),
            // Also where a packager lacks an era that others have: it heard of it too late.
            Some(ahead) => self.announce(now, ahead).map_err(wrong),
            None => Err(self.refusal()),
        }
    }

    fn wrong(&self, what: &str) -> SettingError {
        SettingError::new(format!("signal '{}' can't be encoded: {what}", self.signal))
    }

    /// Announces an era of our tracks. The sinks deliver it at once, long before its first number.
    fn announce(&self, now: Number, ahead: u64) -> Result<(), String> {
        let record = self.record.borrow().clone();
        let Some(record) = record else { return Ok(()) };
        let announced = record.announce(&self.tracks, now, ahead).map_err(|error| error.to_string())?;
        let first = announced.stretch(&self.tracks, now).map_or(now, |stretch| stretch.first);
        info!("Signal {} has other tracks from number {first} on: all is told so now", self.signal);
        self.record.send_replace(Some(announced));
        Ok(())
    }

    /// The numbers from `from` on that are ours to make: any while nothing is known of the event, none if it
    /// has no place for our tracks.
    pub fn stretch(&self, from: Number) -> Option<Stretch> {
        match &*self.record.borrow() {
            Some(record) => record.stretch(&self.tracks, from),
            None => Some(Stretch { first: from, last: None }),
        }
    }

    /// Whether anything is known of the event.
    pub fn is_known(&self) -> bool {
        self.record.borrow().is_some()
    }

    /// That the event has no place for our tracks: in which way they are others.
    pub fn refusal(&self) -> SettingError {
        let record = self.record.borrow();
        let era = record.as_ref().and_then(|record| record.eras.last());
        self.wrong(&era.map_or_else(String::new, |era| self.other_tracks(era)))
    }

    fn other_tracks(&self, era: &Era) -> String {
        let difference = record::difference(&era.tracks, &self.tracks).unwrap_or_default();
        format!(
            "from number {} on the event has other tracks: {difference}; give it the input and the settings of \
             the other workers, another --signal, or --new-era to change the tracks of the event",
            era.first
        )
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

    /// Follows all copies for as long as it is polled, or until it turns out that the event, of which nothing
    /// was known when this worker began it, runs with other tracks.
    pub async fn follow(&self) -> SettingError {
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
                if let Some(era) = found.as_ref().and_then(|found| self.intrusion(found)) {
                    return self.wrong(&format!("{} (says {url})", self.other_tracks(era)));
                }
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

    /// The last era of an event that was there before ours and has no place for our tracks: we began ours
    /// while nobody could tell us of it.
    fn intrusion<'a>(&self, found: &'a Record) -> Option<&'a Era> {
        let ours = self.record.borrow();
        let alone = |ours: &&Record| ours.eras.iter().all(|era| era.tracks == self.tracks);
        let ours = ours.as_ref().filter(alone).filter(|ours| found.first < ours.first)?;
        found.eras.last().filter(|_| found.stretch(&self.tracks, ours.first).is_none())
    }

    fn other_grid(&self, found: &Record) -> String {
        format!(
            "the event runs with segments of {} ms in {} parts, not of {} ms in {}; set segment and parts alike",
            found.grid.millis, found.grid.parts, self.grid.millis, self.grid.parts
        )
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
