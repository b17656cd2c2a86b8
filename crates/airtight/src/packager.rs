//! The packager (server1, server2): holds the media of workers, says what it holds, and gives it.
//!
//! The folder is the truth: a restarted packager looks it through and goes on. It never makes media, and what it
//! holds it never changes.

mod admission;
mod disk;
mod feed;
mod folder;
mod index;
mod ingest;
mod layout;
mod memory;
mod metrics;
mod owner;
mod routes;
mod store;
mod viewers;

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    config::{SettingError, Settings, WINDOW_SECONDS},
    notify::Signs,
    publish::Board,
    serve::{
        ending::Ending,
        health::Health,
        listen::{self, Address},
        pulse::Pulse,
        run::block_on_two,
        shards::Shards,
    },
    up::handover::Predecessor,
};
use disk::Disk;
use folder::Folder;
use index::Limits;
use store::{Mode, Store};

const RETENTION_SECONDS: u64 = 300;
const RETENTION_BYTES: u64 = 4 << 30;
/// Three quarters of an hour of one signal with two lineages.
const NEWS: usize = 16 * 1024;
/// For a look through the folder, and then for its signals to be shown again, before anybody is served.
const START: Duration = Duration::from_secs(1);
/// From the start of a process that succeeds another to the end of that one, at most; and between two looks for what the
/// other one takes.
const SHARED: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(500);
/// At the end, for a look through the folder that is under way.
const END: Duration = Duration::from_secs(1);
/// Between two looks for what has expired.
const EXPIRY: Duration = Duration::from_secs(1);

/// Which of the two packagers it is.
#[derive(Debug, Clone, Copy)]
enum Name {
    Server1,
    Server2,
}

impl Name {
    /// The variable of the seed system with its port, and the default.
    const fn port(self) -> (&'static str, u16) {
        match self {
            Self::Server1 => ("SERVER_ONE_PORT", 8080),
            Self::Server2 => ("SERVER_TWO_PORT", 9090),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server1 => "server1",
            Self::Server2 => "server2",
        })
    }
}

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "server1" => Ok(Self::Server1),
            "server2" => Ok(Self::Server2),
            _ => Err("expected server1 or server2"),
        }
    }
}

struct Config {
    name: Name,
    listen: Address,
    root: PathBuf,
    mode: Mode,
    limits: Limits,
}

impl Config {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        let name = settings.get("name", None, Name::Server1)?;
        let (seed, port) = name.port();
        let window = settings.within("window", (6, 3600), WINDOW_SECONDS)?;
        let retention = settings.within("retention", (30, 86400), RETENTION_SECONDS)?;
        Ok(Self {
            name,
            listen: settings.get("listen", Some(seed), Address::loopback(port))?,
            root: settings.get("root", Some("OUTPUT_STREAM_PATH"), PathBuf::from("./output"))?,
            mode: if settings.get("spool", None, false)? { Mode::Spool } else { Mode::Shared },
            limits: Limits {
                window: Duration::from_secs(window),
                retention: Duration::from_secs(retention),
                bytes: settings.within("retention-bytes", (16 << 20, u64::MAX), RETENTION_BYTES)?,
                news: NEWS,
            },
        })
    }
}

/// Checks the settings and does nothing.
///
/// # Errors
/// The first that can't be used.
pub fn check(settings: &Settings) -> Result<(), SettingError> {
    Config::new(settings).map(drop)
}

/// Runs the packager until it is told to stop.
///
/// # Errors
/// Wrong settings, an address that can't be listened on, a folder that can't be used.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let config = Config::new(settings)?;
    block_on_two(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let (seed, _) = config.name.port();
    let listener = listen::listener(&config.listen, &format!("--listen or {seed}")).await?;
    let ending = Ending::by_signal()?;
    let (board, health, pulse) = (Arc::new(Board::default()), Health::default(), Pulse::new());
    let signs = Signs::start(&health, &ending.stop);
    let disk = Disk::open(&config.root, config.mode)?;
    let predecessor = Predecessor::of_this();
    let _owner = match config.mode {
        Mode::Spool => {
            let name = format!("{} at {}", config.name, listener.local_addr()?);
            Some(disk.claim(&name, predecessor.is_some())?)
        }
        Mode::Shared => None,
    };
    let store = Store::new(disk, config.mode, config.limits, &board);
    let patience = Predecessor::patience(predecessor, START);
    let filling = fill(&store, predecessor.is_some())?;
    share(&store, predecessor.is_some(), &ending);
    // The composer begins with all of the window in view, where that does not take too long.
    let _ = timeout(patience, store.indexed()).await;
    let expiring = tokio::spawn(expire(ending.done.clone(), {
        let store = store.clone();
        move || {
            store.expire();
            store.catch_up();
        }
    }));
    health.watch("composer", pulse.clone());
    let window = config.limits.window;
    let done = ending.done.clone();
    let composing = tokio::spawn(viewers::compose(store.clone(), window, board.clone(), pulse, done));
    let _ = timeout(patience, viewers::shown(&store, &board)).await;
    let (stalled, overload) = (store.metrics().stalled.clone(), store.metrics().overload.clone());
    let router = routes::router(store, board.clone(), health.clone(), ending.stop.clone());
    let shards = Shards::start(&board, &router, &health, &ending, &stalled, &overload)?;
    info!("listening on http://{}", listener.local_addr()?);
    signs.ready();
    let tasks = vec![("composes", composing), ("lets go what has expired", expiring)];
    let served = shards.serve_beside(listener, ending, tasks).await;
    filling.end().await.and(served)
}

/// What holds the media of the folder.
enum Filling {
    /// A spool is looked through once; its further media is sent.
    Once(JoinHandle<()>),
    /// A shared folder is watched until this is dropped.
    Always(Folder),
}

impl Filling {
    /// Ends it; a disk that hangs is not waited for.
    async fn end(self) -> anyhow::Result<()> {
        let ending = match self {
            Self::Once(looking) => looking,
            Self::Always(watching) => tokio::task::spawn_blocking(move || drop(watching)),
        };
        match timeout(END, ending).await {
            Ok(ended) => ended.context("the task that looks through the folder"),
            Err(_) => {
                warn!("The disk does not answer: the look through the folder is given up");
                Ok(())
            }
        }
    }
}

fn fill(store: &Store, succeeds: bool) -> anyhow::Result<Filling> {
    Ok(match store.mode() {
        Mode::Spool => {
            let store = store.clone();
            Filling::Once(tokio::task::spawn_blocking(move || {
                // What is unfinished may be the predecessor's, which still writes it.
                if !succeeds {
                    store.disk().sweep();
                }
                store.resume();
            }))
        }
        Mode::Shared => Filling::Always(Folder::watch(store.clone()).context("can't watch the folder")?),
    })
}

/// Holds what another process of this packager takes into the spool that both have: the one before this, which still
/// serves, or the one that follows it. Both have viewers.
async fn share_spool(store: Store, done: CancellationToken) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let sharing = async {
        loop {
            looks.tick().await;
            let store = store.clone();
            // One that panics has said so; the next finds what it left.
            let _ = tokio::task::spawn_blocking(move || store.adopt_folder(store.disk().root())).await;
        }
    };
    let _ = done.run_until_cancelled(timeout(SHARED, sharing)).await;
}

/// Shares the spool as long as another process may have it: at the start if this one succeeds another, and at the end.
fn share(store: &Store, succeeds: bool, ending: &Ending) {
    if store.mode() == Mode::Shared {
        return;
    }
    let (stop, done) = (ending.stop.clone(), ending.done.clone());
    let store = store.clone();
    tokio::spawn(async move {
        if succeeds {
            stop.run_until_cancelled(share_spool(store.clone(), done.clone())).await;
        }
        stop.cancelled().await;
        share_spool(store, done).await;
    });
}

/// Looks for what has expired, again and again.
async fn expire(stop: CancellationToken, look: impl Fn() + Clone + Send + 'static) {
    let mut ticks = interval(EXPIRY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // One that panics has said so; what has expired is let go by the next. At the end a disk that hangs
        // is not waited for.
        let _ = stop.run_until_cancelled(tokio::task::spawn_blocking(look.clone())).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use super::*;

    /// Well beyond [`END`], on a machine that is busy.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_disk_that_hangs_keeps_no_packager_from_its_end() {
        let (hangs, hanging) = mpsc::channel::<()>();
        let (looked, mut looks) = tokio::sync::mpsc::channel(1);
        let hanging = Arc::new(Mutex::new(hanging));
        let look = move || {
            looked.try_send(()).unwrap();
            let _ = hanging.lock().unwrap().recv();
        };
        let stop = CancellationToken::new();
        let expiring = tokio::spawn(expire(stop.clone(), look.clone()));
        looks.recv().await.unwrap();
        stop.cancel();
        timeout(PATIENCE, expiring).await.expect("it does not wait").unwrap();
        let looking = Filling::Once(tokio::task::spawn_blocking(look));
        looks.recv().await.unwrap();
        timeout(PATIENCE, looking.end()).await.expect("it does not wait").unwrap();
        drop(hangs);
    }
}
