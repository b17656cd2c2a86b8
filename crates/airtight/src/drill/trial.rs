//! One trial: viewers of all servers watch while faults strike, and what they saw is judged.

use std::{cell::RefCell, time::Duration};

use airtight_lab::{
    drill::{
        judge::{self, Allowed, SERVERS},
        matrix::Cell,
        report::Trial,
        storm::{self, Strike},
    },
    player::{Settings as Player, whole_millis},
    stillness::{self, Ticker},
    watch::{self, Line, Options},
};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{steady, strike::strike, system::System};

/// Viewers have filled their buffers before the first fault, in target durations.
const LEAD: u32 = 1;
/// Longer than a buffer lasts: what a fault costs is seen by then, in target durations after it.
const AFTER: u32 = 5;
/// Lines that are kept of a trial; further ones are counted.
const MOST_TOLD: usize = 400;

/// What to try.
#[derive(Debug)]
pub struct Plan {
    /// How it is called.
    pub name: String,
    /// The faults, and when they strike once viewers play.
    pub strikes: Vec<Strike>,
    /// For how long viewers play at least.
    pub time: Duration,
    /// What viewers may notice.
    pub allowed: Allowed,
}

impl Plan {
    /// One cell of the matrix.
    pub fn of_cell(cell: Cell, target: Duration) -> Self {
        let strikes = vec![Strike { at: Duration::ZERO, cell, lasts: cell.lasts() }];
        let allowed = Allowed::of(cell, target);
        Self { name: cell.to_string(), strikes, time: Duration::ZERO, allowed }
    }

    /// A storm of faults.
    pub fn of_storm(strikes: Vec<Strike>, seed: u64, time: Duration, target: Duration) -> Self {
        let struck = strikes.iter().flat_map(|strike| strike.cell.component.parts()).copied();
        let (pathless, starved) = (storm::pathless(&strikes), storm::starved(&strikes));
        let allowed = Allowed::of_storm(pathless, starved, struck, target);
        Self { name: format!("storm {seed}"), strikes, time, allowed }
    }
}

/// What was done and seen, in order.
struct Told {
    begun: Instant,
    lines: RefCell<Vec<String>>,
    more: RefCell<usize>,
}

impl Told {
    fn new() -> Self {
        Self { begun: Instant::now(), lines: RefCell::default(), more: RefCell::default() }
    }

    fn say(&self, line: String) {
        let mut lines = self.lines.borrow_mut();
        if lines.len() < MOST_TOLD { lines.push(line) } else { *self.more.borrow_mut() += 1 }
    }

    /// Something that was done now.
    fn did(&self, what: impl std::fmt::Display) {
        let at = whole_millis(self.begun.elapsed());
        self.say(format!("{:>5}.{:03} s  {what}", at / 1000, at % 1000));
    }

    fn lines(self) -> Vec<String> {
        let (mut lines, more) = (self.lines.into_inner(), self.more.into_inner());
        if more > 0 {
            lines.push(format!("and {more} more lines"));
        }
        lines
    }
}

/// Tries it once. The system is whole when it begins; whether it is again afterwards is not asked here.
pub async fn run(system: &System, decoder: &str, plan: &Plan, target: Duration) -> Trial {
    let (ticker, told, over) = (Ticker::start(), Told::new(), CancellationToken::new());
    let urls = steady::SERVERS.map(|part| system.url(part, "playlist.m3u8").parse());
    let options = Options {
        urls: urls.into_iter().flatten().collect(),
        time: None,
        player: Player::RECOMMENDED,
        every: None,
        decoder: Some(decoder.to_owned()),
    };
    let watch = watch::run(options, over.cancelled(), |line| match line {
        Line::Watching { .. } => {}
        line => told.say(line.to_string()),
    });
    let act = async {
        sleep(LEAD * target).await;
        let troubles = act(system, plan, &told).await;
        // Slate that is seen for longer than it may be is to be seen.
        sleep(AFTER * target + plan.allowed.slate.max(plan.allowed.own_slate)).await;
        over.cancel();
        troubles
    };
    // An instrument that stood still has seen nothing.
    let (report, troubles, own) = tokio::join!(watch, act, stillness::pulse(over.cancelled()));
    let figures = judge::figures(&report, &SERVERS, &plan.allowed);
    let standstill_ms = whole_millis(ticker.longest().max(own));
    Trial { name: plan.name.clone(), figures, troubles, standstill_ms, told: told.lines() }
}

/// Makes all faults, each at its time; what could not be made.
async fn act(system: &System, plan: &Plan, told: &Told) -> Vec<String> {
    let strikes = plan.strikes.iter().map(|Strike { at, cell, lasts }| async move {
        sleep(*at).await;
        strike(system, *cell, *lasts, |what| told.did(what)).await.map_err(|error| format!("{error:#}"))
    });
    let (outcomes, ()) = tokio::join!(join_all(strikes), sleep(plan.time));
    outcomes.into_iter().filter_map(Result::err).inspect(|trouble| told.did(trouble)).collect()
}
