//! What an origin answers besides viewers: its health, its figures, its holdings for peers.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use airtight_media::{
    compose::SourceId,
    holding::{Entry, Line, Place, Revision},
};
use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use http::{StatusCode, header};
use prometheus_client::registry::Registry;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    peer::{self, Teller},
    sources::Reach,
};
use crate::{
    publish::{Board, Offer},
    serve::{
        health::{Health, state},
        metrics::render,
        page,
    },
};

/// An origin that has heard nobody for so long has only slate to show.
const SILENCE: Duration = Duration::from_secs(2);
/// A follower hears something at least this often.
const TICK: Duration = Duration::from_millis(250);

/// Who is followed, and who is heard.
#[derive(Clone)]
pub(super) struct Heard {
    pub(super) sources: watch::Receiver<BTreeSet<SourceId>>,
    pub(super) reach: Reach,
}

/// What the answers are made of.
#[derive(Clone)]
pub(super) struct App {
    pub(super) board: Arc<Board>,
    pub(super) health: Health,
    pub(super) heard: Heard,
    pub(super) registry: Arc<Registry>,
    /// Ends the feeds of peers.
    pub(super) stop: CancellationToken,
}

pub(super) fn router(app: App) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/holdings", get(holdings))
        .route("/v1/media/{*path}", get(media))
        .route("/assets/{file}", get(page::answer))
        .fallback(page::nothing)
        .method_not_allowed_fallback(page::other_method)
        .with_state(app)
}

async fn healthz(State(app): State<App>) -> Response {
    state(app.health.alive())
}

async fn readyz(State(app): State<App>) -> Response {
    state(app.ready())
}

impl App {
    pub(super) fn new(
        board: &Arc<Board>,
        health: &Health,
        heard: Heard,
        registry: Registry,
        stop: &CancellationToken,
    ) -> Self {
        let (board, health, stop) = (board.clone(), health.clone(), stop.clone());
        Self { board, health, heard, registry: Arc::new(registry), stop }
    }

    /// `Err` if viewers are better served elsewhere, and why.
    pub(super) fn ready(&self) -> Result<(), String> {
        self.health.alive()?;
        if self.heard.sources.borrow().is_empty() {
            return Err("no packager and no peer is known".to_owned());
        }
        if self.heard.reach.load().iter().all(|pulse| pulse.age() > SILENCE) {
            return Err(format!("no packager and no peer has been heard for {SILENCE:?}"));
        }
        let signals = self.board.signals();
        match signals.iter().find(|(_, offer)| matches!(offer, Offer::Declared(_))) {
            Some((signal, _)) => Err(format!("signal '{signal}' has no window yet")),
            None => Ok(()),
        }
    }
}

async fn metrics(State(app): State<App>) -> Response {
    render(&app.registry)
}

/// The feed of an origin has no memory: a follower that lost it is told everything anew.
async fn holdings(State(app): State<App>) -> Response {
    let body = Body::from_stream(feed(app).map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response()
}

struct Feed {
    app: App,
    teller: Teller,
    changes: watch::Receiver<u64>,
    sequence: u64,
}

fn feed(app: App) -> impl Stream<Item = Bytes> {
    let changes = app.board.changes();
    let feed = Feed { app, teller: Teller::default(), changes, sequence: 0 };
    stream::unfold(feed, |mut feed| async move {
        let lines = feed.next().await?;
        Some((lines, feed))
    })
}

impl Feed {
    /// The next lines; none at the end of the part.
    async fn next(&mut self) -> Option<Bytes> {
        let mut lines = Vec::new();
        if self.sequence == 0 {
            lines.push(Line::Reset);
        } else {
            tokio::select! {
                () = self.app.stop.cancelled() => return None,
                // No change in time is a reason to tick, too.
                _ = timeout(TICK, self.changes.changed()) => {}
            }
        }
        for offer in self.app.board.signals().values() {
            if let Offer::On(published) = offer {
                lines.extend(self.teller.lines(&published.snapshot));
            }
        }
        lines.push(Line::Tick);
        Some(lines.into_iter().flat_map(|line| self.write(line)).collect())
    }

    fn write(&mut self, line: Line) -> Vec<u8> {
        self.sequence += 1;
        let rev = Revision { run: 0, sequence: self.sequence };
        let mut json = serde_json::to_vec(&Entry { rev, line }).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

async fn media(State(app): State<App>, Path(path): Path<String>) -> Response {
    let Some(Place::Piece(signal, piece)) = Place::parse(&path) else {
        return (StatusCode::NOT_FOUND, format!("'{path}' names no media\n")).into_response();
    };
    let held = match app.board.offer(&signal) {
        Some(Offer::On(published)) => peer::bytes(&published.snapshot, &piece),
        _ => None,
    };
    match held {
        Some(parts) => parts.concat().into_response(),
        None => (StatusCode::NOT_FOUND, format!("'{path}' is not held\n")).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{publish::fixture, serve::pulse::Pulse};

    #[test]
    fn an_origin_is_ready_once_it_is_on_the_air_and_as_long_as_it_hears_somebody() {
        let (board, expected) = (Arc::new(Board::default()), watch::Sender::new(BTreeSet::new()));
        let heard = Heard { sources: expected.subscribe(), reach: Reach::default() };
        let (health, stop) = (Health::default(), CancellationToken::new());
        let app = App::new(&board, &health, heard, Registry::default(), &stop);
        let reason = || app.ready().err().unwrap_or_default();
        assert_eq!(reason(), "no packager and no peer is known");
        expected.send_replace(BTreeSet::from([SourceId(0)]));
        assert_eq!(reason(), "no packager and no peer has been heard for 2s");
        app.heard.reach.store(Arc::new(vec![Pulse::new()]));
        assert_eq!(reason(), "");
        let signal = "live01".parse().unwrap();
        board.declare(&signal);
        assert_eq!(reason(), "signal 'live01' has no window yet");
        board.publish(&signal, Arc::new(fixture::snapshot(1..=3, 1, &[])));
        assert_eq!(reason(), "");
    }
}
