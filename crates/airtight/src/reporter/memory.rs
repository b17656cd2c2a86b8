//! The store of one machine: the registry in memory, with a snapshot on disk if there is a folder for it.
//!
//! Two tasks belong to it, which end with the token: one lets expire what is due, one writes the snapshot.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use airtight_control::{
    ingest::Report,
    registry::{Change, Full, Now, Registry, Snapshot},
};
use jiff::Timestamp;
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{metrics::Metrics, store::Store};
use crate::state::StateFile;

/// Between two writings of the snapshot: renewals alone come once a second from each discovery.
const SAVE_PAUSE: Duration = Duration::from_secs(1);

/// The registry of this process. Clones are the same registry.
#[derive(Clone)]
pub(super) struct Memory(Arc<Inner>);

struct Inner {
    start: Instant,
    registry: Mutex<Registry>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    metrics: Arc<Metrics>,
}

impl Memory {
    /// Goes on from the snapshot on disk, if there is one. Returns the tasks as well, which end when `stop` is
    /// cancelled: what is known then is on disk when they have ended.
    pub(super) fn start(
        expiry: Duration,
        disk: Option<StateFile<Snapshot>>,
        metrics: Arc<Metrics>,
        stop: &CancellationToken,
    ) -> (Self, JoinSet<()>) {
        let last = disk.as_ref().map(StateFile::load).unwrap_or_default();
        let now = Now { monotonic: Duration::ZERO, wall: Timestamp::now() };
        let registry = Mutex::new(Registry::restore(last, expiry, now));
        let (snapshot, _) = watch::channel(Arc::default());
        let memory = Self(Arc::new(Inner { start: Instant::now(), registry, snapshot, metrics }));
        memory.expire();
        let mut tasks = JoinSet::new();
        tasks.spawn(expire_in_time(memory.clone(), stop.clone()));
        if let Some(disk) = disk {
            tasks.spawn(keep_on_disk(memory.clone(), disk, stop.clone()));
        }
        (memory, tasks)
    }

    fn now(&self) -> Now {
        Now { monotonic: self.0.start.elapsed(), wall: Timestamp::now() }
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        // Nothing that holds the lock can panic between two of the registry's states.
        self.0.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expire(&self) {
        let mut registry = self.lock();
        let changes = registry.expire(self.now().monotonic);
        self.publish(&registry, changes);
    }

    fn wake_at(&self) -> Option<Instant> {
        self.lock().wake_at().map(|moment| self.0.start + moment)
    }

    /// Shows the registry to all readers, and tells of its changes.
    fn publish(&self, registry: &Registry, changes: Vec<Change>) {
        let snapshot = Arc::new(registry.snapshot());
        self.0.metrics.show(&snapshot);
        self.0.snapshot.send_replace(snapshot);
        for Change { signal, packager, active } in changes {
            match active {
                true => info!("Signal '{signal}' is held by {packager}"),
                false => info!("Signal '{signal}' is no longer held by {packager}"),
            }
        }
    }
}

impl Store for Memory {
    async fn report(&self, reports: Vec<Report>) -> Result<(), Full> {
        let mut registry = self.lock();
        let now = self.now();
        let mut changes = registry.expire(now.monotonic);
        let outcome = registry.merge(reports, now).map(|joined| changes.extend(joined));
        self.publish(&registry, changes);
        outcome
    }

    fn watch(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.0.snapshot.subscribe()
    }
}

async fn expire_in_time(memory: Memory, stop: CancellationToken) {
    let mut known = memory.watch();
    loop {
        // Renewals put the next expiry off and new reports come after it: it is never earlier than it was.
        let due = async {
            match memory.wake_at() {
                Some(moment) => sleep_until(moment).await,
                // Expiring what is empty would be a change that wakes this very task again.
                // An error would say that the sender is gone; `memory` holds it.
                None => return drop(known.changed().await),
            }
            memory.expire();
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = due => {}
        }
    }
}

async fn keep_on_disk(memory: Memory, disk: StateFile<Snapshot>, stop: CancellationToken) {
    let mut known = memory.watch();
    let mut failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = known.changed() => {}
        }
        let stopping = stop.is_cancelled();
        let snapshot = known.borrow_and_update().clone();
        let disk = disk.clone();
        let saved = spawn_blocking(move || disk.save(&snapshot)).await.unwrap_or_else(|end| Err(end.into()));
        match &saved {
            Ok(()) if failing => info!("The snapshot is written again"),
            Err(error) if !failing => error!("{error:#}; what is known is kept in memory only"),
            _ => {}
        }
        failing = saved.is_err();
        memory.0.metrics.snapshots_failed.inc_by(u64::from(failing));
        if stopping {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(SAVE_PAUSE) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_report_of_nothing_is_one_change_and_not_one_after_another() {
        let stop = CancellationToken::new();
        let (memory, _tasks) = Memory::start(Duration::from_secs(5), None, Arc::new(Metrics::new()), &stop);
        let mut changes = memory.watch();
        tokio::task::yield_now().await;
        memory.report(Vec::new()).await.unwrap();
        changes.borrow_and_update();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!changes.has_changed().unwrap());
    }
}
