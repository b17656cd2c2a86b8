//! A follower of what a store holds.
//!
//! All followers read one log and keep a place in it each, so a slow one costs nothing and delays nobody: one that
//! has been overtaken is sent everything anew.

use std::{collections::VecDeque, time::Duration};

use airtight_media::holding::{Entry, Revision};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{index::News, store::Store};

/// Between two signs of life where there is no news.
const TICK: Duration = Duration::from_millis(250);
/// Lines that are given at a time.
const BATCH: usize = 256;

/// News of a store in their order, resumable by revision.
#[derive(Debug)]
pub(crate) struct Feed {
    store: Store,
    changed: watch::Receiver<()>,
    position: Option<Revision>,
    /// What is known to be told and was not told yet: no more than all that is held.
    pending: VecDeque<News>,
    /// When the next sign of life is due.
    tick: Instant,
}

impl Feed {
    pub(super) fn new(store: Store, changed: watch::Receiver<()>, since: Option<Revision>) -> Self {
        store.metrics().followers.inc();
        Self { store, changed, position: since, pending: VecDeque::new(), tick: Instant::now() + TICK }
    }

    /// The next lines, at least one: news as soon as there are some, else a sign of life.
    pub(crate) async fn next(&mut self) -> Vec<Entry> {
        while self.pending.is_empty() {
            self.changed.mark_unchanged();
            self.look();
            if !self.pending.is_empty() {
                break;
            }
            tokio::select! {
                // The store lives as long as its followers: that it is gone can't be.
                _ = self.changed.changed() => {}
                () = sleep_until(self.tick) => self.pending.extend(self.position.map(News::tick)),
            }
        }
        self.tick = Instant::now() + TICK;
        let now = self.store.now();
        let batch = self.pending.len().min(BATCH);
        self.pending.drain(..batch).map(|news| news.entry(now)).collect()
    }

    fn look(&mut self) {
        let news = self.store.since(self.position);
        if let Some(last) = news.last() {
            if self.position.is_some() && news[0].is_reset() {
                self.store.metrics().overtaken.inc();
            }
            self.position = Some(last.rev());
            self.pending.extend(news);
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.store.metrics().followers.dec();
    }
}
