//! What the composers decided, as counters and as lines of the log.

use airtight_media::{
    compose::{Decision, SourceId},
    id::SignalName,
};
use prometheus_client::{
    metrics::{counter::Counter, histogram::Histogram},
    registry::Registry,
};
use tracing::{debug, info, warn};

use super::{contents::Contents, parities::Parities};

/// Upper bounds of the buckets of decision times, in seconds. They are to stay below half a target duration: the last
/// millisecond below that is one, for every target duration that is usual.
const SWITCHES: [f64; 14] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.499, 0.6, 0.749, 0.9, 0.999, 1.499, 1.999, 2.499, 2.999];

/// Counters over all signals, and what their lineages' contents are.
#[derive(Debug)]
pub struct Figures {
    /// Segments shown as slate.
    pub filled: Counter,
    /// Segments whose slate was replaced by late media.
    pub replaced: Counter,
    /// Copies that did not pass the check.
    pub corrupt: Counter,
    /// Changes of the lineage that is shown.
    pub leads: Counter,
    /// What the content of each lineage is now.
    pub(super) contents: Contents,
    /// How far the pictures of lineages agree.
    pub(super) parities: Parities,
    /// Lineages whose content turned black, frozen or silent.
    pub turned_bad: Counter,
    /// Fetches that brought nothing.
    pub fetches_failed: Counter,
    /// Fetches made beside a slow one.
    pub hedged: Counter,
    /// How long after a copy failed or was due another one was decided for, but for the time in which nobody had one.
    pub switched: Histogram,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            filled: Counter::default(),
            replaced: Counter::default(),
            corrupt: Counter::default(),
            leads: Counter::default(),
            contents: Contents::default(),
            parities: Parities::default(),
            turned_bad: Counter::default(),
            fetches_failed: Counter::default(),
            hedged: Counter::default(),
            switched: Histogram::new(SWITCHES),
        }
    }
}

impl Figures {
    /// Lists the counters for `GET /metrics`.
    pub fn register(&self, registry: &mut Registry) {
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter("segments_filled", "Segments shown as slate", &self.filled);
        counter("segments_replaced", "Segments whose slate gave way to late media", &self.replaced);
        counter("copies_corrupt", "Copies that did not pass the check", &self.corrupt);
        counter("lead_changes", "Changes of the lineage that is shown", &self.leads);
        counter(
            "contents_turned_bad",
            "Times that a lineage turned black, frozen or silent",
            &self.turned_bad,
        );
        counter("fetches_failed", "Fetches of media that brought nothing", &self.fetches_failed);
        counter("fetches_hedged", "Fetches of media made beside one that took long", &self.hedged);
        let help = "From when a copy was asked for in vain, or usually comes, until another was decided for; \
                    not counted while nobody has another";
        registry.register("copy_switch_seconds", help, self.switched.clone());
        self.contents.register(registry);
        self.parities.register(registry);
    }

    /// Counts and logs a decision; `name` is what people call a source.
    pub(super) fn decided(
        &self,
        signal: &SignalName,
        decision: &Decision,
        name: impl FnOnce(SourceId) -> String,
    ) {
        let mut whose = String::new();
        match decision {
            Decision::Lead(..) => {
                self.leads.inc();
                info!("{signal}: {decision}");
                return;
            }
            Decision::Hedged { from, .. } => {
                self.hedged.inc();
                debug!("{signal}: {decision}: {}", name(*from));
                return;
            }
            Decision::Switched { after, .. } => {
                self.switched.observe(after.as_secs_f64());
                debug!("{signal}: {decision}");
                return;
            }
            Decision::Replaced(..) => {
                self.replaced.inc();
                info!("{signal}: {decision}");
                return;
            }
            Decision::Turned(_, _, health) if health.is_healthy() => {
                info!("{signal}: {decision}");
                return;
            }
            Decision::Turned(..) => drop(self.turned_bad.inc()),
            Decision::Filled(..) => drop(self.filled.inc()),
            Decision::Corrupt { from, .. } => {
                self.corrupt.inc();
                whose = format!(" of {}", name(*from));
            }
            Decision::Late(..) | Decision::Lacking(_) | Decision::Contradiction(_) => {}
        }
        warn!("{signal}{whose}: {decision}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::SWITCHES;

    #[test]
    fn what_took_half_a_target_duration_is_not_counted_with_what_took_less() {
        for target in [1000, 1500, 2000, 3000, 4000, 5000, 6000] {
            let below = Duration::from_millis(target / 2 - 1).as_secs_f64();
            assert!(SWITCHES.iter().any(|bound| bound.to_bits() == below.to_bits()), "{target}");
        }
        assert!(SWITCHES.is_sorted());
    }
}
