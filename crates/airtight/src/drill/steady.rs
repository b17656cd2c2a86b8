//! Waits until the system does all that it is there for. What that is, `lab` says; here it is asked.

use std::time::Duration;

use airtight_lab::drill::{matrix::SUPERVISOR, steady};
use anyhow::{anyhow, bail};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::system::{SIGNAL, System};
use crate::up::plan::Part;

/// How long a system may take to be whole again after a fault.
pub const RECOVERY: Duration = Duration::from_secs(60);
/// How long it may take to fill a window of no length; that of its playlists comes on top.
const START: Duration = Duration::from_secs(60);
/// Between two looks.
const POLL: Duration = Duration::from_millis(250);
/// The renditions of the small programme.
const TRACKS: [&str; 2] = ["360p", "audio"];
/// The servers that viewers are pointed at.
pub const SERVERS: [Part; 4] = [Part::Server1, Part::Server2, Part::Origin1, Part::Origin2];

/// Looks at one system.
#[derive(Debug)]
pub struct Steady<'a> {
    system: &'a System,
    /// What playlists offer once they are full.
    window: Duration,
}

impl<'a> Steady<'a> {
    /// Looks at `system`, whose playlists offer `window`.
    pub fn new(system: &'a System, window: Duration) -> Self {
        Self { system, window }
    }

    /// Waits until a system that starts is whole; gives its target duration.
    ///
    /// # Errors
    /// It is not in time.
    pub async fn started(&self) -> anyhow::Result<Duration> {
        self.within(START + self.window).await
    }

    /// Waits until all is well again after a fault; gives its target duration.
    ///
    /// # Errors
    /// What is lacking when time is up.
    pub async fn recovered(&self) -> anyhow::Result<Duration> {
        self.within(RECOVERY).await
    }

    async fn within(&self, limit: Duration) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        loop {
            match self.look().await {
                Ok(target) => return Ok(target),
                Err(lack) if begun.elapsed() > limit => bail!("not whole within {limit:?}: {lack:#}"),
                Err(_) => sleep(POLL).await,
            }
        }
    }

    async fn look(&self) -> anyhow::Result<Duration> {
        for name in Part::ALL.map(Part::name).into_iter().chain([SUPERVISOR]) {
            if self.system.hold(name)?.is_none() {
                bail!("{name} does not run");
            }
        }
        for part in [Part::Server1, Part::Server2] {
            let signals = self.system.get(part, "signals").await?;
            steady::packager(&signals, &["a", "b"]).map_err(|lack| anyhow!("{part}: {lack}"))?;
        }
        let ingests = self.system.get(Part::Reporter, "ingests").await?;
        steady::reporter(&ingests, 2).map_err(|lack| anyhow!("reporter: {lack}"))?;
        let mut target = Duration::ZERO;
        for part in SERVERS {
            for track in TRACKS {
                let text = self.system.get(part, &format!("{SIGNAL}/{track}/playlist.m3u8")).await?;
                let full = steady::playlist(&text, Timestamp::now(), self.window);
                target = full.map_err(|lack| anyhow!("{part}, {track}: {lack}"))?;
            }
        }
        Ok(target)
    }
}
