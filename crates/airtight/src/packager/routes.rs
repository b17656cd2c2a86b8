//! What a packager answers to the other parts: signals, holdings, the very copies, its health.

use std::{convert::Infallible, sync::Arc, time::Instant};

use airtight_media::holding::{Entry, Piece, Place, Revision};
use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Query, Request, State},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{
    feed::Feed,
    ingest,
    store::{Lack, Store},
    viewers::{SETTLE, lacking},
};
use crate::{
    publish::Board,
    serve::{
        condition,
        health::{Health, state},
        metrics::render,
        page,
        reply::Reply,
    },
};

/// A name never has other bytes, so a cache keeps them for good.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// What the answers are made of.
#[derive(Clone)]
pub(super) struct App {
    pub(super) store: Store,
    pub(super) board: Arc<Board>,
    pub(super) health: Health,
    /// When it was made.
    pub(super) begun: Instant,
    /// For the bodies of ingest requests.
    pub(super) room: Arc<Semaphore>,
    /// Ends the streams of holdings.
    pub(super) stop: CancellationToken,
}

pub(super) fn router(store: Store, board: Arc<Board>, health: Health, stop: CancellationToken) -> Router {
    let (begun, room) = (Instant::now(), Arc::new(Semaphore::new(ingest::ROOM)));
    let app = App { store, board, health, begun, room, stop };
    Router::new()
        .route("/ingest/{*place}", put(ingest::put))
        .route("/signals", get(signals))
        .route("/v1/holdings", get(holdings))
        .route("/v1/media/{*place}", get(media))
        .route("/assets/{file}", get(page::answer))
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(page::nothing)
        .method_not_allowed_fallback(page::other_method)
        // Bodies have bounds of their own.
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

async fn signals(State(app): State<App>) -> Response {
    Json(app.store.freshness()).into_response()
}

#[derive(Deserialize)]
struct Since {
    since: Option<String>,
}

async fn holdings(State(app): State<App>, Query(query): Query<Since>) -> Response {
    let since = query.since.filter(|since| !since.is_empty()).map(|since| since.parse::<Revision>());
    match since.transpose() {
        Ok(since) => {
            let lines = Body::from_stream(lines(app.store.feed(since), app.stop));
            ([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("since: {error}\n")).into_response(),
    }
}

/// The feed as text, until the end of the packager.
fn lines(feed: Feed, stop: CancellationToken) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold((feed, stop), |(mut feed, stop)| async move {
        let entries = tokio::select! {
            () = stop.cancelled() => return None,
            entries = feed.next() => entries,
        };
        Some((Ok(text(&entries)), (feed, stop)))
    })
}

fn text(entries: &[Entry]) -> Bytes {
    let mut text = Vec::new();
    for entry in entries {
        // A line is plain data that always has a JSON form.
        if serde_json::to_writer(&mut text, entry).is_ok() {
            text.push(b'\n');
        }
    }
    text.into()
}

async fn media(State(app): State<App>, request: Request) -> Response {
    let path = request.uri().path();
    let place = match ingest::place(path.strip_prefix("/v1/media/").unwrap_or_default()) {
        Ok(place) => place,
        Err((status, sentence)) => return (status, format!("{sentence}\n")).into_response(),
    };
    let Place::Piece(signal, piece) = place else {
        let sentence = "only inits, slates and segments are given here: the record is in /signals\n";
        return (StatusCode::NOT_FOUND, sentence).into_response();
    };
    match app.store.get(&signal, &piece).await {
        Ok(bytes) => copy(&piece, bytes, request.headers()),
        Err(lack @ Lack::NotHeld(_)) => (StatusCode::NOT_FOUND, format!("{lack}\n")).into_response(),
        Err(lack @ Lack::Disk(..)) => {
            warn!("{lack}");
            (StatusCode::SERVICE_UNAVAILABLE, format!("{lack}\n")).into_response()
        }
    }
}

/// The copy, or the word that whoever asks has it.
fn copy(piece: &Piece, bytes: Bytes, asked: &HeaderMap) -> Response {
    let mut response = Response::new(Reply::bytes(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(FOR_GOOD));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp4"));
    headers.extend(HeaderValue::try_from(etag(piece)).ok().map(|etag| (header::ETAG, etag)));
    condition::apply(&Method::GET, asked, response).map(Body::new)
}

/// Names the bytes: a lineage makes each piece once.
fn etag(piece: &Piece) -> String {
    match piece {
        Piece::Init { init, .. } => format!("\"{init}\""),
        Piece::Slate { lineage, .. } => format!("\"{lineage}.slate\""),
        Piece::Segment { lineage, number, .. } => format!("\"{lineage}.{number}\""),
        Piece::Filled { number, .. } => format!("\"filled.{number}\""),
    }
}

async fn alive(State(app): State<App>) -> Response {
    state(app.health.alive())
}

async fn ready(State(app): State<App>) -> Response {
    state(app.health.alive().and_then(|()| app.ready()))
}

impl App {
    fn ready(&self) -> Result<(), String> {
        if self.stop.is_cancelled() {
            return Err("about to end".to_owned());
        }
        if !self.store.is_indexed() {
            return Err("about to look through the folder".to_owned());
        }
        // Media that can't be shown are no reason to take no further ones.
        match lacking(&self.store, &self.board.signals()).filter(|_| self.begun.elapsed() < SETTLE) {
            Some(signal) => Err(format!("signal '{signal}' has no window yet")),
            None => Ok(()),
        }
    }
}

async fn metrics(State(app): State<App>) -> Response {
    app.store.metrics().show(app.store.size());
    render(&app.store.metrics().registry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_copy_is_told_so_wherever_he_names_it() {
        let (lineage, track) = ("a-1".parse().unwrap(), "720p".parse().unwrap());
        let piece = Piece::Slate { lineage, track };
        let status = |lines: &[&'static str]| {
            let mut asked = HeaderMap::new();
            for line in lines {
                asked.append(header::IF_NONE_MATCH, HeaderValue::from_static(line));
            }
            copy(&piece, Bytes::from_static(b"slate"), &asked).status()
        };
        for named in [&["\"a-1.slate\""][..], &["W/\"a-1.slate\""], &["\"x\"", "\"y\", \"a-1.slate\""]] {
            assert_eq!(status(named), StatusCode::NOT_MODIFIED, "{named:?}");
        }
        for other in [&[][..], &["\"a-1\""]] {
            assert_eq!(status(other), StatusCode::OK, "{other:?}");
        }
    }
}
