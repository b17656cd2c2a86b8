//! The origin: serves viewers one timeline, composed from whatever packagers and peers hold.
//!
//! It asks the reporter who has what, follows the feeds of those packagers and of its peers, and
//! publishes what the composers say. It encodes nothing and writes no media to disk.

mod peer;
mod reporter;
mod routes;
mod sources;
mod steering;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use airtight_control::ingest::PartUrl;
use airtight_media::{compose::Policy, id::SignalName, pathway::Pathways};
use arc_swap::ArcSwap;
use prometheus_client::registry::Registry;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tracing::info;

use self::steering::{Steerer, Way};
use crate::{
    config::{SettingError, Settings, WINDOW_SECONDS},
    http::Client,
    notify::Signs,
    outlet,
    publish::{Board, Desk, Offer},
    serve::{
        connection::Stalled,
        ending::Ending,
        health::Health,
        listen::{self, Address},
        overload::Overload,
        pulse::Pulse,
        run::block_on_two,
        shards::Shards,
    },
    state::StateFile,
    up::handover::Predecessor,
    upstream::Upstream,
};

/// How long an origin that has just begun waits for feeds and backfill before it shows slate for
/// what is missing.
const SETTLE: Duration = Duration::from_millis(800);
/// For the signals of the saved answer to have a window again, before anybody is served. A signal without any
/// media must not keep the others off the air.
const START: Duration = Duration::from_secs(1);
/// Lines of feeds that wait for the composers.
const NEWS: usize = 1024;

#[derive(Debug)]
struct Config {
    listen: Address,
    seed: &'static str,
    reporter: PartUrl,
    packagers: BTreeSet<PartUrl>,
    peers: BTreeSet<PartUrl>,
    window: Duration,
    state: Option<PathBuf>,
    ways: Vec<Way>,
    /// Which of the ways leads here.
    own: usize,
}

impl Config {
    fn new(settings: &Settings) -> Result<Self, SettingError> {
        let (seed, port, own) = match settings.get("name", None, "origin1".to_owned())?.as_str() {
            "origin1" => ("ORIGIN_PORT", 8000, 0),
            "origin2" => ("ORIGIN_TWO_PORT", 8001, 1),
            other => {
                let expected = "expected origin1 or origin2";
                return Err(SettingError::new(format!("--name = '{other}' can't be used: {expected}")));
            }
        };
        let reporter = "http://localhost:2000".parse().expect("the default is a URL");
        Ok(Self {
            listen: settings.get("listen", Some(seed), Address::loopback(port))?,
            seed,
            reporter: settings.get("reporter", None, reporter)?,
            packagers: settings.list("packagers", "")?.into_iter().collect(),
            peers: settings.list("peers", "")?.into_iter().collect(),
            window: Duration::from_secs(settings.within("window", (6, 3600), WINDOW_SECONDS)?),
            state: settings.opt("state", None)?,
            ways: ways(settings, own)?,
            own,
        })
    }
}

/// The pathways of the system; `own` is the place of this origin's among them.
fn ways(settings: &Settings, own: usize) -> Result<Vec<Way>, SettingError> {
    let ways: Vec<Way> = settings.list("pathways", "")?;
    let distinct: BTreeSet<_> = ways.iter().map(|way| &way.public).collect();
    if distinct.len() < ways.len() {
        return Err(SettingError::new("pathways can't be used: two are alike; name each origin once"));
    }
    if !ways.is_empty() && own >= ways.len() {
        let sentence =
            "pathways can't be used: this is origin2 and there is one; name that of origin1, then this one's";
        return Err(SettingError::new(sentence));
    }
    Ok(ways)
}

/// Checks the settings and does nothing.
///
/// # Errors
/// The first that can't be used.
pub fn check(settings: &Settings) -> Result<(), SettingError> {
    Config::new(settings).map(drop)
}

/// Runs the origin until it is told to stop.
///
/// # Errors
/// Wrong settings, an address that can't be listened on, a state folder that can't be written.
pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let config = Config::new(settings)?;
    block_on_two(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let listener = listen::listener(&config.listen, &format!("--listen or {}", config.seed)).await?;
    let ending = Ending::by_signal()?;
    let health = Health::default();
    let signs = Signs::start(&health, &ending.stop);
    let saved = config.state.map(|folder| StateFile::open(folder, "ingests.json")).transpose()?;
    let (client, board) = (Client::new(), Arc::new(board(&config.ways)));
    let directory = Arc::new(ArcSwap::new(Arc::new(BTreeMap::new())));
    let (news, heard) = mpsc::channel(NEWS);
    let (expected, pulse) = (watch::Sender::new(BTreeSet::new()), Pulse::new());

    let mut sources = sources::Sources::new(client.clone(), news, directory.clone(), expected.clone());
    sources.follow_always(&config.packagers, &config.peers);
    let reach = sources.reach();
    let ask = reporter::Ask { client: client.clone(), reporter: config.reporter, saved };
    let remembered = ask.remembered();
    sources.take(&remembered, &board);
    let promised: Vec<_> = remembered.iter().map(|ingest| ingest.signal.clone()).collect();
    let run = sources.run(ask, remembered, board.clone());
    let ended = ending.done.clone();
    let following = tokio::spawn(async move {
        // It has no end of its own.
        let _ = ended.run_until_cancelled(run).await;
    });
    let window_millis = u64::try_from(config.window.as_millis()).unwrap_or(u64::MAX);
    let desk = Desk {
        policy: Policy { window_millis, settle: SETTLE },
        expected: expected.subscribe(),
        news: heard,
        media: Arc::new(Upstream { client: client.clone(), directory }),
        board: board.clone(),
        pulse: pulse.clone(),
    };
    let composing = tokio::spawn(desk.run(ending.done.clone()));

    health.watch("composer", pulse);
    let (registry, stalled, overload) = figures(&board);
    let heard = routes::Heard { sources: expected.subscribe(), reach };
    let app = routes::App::new(&board, &health, heard, registry, &ending.stop);
    let steerer = Steerer::new(app.clone(), client, &config.ways, config.own);
    let steering = tokio::spawn(steerer.run(ending.done.clone()));
    let shards = Shards::start(&board, &routes::router(app), &health, &ending, &stalled, &overload)?;
    let patience = Predecessor::patience(Predecessor::of_this(), START);
    let _ = timeout(patience, on_air(&board, &promised)).await;
    info!("listening on http://{}", listener.local_addr()?);
    signs.ready();
    let tasks = vec![
        ("composes", composing),
        ("follows packagers and peers", following),
        ("steers viewers", steering),
    ];
    shards.serve_beside(listener, ending, tasks).await
}

/// The figures of an origin, and those that others count.
fn figures(board: &Board) -> (Registry, Stalled, Overload) {
    let mut registry = Registry::with_prefix("airtight");
    outlet::register(&mut registry);
    board.figures.register(&mut registry);
    let stalled = Stalled::default();
    stalled.register(&mut registry);
    let overload = Overload::default();
    overload.register(&mut registry);
    (registry, stalled, overload)
}

fn board(ways: &[Way]) -> Board {
    Board::with_pathways(Pathways::new(ways.iter().map(|way| way.public.clone())))
}

/// Waits until each of `signals` has a window: viewers who had one from the process before are never told that
/// there is none. They wait in the socket meanwhile.
async fn on_air(board: &Board, signals: &[SignalName]) {
    let is_on = |offer: Option<&Offer>| matches!(offer, Some(Offer::On(_)));
    board.wait_until(|offers| signals.iter().all(|signal| is_on(offers.get(signal)))).await;
}
