//! The figures of the reporter.

use airtight_control::registry::Snapshot;
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
    pub(super) accepted: Counter,
    pub(super) refused: Counter,
    pub(super) snapshots_failed: Counter,
    known: Gauge,
    active: Gauge,
    revision: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("airtight_reporter");
        outlet::register(&mut registry);
        let stalled = Stalled::default();
        stalled.register(&mut registry);
        let mut counter = |name, help| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let accepted = counter("reports_accepted", "Reports that were taken");
        let refused = counter("reports_refused", "Reports of which nothing was taken");
        let snapshots_failed = counter("snapshots_failed", "Snapshots that could not be written to disk");
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let known = gauge("signals_known", "Signals that are reported");
        let active = gauge("signals_active", "Signals that a packager holds");
        let revision = gauge("revision", "Changes of who holds what");
        Self { registry, stalled, accepted, refused, snapshots_failed, known, active, revision }
    }

    /// Takes over what is known.
    pub(super) fn show(&self, snapshot: &Snapshot) {
        let active = snapshot.signals.iter().filter(|known| !known.packagers.is_empty()).count();
        set(&self.known, snapshot.signals.len());
        set(&self.active, active);
        set(&self.revision, snapshot.revision);
    }
}

fn set(gauge: &Gauge, value: impl TryInto<i64>) {
    gauge.set(value.try_into().unwrap_or(i64::MAX));
}
