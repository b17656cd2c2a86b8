//! Asks every packager whether it lives (`/healthz`) and what it holds (`/signals`).
//!
//! All are asked at once, within one budget, so a frozen one costs the others nothing. What the answers mean
//! is decided by [`Fleet`].

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use airtight_control::{
    health::{Hysteresis, Turn},
    ingest::{PartUrl, Report},
    select::{Fleet, Listed, Probe},
};
use airtight_media::id::SignalName;
use futures_util::future::join_all;
use serde::Deserialize;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::http::{Budget, Client};

/// The duration of the segments of a signal whose record does not say it.
const SEGMENT_MILLIS: u64 = 2000;

/// For one answer of a packager.
const BUDGET: Budget = Budget { time: Duration::from_millis(800), bytes: 8 << 20 };

/// The packagers that this discovery asks.
pub(super) struct Packagers {
    client: Client,
    start: Instant,
    fleet: Fleet,
    /// Of each packager, whether it last gave a list of signals that can be read.
    listing: BTreeMap<PartUrl, bool>,
}

impl Packagers {
    pub(super) fn new(urls: BTreeSet<PartUrl>, client: Client) -> Self {
        let listing = urls.iter().map(|url| (url.clone(), true)).collect();
        let fleet = Fleet::new(urls, Hysteresis::DEFAULT);
        Self { client, start: Instant::now(), fleet, listing }
    }

    /// Asks all of them once.
    pub(super) async fn probe(&mut self) {
        let client = &self.client;
        let asked = self.listing.keys().map(|url| async move {
            let (alive, signals) = tokio::join!(alive(client, url), signals(client, url));
            (url.clone(), alive, signals)
        });
        for (url, alive, signals) in join_all(asked).await {
            self.take(&url, &alive, signals);
        }
    }

    fn take(&mut self, url: &PartUrl, alive: &Answer<()>, signals: Answer<Signals>) {
        let listing = self.listing.entry(url.clone()).or_insert(true);
        match (&signals, alive) {
            // Said with its health.
            (_, Err(_)) => {}
            (Err(reason), Ok(())) if *listing => {
                warn!("Packager {url} does not say what it holds: {reason}");
                *listing = false;
            }
            (Ok(_), Ok(())) if !*listing => {
                info!("Packager {url} says what it holds again");
                *listing = true;
            }
            _ => {}
        }
        let probe = Probe { alive: alive.is_ok(), signals: signals.ok() };
        match (self.fleet.handle(url, probe, self.start.elapsed()), alive) {
            (Some(Turn::Healthy), _) => info!("Packager {url} is healthy"),
            (Some(Turn::Unhealthy), Err(reason)) => warn!("Packager {url} is not healthy: {reason}"),
            _ => {}
        }
    }

    /// What the reporter is to be told now.
    pub(super) fn reports(&self, on_disk: &BTreeSet<SignalName>) -> Vec<Report> {
        self.fleet.reports(on_disk, self.start.elapsed())
    }

    /// How many are healthy.
    pub(super) fn healthy(&self) -> usize {
        self.fleet.healthy()
    }
}

/// What a packager answered, or in words why it did not.
type Answer<T> = Result<T, String>;

type Signals = BTreeMap<SignalName, Listed>;

async fn alive(client: &Client, url: &PartUrl) -> Answer<()> {
    ask(client, format!("{url}/healthz")).await.map(drop)
}

async fn signals(client: &Client, url: &PartUrl) -> Answer<Signals> {
    parse(&ask(client, format!("{url}/signals")).await?)
}

async fn ask(client: &Client, url: String) -> Answer<bytes::Bytes> {
    let answer = client.get(&url, BUDGET).await.map_err(|fault| fault.to_string())?;
    match answer.status.is_success() {
        true => Ok(answer.body),
        false => Err(format!("{} {}", answer.status, answer.sentence()).trim_end().to_owned()),
    }
}

/// The part of an entry of `/signals` that counts here. Packagers of other versions say more, or less.
#[derive(Deserialize)]
struct Entry {
    signal: SignalName,
    age_ms: Option<u64>,
    #[serde(default)]
    record: serde_json::Value,
}

impl Entry {
    fn listed(&self) -> Listed {
        let segment = self.record.get("d").and_then(serde_json::Value::as_u64).unwrap_or(SEGMENT_MILLIS);
        Listed { age: self.age_ms.map(Duration::from_millis), segment: Duration::from_millis(segment) }
    }
}

fn parse(body: &[u8]) -> Answer<Signals> {
    let entries: Vec<serde_json::Value> =
        serde_json::from_slice(body).map_err(|error| format!("its list can't be read: {error}"))?;
    // An entry that can't be read takes no other with it.
    let entries = entries.into_iter().filter_map(|entry| serde_json::from_value::<Entry>(entry).ok());
    Ok(entries.map(|entry| (entry.signal.clone(), entry.listed())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_leniently() {
        let list = r#"[
            {"signal":"live01","record":{"d":4000},"newest":897738816,"age_ms":1234,"lineages":[]},
            {"signal":"live02","newest":null,"age_ms":null},
            {"signal":"live03"},
            {"signal":"../x","age_ms":1},
            {"signal":"live04","age_ms":"soon"},
            7
        ]"#;
        let signals = parse(list.as_bytes()).unwrap();
        let signals: Vec<_> = signals
            .iter()
            .map(|(signal, listed)| {
                (signal.as_str(), listed.age.map(|age| age.as_millis()), listed.segment.as_secs())
            })
            .collect();
        assert_eq!(signals, [("live01", Some(1234), 4), ("live02", None, 2), ("live03", None, 2)]);
        for bad in ["", "{}", "[", "null"] {
            assert!(parse(bad.as_bytes()).unwrap_err().starts_with("its list can't be read"), "{bad}");
        }
    }
}
