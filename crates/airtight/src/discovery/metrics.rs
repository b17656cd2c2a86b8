//! The figures of discovery.

use airtight_control::ingest::Report;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use crate::{outlet, serve::connection::Stalled};

/// Counted and shown by `GET /metrics`. None of them grows with the number of signals.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) registry: Registry,
    pub(super) stalled: Stalled,
    pub(super) failed: Counter,
    rounds: Counter,
    known: Gauge,
    active: Gauge,
    healthy: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("airtight_discovery");
        outlet::register(&mut registry);
        let stalled = Stalled::default();
        stalled.register(&mut registry);
        let (failed, rounds) = (Counter::default(), Counter::default());
        registry.register("reports_failed", "Reports that the reporter did not accept", failed.clone());
        registry.register("rounds", "Rounds of looking and asking", rounds.clone());
        let (known, active, healthy) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("signals_known", "Signals on the disk or at a packager", known.clone());
        registry.register(
            "signals_active",
            "Signals that a healthy packager holds fresh media of",
            active.clone(),
        );
        registry.register("packagers_healthy", "Packagers that answer", healthy.clone());
        Self { registry, stalled, failed, rounds, known, active, healthy }
    }

    /// Takes over what a round found.
    pub(super) fn show(&self, reports: &[Report], healthy: usize) {
        self.rounds.inc();
        let active = reports.iter().filter(|report| !report.packagers.is_empty()).count();
        for (gauge, value) in [(&self.known, reports.len()), (&self.active, active), (&self.healthy, healthy)]
        {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }
}
