//! All supervised parts, and the order in which they end.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::console::Console;
use super::plan::Part;
use super::succession::Answer;
use super::supervise::Orders;
use super::takeover::Prepared;
use super::upgrade::Upgrade;

/// Stages of the orderly end, see [`Part::stage`].
const STAGES: usize = 4;

/// The parts under supervision.
#[derive(Debug)]
pub struct Fleet {
    tasks: JoinSet<Part>,
    parts: BTreeSet<Part>,
    stops: [CancellationToken; STAGES],
    /// How each adopted part is told to replace its process.
    adopted: BTreeMap<Part, mpsc::Sender<Answer>>,
    /// Cancelled when nobody is to be waited for any longer.
    pub hurry: CancellationToken,
}

impl Fleet {
    /// Puts every part under supervision. A part of a fresh system whose first process can't go on
    /// with what it was given is sent to `unusable`.
    pub fn start(prepared: Prepared, unusable: mpsc::Sender<Part>) -> Self {
        let unusable = prepared.is_fresh().then_some(unusable);
        let mut fleet = Self {
            tasks: JoinSet::new(),
            parts: BTreeSet::new(),
            stops: [(); STAGES].map(|()| CancellationToken::new()),
            adopted: BTreeMap::new(),
            hurry: CancellationToken::new(),
        };
        for (supervised, adopted) in prepared.parts {
            let part = supervised.part;
            let (replacing, replace) = mpsc::channel(1);
            if adopted.is_some() {
                fleet.adopted.insert(part, replacing);
            }
            let orders = Orders {
                stop: fleet.stops[part.stage()].clone(),
                hurry: fleet.hurry.clone(),
                unusable: unusable.clone(),
                replace,
            };
            fleet.parts.insert(part);
            fleet.tasks.spawn(async move {
                supervised.run(adopted, orders).await;
                part
            });
        }
        fleet
    }

    /// The replacement of the processes of the parts that were adopted.
    pub fn upgrade(&self, console: &Console) -> Upgrade {
        Upgrade { parts: self.adopted.clone(), console: console.clone() }
    }

    /// Waits for a supervision that ends although nobody ordered it.
    pub async fn fault(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(part)) => anyhow!("the supervision of {part} ended"),
            Some(Err(error)) => anyhow!("a supervision failed: {error}"),
            None => std::future::pending().await,
        }
    }

    /// Ends the parts, stage after stage.
    pub async fn end(&mut self) {
        for (stage, stop) in self.stops.iter().enumerate() {
            stop.cancel();
            while self.parts.iter().any(|part| part.stage() == stage) {
                match self.tasks.join_next().await {
                    Some(Ok(part)) => _ = self.parts.remove(&part),
                    // Its part still runs and is ended by its record.
                    Some(Err(_)) => {}
                    None => break,
                }
            }
        }
    }
}
