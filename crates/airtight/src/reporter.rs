//! The reporter: takes the reports of discoveries and answers who holds which signal.
//!
//! It is a hint-giver: it never asks a packager, and nobody's media depends on it. What it knows lies behind
//! [`store::Store`]; started empty it is whole again after one round of reports.

mod memory;
mod metrics;
mod routes;
mod store;

use std::{path::PathBuf, sync::Arc, time::Duration};

use tracing::info;

use crate::{
    config::{SettingError, Settings},
    log,
    notify::Signs,
    serve::{
        ending::Ending,
        health::Health,
        listen::{self, Address},
        run::{block_on, run_router},
    },
    state::StateFile,
};
use memory::Memory;
use metrics::Metrics;
use routes::App;

const PORT: u16 = 2000;
const EXPIRY_SECONDS: u64 = 5;

struct Config {
    listen: Address,
    expiry: Duration,
    state: Option<PathBuf>,
}

impl Config {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        Ok(Self {
            listen: settings.get("listen", Some("REPORTER_PORT"), Address::loopback(PORT))?,
            expiry: Duration::from_secs(settings.within("expiry", (1, 3600), EXPIRY_SECONDS)?),
            state: settings.opt("state", None)?,
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

/// Runs the reporter until it is told to stop.
///
/// # Errors
/// Wrong settings, an address that can't be listened on, a state folder that can't be written.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let config = Config::new(settings)?;
    block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let listener = listen::listener(&config.listen, "--listen or REPORTER_PORT").await?;
    let ending = Ending::by_signal()?;
    let signs = Signs::start(&Health::default(), &ending.stop);
    let metrics = Arc::new(Metrics::new());
    let disk = config.state.map(|folder| StateFile::open(folder, "registry.json")).transpose()?;
    let (store, tasks) = Memory::start(config.expiry, disk, metrics.clone(), &ending.done);
    let stalled = metrics.stalled.clone();
    let router = routes::router(App { store, metrics, zone: log::zone(), stop: ending.stop.clone() });
    info!("listening on http://{}", listener.local_addr()?);
    signs.ready();
    run_router(listener, router, ending, stalled).await;
    tasks.join_all().await;
    Ok(())
}
