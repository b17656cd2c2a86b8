//! Discovery: finds which packagers truly hold which signal, and tells the reporter, every second.
//!
//! It looks at the disk and asks every packager; what the answers mean is decided by `control::select`. It
//! posts every round, changed or not, so a reporter that was started empty is right again after one round.
//! Nothing that viewers need depends on it.

mod disk;
mod metrics;
mod packagers;
mod reporter;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use airtight_control::ingest::PartUrl;
use axum::{Router, routing::get};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::{
    config::{SettingError, Settings},
    http::Client,
    notify::Signs,
    serve::{
        ending::Ending,
        health::Health,
        listen::{self, Address},
        metrics::render,
        page,
        run::{block_on, run_router},
    },
};
use disk::Disk;
use metrics::Metrics;
use packagers::Packagers;
use reporter::Reporter;

const PACKAGERS: &str = "http://localhost:8080,http://localhost:9090";
const REPORTER: &str = "http://localhost:2000";
const OUTPUT: &str = "./output";

struct Config {
    output: PathBuf,
    packagers: BTreeSet<PartUrl>,
    reporter: PartUrl,
    interval: Duration,
    once: bool,
    listen: Option<Address>,
}

impl Config {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        let default = || REPORTER.parse().map_err(|error| SettingError::new(format!("reporter: {error}")));
        Ok(Self {
            output: settings.get("output", Some("OUTPUT_STREAM_PATH"), OUTPUT.into())?,
            packagers: settings.list("packagers", PACKAGERS)?.into_iter().collect(),
            reporter: settings.opt("reporter", None)?.map_or_else(default, Ok)?,
            interval: Duration::from_millis(settings.within("interval", (100, 60_000), 1000)?),
            once: settings.get("once", None, false)?,
            listen: settings.opt("listen", None)?,
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

/// Runs discovery until it is told to stop, or for one round.
///
/// # Errors
/// Wrong settings, an address that can't be listened on; with `--once`, a report that was not accepted.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let config = Config::new(settings)?;
    block_on(discover(config))
}

async fn discover(config: Config) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::new());
    let mut round = Round::new(&config, metrics.clone());
    if config.once {
        return round.run_once().await;
    }
    let ending = Ending::by_signal()?;
    let signs = Signs::start(&Health::default(), &ending.stop);
    let mut tasks = JoinSet::new();
    if let Some(address) = &config.listen {
        let listener = listen::listener(address, "--listen").await?;
        info!("listening on http://{}", listener.local_addr()?);
        let stalled = metrics.stalled.clone();
        tasks.spawn(run_router(listener, router(metrics), ending.clone(), stalled));
    }
    signs.ready();
    round.run(config.interval, &ending.stop).await;
    tasks.join_all().await;
    Ok(())
}

fn router(metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(move || async move { render(&metrics.registry) }))
        .fallback(page::nothing)
        .method_not_allowed_fallback(page::other_method)
}

/// What is done again and again: look, ask, tell.
struct Round {
    disk: Disk,
    packagers: Packagers,
    reporter: Reporter,
    metrics: Arc<Metrics>,
}

impl Round {
    fn new(config: &Config, metrics: Arc<Metrics>) -> Self {
        let client = Client::new();
        Self {
            disk: Disk::new(config.output.clone()),
            packagers: Packagers::new(config.packagers.clone(), client.clone()),
            reporter: Reporter::new(config.reporter.clone(), client),
            metrics,
        }
    }

    /// One round; fails when the reporter did not accept the report.
    async fn run_once(&mut self) -> anyhow::Result<()> {
        let (on_disk, ()) = tokio::join!(self.disk.signals(), self.packagers.probe());
        let reports = self.packagers.reports(on_disk);
        self.metrics.show(&reports, self.packagers.healthy());
        self.reporter.report(&reports).await
    }

    /// Rounds until `stop`: one an interval, and while the reporter does not answer as its backoff says.
    async fn run(&mut self, interval: Duration, stop: &CancellationToken) {
        loop {
            let next = sleep(interval);
            tokio::pin!(next);
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.run_once() => outcome,
            };
            if let Some(wait) = self.reporter.note(outcome) {
                self.metrics.failed.inc();
                next.set(sleep(wait));
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = next => {}
            }
        }
    }
}
