//! Delivers what the shelf holds to one destination, at that destination's pace.
//!
//! One sink per destination, each with its own place on the shelf: a slow or dead one delays nobody. What
//! it could not take in time is dropped, oldest first, and counted. A destination that came back without
//! what it held is given all that the shelf still has.

pub mod folder;
pub mod packager;

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use airtight_control::restart::{Policy, Restart};
use airtight_media::record::Record;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::{
    clock,
    rarely::Rarely,
    shelf::{Found, Item, Shelf},
};

/// For the last items, once nothing more will come.
const DRAIN: Duration = Duration::from_secs(3);
/// Segments before and after the present moment that are due now: no destination keeps so few.
const NOW: u64 = 3;
/// Kinds of refusals that are told apart in the log.
const MOST_CAUSES: usize = 64;

/// What became of a delivery.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is there now, or was already.
    Done,
    /// The destination lacks what the item needs: record, init, slate.
    Unprepared,
    /// Its number is not kept any more or not due yet, in these words: no fault of one that waited for the destination.
    Outside(String),
    /// Its event ended before its number, in these words: no fault of one that was made before that was known.
    Over(String),
    /// It will never take it, for this reason.
    Refused(String),
    /// It could not take it now, for this reason.
    Failed(String),
}

/// Where media goes.
pub trait Destination: fmt::Display {
    /// Delivers the signal record.
    async fn record(&mut self, record: &Record) -> Outcome;
    /// Delivers an item.
    async fn put(&mut self, item: &Item) -> Outcome;
}

/// Delivers to one destination until all is done.
pub struct Sink<D> {
    destination: D,
    shelf: Arc<Shelf>,
    record: watch::Receiver<Option<Record>>,
    /// The next place on the shelf.
    place: u64,
    /// Whether the newest record was delivered.
    recorded: bool,
    restart: Restart,
    begun: Instant,
    causes: BTreeSet<String>,
    /// That a clock is wrong.
    clock: Rarely,
    missed: u64,
}

impl<D: Destination> Sink<D> {
    /// A sink that begins with the oldest item of the shelf.
    pub fn new(destination: D, shelf: Arc<Shelf>, record: watch::Receiver<Option<Record>>) -> Self {
        let place = shelf.first();
        Self {
            destination,
            shelf,
            record,
            place,
            recorded: false,
            restart: Restart::new(Policy::LINK),
            begun: Instant::now(),
            causes: BTreeSet::new(),
            clock: Rarely::new(1),
            missed: 0,
        }
    }

    /// Delivers until `stop`, then what is left, for three seconds at most.
    pub async fn run(mut self, stop: CancellationToken) {
        let until = stop.clone().cancelled_owned();
        tokio::select! {
            () = self.deliver(&stop) => {}
            () = async { until.await; sleep(DRAIN).await } => {
                warn!("{} was left behind: it did not take the last media in time", self.destination);
            }
        }
        if self.missed > 0 {
            info!("{} has missed {} items in all", self.destination, self.missed);
        }
    }

    async fn deliver(&mut self, stop: &CancellationToken) {
        let mut end = self.shelf.watch();
        loop {
            end.mark_unchanged();
            self.record.mark_unchanged();
            let outcome = match self.step().await {
                Some(outcome) => outcome,
                None if stop.is_cancelled() => return,
                None => {
                    tokio::select! {
                        _ = end.changed() => {}
                        changed = self.record.changed() => match changed {
                            Ok(()) => self.recorded = false,
                            Err(_) => stop.cancelled().await,
                        },
                        () = stop.cancelled() => {}
                    }
                    continue;
                }
            };
            if let Err(reason) = outcome {
                let wait = self.failed(&reason);
                // New media is no reason to try earlier; the end is, once.
                tokio::select! {
                    () = sleep(wait) => {}
                    () = stop.cancelled(), if !stop.is_cancelled() => {}
                }
            } else if self.restart.failures() > 0 {
                info!("{} takes media again", self.destination);
                self.restart.succeeded();
            }
        }
    }

    /// Delivers the record if it is new, else the next item; `None` if there is nothing to do.
    async fn step(&mut self) -> Option<Result<(), String>> {
        if !self.recorded {
            let record = self.record.borrow_and_update().clone();
            if let Some(record) = record {
                return Some(self.deliver_record(&record).await);
            }
        }
        let Found { place, missed, item } = self.shelf.at(self.place)?;
        if missed > 0 {
            self.missed += missed;
            warn!("{} was too slow: {missed} items are dropped for it, the oldest first", self.destination);
        }
        self.place = place;
        let outcome = self.destination.put(&item).await;
        Some(self.settle(&item, outcome).await)
    }

    async fn deliver_record(&mut self, record: &Record) -> Result<(), String> {
        match self.destination.record(record).await {
            Outcome::Done => self.recorded = true,
            Outcome::Refused(reason) | Outcome::Outside(reason) | Outcome::Over(reason) => {
                self.recorded = true;
                self.refused(&format!("the signal record: {reason}"));
            }
            Outcome::Failed(reason) => return Err(reason),
            Outcome::Unprepared => return Err("it does not take the signal record yet".to_owned()),
        }
        Ok(())
    }

    async fn settle(&mut self, item: &Item, outcome: Outcome) -> Result<(), String> {
        match outcome {
            Outcome::Done => {
                debug!("{} has {}", self.destination, item.piece.path().unwrap_or_default());
                self.place += 1;
            }
            Outcome::Outside(answer) => self.outside(item, &answer),
            Outcome::Over(answer) => self.pass(item, &answer),
            Outcome::Refused(reason) => {
                self.place += 1;
                self.refused(&reason);
            }
            Outcome::Failed(reason) => return Err(reason),
            Outcome::Unprepared => return self.prepare(item).await,
        }
        Ok(())
    }

    /// The destination lost what it held: record, init and slate first, then all that there is.
    async fn prepare(&mut self, item: &Item) -> Result<(), String> {
        let record = self.record.borrow().clone();
        if let Some(record) = record {
            self.deliver_record(&record).await?;
        }
        for head in item.lineage().map(|lineage| self.shelf.heads(lineage)).unwrap_or_default() {
            match self.destination.put(&head).await {
                Outcome::Done => {}
                Outcome::Refused(reason)
                | Outcome::Outside(reason)
                | Outcome::Over(reason)
                | Outcome::Failed(reason) => return Err(reason),
                Outcome::Unprepared => return Err("it asks for an init and does not take it".to_owned()),
            }
        }
        match self.destination.put(item).await {
            Outcome::Done => {
                info!("{} is filled with the media of the last minute", self.destination);
                self.place = self.shelf.first();
                Ok(())
            }
            Outcome::Outside(answer) => {
                self.outside(item, &answer);
                Ok(())
            }
            Outcome::Over(answer) => {
                self.pass(item, &answer);
                Ok(())
            }
            Outcome::Refused(reason) => {
                self.place += 1;
                self.refused(&reason);
                Ok(())
            }
            Outcome::Failed(reason) => Err(reason),
            Outcome::Unprepared => Err("it asks for an init that it was given".to_owned()),
        }
    }

    /// What waited here may be too old by now. What is due now is not, unless a clock is wrong.
    fn outside(&mut self, item: &Item, answer: &str) {
        if self.is_due(item, clock::millis()) && self.clock.may_say(Instant::now()) {
            warn!(
                "{} refuses what is made now: {answer}; the clock of this machine or of that one is likely wrong: \
                 compare them and set both by NTP",
                self.destination
            );
        }
        self.pass(item, answer);
    }

    /// Goes on behind an item that the destination will not take, through no fault of either.
    fn pass(&mut self, item: &Item, answer: &str) {
        self.place += 1;
        debug!("{} refuses {}: {answer}", self.destination, item.piece.path().unwrap_or_default());
    }

    /// Whether an item is due at `now_ms` by the clock of this machine, whose worker may have stood still since
    /// it was made.
    fn is_due(&self, item: &Item, now_ms: u64) -> bool {
        let record = self.record.borrow();
        item.number().zip(record.as_ref()).is_some_and(|(number, Record { grid, .. })| {
            grid.end_millis(number).abs_diff(now_ms) <= NOW * u64::from(grid.millis.get())
        })
    }

    fn refused(&mut self, reason: &str) {
        if self.causes.len() < MOST_CAUSES && self.causes.insert(reason.to_owned()) {
            warn!("{} refuses {reason}", self.destination);
        } else {
            debug!("{} refuses {reason}", self.destination);
        }
    }

    /// How long to wait before the next attempt.
    fn failed(&mut self, reason: &str) -> Duration {
        match self.restart.failures() {
            0 => warn!("{} takes no media: {reason}; trying again", self.destination),
            _ => debug!("{} takes no media: {reason}", self.destination),
        }
        self.restart.failed(self.begun.elapsed(), fastrand::u32(..))
    }
}

#[cfg(test)]
mod tests;
