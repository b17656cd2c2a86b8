//! Signs of life to whoever started this program: `airtight up`, or systemd (sd_notify(3)).
//!
//! Both give the program a socket in `NOTIFY_SOCKET` and their patience in `WATCHDOG_USEC`. A sign is sent only
//! if every loop that serves or decides has beaten of late, and tells each time whether the part is ready: so none
//! that is lost matters, and one who begins to listen knows at once.
//!
//! Nothing waits for whoever listens; one that does not take a sign gets the next.

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::serve::health::Health;

/// The variable that names the socket.
pub const SOCKET: &str = "NOTIFY_SOCKET";
/// The variable that says after how many microseconds of silence a program is taken for frozen.
pub const PATIENCE: &str = "WATCHDOG_USEC";
/// The variable that says whom [`PATIENCE`] is meant for, if not for whoever reads it.
pub const MEANT_FOR: &str = "WATCHDOG_PID";

/// The word of a part that is ready.
pub const READY: &str = "READY=1";
/// The sign of life.
pub const ALIVE: &str = "WATCHDOG=1";
/// The word of a part that serves nobody new and is about to end.
pub const STOPPING: &str = "STOPPING=1";

/// Signs in the time of the patience: some may be late or lost.
const SIGNS: u32 = 6;
/// Between two looks where nobody wants signs of life, but may want to know that the part is ready.
const UNWATCHED: Duration = Duration::from_secs(1);

/// The signs of life of this program. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Signs {
    ready: Arc<AtomicBool>,
}

impl Signs {
    /// Begins to give them, as long as `health` is good; after `stop` they say that the program is about to end.
    /// To be called within a runtime, whose life they are a sign of.
    pub fn start(health: &Health, stop: &CancellationToken) -> Self {
        let signs = Self::default();
        if let Some(listener) = Listener::from_env() {
            tokio::spawn(signs.clone().run(listener, health.clone(), stop.clone()));
        }
        signs
    }

    /// From now on the part does what it is there for.
    pub fn ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    async fn run(self, listener: Listener, health: Health, stop: CancellationToken) {
        let mut looks = interval(listener.patience.map_or(UNWATCHED, |patience| patience / SIGNS));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = false;
        loop {
            looks.tick().await;
            let mut words = Vec::new();
            if stop.is_cancelled() {
                words.extend((!std::mem::replace(&mut told, true)).then_some(STOPPING));
            } else if self.ready.load(Ordering::Relaxed) {
                words.push(READY);
            }
            if listener.patience.is_some_and(|patience| health.alive_within(patience / 2).is_ok()) {
                words.push(ALIVE);
            }
            if !words.is_empty() {
                listener.tell(&words.join("\n"));
            }
        }
    }
}

/// Who wants to hear.
#[derive(Debug)]
struct Listener {
    own: UnixDatagram,
    address: SocketAddr,
    /// How long it waits for a sign; none if it wants no signs.
    patience: Option<Duration>,
}

impl Listener {
    fn from_env() -> Option<Self> {
        let name = env::var_os(SOCKET).filter(|name| !name.is_empty())?;
        let text = |key| env::var(key).ok();
        let patience = patience(text(PATIENCE), text(MEANT_FOR), std::process::id());
        Self::new(name.as_bytes(), patience)
            .inspect_err(|error| warn!("No signs of life can be given at {}: {error}", name.display()))
            .ok()
    }

    fn new(name: &[u8], patience: Option<Duration>) -> io::Result<Self> {
        let address = match name.strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
        };
        let own = UnixDatagram::unbound()?;
        own.set_nonblocking(true)?;
        Ok(Self { own, address, patience })
    }

    fn tell(&self, words: &str) {
        // A listener that is gone or takes nothing now gets the next one.
        let _ = self.own.send_to_addr(words.as_bytes(), &self.address);
    }
}

/// The patience that the variables tell, if they mean the process `pid`.
fn patience(micros: Option<String>, meant_for: Option<String>, pid: u32) -> Option<Duration> {
    let is_meant = meant_for.is_none_or(|meant| meant.parse() == Ok(pid));
    let micros = micros?.parse().ok().filter(|micros| *micros > 0 && is_meant)?;
    Some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::serve::pulse::Pulse;

    #[test]
    fn patience_is_taken_only_by_the_one_it_is_meant_for() {
        let patience =
            |micros: &str, pid: Option<&str>| patience(Some(micros.into()), pid.map(Into::into), 7);
        let second = Some(Duration::from_secs(1));
        assert_eq!(patience("1000000", None), second);
        assert_eq!(patience("1000000", Some("7")), second);
        assert_eq!(patience("1000000", Some("8")), None, "inherited from another program");
        assert_eq!(patience("0", None), None);
        assert_eq!(patience("soon", None), None);
        assert_eq!(super::patience(None, None, 7), None);
    }

    /// The next words at a socket.
    async fn words(socket: &tokio::net::UnixDatagram) -> String {
        let mut bytes = [0; 64];
        let length =
            timeout(Duration::from_secs(10), socket.recv(&mut bytes)).await.expect("a word").unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[tokio::test]
    async fn signs_are_given_while_every_loop_beats() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
        let patience = Duration::from_millis(600);
        let listener = Listener::new(path.as_os_str().as_bytes(), Some(patience)).unwrap();
        let (health, pulse, stop) = (Health::default(), Pulse::new(), CancellationToken::new());
        health.watch("loop", pulse.clone());
        let signs = Signs::default();
        tokio::spawn(signs.clone().run(listener, health, stop.clone()));
        let beats = pulse.clone();
        let beating = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(20));
            loop {
                ticks.tick().await;
                beats.beat();
            }
        });
        assert_eq!(words(&socket).await, "WATCHDOG=1");
        signs.ready();
        while words(&socket).await != "READY=1\nWATCHDOG=1" {}
        beating.abort();
        while words(&socket).await != "READY=1" {}
        assert!(pulse.age() > patience / 2, "it is silent about its life for a reason");
        stop.cancel();
        while words(&socket).await != "STOPPING=1" {}
    }

    #[tokio::test]
    async fn nobody_who_listens_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nobody");
        let listener = Listener::new(path.as_os_str().as_bytes(), None).unwrap();
        listener.tell(READY);
        let socket = UnixDatagram::bind(&path).unwrap();
        listener.tell(READY);
        let mut bytes = [0; 64];
        assert_eq!(socket.recv(&mut bytes).unwrap(), READY.len(), "the next one is heard");
    }
}
