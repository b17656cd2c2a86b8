//! Listening sockets that outlive `up`: a part gives its own to whoever supervises it next.
//!
//! Under `airtight up` each part that listens offers its sockets at the unix socket that
//! `AIRTIGHT_HANDOVER` names, to processes of its own user: [`offer`]. A supervisor that adopts the
//! part [`ask`]s for them and can then restart it without a refused connection, although it has
//! never bound them. The descriptors travel as `SCM_RIGHTS` (unix(7)); both sides then listen on the
//! very same socket.
//!
//! Never here: the accepting of viewers, and any decision about a part.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use tokio::io::Interest;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// The variable by which a supervisor tells a part where to offer its sockets.
pub const VARIABLE: &str = "AIRTIGHT_HANDOVER";

/// The variable by which a part learns that it succeeds a process which is still there.
pub const SUCCEEDS: &str = "AIRTIGHT_SUCCEEDS";

/// The most listening sockets of one part.
const MOST: usize = 8;

/// How long the other side may take: it only has to wake up.
const PATIENCE: Duration = Duration::from_secs(2);

/// Between two tries to reach a part that has only begun.
const KNOCK: Duration = Duration::from_millis(10);

/// For a part to hold all that viewers have, while another process still serves them.
const SUCCESSION: Duration = Duration::from_secs(20);

/// A failing `accept` (no descriptor left) is tried again after this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A standing offer of listening sockets, taken back when it is dropped.
///
/// It holds the sockets open: a part that drains drops it together with its own listeners, so that
/// further connections are refused instead of left waiting.
#[derive(Debug)]
#[must_use = "the offer ends when it is dropped"]
pub struct Offer {
    task: JoinHandle<()>,
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The process before this one, which is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predecessor {
    /// It serves: this one may take its time until it holds what viewers have there.
    Serves,
    /// It accepts nobody any more and finishes what it serves.
    Leaves,
}

impl Predecessor {
    /// The one that this process succeeds, if it does.
    pub fn of_this() -> Option<Self> {
        let word = std::env::var(SUCCEEDS).ok()?;
        [Self::Serves, Self::Leaves].into_iter().find(|predecessor| predecessor.word() == word)
    }

    /// How long to wait for what viewers have: `START` if they wait in the socket.
    pub fn patience(predecessor: Option<Self>, start: Duration) -> Duration {
        if predecessor == Some(Self::Serves) { SUCCESSION } else { start }
    }

    /// The value of [`SUCCEEDS`].
    pub const fn word(self) -> &'static str {
        match self {
            Self::Serves => "serves",
            Self::Leaves => "leaves",
        }
    }
}

/// Offers listening sockets to the supervisor that started this process, if one did.
///
/// A part that can't offer them says so and works without: only its restart by a later supervisor then
/// costs refused connections. To be called within a runtime.
pub fn offer<F: AsFd>(listeners: &[F]) -> Option<Offer> {
    let path = std::env::var_os(VARIABLE).map(PathBuf::from)?;
    offer_at(&path, listeners)
        .inspect_err(|error| tracing::warn!("Listening sockets can't be handed over: {error:#}"))
        .ok()
}

fn offer_at<F: AsFd>(path: &Path, listeners: &[F]) -> anyhow::Result<Offer> {
    ensure!(
        listeners.len() <= MOST,
        "{} listening sockets are more than the {MOST} that can be handed over",
        listeners.len()
    );
    let copies = listeners
        .iter()
        .map(|listener| listener.as_fd().try_clone_to_owned())
        .collect::<io::Result<Vec<_>>>()
        .context("cannot hold the listening sockets for a handover")?;
    let door =
        bind(path).with_context(|| format!("cannot offer the listening sockets at {}", path.display()))?;
    Ok(Offer { task: tokio::spawn(give_to_all(door, copies)) })
}

/// Takes the place of what a predecessor left at the path.
fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let door = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(door)
}

async fn give_to_all(door: UnixListener, sockets: Vec<OwnedFd>) {
    loop {
        let given = match door.accept().await {
            Ok((stream, _)) => give(&stream, &sockets).await,
            Err(error) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                Err(error.into())
            }
        };
        if let Err(error) = given {
            tracing::warn!("Listening sockets not handed over: {error:#}");
        }
    }
}

async fn give(stream: &UnixStream, sockets: &[OwnedFd]) -> anyhow::Result<()> {
    check_peer(stream)?;
    let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
    let count = [u8::try_from(descriptors.len())?];
    let send = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        // Without a descriptor there is no such message; the count says it all.
        if !descriptors.is_empty() {
            rights.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let bytes = [IoSlice::new(&count)];
        Ok(rustix::net::sendmsg(stream, &bytes, &mut rights, SendFlags::NOSIGNAL)?)
    };
    tokio::time::timeout(PATIENCE, stream.async_io(Interest::WRITABLE, send))
        .await
        .context("the asking process does not read")??;
    Ok(())
}

/// Asks the part behind a unix socket for its listening sockets, in the order it was given them. One that has only
/// begun is waited for.
///
/// # Errors
/// If nobody listens there for two seconds, if it does not answer in that time (a stopped process), or if it
/// belongs to another user.
pub async fn ask(path: &Path) -> anyhow::Result<Vec<TcpListener>> {
    let mut refused = None;
    let asked = async { take(&knock(path, &mut refused).await?).await };
    let answer = tokio::time::timeout(PATIENCE, asked).await;
    let answer = answer.unwrap_or_else(|_| match refused {
        Some(refused) => Err(refused.into()),
        None => Err(anyhow!("no answer")),
    });
    answer.with_context(|| format!("no listening sockets from {}", path.display()))
}

/// Connects as soon as somebody listens there; says why not yet.
async fn knock(path: &Path, refused: &mut Option<io::Error>) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => {
                *refused = None;
                return Ok(stream);
            }
            // What a process before it left, or nothing yet.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                *refused = Some(error);
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(KNOCK).await;
    }
}

async fn take(stream: &UnixStream) -> anyhow::Result<Vec<TcpListener>> {
    check_peer(stream)?;
    let mut count = [0_u8];
    let receive = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = [IoSliceMut::new(&mut count)];
        let got = rustix::net::recvmsg(stream, &mut bytes, &mut rights, RecvFlags::CMSG_CLOEXEC)?;
        if got.bytes == 0 || got.flags.contains(ReturnFlags::CTRUNC) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut sockets = Vec::new();
        for message in rights.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                sockets.extend(descriptors.map(TcpListener::from));
            }
        }
        Ok(sockets)
    };
    let sockets = stream.async_io(Interest::READABLE, receive).await?;
    ensure!(sockets.len() == usize::from(count[0]), "{} of {} sockets arrived", sockets.len(), count[0]);
    Ok(sockets)
}

/// Sockets go only to, and come only from, processes of our own user.
fn check_peer(stream: &UnixStream) -> anyhow::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    ensure!(peer == own, "the other process belongs to user {peer}, this one to user {own}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn listeners(count: usize) -> Vec<TcpListener> {
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect()
    }

    #[tokio::test]
    async fn the_sockets_taken_are_the_sockets_offered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.sock");
        for count in [0, 1, 2, MOST] {
            let own = listeners(count);
            let offer = offer_at(&path, &own).unwrap();
            let taken = ask(&path).await.unwrap();
            assert_eq!(
                taken.iter().map(|socket| socket.local_addr().unwrap()).collect::<Vec<_>>(),
                own.iter().map(|socket| socket.local_addr().unwrap()).collect::<Vec<_>>(),
            );
            drop(offer);
        }
    }

    #[tokio::test]
    async fn a_connection_made_to_the_first_holder_is_accepted_by_the_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.sock");
        let own = listeners(1);
        let address = own[0].local_addr().unwrap();
        let offer = offer_at(&path, &own).unwrap();
        let taken = ask(&path).await.unwrap();
        let waiting = TcpStream::connect(address).unwrap();
        drop((own, offer));
        let (_, peer) = taken[0].accept().unwrap();
        assert_eq!(peer, waiting.local_addr().unwrap());
    }

    #[tokio::test]
    async fn an_offer_taken_back_holds_no_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.sock");
        let own = listeners(1);
        let address = own[0].local_addr().unwrap();
        let mut offer = offer_at(&path, &own).unwrap();
        drop(own);
        TcpStream::connect(address).unwrap();
        offer.task.abort();
        assert!((&mut offer.task).await.unwrap_err().is_cancelled());
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(ask(&path).await.is_err());
    }

    #[tokio::test]
    async fn only_the_owner_may_ask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.sock");
        let _offer = offer_at(&path, &listeners(1)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_part_that_has_only_begun_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.sock");
        // What a process before it left.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let asking = tokio::spawn({
            let path = path.clone();
            async move { ask(&path).await }
        });
        tokio::time::sleep(KNOCK * 5).await;
        let _offer = offer_at(&path, &listeners(1)).unwrap();
        assert_eq!(asking.await.unwrap().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_part_that_is_not_there_is_said_to_be_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = ask(&folder.path().join("part.sock")).await.unwrap_err();
        assert!(format!("{error:#}").contains("part.sock: No such file"), "{error:#}");
    }

    #[tokio::test]
    async fn a_part_that_does_not_answer_costs_two_seconds_at_most() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.sock");
        let _silent = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let error = ask(&path).await.unwrap_err();
        assert!(format!("{error:#}").contains("part.sock: no answer"), "{error:#}");
    }
}
