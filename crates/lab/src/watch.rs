//! `airtight watch`: viewers of one or more servers, whose whole view is judged as one.
//!
//! Every server is played by a viewer of its own: one task per rendition reloads the playlist as players do,
//! another loads what it lists, and a third may decode it. They only report; one `desk` hears all of it, in
//! the order in which it was seen, and asks [`crate::rules`], [`crate::player`] and [`crate::media`].

mod decode;
mod desk;
mod fetch;
mod load;
mod report;
mod url;
mod viewer;

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use crate::player::Settings;
use desk::{Desk, Seen};
use fetch::Client;

pub use report::{Line, Report, Server};
pub use url::{BadUrl, Url};

/// Reports that wait for the desk; further ones wait in the tasks, which then ask servers later.
const WAITING: usize = 1024;
/// For decoders to finish what they were given.
const LEFTOVERS: Duration = Duration::from_secs(10);

/// What to watch, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Playlists: each is another server's view of the same programme.
    pub urls: Vec<Url>,
    /// How long; without it until every event has ended.
    pub time: Option<Duration>,
    /// How the player is set up.
    pub player: Settings,
    /// Time between two reloads of a playlist; without it that of a player.
    pub every: Option<Duration>,
    /// The ffmpeg program that decodes pictures and reads their frame codes; none to leave them.
    pub decoder: Option<String>,
}

/// Time since the watch began, and the wall clock.
#[derive(Debug, Clone, Copy)]
struct Clock {
    began: Instant,
    wall: Timestamp,
}

impl Clock {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Watches until the time is over, every event has ended, or `stop` is done. Each line goes to `tell` when it
/// is known.
pub async fn run(options: Options, stop: impl Future<Output = ()>, mut tell: impl FnMut(&Line)) -> Report {
    let clock = Clock { began: Instant::now(), wall: Timestamp::now() };
    let (reports, mut heard) = mpsc::channel(WAITING);
    let (end, ended) = watch::channel(false);
    let client = Client::new(clock);
    let mut viewers = JoinSet::new();
    for (server, url) in options.urls.iter().enumerate() {
        let reporter = Reporter { server, reports: reports.clone() };
        let viewer = viewer::Viewer {
            client: client.clone(),
            options: options.clone(),
            clock,
            reporter,
            ended: ended.clone(),
        };
        viewers.spawn(viewer.watch(url.clone()));
    }
    // The channel ends with the last viewer.
    drop((reports, ended));
    let mut desk = Desk::new(&options.urls, clock.wall);
    let mut over = pin!(over(options.time, stop));
    let mut stopping = false;
    loop {
        tokio::select! {
            () = &mut over, if !stopping => {
                stopping = true;
                desk.stop(clock.now());
                // Viewers that have ended already need no word.
                let _ = end.send(true);
            }
            seen = heard.recv() => match seen {
                Some(seen) => desk.hear(seen, &mut tell),
                None => break,
            }
        }
    }
    viewers.shutdown().await;
    let report = desk.report(clock.now());
    tell(&Line::Report(report.clone()));
    report
}

async fn over(time: Option<Duration>, stop: impl Future<Output = ()>) {
    let limit = async {
        match time {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! { () = limit => {}, () = stop => {} }
}

/// Tells the desk what one viewer saw.
#[derive(Debug, Clone)]
struct Reporter {
    server: usize,
    reports: mpsc::Sender<Seen>,
}

impl Reporter {
    async fn say(&self, at: Duration, place: &str, what: desk::What) {
        let seen = Seen { server: self.server, at, place: place.to_owned(), what };
        // The desk outlives every viewer.
        let _ = self.reports.send(seen).await;
    }
}
