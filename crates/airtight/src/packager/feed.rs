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

#[cfg(test)]
mod tests {
    use airtight_media::{
        holding::{Line, Place},
        id::SignalName,
    };

    use super::*;
    use crate::{
        packager::{disk::Disk, index::Limits, store::Mode},
        publish::Board,
    };

    const KEPT: usize = 100;

    fn store(root: &std::path::Path) -> Store {
        let limits = Limits { window: TICK, retention: TICK, bytes: u64::MAX, news: KEPT };
        Store::new(Disk::open(root, Mode::Spool).unwrap(), Mode::Spool, limits, &Board::default())
    }

    /// News: a record that begins earlier than the one that is known.
    fn put(store: &Store, first: usize) {
        let signal: SignalName = "live01".parse().unwrap();
        let record = format!(
            r#"{{"signal":"live01","d":2000,"parts":4,"first":{first},"eras":[{{"first":99999,"tracks":[{{
            "name":"720p","kind":"video","width":64,"height":36,"scale":25000,"frame":1000,
            "codecs":"avc1.64001f","bandwidth":1,"init":"4bf5122f344554c5"}}]}}]}}"#
        );
        store.put(&Place::Record(signal), record.into()).unwrap();
    }

    #[tokio::test]
    async fn a_follower_that_is_overtaken_is_sent_everything_anew_and_owed_no_more() {
        let root = tempfile::tempdir().unwrap();
        let store = store(root.path());
        let (mut slow, mut quick) = (store.feed(None), store.feed(None));
        slow.next().await;
        let mut news = 0;
        for first in (0..=KEPT).rev() {
            put(&store, first);
            let lines = quick.next().await;
            news += lines.iter().filter(|entry| matches!(entry.line, Line::Record { .. })).count();
        }
        assert_eq!(news, KEPT + 1, "the other follower has missed nothing");
        assert_eq!(store.metrics().overtaken.get(), 0);
        let lines: Vec<_> = slow.next().await.into_iter().map(|entry| entry.line).collect();
        assert!(matches!(lines[..], [Line::Reset, Line::Record { .. }, Line::Tick]), "{lines:?}");
        assert_eq!(store.metrics().overtaken.get(), 1);
    }
}
