//! A part follows another on the same sockets, while viewers go on: what an upgrade does to each part.
//!
//! The new process begins beside the old one, and serves on the same sockets once it holds what it is to give.
//! Then the old one is asked to leave: it accepts nobody, answers what it is asked, and ends. A new one that does
//! not become ready is killed, and the old one goes on.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::handover::Predecessor;
use super::lives::Fate;
use super::running::Running;
use super::supervise::{Orders, Supervised};

/// For a new process to become ready: an encoder, the slowest, makes its slates and two numbers first.
const READY: Duration = Duration::from_secs(60);

/// Told once the old process has left, or why it goes on.
pub type Answer = oneshot::Sender<Result<(), String>>;

/// How the waiting for a new process ends.
enum Waited {
    /// It is ready, or there is no other any more.
    Follows,
    /// The old one goes on.
    Fails(String),
}

impl Supervised {
    /// Replaces the process that runs; gives the one that is supervised from now on.
    pub(super) async fn replace(&mut self, old: Running, answer: Answer, orders: &Orders) -> Running {
        match self.succeed(old, orders).await {
            (old, Err(reason)) => {
                // Who asked has gone: then nobody wants to know.
                let _ = answer.send(Err(reason));
                old
            }
            (new, Ok(old)) => {
                self.let_go(old, &orders.hurry, Some(answer));
                new
            }
        }
    }

    /// Starts a process in the place of one that serves nobody new: whoever comes now waits in the socket.
    ///
    /// # Errors
    /// None can be started; the old one is left to its end.
    pub(super) async fn follow(
        &mut self,
        old: Running,
        hurry: &CancellationToken,
    ) -> anyhow::Result<Running> {
        self.console.say(self.part, "leaves, and is followed by another process at once");
        let moved = self.folder.make_room(self.part);
        let new = self.spawn(Some(Predecessor::Leaves)).await;
        self.let_go(old, hurry, None);
        moved?;
        let new = new?;
        self.lives.started(self.part, new.pid().unwrap_or_default());
        Ok(new)
    }

    /// Lets a process end that another one follows, which is supervised meanwhile.
    fn let_go(&self, old: Running, hurry: &CancellationToken, answer: Option<Answer>) {
        let (folder, console) = (self.folder.clone(), self.console.clone());
        let (part, hurry) = (self.part, hurry.clone());
        tokio::spawn(async move {
            if !old.leave(&hurry).await {
                console.say(part, "did not leave when asked and was killed");
            }
            folder.forget_leaving(part);
            if let Some(answer) = answer {
                let _ = answer.send(Ok(()));
            }
        });
    }

    /// The process that goes on, and the one that is to leave or why there is none.
    async fn succeed(&mut self, mut old: Running, orders: &Orders) -> (Running, Result<Running, String>) {
        if let Err(error) = self.folder.make_room(self.part) {
            return (old, Err(format!("its record can't be moved: {error}")));
        }
        let before = self.args.clone();
        if let Some(upgraded) = self.upgraded.take() {
            self.args = upgraded;
        }
        let mut new = match self.spawn(Some(Predecessor::Serves)).await {
            Ok(new) => new,
            Err(error) => {
                self.args = before;
                self.folder.take_back(self.part);
                return (old, Err(format!("can't be started: {error:#}")));
            }
        };
        let pid = new.pid().unwrap_or_default();
        let waited = tokio::select! {
            () = self.lives.ready(pid) => Waited::Follows,
            end = new.ended() => Waited::Fails(end.to_string()),
            () = sleep(READY) => Waited::Fails(format!("is not ready after {READY:?}")),
            () = orders.stop.cancelled() => Waited::Fails("is not wanted any more".to_owned()),
            _ = old.ended() => Waited::Follows,
            fate = self.lives.fate(self.part) => {
                if fate != Fate::Leaves {
                    old.kill().await;
                }
                Waited::Follows
            }
        };
        self.lives.await_no_more(pid);
        match waited {
            Waited::Follows => {
                self.lives.started(self.part, pid);
                (new, Ok(old))
            }
            Waited::Fails(reason) => {
                new.kill().await;
                self.args = before;
                self.folder.take_back(self.part);
                (old, Err(reason))
            }
        }
    }
}
