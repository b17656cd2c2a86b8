//! The reporter as discovery sees it: takes a report, or is tried again by the common backoff.
//!
//! An outage is one line when it begins and one when it ends, however long it lasts.

use std::{collections::BTreeSet, time::Duration};

use airtight_control::{
    ingest::{PartUrl, Report},
    restart::{Policy, Restart},
};
use airtight_media::id::SignalName;
use anyhow::{Context as _, ensure};
use tokio::time::Instant;
use tracing::{debug, error, info};

use crate::http::{Budget, Client};

/// For the reporter to accept a report.
const BUDGET: Budget = Budget { time: Duration::from_millis(800), bytes: 64 << 10 };

/// The reporter that this discovery tells.
pub(super) struct Reporter {
    url: PartUrl,
    client: Client,
    start: Instant,
    restart: Restart,
    registered: BTreeSet<SignalName>,
}

impl Reporter {
    pub(super) fn new(url: PartUrl, client: Client) -> Self {
        let restart = Restart::new(Policy::LINK);
        Self { url, client, start: Instant::now(), restart, registered: BTreeSet::new() }
    }

    /// Posts a report; a signal that is held by somebody and was accepted for the first time is told to the log.
    ///
    /// # Errors
    /// The reporter did not accept it.
    pub(super) async fn report(&mut self, reports: &[Report]) -> anyhow::Result<()> {
        let url = format!("{}/ingests", self.url);
        let unreached = || format!("reporter {} can't be reached", self.url);
        let json = serde_json::to_vec(reports)?;
        let answer = self.client.post_json(&url, json, BUDGET).await.with_context(unreached)?;
        ensure!(
            answer.status.is_success(),
            "reporter {} does not accept the report: {} {}",
            self.url,
            answer.status,
            answer.sentence()
        );
        for report in reports.iter().filter(|report| !report.packagers.is_empty()) {
            if self.registered.insert(report.signal.clone()) {
                info!("Registered signal '{}' as ingest source", report.signal);
            }
        }
        Ok(())
    }

    /// Takes the outcome of a round; returns how long to wait before the next one when it failed.
    pub(super) fn note(&mut self, outcome: anyhow::Result<()>) -> Option<Duration> {
        let failures = self.restart.failures();
        match outcome {
            Ok(()) => {
                if failures > 0 {
                    info!("Reporter {} accepts reports again, after {failures} failures", self.url);
                }
                self.restart.succeeded();
                None
            }
            Err(error) => {
                match failures {
                    0 => error!("{error:#}; trying again"),
                    _ => debug!("{error:#}"),
                }
                Some(self.restart.failed(self.start.elapsed(), fastrand::u32(..)))
            }
        }
    }
}
