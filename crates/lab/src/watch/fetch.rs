//! One request, one answer, with the patience of a player. Whoever asks decides what a fault means.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{Request, header, request::Builder};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;

use super::{Clock, Url};
use crate::{
    player::{Fault, Policy, whole_millis},
    rules::answer::{Head, Kind},
};

/// Idle connections are dropped before servers drop them.
const IDLE: Duration = Duration::from_secs(10);
/// The longest bodies that are taken: versions of playlists are remembered, media is not.
const LONGEST_PLAYLIST: usize = 4 << 20;
const LONGEST_MEDIA: usize = 64 << 20;

/// A whole answer, whatever its status.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    /// When it was asked for, and when it was whole, since the watch began.
    pub asked: Duration,
    pub seen: Duration,
    pub head: Head,
    /// `Content-Encoding`.
    pub coding: Option<String>,
    /// Whether it may not be stored.
    pub passing: bool,
    pub body: Bytes,
}

/// Asks servers. Clones share connections.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: legacy::Client<HttpConnector, Empty<Bytes>>,
    clock: Clock,
}

impl Client {
    pub(super) fn new(clock: Clock) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self { http, clock }
    }

    /// Gets `url`, once.
    pub(super) async fn get(&self, url: &Url, kind: Kind, patience: &Policy) -> Result<Answer, Fault> {
        let longest = if kind == Kind::Playlist { LONGEST_PLAYLIST } else { LONGEST_MEDIA };
        self.ask(Request::get(url.as_str()), longest, patience).await
    }

    /// Gets a playlist in gzip, once; its body is as it came.
    pub(super) async fn get_coded(&self, url: &Url, patience: &Policy) -> Result<Answer, Fault> {
        let request = Request::get(url.as_str()).header(header::ACCEPT_ENCODING, "gzip");
        self.ask(request, LONGEST_PLAYLIST, patience).await
    }

    async fn ask(&self, request: Builder, longest: usize, patience: &Policy) -> Result<Answer, Fault> {
        let late = |limit| Fault::Late(whole_millis(limit));
        timeout(patience.total, self.exchange(request, longest, patience.first_byte))
            .await
            .unwrap_or_else(|_| Err(late(patience.total)))
    }

    async fn exchange(
        &self,
        request: Builder,
        longest: usize,
        first_byte: Duration,
    ) -> Result<Answer, Fault> {
        let asked = self.clock.now();
        let request = request.body(Empty::new());
        let request = request.map_err(|error| Fault::Broken(error.to_string()))?;
        let response = timeout(first_byte, self.http.request(request)).await;
        let response = response.map_err(|_| Fault::Late(whole_millis(first_byte)))?;
        let (head, body) = response.map_err(|error| Fault::Broken(innermost(&error)))?.into_parts();
        let body = Limited::new(body, longest).collect().await;
        let body = body.map_err(|error| Fault::Broken(innermost(&*error)))?.to_bytes();
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        Ok(Answer {
            asked,
            seen: self.clock.now(),
            head: Head {
                status: head.status.as_u16(),
                media_type: text(header::CONTENT_TYPE).map(str::to_owned),
                readers: text(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(str::to_owned),
            },
            coding: text(header::CONTENT_ENCODING).map(str::to_owned),
            passing: text(header::CACHE_CONTROL).is_some_and(|value| value.contains("no-store")),
            body,
        })
    }
}

/// What the machine said, without the layers that passed it on.
fn innermost(mut error: &dyn Error) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
