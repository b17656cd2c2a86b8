//! Serves viewers: one acceptor, and shards of one thread each that do nothing else.
//!
//! Viewers' URLs are answered on the shard, from memory, without waiting. Everything else goes to
//! the router, which runs with the rest of the part, so that no disk and no upload holds a viewer up.

use std::{convert::Infallible, future::ready, io, sync::Arc, thread, time::Duration};

use anyhow::Context as _;
use axum::{Router, body::Body};
use futures_util::future::try_join_all;
use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Handle},
    sync::{
        OwnedSemaphorePermit, Semaphore,
        mpsc::{self, error::TrySendError},
    },
    task::JoinHandle,
    time::{interval, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::{
    connection::{Connections, Stalled},
    ending::Ending,
    health::Health,
    overload::{self, Overload},
    pulse::Pulse,
    reply::Reply,
    viewer,
};
use crate::{publish::Board, up::handover};

/// Connections served at a time, if the machine gives the descriptors; further ones wait in the socket's backlog.
const CONNECTIONS: usize = 16_384;
/// Descriptors kept for all else: viewers must not leave none for the media that they wait for.
const RESERVED: u64 = 256;
/// Connections on their way to a shard.
const HANDED_OVER: usize = 256;
/// After the machine refused a connection, for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A shard shows that it lives this often.
const BEAT: Duration = Duration::from_millis(100);

/// What a shard serves.
#[derive(Clone)]
struct Service {
    board: Arc<Board>,
    overload: Overload,
    router: Router,
    work: Handle,
}

/// A connection and its place among those allowed.
type Accepted = (std::net::TcpStream, OwnedSemaphorePermit);

/// The shards of a part.
pub struct Shards {
    hands: Vec<mpsc::Sender<Accepted>>,
    overload: Overload,
    tracker: TaskTracker,
}

impl Shards {
    /// Starts the threads, watched by `health`: one, or on a machine of more than two cores all but
    /// one of them.
    ///
    /// # Errors
    /// The machine gives no thread.
    pub fn start(
        board: &Arc<Board>,
        router: &Router,
        health: &Health,
        ending: &Ending,
        stalled: &Stalled,
        overload: &Overload,
    ) -> anyhow::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut shards = Self { hands: Vec::new(), overload: overload.clone(), tracker: TaskTracker::new() };
        for _ in 0..cores.saturating_sub(1).max(1) {
            let (hand, taken) = mpsc::channel(HANDED_OVER);
            let service = Service {
                board: board.clone(),
                overload: overload.clone(),
                router: router.clone(),
                work: Handle::current(),
            };
            let (pulse, token) = (Pulse::new(), shards.tracker.token());
            let runtime =
                Builder::new_current_thread().enable_all().build().context("can't start a shard")?;
            let (beaten, hurry) = (pulse.clone(), ending.hurry.clone());
            let open = Connections::new(stalled.clone());
            let run = move || {
                runtime.block_on(shard(taken, service, open, beaten, hurry));
                drop(token);
            };
            thread::Builder::new().name("shard".to_owned()).spawn(run).context("can't start a shard")?;
            shards.hands.push(hand);
            health.watch("shard", pulse);
        }
        shards.tracker.close();
        Ok(shards)
    }

    /// Serves until the end begins, beside the tasks that bring what is served, each with what it does. A part of
    /// which one has died has nothing new to serve: it is better off started again.
    ///
    /// # Errors
    /// A task has panicked.
    pub async fn serve_beside(
        self,
        listener: TcpListener,
        ending: Ending,
        tasks: Vec<(&'static str, JoinHandle<()>)>,
    ) -> anyhow::Result<()> {
        let named = |(does, task): (&'static str, JoinHandle<()>)| async move {
            task.await.with_context(|| format!("the task that {does}"))
        };
        let (serving, working) = (self.serve(listener, ending), try_join_all(tasks.into_iter().map(named)));
        tokio::pin!(serving, working);
        tokio::select! {
            () = &mut serving => drop(working.await?),
            worked = &mut working => {
                worked?;
                serving.await;
            }
        }
        Ok(())
    }

    /// Accepts until the end begins, then waits for the shards to finish what is open.
    async fn serve(mut self, listener: TcpListener, ending: Ending) {
        let offered = handover::offer(&[&listener]);
        let most = places();
        let places = Arc::new(Semaphore::new(most));
        let mut left = 0;
        loop {
            self.overload.places(places.available_permits(), most);
            let paced = self.overload.is_full();
            if paced && left == 0 {
                sleep(overload::PAUSE).await;
                left = overload::AT_A_TIME;
            }
            let accepted = tokio::select! {
                biased;
                () = ending.stop.cancelled() => break,
                accepted = accept(&listener, &places) => accepted,
                // Nobody waits: those who come next are taken together, which costs those who watch the least.
                () = ready(()), if paced => {
                    left = 0;
                    continue;
                }
            };
            left = left.saturating_sub(1);
            match accepted {
                // What was accepted is served, also when the end begins meanwhile.
                Ok(accepted) => drop(ending.hurry.run_until_cancelled(self.hand_over(accepted)).await),
                Err(error) => {
                    warn!(%error, "A connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((listener, offered, self.hands));
        self.tracker.wait().await;
        ending.done.cancel();
    }

    /// Gives a connection to the next shard that has room: one that stands still delays nobody but
    /// those that it has. Waits where none has room.
    async fn hand_over(&mut self, mut accepted: Accepted) {
        for _ in 0..self.hands.len() {
            self.hands.rotate_left(1);
            match self.hands[0].try_send(accepted) {
                Ok(()) => return,
                Err(TrySendError::Full(back) | TrySendError::Closed(back)) => accepted = back,
            }
        }
        // A shard that is gone is told by its pulse.
        let _ = self.hands[0].send(accepted).await;
    }
}

/// How many connections fit: the limit on descriptors is raised as far as this user may.
fn places() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let descriptors = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let free = descriptors.map_or(u64::MAX, |all| all.saturating_sub(RESERVED).max(all / 2));
    usize::try_from(free).map_or(CONNECTIONS, |free| free.min(CONNECTIONS))
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<Accepted> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Answers are written whole; waiting for more to send gains nothing.
    stream.set_nodelay(true)?;
    Ok((stream.into_std()?, place))
}

/// Serves what it is handed until there will be no more.
async fn shard(
    mut taken: mpsc::Receiver<Accepted>,
    service: Service,
    open: Connections,
    pulse: Pulse,
    hurry: CancellationToken,
) {
    let mut beats = interval(BEAT);
    let mut load = service.overload.shard();
    loop {
        tokio::select! {
            _ = beats.tick() => {
                pulse.beat();
                load.look();
            }
            accepted = taken.recv() => match accepted {
                Some((stream, place)) => connect(stream, place, service.clone(), &open),
                None => break,
            },
        }
    }
    open.finish(&hurry).await;
}

fn connect(stream: std::net::TcpStream, place: OwnedSemaphorePermit, service: Service, open: &Connections) {
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return debug!(%error, "A connection ended before it began"),
    };
    open.serve(stream, place, service_fn(move |request| answer(service.clone(), request)));
}

async fn answer(service: Service, request: Request<Incoming>) -> Result<Response<Reply>, Infallible> {
    if let Some(response) = viewer::answer(&service.board, &service.overload, &request) {
        return Ok(response);
    }
    let routed = service.router.oneshot(request.map(Body::new));
    let Ok(response) = service.work.spawn(routed).await else {
        let mut failed = Response::new(Reply::empty());
        *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return Ok(failed);
    };
    let Ok(response) = response;
    Ok(response.map(Reply::Routed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_of_which_a_task_has_died_ends_and_names_it() {
        let (board, ending) = (Arc::default(), Ending::default());
        let health = Health::default();
        let shards = Shards::start(
            &board,
            &Router::new(),
            &health,
            &ending,
            &Stalled::default(),
            &Overload::default(),
        )
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let lives = tokio::spawn(std::future::pending());
        let dies = tokio::spawn(async { panic!("as a fault of the program does") });
        let tasks = vec![("lives", lives), ("dies", dies)];
        let served =
            tokio::time::timeout(Duration::from_secs(10), shards.serve_beside(listener, ending, tasks)).await;
        let error = served.expect("it does not serve on").unwrap_err();
        assert_eq!(error.to_string(), "the task that dies");
    }
}
