//! Which packagers hold which signal now: the report that one discovery makes of what it saw.
//!
//! A packager counts for a signal when it is healthy and its newest media is fresh. A signal that is known,
//! from the disk or from a packager, is reported even if nobody holds it.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use airtight_media::id::SignalName;

use crate::{
    health::{Health, Holding, Hysteresis, Turn},
    ingest::{PartUrl, Report},
};

/// Media older than so many segments is stale.
const STALE_SEGMENTS: u32 = 3;

/// What a packager lists of one signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The age of its newest media; nothing for a signal without media.
    pub age: Option<Duration>,
    /// The duration of its segments.
    pub segment: Duration,
}

/// What one round of questions to one packager gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Whether it says that it is alive.
    pub alive: bool,
    /// The signals that it lists; `None` when it gave no list, which leaves what it said before to age.
    pub signals: Option<BTreeMap<SignalName, Listed>>,
}

#[derive(Debug)]
struct Packager {
    health: Health,
    holdings: BTreeMap<SignalName, Option<Holding>>,
}

/// The packagers that one discovery asks.
#[derive(Debug)]
pub struct Fleet {
    packagers: BTreeMap<PartUrl, Packager>,
}

impl Fleet {
    /// Nothing heard yet.
    pub fn new(packagers: BTreeSet<PartUrl>, hysteresis: Hysteresis) -> Self {
        let packager = || Packager { health: Health::new(hysteresis), holdings: BTreeMap::new() };
        Self { packagers: packagers.into_iter().map(|url| (url, packager())).collect() }
    }

    /// Takes what a packager of the fleet answered at `now`; returns the change of its health.
    pub fn handle(&mut self, packager: &PartUrl, probe: Probe, now: Duration) -> Option<Turn> {
        let packager = self.packagers.get_mut(packager)?;
        if let Some(signals) = probe.signals {
            let held = |listed: Listed| {
                let stale = listed.segment.saturating_mul(STALE_SEGMENTS);
                listed.age.map(|age| Holding { age, heard: now, stale })
            };
            packager.holdings = signals.into_iter().map(|(signal, listed)| (signal, held(listed))).collect();
        }
        packager.health.handle(probe.alive)
    }

    /// How many packagers are healthy.
    pub fn healthy(&self) -> usize {
        self.packagers.values().filter(|packager| packager.health.is_healthy()).count()
    }

    /// The report as of `now`, with the signals found on the disk.
    pub fn reports(&self, on_disk: &BTreeSet<SignalName>, now: Duration) -> Vec<Report> {
        let mut holders: BTreeMap<SignalName, BTreeSet<PartUrl>> =
            on_disk.iter().map(|signal| (signal.clone(), BTreeSet::new())).collect();
        let healthy = self.packagers.iter().filter(|(_, packager)| packager.health.is_healthy());
        for (url, packager) in healthy {
            for (signal, holding) in &packager.holdings {
                let holders = holders.entry(signal.clone()).or_default();
                if holding.is_some_and(|holding| holding.is_active(now)) {
                    holders.insert(url.clone());
                }
            }
        }
        holders.into_iter().map(|(signal, packagers)| Report { signal, packagers }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Duration = Duration::from_secs(2);

    fn url(host: &str) -> PartUrl {
        format!("http://{host}").parse().unwrap()
    }

    fn fleet() -> Fleet {
        Fleet::new([url("p1"), url("p2")].into(), Hysteresis::DEFAULT)
    }

    /// A living packager with these signals and ages in milliseconds.
    fn lists(signals: &[(&str, Option<u64>)]) -> Probe {
        let listed = |age: Option<u64>| Listed { age: age.map(Duration::from_millis), segment: SEGMENT };
        let signals = signals.iter().map(|&(signal, age)| (signal.parse().unwrap(), listed(age)));
        Probe { alive: true, signals: Some(signals.collect()) }
    }

    const SILENT: Probe = Probe { alive: false, signals: None };

    fn told(fleet: &Fleet, on_disk: &[&str], seconds: u64) -> String {
        let on_disk = on_disk.iter().map(|signal| signal.parse().unwrap()).collect();
        let reports = fleet.reports(&on_disk, Duration::from_secs(seconds));
        let reports = reports.iter().map(|report| {
            let packagers: Vec<&str> = report.packagers.iter().map(PartUrl::host).collect();
            format!("{}={}", report.signal, packagers.join(","))
        });
        reports.collect::<Vec<_>>().join(";")
    }

    #[test]
    fn a_signal_is_held_by_the_healthy_packagers_with_fresh_media() {
        let mut fleet = fleet();
        fleet.handle(&url("p1"), lists(&[("live01", Some(1000)), ("live02", Some(6001))]), Duration::ZERO);
        fleet.handle(&url("p2"), lists(&[("live01", Some(6000)), ("live03", None)]), Duration::ZERO);
        assert_eq!(told(&fleet, &["live04"], 0), "live01=p1,p2;live02=;live03=;live04=");
        assert_eq!(told(&fleet, &[], 1), "live01=p1;live02=;live03=", "p2 aged past three durations");
    }

    #[test]
    fn one_lost_probe_changes_nothing_two_take_the_packager_out() {
        let mut fleet = fleet();
        let probe = || lists(&[("live01", Some(0))]);
        assert_eq!(fleet.handle(&url("p1"), probe(), Duration::ZERO), Some(Turn::Healthy));
        assert_eq!(fleet.handle(&url("p1"), SILENT, Duration::from_secs(1)), None);
        assert_eq!(told(&fleet, &[], 1), "live01=p1");
        assert_eq!(fleet.handle(&url("p1"), SILENT, Duration::from_secs(2)), Some(Turn::Unhealthy));
        assert_eq!(told(&fleet, &["live01"], 2), "live01=");
        assert_eq!(fleet.handle(&url("p1"), probe(), Duration::from_secs(3)), None);
        assert_eq!(fleet.handle(&url("p1"), probe(), Duration::from_secs(4)), Some(Turn::Healthy));
        assert_eq!(told(&fleet, &[], 4), "live01=p1");
    }

    #[test]
    fn a_living_packager_that_gives_no_list_ages() {
        let mut fleet = fleet();
        fleet.handle(&url("p1"), lists(&[("live01", Some(2000))]), Duration::ZERO);
        fleet.handle(&url("p1"), Probe { alive: true, signals: None }, Duration::from_secs(5));
        assert_eq!(told(&fleet, &[], 4), "live01=p1");
        assert_eq!(told(&fleet, &[], 5), "live01=");
    }

    #[test]
    fn how_old_is_stale_depends_on_the_segments_of_the_signal() {
        let mut fleet = fleet();
        let listed =
            |seconds| Listed { age: Some(Duration::from_secs(10)), segment: Duration::from_secs(seconds) };
        let signals = [("live02".parse().unwrap(), listed(2)), ("live04".parse().unwrap(), listed(4))];
        fleet.handle(&url("p1"), Probe { alive: true, signals: Some(signals.into()) }, Duration::ZERO);
        assert_eq!(told(&fleet, &[], 0), "live02=;live04=p1");
    }

    #[test]
    fn a_signal_that_a_packager_no_longer_lists_is_gone() {
        let mut fleet = fleet();
        fleet.handle(&url("p1"), lists(&[("live01", Some(0))]), Duration::ZERO);
        fleet.handle(&url("p1"), lists(&[]), Duration::from_secs(1));
        assert_eq!(told(&fleet, &[], 1), "");
    }
}
