//! What viewers of a packager get: the same composer, board and service as an origin's, with one source: the store.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use airtight_media::{
    compose::{Policy, SourceId},
    holding::{Line, Piece},
    id::SignalName,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::store::Store;
use crate::{
    publish::{Board, Desk, Fetch, News, Offer, Signals},
    serve::pulse::Pulse,
};

/// The store, as composers know it.
const STORE: SourceId = SourceId(0);
/// How long a packager that has just begun may look through its folder before it shows slate for what is
/// missing: a disk that hangs must not keep it from its viewers for good.
pub(super) const SETTLE: Duration = Duration::from_secs(5);
/// Lines of the feed that wait for the composers; further ones wait in the store.
const NEWS: usize = 256;

/// Media of a store, for the composers.
struct Local(Store);

impl Fetch for Local {
    fn fetch(
        &self,
        _from: SourceId,
        signal: &SignalName,
        piece: &Piece,
    ) -> BoxFuture<'static, anyhow::Result<Bytes>> {
        let (store, signal, piece) = (self.0.clone(), signal.clone(), piece.clone());
        Box::pin(async move { Ok(store.get(&signal, &piece).await?) })
    }

    fn name(&self, _source: SourceId) -> String {
        "the folder".to_owned()
    }
}

/// Composes what is on `board` from what `store` holds, until `stop`.
pub(super) async fn compose(
    store: Store,
    window: Duration,
    board: Arc<Board>,
    pulse: Pulse,
    stop: CancellationToken,
) {
    let (news, heard) = mpsc::channel(NEWS);
    // It ends with the token, and its end ends the composing of nothing else.
    let telling = tokio::spawn(tell(store.clone(), news));
    let (_expected, expected) = watch::channel(BTreeSet::from([STORE]));
    let window_millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    let policy = Policy { window_millis, settle: SETTLE };
    let media = Arc::new(Local(store));
    Desk { policy, expected, news: heard, media, board, pulse }.run(stop).await;
    telling.abort();
}

/// Waits until every signal has what its viewers had before: one that comes back is never told that there is none.
/// It waits in the socket meanwhile.
pub(super) async fn shown(store: &Store, board: &Board) {
    board.wait_until(|offers| lacking(store, offers).is_none()).await;
}

/// A signal that is not on the board yet, or of which there are media and no window.
pub(super) fn lacking(store: &Store, offers: &Signals) -> Option<SignalName> {
    store.signals().into_iter().find(|signal| match offers.get(signal) {
        Some(Offer::On(_)) => false,
        Some(Offer::Declared(_)) => store.newest(signal).is_some(),
        None => true,
    })
}

async fn tell(store: Store, news: mpsc::Sender<(SourceId, News)>) {
    let mut feed = store.feed(None);
    loop {
        for entry in feed.next().await {
            // A sign of life says that all is listed: not so while the folder is looked through.
            if matches!(entry.line, Line::Tick) && !store.is_indexed() {
                continue;
            }
            if news.send((STORE, News::Line(entry.line))).await.is_err() {
                return;
            }
        }
    }
}
