//! What the reporter answers over HTTP.

use std::{convert::Infallible, sync::Arc, time::Duration};

use airtight_control::{
    ingest::{self, RawReport, Report},
    registry::Snapshot,
};
use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::get,
};
use futures_util::{Stream, stream};
use http::StatusCode;
use jiff::tz::TimeZone;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{metrics::Metrics, store::Store};
use crate::serve::{metrics::render, page};

/// Bytes of a report: enough for all signals that the registry keeps.
const BODY_MAX: usize = 4 << 20;
/// For a report to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two signs of life on a stream of events without events.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

const EXPECTED: &str =
    r#"expected an array such as [{"signal":"live01","packagers":["http://localhost:8080"]}]"#;

/// What the answers are made of.
#[derive(Clone)]
pub(super) struct App<S> {
    pub(super) store: S,
    pub(super) metrics: Arc<Metrics>,
    /// Times are told in it where people read them.
    pub(super) zone: TimeZone,
    /// Ends the streams of events.
    pub(super) stop: CancellationToken,
}

pub(super) fn router<S: Store>(app: App<S>) -> Router {
    Router::new()
        .route("/ingests", get(ingests).post(report))
        .route("/v1/ingests", get(detail))
        .route("/v1/events", get(events))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(page::nothing)
        .method_not_allowed_fallback(page::other_method)
        .with_state(app)
}

/// Why nothing of a report was taken: a status and a sentence.
type Refused = (StatusCode, String);

async fn report<S: Store>(State(app): State<App<S>>, body: Body) -> Response {
    match take(&app.store, body).await {
        Ok(()) => {
            app.metrics.accepted.inc();
            StatusCode::NO_CONTENT.into_response()
        }
        Err((status, sentence)) => {
            app.metrics.refused.inc();
            debug!("A report was refused: {sentence}");
            (status, format!("{sentence}\n")).into_response()
        }
    }
}

async fn take<S: Store>(store: &S, body: Body) -> Result<(), Refused> {
    let reports = parse(&read(body).await?).map_err(|sentence| (StatusCode::BAD_REQUEST, sentence))?;
    let full =
        |error: airtight_control::registry::Full| (StatusCode::INSUFFICIENT_STORAGE, error.to_string());
    store.report(reports).await.map_err(full)
}

async fn read(body: Body) -> Result<bytes::Bytes, Refused> {
    match timeout(BODY_TIMEOUT, to_bytes(body, BODY_MAX)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if is_too_long(&error) => {
            Err((StatusCode::PAYLOAD_TOO_LARGE, format!("the report is longer than {BODY_MAX} bytes")))
        }
        Ok(Err(error)) => Err((StatusCode::BAD_REQUEST, format!("the report broke off: {error}"))),
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            format!("the report did not arrive within {} seconds", BODY_TIMEOUT.as_secs()),
        )),
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn parse(body: &[u8]) -> Result<Vec<Report>, String> {
    let raw: Vec<RawReport> = serde_json::from_slice(body)
        .map_err(|error| format!("the body is no report: {error}; {EXPECTED}"))?;
    ingest::check(raw).map_err(|error| error.to_string())
}

async fn ingests<S: Store>(State(app): State<App<S>>) -> Response {
    Json(current(&app).ingests(&app.zone)).into_response()
}

async fn detail<S: Store>(State(app): State<App<S>>) -> Response {
    Json(&*current(&app)).into_response()
}

async fn ready<S: Store>(State(app): State<App<S>>) -> Response {
    match app.stop.is_cancelled() {
        false => "ready\n".into_response(),
        true => (StatusCode::SERVICE_UNAVAILABLE, "about to end\n").into_response(),
    }
}

async fn metrics<S: Store>(State(app): State<App<S>>) -> Response {
    render(&app.metrics.registry)
}

fn current<S: Store>(app: &App<S>) -> Arc<Snapshot> {
    app.store.watch().borrow().clone()
}

async fn events<S: Store>(State(app): State<App<S>>) -> Response {
    Sse::new(changes(app.store.watch(), app.stop)).into_response()
}

/// The state now, then the state after each change; a comment where nothing changes. Ends with the token.
fn changes(
    known: watch::Receiver<Arc<Snapshot>>,
    stop: CancellationToken,
) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((known, stop, None), |(mut known, stop, told)| async move {
        let snapshot = tokio::select! {
            () = stop.cancelled() => return None,
            () = sleep(KEEP_ALIVE) => None,
            snapshot = other_than(&mut known, told) => Some(snapshot?),
        };
        let told = snapshot.as_ref().map_or(told, |snapshot| Some(snapshot.revision));
        let event = snapshot.map_or_else(|| Event::default().comment("alive"), |snapshot| event(&snapshot));
        Some((Ok(event), (known, stop, told)))
    })
}

/// The first state whose revision was not told yet; `None` when there will be none.
async fn other_than(known: &mut watch::Receiver<Arc<Snapshot>>, told: Option<u64>) -> Option<Arc<Snapshot>> {
    let other = known.wait_for(|snapshot| told != Some(snapshot.revision)).await;
    other.ok().map(|snapshot| snapshot.clone())
}

fn event(snapshot: &Snapshot) -> Event {
    let event = Event::default().event("ingests").id(snapshot.revision.to_string());
    match event.json_data(snapshot) {
        Ok(event) => event,
        // A snapshot is plain data that always has a JSON form.
        Err(error) => Event::default().comment(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_report_is_refused_in_one_sentence() {
        let table = [
            ("", "the body is no report: EOF"),
            ("{}", "the body is no report: invalid type: map"),
            ("[1]", "the body is no report: invalid type: integer"),
            (r#"[{"signal":"live01"}]"#, "the body is no report: missing field `packagers`"),
            (
                r#"[{"signal":"live01","packagers":["http://a"]}] x"#,
                "the body is no report: trailing characters",
            ),
            (r#"[{"signal":"a/b","packagers":[]}]"#, "entry 1 of the report: 'a/b' is no signal name"),
            (
                r#"[{"signal":"a","packagers":["ftp://b"]}]"#,
                "entry 1 of the report, a packager of signal 'a': 'ftp://b' is no URL of a part",
            ),
        ];
        for (body, expected) in table {
            let sentence = parse(body.as_bytes()).unwrap_err();
            assert!(sentence.starts_with(expected), "{body}: {sentence}");
        }
    }
}
