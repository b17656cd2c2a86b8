//! Refuses new viewers before old ones suffer: those who ask for a multivariant playlist are told to come back later,
//! and further connections are taken a few at a time, so that refusing costs those who watch little and
//! whoever comes hears of it while it waits. Media are never refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use airtight_control::load::{Load, Turn};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use tokio::{runtime::Handle, time::Instant};
use tracing::{info, warn};

/// While there is no room, those who come wait for so long and are then taken together.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// So many at most, six hundred a second: a full queue of the socket (`listen::BACKLOG`) is told within two seconds.
pub(super) const AT_A_TIME: usize = 30;
/// Of all places, the part that is kept for viewers who have a playlist already.
const KEPT: usize = 16;

/// What is known of a server's load. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Overload(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    shards: AtomicUsize,
    full: AtomicUsize,
    crowded: AtomicBool,
    state: Gauge,
    refused: Counter,
}

impl Overload {
    /// Lists the figures for `GET /metrics`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("overloaded", "1 while new viewers are refused", self.0.state.clone());
        registry.register(
            "viewers_refused",
            "Multivariant playlists refused for want of room",
            self.0.refused.clone(),
        );
    }

    /// Whether new viewers are to be refused.
    pub fn is_full(&self) -> bool {
        let (full, shards) = (self.0.full.load(Ordering::Relaxed), self.0.shards.load(Ordering::Relaxed));
        self.0.crowded.load(Ordering::Relaxed) || (full > 0 && full == shards)
    }

    /// Counts a viewer who was refused.
    pub(super) fn refused(&self) {
        self.0.refused.inc();
    }

    /// Of `places` for connections, `free` are left.
    pub(super) fn places(&self, free: usize, places: usize) {
        let before = self.is_full();
        self.0.crowded.store(free < places / KEPT, Ordering::Relaxed);
        self.tell(before);
    }

    /// One more shard, which is the runtime that this is called on.
    pub(super) fn shard(&self) -> Shard {
        self.0.shards.fetch_add(1, Ordering::Relaxed);
        Shard { overload: self.clone(), load: Load::default(), began: Instant::now() }
    }

    /// Says what has changed since it was `before`.
    fn tell(&self, before: bool) {
        let now = self.is_full();
        self.0.state.set(i64::from(now));
        match (before, now) {
            (false, true) => warn!("There is no room for new viewers, they are told to come back later"),
            (true, false) => info!("There is room for new viewers again"),
            _ => {}
        }
    }
}

/// Watches the load of one shard.
#[derive(Debug)]
pub(super) struct Shard {
    overload: Overload,
    load: Load,
    began: Instant,
}

impl Shard {
    /// Looks at how busy the shard has been; to be called ten times a second.
    pub(super) fn look(&mut self) {
        let worked = Handle::current().metrics().worker_total_busy_duration(0);
        let before = self.overload.is_full();
        match self.load.handle(worked, self.began.elapsed()) {
            Some(Turn::Full) => drop(self.overload.0.full.fetch_add(1, Ordering::Relaxed)),
            Some(Turn::Room) => drop(self.overload.0.full.fetch_sub(1, Ordering::Relaxed)),
            None => return,
        }
        self.overload.tell(before);
    }
}
