//! A part that runs: noticing its end and ending it, whether this process started it or adopted it.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::child::process::{Handle, Process};

/// How long a part may take to finish what it serves.
pub const DRAIN: Duration = Duration::from_secs(10);

/// A running part.
#[derive(Debug)]
pub enum Running {
    /// This process started it, and reaps it.
    Ours(Child),
    /// Another supervisor started it.
    Adopted(Handle),
}

/// How a part ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By its own decision.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// Only its parent could know.
    Unknown,
}

impl Running {
    /// Which process it is; none if it has ended and was started by this one.
    pub fn process(&self) -> Option<Process> {
        match self {
            Self::Ours(child) => Process::of(child.id()?.cast_signed()),
            Self::Adopted(handle) => Some(handle.process()),
        }
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> End {
        match self {
            Self::Ours(child) => child.wait().await.map_or(End::Unknown, End::from),
            Self::Adopted(handle) => {
                // It fails only with the runtime, which then waits for nothing.
                let _ = handle.ended().await;
                End::Unknown
            }
        }
    }

    /// Which process it is; none if it has ended.
    pub fn pid(&self) -> Option<i32> {
        match self {
            Self::Ours(child) => child.id().map(u32::cast_signed),
            Self::Adopted(handle) => Some(handle.process().pid),
        }
    }

    /// Kills it and waits for its end.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended().await;
    }

    /// Sends it a signal; one that has ended needs none.
    fn signal(&self, signal: Signal) {
        let _ = match self {
            // A pid is not given to another process before it is reaped, and then it is none here.
            Self::Ours(child) => match child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
                Some(pid) => rustix::process::kill_process(pid, signal).map_err(io::Error::from),
                None => Ok(()),
            },
            Self::Adopted(handle) => handle.signal(signal),
        };
    }

    /// Asks it to leave what it serves to others, waits as [`end`](Self::end) does, and says the same.
    pub async fn leave(self, hurry: &CancellationToken) -> bool {
        self.ask(Signal::TERM, hurry).await
    }

    /// Asks it to end, waits for what it still serves, at most [`DRAIN`], then kills it. Once `hurry`
    /// is cancelled it is killed at once. True if it ended by itself.
    pub async fn end(self, hurry: &CancellationToken) -> bool {
        self.ask(Signal::INT, hurry).await
    }

    async fn ask(mut self, request: Signal, hurry: &CancellationToken) -> bool {
        self.signal(request);
        tokio::select! {
            _ = self.ended() => return true,
            () = tokio::time::sleep(DRAIN) => {}
            () = hurry.cancelled() => {}
        }
        self.kill().await;
        false
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exit(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unknown,
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(signal) => write!(f, "was killed by signal {signal}"),
            Self::Unknown => f.write_str("ended"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str) -> Running {
        Running::Ours(tokio::process::Command::new("sh").args(["-c", script]).spawn().unwrap())
    }

    #[tokio::test]
    async fn the_end_says_how() {
        assert_eq!(start("exit 3").ended().await, End::Exit(3));
        assert_eq!(start("kill -9 $$").ended().await, End::Signal(9));
    }

    #[tokio::test]
    async fn a_part_that_ignores_the_request_is_killed_when_time_is_short() {
        let hurry = CancellationToken::new();
        hurry.cancel();
        assert!(!start("trap '' INT; while :; do sleep 0.01; done").end(&hurry).await);
    }

    #[tokio::test]
    async fn a_part_may_finish_what_it_does() {
        let hurry = CancellationToken::new();
        assert!(start("exec sleep 600").end(&hurry).await);
    }
}
