//! The store: a folder, what of it is held, and the bytes of what is recent.
//!
//! Whatever is held has passed `admission` and can be given; bytes never change under a name. The lock is
//! held for look-ups and book-keeping only, never across a read, a write or a check of media.

mod adopt;
mod catch_up;
mod put;
mod records;
mod trouble;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use airtight_media::{
    grid::{Grid, Number},
    health::Health,
    holding::{Piece, Place, Revision},
    id::{InitHash, SignalName},
    mark,
    mp4::Init,
};
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use tracing::{info, warn};

use super::{
    admission::Refusal,
    disk::Disk,
    feed::Feed,
    index::{Expired, Freshness, Held, Index, Limits, Moment, News},
    memory::{Lost, Memory},
    metrics::Metrics,
};
use crate::publish::Board;
pub(super) use put::Taken;
use trouble::Trouble;

/// Bytes of media in memory, for all signals together: a minute of eight lineages of the default ladder.
const MEMORY: usize = 256 << 20;
/// In memory is this many times what playlists offer.
const WINDOWS: u64 = 2;
/// Reads of the disk at a time; further ones wait.
const READERS: usize = 8;

/// Who fills the folder and who deletes in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Requests fill it, the packager deletes.
    Spool,
    /// Workers fill it, and delete.
    Shared,
}

/// Why bytes can't be given.
#[derive(Debug, Error)]
pub(crate) enum Lack {
    /// It is not held, or no more.
    #[error("{0} is not held")]
    NotHeld(Place),
    /// The disk failed.
    #[error("{0} can't be read: {1}")]
    Disk(Place, io::Error),
}

/// What a packager holds. Clones are the same store.
#[derive(Debug, Clone)]
pub(crate) struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mode: Mode,
    limits: Limits,
    disk: Disk,
    clock: Clock,
    state: Mutex<State>,
    /// Taken by whoever reads, joins and writes a record.
    records: Mutex<()>,
    trouble: Mutex<Trouble>,
    changed: watch::Sender<()>,
    readers: Semaphore,
    /// True once what was in the folder at the start is held.
    indexed: watch::Sender<bool>,
    metrics: Metrics,
}

#[derive(Debug)]
struct State {
    index: Index,
    memory: Memory,
    /// The inits that are held, as `admission` needs them.
    inits: BTreeMap<InitHash, Init>,
    /// Files that are not what their names say and could not be set aside, with their times.
    refused: BTreeMap<String, SystemTime>,
    /// Signals whose record the disk of a spool did not take.
    unwritten: BTreeSet<SignalName>,
}

/// Something to be held, with all that is known of it.
struct Arrival {
    signal: SignalName,
    piece: Piece,
    bytes: Bytes,
    since: Moment,
    on_disk: bool,
    grid: Grid,
    /// The init, if it is one.
    init: Option<Init>,
}

impl Store {
    /// A store of a folder, in which nothing is held yet; what it holds is shown on `board`, whose
    /// figures it tells.
    pub(super) fn new(disk: Disk, mode: Mode, limits: Limits, board: &Board) -> Self {
        let clock = Clock::start();
        let index = Index::new(clock.base_ms.max(1), limits);
        let (inits, refused, unwritten) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        let state = State { index, memory: Memory::new(MEMORY), inits, refused, unwritten };
        Self(Arc::new(Inner {
            mode,
            limits,
            disk,
            clock,
            state: Mutex::new(state),
            records: Mutex::new(()),
            trouble: Mutex::default(),
            changed: watch::Sender::new(()),
            readers: Semaphore::new(READERS),
            indexed: watch::Sender::new(false),
            metrics: Metrics::new(board),
        }))
    }

    /// Who fills the folder.
    pub(super) fn mode(&self) -> Mode {
        self.0.mode
    }

    /// The folder.
    pub(super) fn disk(&self) -> &Disk {
        &self.0.disk
    }

    /// The figures.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// True once what was in the folder at the start is held.
    pub(super) fn is_indexed(&self) -> bool {
        *self.0.indexed.borrow()
    }

    /// Waits until what was in the folder at the start is held.
    pub(super) async fn indexed(&self) {
        // The sender lives as long as the store.
        let _ = self.0.indexed.subscribe().wait_for(|indexed| *indexed).await;
    }

    /// What is held and what becomes of it, after `since`; all of it first if that is `None`, too old or of
    /// another run.
    pub(crate) fn feed(&self, since: Option<Revision>) -> Feed {
        Feed::new(self.clone(), self.0.changed.subscribe(), since)
    }

    /// The bytes of a piece that is held.
    ///
    /// # Errors
    /// It is not held, or the disk fails.
    pub(crate) async fn get(&self, signal: &SignalName, piece: &Piece) -> Result<Bytes, Lack> {
        let place = Place::Piece(signal.clone(), piece.clone());
        let held = {
            let state = self.state();
            if let Some(bytes) = state.memory.get(signal, piece) {
                return Ok(bytes);
            }
            state.index.held(signal, piece)
        };
        let Some(held) = held else { return Err(Lack::NotHeld(place)) };
        let turn = self.0.readers.acquire().await;
        let (disk, read) = (self.0.disk.clone(), place.clone());
        let read =
            tokio::task::spawn_blocking(move || disk.read(&read)).await.map_err(io::Error::other).flatten();
        drop(turn);
        self.0.metrics.disk_reads.inc();
        match read {
            Ok(file) if file.bytes.len() as u64 == held.length => Ok(file.bytes),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Lack::Disk(place, error)),
            _ => {
                self.change(|state| state.index.lose(signal, std::slice::from_ref(piece)));
                Err(Lack::NotHeld(place))
            }
        }
    }

    /// The news after `since`.
    pub(super) fn since(&self, since: Option<Revision>) -> Vec<News> {
        self.state().index.since(since)
    }

    /// Now, on the clock of the index.
    pub(super) fn now(&self) -> Moment {
        self.0.clock.now()
    }

    /// The signals that are known.
    pub(super) fn signals(&self) -> Vec<SignalName> {
        self.state().index.signals().cloned().collect()
    }

    /// How fresh each signal is.
    pub(super) fn freshness(&self) -> Vec<Freshness> {
        self.state().index.freshness(self.now())
    }

    /// Bytes and pieces that are held, and bytes in memory.
    pub(super) fn size(&self) -> (u64, u64, usize) {
        let state = self.state();
        let (bytes, pieces) = state.index.size();
        (bytes, pieces, state.memory.used())
    }

    /// Lets go what is beyond the limits; in a spool from the disk, too. Blocks on the disk.
    pub(super) fn expire(&self) {
        let now = self.now();
        let expired = self.change(|state| {
            let expired = state.index.expire(now);
            for lineage in &expired {
                if let Expired::Lineage(signal, lineage) = lineage {
                    let lineage = Some(lineage);
                    state.memory.remove_where(signal, |piece| piece.lineage() == lineage);
                }
            }
            self.trim(state);
            let held = state.index.all_inits();
            state.inits.retain(|init, _| held.contains(init));
            expired
        });
        if self.0.mode == Mode::Spool {
            self.delete(&expired);
            self.let_go(now);
        }
    }

    /// Forgets signals whose event is long over. Nobody writes a record meanwhile, so that an event of the same
    /// name that begins now is not deleted.
    fn let_go(&self, now: Moment) {
        let _turn = self.0.records.lock().unwrap_or_else(PoisonError::into_inner);
        let over = self.change(|state| {
            let over = state.index.let_go(now);
            for signal in &over {
                state.memory.remove_where(signal, |_| true);
                state.unwritten.remove(signal);
            }
            over
        });
        for signal in over {
            info!("Signal '{signal}' is forgotten: its event is over and its media have expired");
            self.deleted(self.0.disk.remove_signal(&signal));
        }
    }

    fn trim(&self, state: &mut State) {
        let signals: Vec<_> = state.index.signals().cloned().collect();
        for signal in signals {
            let recent = self.recent(state, &signal);
            let lost = state.memory.trim(&signal, recent);
            lose(state, lost);
        }
    }

    /// The first number of a signal that belongs in memory.
    fn recent(&self, state: &State, signal: &SignalName) -> Number {
        let newest = state.index.newest(signal).unwrap_or(Number(0));
        let windows =
            state.index.record(signal).map_or(0, |r| self.0.limits.window_numbers(&r.grid) * WINDOWS);
        newest.next().minus(windows).max(state.index.horizon(signal))
    }

    fn delete(&self, expired: &[Expired]) {
        for gone in expired {
            let deleted = match gone {
                Expired::Segment(signal, piece) => self.0.disk.remove(signal, piece),
                Expired::Lineage(signal, lineage) => self.0.disk.remove_lineage(signal, lineage),
            };
            self.deleted(deleted);
        }
    }

    fn deleted(&self, outcome: io::Result<()>) {
        if let Err(error) = outcome {
            self.0.metrics.delete_failures.inc();
            warn!("What has expired can't be deleted: {error}; it takes up room until somebody deletes it");
        }
    }

    /// Holds what has been admitted; true if it was not held before.
    fn hold(&self, arrival: Arrival) -> Result<bool, Refusal> {
        let Arrival { signal, piece, bytes, since, on_disk, grid, init } = arrival;
        let (health, luma) = match &piece {
            Piece::Segment { .. } => mark::read(&bytes),
            _ => (Health::Healthy, None),
        };
        let held = Held { length: bytes.len() as u64, since, health, luma };
        self.change(|state| {
            if state.index.held(&signal, &piece).is_some() {
                return Ok(false);
            }
            let number = match &piece {
                Piece::Segment { number, .. } => Some(*number),
                _ => None,
            };
            let is_recent = number.is_none_or(|number| number >= self.recent(state, &signal));
            let mut lost = Lost::new();
            if is_recent || !on_disk {
                let media_ms = number.map(|number| grid.start_millis(number));
                lost = state.memory.keep(&signal, &piece, bytes, media_ms, on_disk);
            }
            let is_lost = lost.iter().any(|(s, p)| *s == signal && *p == piece);
            lose(state, lost);
            if is_lost {
                return Err(Refusal::Full("neither the disk nor memory has room for it".to_owned()));
            }
            if let Some(init) = init {
                state.inits.insert(init.hash, init);
            }
            let new = state.index.hold(&signal, &piece, held);
            if new && number.is_some() {
                self.0.metrics.taken(health);
            }
            Ok(new)
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in another thread left no half change behind that matters more than going on.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is held and wakes those that follow it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let before = state.index.revision();
        let outcome = change(&mut state);
        let changed = state.index.revision() != before;
        drop(state);
        if changed {
            self.0.changed.send_replace(());
        }
        outcome
    }
}

fn lose(state: &mut State, lost: Lost) {
    for (signal, piece) in lost {
        state.index.lose(&signal, &[piece]);
    }
}

/// A clock that tells the time since 1970 and never goes back.
#[derive(Debug)]
struct Clock {
    base_ms: u64,
    start: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { base_ms: wall_ms(SystemTime::now()), start: Instant::now() }
    }

    fn now(&self) -> Moment {
        Moment(self.base_ms.saturating_add(millis(self.start.elapsed())))
    }
}

/// Milliseconds since 1970.
fn wall_ms(time: SystemTime) -> u64 {
    millis(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
