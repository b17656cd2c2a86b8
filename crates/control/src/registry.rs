//! What the reporter knows: which packagers hold which signal, by the reports of any number of discoveries.
//!
//! Reports are merged by union, since each discovery sees its own packagers; what nobody renews expires. So
//! the registry needs no farewell from anybody, and one that starts empty is whole again after one round of
//! reports. It never judges a packager: the reports already say who is active.

use core::time::Duration;
use std::collections::BTreeMap;

use airtight_media::id::SignalName;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ingest::{Ingest, PartUrl, Report, rfc1123};

/// The most signals that a registry keeps.
pub const SIGNALS_MAX: usize = 4096;

/// One moment, on both clocks: what expires follows the one that never goes back, what people read the other.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Since a fixed moment, never going back.
    pub monotonic: Duration,
    /// Of the calendar.
    pub wall: Timestamp,
}

/// A packager came to hold a signal, or no longer does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The signal.
    pub signal: SignalName,
    /// The packager.
    pub packager: PartUrl,
    /// Whether it holds the signal from now on.
    pub active: bool,
}

/// The registry keeps as many signals as it can; the report that brought one more counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the registry is full: it keeps {SIGNALS_MAX} signals; report fewer")]
pub struct Full;

/// All that is known at one moment: the body of `GET /v1/ingests`, each event of `/v1/events`, and the
/// snapshot on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Counts the changes of who holds what; renewals do not count.
    pub revision: u64,
    /// Every known signal, in order, also those that nobody holds.
    pub signals: Vec<KnownSignal>,
}

/// One signal of a [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSignal {
    /// The signal.
    pub signal: SignalName,
    /// When it was last reported.
    pub last_reported: Timestamp,
    /// Its active packagers, in order.
    pub packagers: Vec<ActivePackager>,
}

/// One packager of a [`KnownSignal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivePackager {
    /// Where it listens.
    pub url: PartUrl,
    /// When it was last reported to hold the signal.
    pub last_reported: Timestamp,
}

impl Snapshot {
    /// The answer to `GET /ingests`: the signals that somebody holds, times in this zone.
    pub fn ingests(&self, zone: &TimeZone) -> Vec<Ingest> {
        let held = self.signals.iter().filter(|known| !known.packagers.is_empty());
        held.map(|known| Ingest {
            signal: known.signal.clone(),
            packagers: known.packagers.iter().map(|packager| packager.url.clone()).collect(),
            last_reported: rfc1123(known.last_reported, zone),
        })
        .collect()
    }
}

/// When something was last reported, and when that stops to count.
#[derive(Debug, Clone, Copy)]
struct Renewal {
    last_reported: Timestamp,
    expires: Duration,
}

#[derive(Debug, Clone)]
struct Entry {
    renewal: Renewal,
    packagers: BTreeMap<PartUrl, Renewal>,
}

/// The merge of all reports that still count.
#[derive(Debug, Clone)]
pub struct Registry {
    expiry: Duration,
    revision: u64,
    signals: BTreeMap<SignalName, Entry>,
}

impl Registry {
    /// Knows nothing; what is reported counts for `expiry` unless renewed.
    pub const fn new(expiry: Duration) -> Self {
        Self { expiry, revision: 0, signals: BTreeMap::new() }
    }

    /// Goes on from a snapshot. What it holds keeps the time that it had left by the calendar, and never
    /// more than `expiry`, should the calendar have been set back.
    pub fn restore(snapshot: Snapshot, expiry: Duration, now: Now) -> Self {
        let renewal = |last_reported: Timestamp| {
            let age = Duration::try_from(now.wall.duration_since(last_reported)).unwrap_or_default();
            let expires = now.monotonic + expiry.saturating_sub(age);
            Renewal { last_reported, expires }
        };
        let signals = snapshot.signals.into_iter().take(SIGNALS_MAX).map(|known| {
            let packagers =
                known.packagers.into_iter().map(|packager| (packager.url, renewal(packager.last_reported)));
            let entry = Entry { renewal: renewal(known.last_reported), packagers: packagers.collect() };
            (known.signal, entry)
        });
        Self { expiry, revision: snapshot.revision, signals: signals.collect() }
    }

    /// Takes a whole report: every pair of signal and packager in it counts from `now` on.
    ///
    /// # Errors
    /// [`Full`]; then nothing of the report counts.
    pub fn merge(&mut self, reports: Vec<Report>, now: Now) -> Result<Vec<Change>, Full> {
        let mut new: Vec<_> = reports.iter().map(|report| &report.signal).collect();
        new.retain(|signal| !self.signals.contains_key(*signal));
        new.sort_unstable();
        new.dedup();
        if self.signals.len() + new.len() > SIGNALS_MAX {
            return Err(Full);
        }
        let renewal = Renewal { last_reported: now.wall, expires: now.monotonic + self.expiry };
        let mut changes = Vec::new();
        for Report { signal, packagers } in reports {
            let entry = self
                .signals
                .entry(signal.clone())
                .or_insert_with(|| Entry { renewal, packagers: BTreeMap::new() });
            entry.renewal = renewal;
            for packager in packagers {
                if entry.packagers.insert(packager.clone(), renewal).is_none() {
                    changes.push(Change { signal: signal.clone(), packager, active: true });
                }
            }
        }
        Ok(self.counted(changes))
    }

    /// Forgets what nobody renewed.
    pub fn expire(&mut self, now: Duration) -> Vec<Change> {
        let mut changes = Vec::new();
        self.signals.retain(|signal, entry| {
            entry.packagers.retain(|packager, renewal| {
                let active = renewal.expires > now;
                if !active {
                    changes.push(Change { signal: signal.clone(), packager: packager.clone(), active });
                }
                active
            });
            entry.renewal.expires > now
        });
        self.counted(changes)
    }

    fn counted(&mut self, changes: Vec<Change>) -> Vec<Change> {
        self.revision += u64::from(!changes.is_empty());
        changes
    }

    /// The next moment at which something expires.
    pub fn wake_at(&self) -> Option<Duration> {
        let renewals =
            self.signals.values().flat_map(|entry| entry.packagers.values().chain([&entry.renewal]));
        renewals.map(|renewal| renewal.expires).min()
    }

    /// All that is known, as of the last [`expire`](Self::expire).
    pub fn snapshot(&self) -> Snapshot {
        let signals = self.signals.iter().map(|(signal, entry)| KnownSignal {
            signal: signal.clone(),
            last_reported: entry.renewal.last_reported,
            packagers: entry
                .packagers
                .iter()
                .map(|(url, renewal)| ActivePackager {
                    url: url.clone(),
                    last_reported: renewal.last_reported,
                })
                .collect(),
        });
        Snapshot { revision: self.revision, signals: signals.collect() }
    }
}

#[cfg(test)]
mod tests;
