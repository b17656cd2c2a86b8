//! The loop that serves a router: accepts, serves, and on the word to stop lets everybody finish.
//!
//! The deadlines of the end start with the word to stop, so they never cut a healthy server. Long answers, such
//! as event streams, watch the same token and end by themselves.

use std::{io, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::Router;
use hyper::service::service_fn;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::{
    connection::{Connections, Stalled},
    ending::Ending,
};
use crate::up::handover;

/// Connections served at a time; further ones wait in the socket's backlog.
const CONNECTIONS: usize = 1024;
/// For disk accesses that are still under way when a role is done.
const LEFTOVERS: Duration = Duration::from_secs(1);
/// After the machine refused a connection, for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Runs a role on a runtime of one thread until it is done.
///
/// # Errors
/// Those of the role, and of a machine that can't run it.
pub fn block_on<T>(role: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    finish(runtime.context("can't start the runtime")?, role)
}

/// Runs a role that serves viewers: on two threads of its own, apart from those of its shards.
///
/// # Errors
/// Those of the role, and of a machine that can't run it.
pub fn block_on_two<T>(role: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    finish(runtime.context("can't start the runtime")?, role)
}

fn finish<T>(runtime: Runtime, role: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let outcome = runtime.block_on(role);
    // A disk that hangs must not keep a role that is done.
    runtime.shutdown_timeout(LEFTOVERS);
    outcome
}

/// A token that is cancelled by SIGTERM or SIGINT.
///
/// # Errors
/// The machine does not let signals be watched.
pub fn until_signal() -> anyhow::Result<CancellationToken> {
    let watch = |kind| signal(kind).context("can't watch signals");
    let (mut terminate, mut interrupt) = (watch(SignalKind::terminate())?, watch(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stopped.cancel();
    });
    Ok(stop)
}

/// Serves `router` until the end begins, then finishes what is open.
pub async fn run_router(listener: TcpListener, router: Router, ending: Ending, stalled: Stalled) {
    let offered = handover::offer(&[&listener]);
    let open = Connections::new(stalled);
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        tokio::select! {
            () = ending.stop.cancelled() => break,
            accepted = accept(&listener, &slots) => match accepted {
                Ok((stream, slot)) => serve(stream, slot, router.clone(), &open),
                Err(error) => {
                    warn!(%error, "A connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop((listener, offered));
    open.finish(&ending.hurry).await;
    ending.done.cancel();
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, slot))
}

fn serve(stream: TcpStream, slot: OwnedSemaphorePermit, router: Router, open: &Connections) {
    // Answers are written whole; waiting for more to send gains nothing.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "A connection ended before it began");
        return;
    }
    open.serve(stream, slot, service_fn(move |request| router.clone().oneshot(request)));
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, time::Instant};

    use axum::{body::Body, routing::get};
    use bytes::Bytes;
    use futures_util::{StreamExt as _, stream};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        sync::watch,
        task::JoinHandle,
    };

    use super::*;

    struct Server {
        address: SocketAddr,
        ending: Ending,
        served: JoinHandle<()>,
    }

    async fn server(router: Router) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, ending) = (listener.local_addr().unwrap(), Ending::default());
        let served = tokio::spawn(run_router(listener, router, ending.clone(), Stalled::default()));
        Server { address, ending, served }
    }

    async fn ask(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    async fn rest(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// Answers once the sender says so; tells by `asked` that the question is there.
    fn blocked(asked: watch::Sender<bool>, answer: watch::Receiver<bool>) -> Router {
        let handler = move || {
            let (asked, mut answer) = (asked.clone(), answer.clone());
            async move {
                asked.send_replace(true);
                answer.wait_for(|answer| *answer).await.map(|_| "done").unwrap_or_default()
            }
        };
        Router::new().route("/", get(handler))
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_while_nobody_new_is_served() {
        let ((asked, mut is_asked), (answer, answered)) = (watch::channel(false), watch::channel(false));
        let server = server(blocked(asked, answered)).await;
        let mut idle = TcpStream::connect(server.address).await.unwrap();
        let mut stream = ask(server.address, "/").await;
        is_asked.wait_for(|asked| *asked).await.unwrap();
        server.ending.stop.cancel();
        server.ending.hurry.cancel();
        assert_eq!(rest(&mut idle).await, "", "a connection without a request is closed");
        assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
        assert!(!server.served.is_finished());
        answer.send_replace(true);
        let text = rest(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("done"), "{text}");
        server.served.await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_at_the_deadline() {
        let endless = || async {
            Body::from_stream(stream::repeat(Bytes::from("x")).then(|byte| async move {
                sleep(Duration::from_millis(50)).await;
                Ok::<_, io::Error>(byte)
            }))
        };
        let server = server(Router::new().route("/", get(endless))).await;
        let mut stream = ask(server.address, "/").await;
        stream.read_exact(&mut [0; 16]).await.unwrap();
        let stopped = Instant::now();
        server.ending.stop.cancel();
        server.ending.hurry.cancel();
        server.served.await.unwrap();
        let drain = Duration::from_secs(5);
        assert!((drain..drain * 2).contains(&stopped.elapsed()), "{:?}", stopped.elapsed());
    }
}
