//! The figures of a packager.

use airtight_media::health::Health;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use crate::{
    outlet,
    publish::Board,
    serve::{connection::Stalled, overload::Overload},
};

/// The status that an ingest request was answered with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Status {
    pub(super) status: u16,
}

/// What a segment says of its content.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Content {
    health: &'static str,
}

/// Counted and shown by `GET /metrics`. None of its own grows with the number of signals.
#[derive(Debug)]
pub(super) struct Metrics {
    pub(super) registry: Registry,
    pub(super) stalled: Stalled,
    pub(super) overload: Overload,
    pub(super) ingested: Family<Status, Counter>,
    segments: Family<Content, Counter>,
    pub(super) set_aside: Counter,
    pub(super) write_failures: Counter,
    pub(super) delete_failures: Counter,
    pub(super) disk_reads: Counter,
    pub(super) overtaken: Counter,
    pub(super) notices_dropped: Counter,
    pub(super) followers: Gauge,
    held_bytes: Gauge,
    held_pieces: Gauge,
    memory_bytes: Gauge,
}

impl Metrics {
    /// The figures of a packager, those of its board among them.
    pub(super) fn new(board: &Board) -> Self {
        let mut registry = Registry::with_prefix("airtight");
        outlet::register(&mut registry);
        board.figures.register(&mut registry);
        let stalled = Stalled::default();
        stalled.register(&mut registry);
        let overload = Overload::default();
        overload.register(&mut registry);
        let own = registry.sub_registry_with_prefix("packager");
        let ingested = Family::default();
        own.register("ingest_requests", "Requests that sent something, by their answer", ingested.clone());
        let segments = Family::default();
        own.register(
            "segments",
            "Segments that are held since the start, by their content",
            segments.clone(),
        );
        let mut counter = |name, help| {
            let counter = Counter::default();
            own.register(name, help, counter.clone());
            counter
        };
        let set_aside = counter("files_set_aside", "Files that are not what their names say");
        let write_failures = counter("write_failures", "Files that could not be written");
        let delete_failures = counter("delete_failures", "Files that could not be deleted");
        let disk_reads = counter("disk_reads", "Requests for media that is no longer in memory");
        let overtaken = counter("followers_overtaken", "Followers that were sent everything anew");
        let notices_dropped =
            counter("notices_dropped", "Notices of the folder that the next look makes up for");
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            own.register(name, help, gauge.clone());
            gauge
        };
        let followers = gauge("followers", "Followers of the holdings");
        let held_bytes = gauge("held_bytes", "Bytes of media that are held");
        let held_pieces = gauge("held_pieces", "Inits, slates and segments that are held");
        let memory_bytes = gauge("memory_bytes", "Bytes of media in memory");
        Self {
            registry,
            stalled,
            overload,
            ingested,
            segments,
            set_aside,
            write_failures,
            delete_failures,
            disk_reads,
            overtaken,
            notices_dropped,
            followers,
            held_bytes,
            held_pieces,
            memory_bytes,
        }
    }

    /// Counts a segment that is held from now on.
    pub(super) fn taken(&self, health: Health) {
        self.segments.get_or_create(&Content { health: health.as_str() }).inc();
    }

    /// Takes over bytes and pieces that are held, and bytes in memory.
    pub(super) fn show(&self, (bytes, pieces, memory): (u64, u64, usize)) {
        set(&self.held_bytes, bytes);
        set(&self.held_pieces, pieces);
        set(&self.memory_bytes, memory);
    }
}

fn set(gauge: &Gauge, value: impl TryInto<i64>) {
    gauge.set(value.try_into().unwrap_or(i64::MAX));
}
