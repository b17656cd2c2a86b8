//! Which parts live: hears their signs of life and finds those that are frozen.
//!
//! All parts send to one socket in the run folder (see [`crate::notify`]); the kernel says which process sent
//! what. The socket is found by its path, so that parts are heard by the next supervisor, too. Who is frozen is
//! decided by `control::watchdog`; killing and starting again is the part's own supervision's.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use airtight_control::watchdog::{Frozen, Policy, Watchdog};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::console::Console;
use super::folder::Folder;
use super::plan::Part;
use crate::notify;

/// Between two tries to make the socket, and after it failed.
const RETRY: Duration = Duration::from_secs(1);

/// Longest message that is read; a sign of life is shorter.
const MESSAGE_MAX: usize = 256;

/// What is known of the lives of all parts. Clones are the same.
#[derive(Debug, Clone)]
pub struct Lives {
    inner: Arc<Mutex<Inner>>,
    /// Processes that run still, and are to be followed by others.
    fates: Arc<watch::Sender<BTreeMap<Part, Fate>>>,
    /// Processes that are to become ready, and whether they are.
    awaited: Arc<watch::Sender<BTreeMap<i32, bool>>>,
    policy: Policy,
    began: Instant,
}

/// Why a process that runs is to be followed by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is frozen, and was silent for so long.
    Frozen(Duration),
    /// It was asked to end, not by its supervisor, and serves nobody new.
    Leaves,
}

#[derive(Debug)]
struct Inner {
    watchdog: Watchdog<Part>,
    parts: BTreeMap<i32, Part>,
}

impl Lives {
    /// Of a system whose target duration is `segment`; nobody is heard yet.
    pub fn new(segment: Duration) -> Self {
        let policy = Policy::of_segment(segment);
        let inner = Inner { watchdog: Watchdog::new(policy, Part::partner), parts: BTreeMap::new() };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            fates: Arc::default(),
            awaited: Arc::default(),
            policy,
            began: Instant::now(),
        }
    }

    /// The variables that tell a part where and how often to give signs of life.
    pub fn variables(&self, folder: &Folder) -> [(&'static str, std::ffi::OsString); 2] {
        let patience = self.policy.limit.as_micros().to_string();
        [(notify::SOCKET, folder.notify().into()), (notify::PATIENCE, patience.into())]
    }

    /// A process of the part was started.
    pub fn started(&self, part: Part, pid: i32) {
        let now = self.began.elapsed();
        self.known(part, pid).watchdog.started(part, now);
    }

    /// A process of the part runs, which another supervisor started.
    pub fn adopted(&self, part: Part, pid: i32) {
        let now = self.began.elapsed();
        self.known(part, pid).watchdog.adopted(part, now);
    }

    /// The process of the part has ended, or was asked to.
    pub fn gone(&self, part: Part) {
        let mut inner = self.inner();
        inner.parts.retain(|_, known| *known != part);
        inner.watchdog.gone(part);
        self.fates.send_if_modified(|fates| fates.remove(&part).is_some());
    }

    /// Waits until the process of the part is to be followed by another.
    pub async fn fate(&self, part: Part) -> Fate {
        let mut fates = self.fates.subscribe();
        let fate = fates.wait_for(|fates| fates.contains_key(&part)).await.ok();
        let fate = fate.and_then(|fates| fates.get(&part).copied());
        match fate {
            Some(fate) => fate,
            // The sender lives as long as this does.
            None => std::future::pending().await,
        }
    }

    /// Waits until a process that is not supervised yet says that it is ready.
    pub async fn ready(&self, pid: i32) {
        self.awaited.send_modify(|awaited| _ = awaited.insert(pid, false));
        let mut awaited = self.awaited.subscribe();
        // The sender lives as long as this does.
        let _ = awaited.wait_for(|awaited| awaited.get(&pid) == Some(&true)).await;
    }

    /// Nobody waits for this process any more.
    pub fn await_no_more(&self, pid: i32) {
        self.awaited.send_modify(|awaited| _ = awaited.remove(&pid));
    }

    /// Listens and judges. While there can be no socket nobody is judged.
    pub async fn run(&self, folder: &Folder, console: &Console) -> Infallible {
        let mut told = false;
        loop {
            let error = match bind(&folder.notify()) {
                Ok(socket) => {
                    tokio::select! {
                        error = self.hear(&socket) => error,
                        never = self.judge() => match never {},
                    }
                }
                Err(error) => error,
            };
            if !std::mem::replace(&mut told, true) {
                let place = folder.notify();
                console.say("up", format_args!("can't see frozen parts, {}: {error}", place.display()));
            }
            sleep(RETRY).await;
        }
    }

    async fn judge(&self) -> Infallible {
        let mut ticks = interval(self.policy.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let found = self.inner().watchdog.tick(self.began.elapsed());
            if !found.is_empty() {
                let found = found.into_iter().map(|Frozen { part, silent }| (part, Fate::Frozen(silent)));
                self.fates.send_modify(|fates| fates.extend(found));
            }
        }
    }

    /// Takes signs of life until the socket fails.
    async fn hear(&self, socket: &UnixDatagram) -> io::Error {
        loop {
            match socket.async_io(Interest::READABLE, || receive(socket)).await {
                Ok((pid, words)) => self.heard(pid, &words),
                Err(error) => return error,
            }
        }
    }

    fn heard(&self, pid: i32, words: &str) {
        let has = |word| words.lines().any(|line| line == word);
        if has(notify::READY) {
            let ready =
                |awaited: &mut BTreeMap<_, _>| awaited.get_mut(&pid).map(|ready| *ready = true).is_some();
            self.awaited.send_if_modified(ready);
        }
        let now = self.began.elapsed();
        let mut inner = self.inner();
        let Some(&part) = inner.parts.get(&pid) else { return };
        if has(notify::ALIVE) {
            inner.watchdog.heard(part, has(notify::READY), now);
        }
        if has(notify::STOPPING) {
            self.fates.send_modify(|fates| _ = fates.entry(part).or_insert(Fate::Leaves));
        }
    }

    fn known(&self, part: Part, pid: i32) -> MutexGuard<'_, Inner> {
        self.gone(part);
        let mut inner = self.inner();
        inner.parts.insert(pid, part);
        inner
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics between two steps that belong together.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The socket at this path, in the place of what a predecessor left.
fn bind(path: &Path) -> io::Result<UnixDatagram> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixDatagram::bind(path)?;
    rustix::net::sockopt::set_socket_passcred(&socket, true)?;
    Ok(socket)
}

/// The next message, and the process that sent it.
fn receive(socket: &UnixDatagram) -> io::Result<(i32, String)> {
    let mut bytes = [0; MESSAGE_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let sender = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(sender) => Some(sender.pid.as_raw_pid()),
        _ => None,
    });
    Ok((sender.unwrap_or_default(), String::from_utf8_lossy(&bytes[..got.bytes]).into_owned()))
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn own() -> i32 {
        std::process::id().cast_signed()
    }

    #[tokio::test]
    async fn a_part_is_known_by_the_process_that_gives_the_sign() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Folder::new(folder.path());
        std::fs::create_dir_all(folder.path()).unwrap();
        let (lives, console) = (Lives::new(Duration::from_secs(1)), Console::start(false).unwrap());
        let (listening, there) = (lives.clone(), folder.clone());
        let listening = tokio::spawn(async move { match listening.run(&there, &console).await {} });
        lives.adopted(Part::Reporter, own());
        lives.adopted(Part::Discovery, own() + 1);
        let sender = UnixDatagram::unbound().unwrap();
        let speaking = async {
            loop {
                // Until the socket is there, nobody hears it.
                let _ = sender.send_to(b"READY=1\nWATCHDOG=1", folder.notify()).await;
                sleep(Duration::from_millis(20)).await;
            }
        };
        let silent = tokio::select! {
            fate = timeout(PATIENCE, lives.fate(Part::Discovery)) => fate.expect("it is found"),
            fate = lives.fate(Part::Reporter) => panic!("it spoke, and is found {fate:?}"),
            never = speaking => never,
        };
        assert!(matches!(silent, Fate::Frozen(silent) if silent > Duration::from_millis(300)), "{silent:?}");
        timeout(PATIENCE, lives.fate(Part::Reporter)).await.expect("now it is silent, too");
        lives.gone(Part::Reporter);
        assert!(
            lives.fates.borrow().get(&Part::Reporter).is_none(),
            "a new process is not judged for the old"
        );
        listening.abort();
    }
}
