//! The sources of an origin: packagers and peers, each followed by its feed of holdings.
//!
//! [`follow`] turns a feed into news; [`Upstream`] brings bytes. Neither decides what is asked for.

mod feed;
mod lines;

use std::{collections::BTreeMap, sync::Arc};

use airtight_control::ingest::PartUrl;
use airtight_media::{compose::SourceId, holding::Piece, id::SignalName};
use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use bytes::Bytes;
pub use feed::follow;
use futures_util::future::BoxFuture;

use crate::{http::Client, publish::Fetch};

/// The longest piece that is taken: as long as a packager takes.
const LONGEST: usize = 64 << 20;

/// Where sources are, by the number that composers know them by.
pub type Directory = Arc<ArcSwap<BTreeMap<SourceId, PartUrl>>>;

/// Fetches media from packagers and peers over HTTP.
#[derive(Debug)]
pub struct Upstream {
    /// Asks them.
    pub client: Client,
    /// Where they are.
    pub directory: Directory,
}

impl Fetch for Upstream {
    fn fetch(
        &self,
        from: SourceId,
        signal: &SignalName,
        piece: &Piece,
    ) -> BoxFuture<'static, anyhow::Result<Bytes>> {
        let client = self.client.clone();
        let url = self.directory.load().get(&from).cloned();
        let path = piece.path().map(|path| format!("/v1/media/{signal}/{path}"));
        Box::pin(async move {
            let url = url.with_context(|| format!("{from} is gone"))?;
            let path = path.context("a filled number is made, not fetched")?;
            let answer = client.get_unhurried(&format!("{url}{path}"), LONGEST).await;
            let answer = answer.with_context(|| format!("{url}{path}"))?;
            if !answer.status.is_success() {
                bail!("{url}{path} answers {}: {}", answer.status, answer.sentence());
            }
            Ok(answer.body)
        })
    }

    fn name(&self, source: SourceId) -> String {
        self.directory.load().get(&source).map_or_else(|| source.to_string(), ToString::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_called_by_its_url() {
        let peer = SourceId(1 << 16);
        let directory = BTreeMap::from([(peer, "http://localhost:8001".parse().unwrap())]);
        let directory = Arc::new(ArcSwap::new(Arc::new(directory)));
        let upstream = Upstream { client: Client::new(), directory };
        assert_eq!(upstream.name(peer), "http://localhost:8001");
        assert_eq!(upstream.name(SourceId(7)), "source 7");
    }
}
