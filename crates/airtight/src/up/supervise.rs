//! One supervised part: the outer loop stays, one process after another comes and goes.
//!
//! When to start it again is decided by `control::restart`; what it listens on stays open meanwhile,
//! so that nobody is refused.

use std::net::{SocketAddr, TcpListener};
use std::time::Instant;

use airtight_control::restart::{Policy, Restart};
use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::console::Console;
use super::event::Event;
use super::folder::Folder;
use super::plan::Part;
use super::running::{End, Running};
use super::{handover, logs, sockets};
use crate::child;

/// Exit code of a part that can't go on with what it was given: starting it again is no remedy.
const UNUSABLE: i32 = 2;

/// A part and what each of its processes is started with.
#[derive(Debug)]
pub struct Supervised {
    /// Which part.
    pub part: Part,
    /// The command of this binary and its flags.
    pub args: Vec<String>,
    /// Where it listens, if it does.
    pub address: Option<SocketAddr>,
    /// The socket it listens on; none if the process that was adopted did not give it.
    pub listener: Option<TcpListener>,
    /// What it works for, if its work has an end.
    pub event: Option<Event>,
    /// Where it keeps its record, socket and log.
    pub folder: Folder,
    /// Where its fate is told.
    pub console: Console,
}

/// What a part is ordered from outside.
#[derive(Clone, Debug)]
pub struct Orders {
    /// The part is to end.
    pub stop: CancellationToken,
    /// It is not to be waited for any longer.
    pub hurry: CancellationToken,
    /// Takes the part if its first process can't go on with what it was given. An adopted part ran
    /// well before: then there is none.
    pub unusable: Option<mpsc::Sender<Part>>,
}

impl Supervised {
    /// Keeps the part running until it is ordered to stop; begins with the process that runs already,
    /// if there is one.
    pub async fn run(mut self, adopted: Option<Running>, mut orders: Orders) {
        let clock = Instant::now();
        let mut restart = Restart::new(Policy::PROCESS);
        let mut next = adopted;
        loop {
            let running = match next.take() {
                Some(running) => Ok(running),
                None => self.start().await,
            };
            let fault = match running {
                Ok(running) => {
                    restart.started(clock.elapsed());
                    self.watch(running, &mut orders).await
                }
                Err(error) => Some(format!("can't be started: {error:#}")),
            };
            let Some(fault) = fault else { break };
            if let Some(end) = self.event.as_ref().and_then(Event::is_over) {
                self.console.say(
                    self.part,
                    format_args!(
                        "has no more to do, the event ended with {end}; `down` and `up` begin a new one"
                    ),
                );
                orders.stop.cancelled().await;
                break;
            }
            let wait = restart.failed(clock.elapsed(), fastrand::u32(..));
            let when =
                if wait.is_zero() { "at once".into() } else { format!("in {:.1} s", wait.as_secs_f32()) };
            self.console.say(self.part, format_args!("{fault}, is started again {when}"));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = orders.stop.cancelled() => break,
            }
        }
        self.folder.forget(self.part.name());
    }

    /// Waits until the process ends and says how; ends it if that is ordered, and then says nothing.
    async fn watch(&mut self, mut running: Running, orders: &mut Orders) -> Option<String> {
        let end = tokio::select! {
            end = running.ended() => end,
            () = orders.stop.cancelled() => {
                self.end(running, &orders.hurry).await;
                return None;
            }
        };
        let unusable = orders.unusable.take().filter(|_| end == End::Exit(UNUSABLE));
        if let Some(unusable) = unusable {
            // The queue has room for every part.
            let _ = unusable.try_send(self.part);
            orders.stop.cancelled().await;
            return None;
        }
        Some(end.to_string())
    }

    async fn end(&mut self, running: Running, hurry: &CancellationToken) {
        // Nobody will accept any longer: refuse at once what comes now.
        self.listener = None;
        if !running.end(hurry).await {
            self.console.say(self.part, "did not end when asked and was killed");
        }
    }

    async fn start(&mut self) -> anyhow::Result<Running> {
        if let (None, Some(address)) = (&self.listener, self.address) {
            self.listener = Some(sockets::bind(self.part, address)?);
        }
        let listener = self.listener.as_ref().map(TcpListener::try_clone).transpose()?;
        let path = self.folder.log(self.part);
        let log = logs::open(&path).with_context(|| format!("no log at {}", path.display()))?;
        let child = child::Command::of_this_binary()
            .args(&self.args)
            .env(handover::VARIABLE, self.folder.socket(self.part))
            .record(self.folder.record(self.part.name()))
            .own_session()
            .listeners(listener)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .await?;
        Ok(Running::Ours(child))
    }
}
