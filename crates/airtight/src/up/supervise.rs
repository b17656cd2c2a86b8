//! One supervised part: the outer loop stays, one process after another comes and goes.
//!
//! When to start it again is decided by `control::restart`; what it listens on stays open meanwhile,
//! so that nobody is refused.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use airtight_control::restart::{Policy, Restart};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::arguments::is_order;
use super::console::Console;
use super::event::Event;
use super::folder::Folder;
use super::handover::Predecessor;
use super::lives::{Fate, Lives};
use super::plan::Part;
use super::running::{End, Running};
use super::succession::Answer;
use super::{handover, logs, sockets};
use crate::child::{self, process::Process};

/// Exit code of a part that can't go on with what it was given: starting it again is no remedy.
const UNUSABLE: i32 = 2;

/// Between two tries to record what could not be recorded.
pub const UNRECORDED: Duration = Duration::from_secs(1);

/// A part and what each of its processes is started with.
#[derive(Debug)]
pub struct Supervised {
    /// Which part.
    pub part: Part,
    /// The command of this binary and its flags.
    pub args: Vec<String>,
    /// The same for the process that replaces the one which was adopted: until it is ready, whoever is started in an
    /// emergency is what the one before was, which is known to work.
    pub upgraded: Option<Vec<String>>,
    /// Where it listens, if it does.
    pub address: Option<SocketAddr>,
    /// The socket it listens on; none if the process that was adopted did not give it.
    pub listener: Option<TcpListener>,
    /// What it works for, if its work has an end.
    pub event: Option<Event>,
    /// Where it keeps its record, socket and log.
    pub folder: Folder,
    /// Where it is known whether it lives.
    pub lives: Lives,
    /// Where its fate is told.
    pub console: Console,
}

/// What a part is ordered from outside.
#[derive(Debug)]
pub struct Orders {
    /// The part is to end.
    pub stop: CancellationToken,
    /// It is not to be waited for any longer.
    pub hurry: CancellationToken,
    /// Takes the part if its first process can't go on with what it was given. One that ran well before, as an
    /// adopted one did, is started again.
    pub unusable: Option<mpsc::Sender<Part>>,
    /// The process is to be replaced by one of the present program.
    pub replace: mpsc::Receiver<Answer>,
}

impl Supervised {
    /// Keeps the part running until it is ordered to stop; begins with the process that runs already,
    /// if there is one.
    pub async fn run(mut self, adopted: Option<Running>, mut orders: Orders) {
        let clock = Instant::now();
        let mut restart = Restart::new(Policy::PROCESS);
        if let Some(pid) = adopted.as_ref().and_then(Running::pid) {
            self.lives.adopted(self.part, pid);
        }
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
                self.rest(orders).await;
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

    /// Waits until it is ordered to stop: there is nothing more to do, and nothing to replace.
    async fn rest(&self, mut orders: Orders) {
        loop {
            tokio::select! {
                () = orders.stop.cancelled() => return,
                Some(answer) = orders.replace.recv() => {
                    // Who asked has gone: then nobody wants to know.
                    let _ = answer.send(Ok(()));
                }
            }
        }
    }

    /// Waits until the process ends and says how; ends it if that is ordered, and then says nothing.
    async fn watch(&mut self, mut running: Running, orders: &mut Orders) -> Option<String> {
        let begun = Instant::now();
        let end = loop {
            let process = running.process();
            running = tokio::select! {
                end = running.ended() => break end,
                fate = self.lives.fate(self.part) => {
                    // It went on well enough before.
                    orders.unusable = None;
                    match fate {
                        Fate::Leaves => match self.follow(running, &orders.hurry).await {
                            Ok(next) => next,
                            Err(error) => return Some(format!("leaves, and none can follow it: {error:#}")),
                        },
                        Fate::Frozen(silent) => {
                            running.kill().await;
                            self.lives.gone(self.part);
                            let silent = silent.as_secs_f32();
                            return Some(format!("gave no sign of life for {silent:.1} s and was killed"));
                        }
                    }
                }
                never = self.keep_on_record(process) => match never {},
                () = orders.stop.cancelled() => {
                    self.end(running, &orders.hurry).await;
                    return None;
                }
                Some(answer) = orders.replace.recv() => self.replace(running, answer, orders).await,
            };
        };
        self.lives.gone(self.part);
        let ran_well = begun.elapsed() >= Policy::PROCESS.stable;
        let unusable = orders.unusable.take().filter(|_| end == End::Exit(UNUSABLE) && !ran_well);
        if let Some(unusable) = unusable {
            // The queue has room for every part.
            let _ = unusable.try_send(self.part);
            orders.stop.cancelled().await;
            return None;
        }
        Some(end.to_string())
    }

    /// Records the process in a file as soon as that is possible, if it could not do so itself, whoever started it:
    /// without any record only this supervisor knows of it, and no later one could adopt it.
    async fn keep_on_record(&self, process: Option<Process>) -> Infallible {
        let path = self.folder.record(self.part.name());
        let mut told = false;
        while let Some(process) = process {
            // It had this long to record itself.
            tokio::time::sleep(UNRECORDED).await;
            if process.is_on_record(&path) {
                break;
            }
            match process.write(&path) {
                Ok(()) if std::mem::take(&mut told) => self.console.say(self.part, "is on record again"),
                Ok(()) => {}
                Err(error) if !told => {
                    told = true;
                    let pid = process.pid;
                    self.console
                        .say(self.part, format_args!("runs as process {pid} without a record: {error:#}"));
                }
                Err(_) => {}
            }
        }
        std::future::pending().await
    }

    async fn end(&mut self, running: Running, hurry: &CancellationToken) {
        self.lives.gone(self.part);
        // Nobody will accept any longer: refuse at once what comes now.
        self.listener = None;
        if !running.end(hurry).await {
            self.console.say(self.part, "did not end when asked and was killed");
        }
    }

    async fn start(&mut self) -> anyhow::Result<Running> {
        let running = self.spawn(None).await?;
        if let Some(pid) = running.pid() {
            self.lives.started(self.part, pid);
        }
        Ok(running)
    }

    /// Starts a process, which may succeed one that is still there.
    pub(super) async fn spawn(&mut self, predecessor: Option<Predecessor>) -> anyhow::Result<Running> {
        if let (None, Some(address)) = (&self.listener, self.address) {
            self.listener = Some(sockets::bind(self.part, address)?);
        }
        let listener = self.listener.as_ref().map(TcpListener::try_clone).transpose()?;
        let (stdout, stderr) = self.log();
        let child = child::Command::of_this_binary()
            .args(&self.args)
            .env(handover::VARIABLE, self.folder.socket(self.part))
            .envs(self.lives.variables(&self.folder))
            .envs(self.folder.environment(self.part)?)
            .envs(predecessor.map(|predecessor| (handover::SUCCEEDS, predecessor.word().into())))
            .record(self.folder.record(self.part.name()))
            .own_session()
            .listeners(listener)
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .await?;
        // This process carries it out; whoever follows must not once more.
        self.args.retain(|argument| !is_order(argument));
        Ok(Running::Ours(child))
    }

    /// Where its words go. A part without a log is better than none.
    fn log(&self) -> (Stdio, Stdio) {
        let path = self.folder.log(self.part);
        match logs::open(&path).and_then(|log| Ok((log.try_clone()?.into(), log.into()))) {
            Ok(log) => log,
            Err(error) => {
                self.console.say(self.part, format_args!("runs without the log {}: {error}", path.display()));
                (Stdio::null(), Stdio::null())
            }
        }
    }
}
