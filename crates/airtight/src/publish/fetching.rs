//! Fetches under way: made as the composers want them, and broken off when they say so.

use std::{collections::BTreeMap, time::Duration};

use airtight_media::{compose::Ticket, id::SignalName};
use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    future::{AbortHandle, Aborted, BoxFuture, abortable},
    stream::FuturesUnordered,
};
use tokio::time::timeout;

/// Which fetch of which signal.
type Key = (SignalName, Ticket);

/// Whether it was broken off; if not, what it brought.
type Outcome = Result<anyhow::Result<Bytes>, Aborted>;

/// The fetches of all composers.
#[derive(Default)]
pub(super) struct Fetching {
    running: FuturesUnordered<BoxFuture<'static, (Key, Outcome)>>,
    handles: BTreeMap<Key, AbortHandle>,
}

impl Fetching {
    /// Awaits `bytes` for as long as `budget` says.
    pub(super) fn start(
        &mut self,
        signal: &SignalName,
        ticket: Ticket,
        bytes: BoxFuture<'static, anyhow::Result<Bytes>>,
        budget: Duration,
    ) {
        let key = (signal.clone(), ticket);
        let (bytes, handle) = abortable(async move {
            let late = || anyhow::anyhow!("no answer within {budget:?}");
            timeout(budget, bytes).await.unwrap_or_else(|_| Err(late()))
        });
        self.handles.insert(key.clone(), handle);
        self.running.push(Box::pin(async move { (key, bytes.await) }));
    }

    /// Breaks a fetch off, connection and all; [`Fetching::next`] never gives it.
    pub(super) fn cancel(&mut self, signal: &SignalName, ticket: Ticket) {
        if let Some(handle) = self.handles.remove(&(signal.clone(), ticket)) {
            handle.abort();
        }
    }

    /// The next that has its outcome; none if none is under way.
    pub(super) async fn next(&mut self) -> Option<(SignalName, Ticket, anyhow::Result<Bytes>)> {
        loop {
            let (key, outcome) = self.running.next().await?;
            if let Ok(outcome) = outcome {
                self.handles.remove(&key);
                return Some((key.0, key.1, outcome));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use airtight_media::{compose::SourceId, grid::Number, holding::Piece};
    use std::sync::Arc;
    use tokio::{
        io::AsyncReadExt as _,
        net::{TcpListener, TcpStream},
    };

    use super::*;
    use crate::{
        http::Client,
        publish::Fetch as _,
        upstream::{Directory, Upstream},
    };

    const PATIENCE: Duration = Duration::from_secs(10);

    fn signal() -> SignalName {
        "live01".parse().unwrap()
    }

    /// Reads until the other side closes; true if it does while somebody waits.
    async fn is_closed(stream: &mut TcpStream) -> bool {
        let mut bytes = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.is_ok()
    }

    #[tokio::test]
    async fn a_fetch_that_is_broken_off_closes_its_connection_and_has_no_outcome() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let directory = Directory::default();
        directory.store(Arc::new(BTreeMap::from([(SourceId(0), url)])));
        let upstream = Upstream { client: Client::new(), directory };
        let (lineage, track) = ("a-7".parse().unwrap(), "720p".parse().unwrap());
        let piece = Piece::Segment { lineage, track, number: Number(7) };
        let mut fetching = Fetching::default();
        let bytes = upstream.fetch(SourceId(0), &signal(), &piece);
        fetching.start(&signal(), Ticket(1), bytes, PATIENCE * 6);
        // It is under way, and never answered.
        let (mut stream, _) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            _ = fetching.next() => panic!("nobody has answered"),
        };
        fetching.cancel(&signal(), Ticket(1));
        assert!(fetching.next().await.is_none());
        assert!(is_closed(&mut stream).await);
        assert!(fetching.handles.is_empty());
    }

    #[tokio::test]
    async fn a_fetch_that_takes_longer_than_it_may_fails() {
        let mut fetching = Fetching::default();
        let never = Box::pin(std::future::pending());
        fetching.start(&signal(), Ticket(3), never, Duration::from_millis(1));
        let (_, ticket, outcome) = fetching.next().await.unwrap();
        assert_eq!(ticket, Ticket(3));
        assert_eq!(outcome.unwrap_err().to_string(), "no answer within 1ms");
        assert!(fetching.next().await.is_none() && fetching.handles.is_empty());
    }
}
