//! Follows the holdings of one source for as long as it is wanted.
//!
//! A feed that says nothing for a while is as bad as one that broke: its source counts as down
//! until it speaks again. A broken feed is resumed where it broke, with the patience of
//! [`Restart`], which alone owns that retry.

use std::time::{Duration, Instant};

use airtight_control::{
    ingest::PartUrl,
    restart::{Policy, Restart},
};
use airtight_media::{
    compose::SourceId,
    holding::{Entry, Revision},
};
use anyhow::{Context as _, bail};
use http_body_util::BodyExt as _;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::lines::Lines;
use crate::{http::Client, publish::News, serve::pulse::Pulse};

/// A feed ticks four times a second: after this long without a word its source is down.
const SILENCE: Duration = Duration::from_millis(1000);

/// Follows `url` until the returned future is dropped or nobody listens; `pulse` beats with each line.
pub async fn follow(
    client: Client,
    url: PartUrl,
    source: SourceId,
    news: mpsc::Sender<(SourceId, News)>,
    pulse: Pulse,
) {
    let mut feed = Feed { client, url, source, news, pulse, last: None, heard: false };
    let (began, mut restart, mut was_heard) = (Instant::now(), Restart::new(Policy::LINK), true);
    loop {
        restart.started(began.elapsed());
        feed.heard = false;
        let Err(error) = feed.run().await else { return };
        // Said once when it goes, not at every attempt.
        if feed.heard || was_heard {
            warn!("The feed of {} is not heard: {error:#}", feed.url);
        }
        was_heard = feed.heard;
        if feed.news.send((source, News::Down)).await.is_err() {
            return;
        }
        sleep(restart.failed(began.elapsed(), fastrand::u32(..))).await;
    }
}

struct Feed {
    client: Client,
    url: PartUrl,
    source: SourceId,
    news: mpsc::Sender<(SourceId, News)>,
    pulse: Pulse,
    last: Option<Revision>,
    /// Anything came since it was opened.
    heard: bool,
}

impl Feed {
    /// Follows the feed until it breaks. `Ok` once nobody listens any more.
    async fn run(&mut self) -> anyhow::Result<()> {
        let since = self.last.map_or_else(String::new, |rev| format!("?since={rev}"));
        let url = format!("{}/v1/holdings{since}", self.url);
        let mut body = self.client.open(&url, SILENCE).await?;
        let mut lines = Lines::default();
        loop {
            let Ok(frame) = timeout(SILENCE, body.frame()).await else { bail!("silent for {SILENCE:?}") };
            let frame = frame.context("it ended")?.context("it broke off")?;
            let Ok(bytes) = frame.into_data() else { continue };
            lines.push(&bytes);
            while let Some(line) = lines.poll()? {
                let entry: Entry = serde_json::from_slice(&line).context("a line can't be read")?;
                self.last = Some(entry.rev);
                self.pulse.beat();
                if !std::mem::replace(&mut self.heard, true) {
                    info!("The feed of {} is heard", self.url);
                }
                if self.news.send((self.source, News::Line(entry.line))).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}
