//! `PUT /ingest/…`: what is sent is read whole, checked, and held or refused with a sentence.
//!
//! Nothing of a body that breaks off is ever seen. Checks and writes are done on threads that may block.

use std::{sync::Arc, time::Duration};

use airtight_media::holding::Place;
use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError},
    time::timeout,
};
use tracing::debug;

use super::{
    admission::Refusal,
    metrics::Status,
    routes::App,
    store::{Mode, Store, Taken},
};

/// Bytes of a body.
const BODY_MAX: usize = 64 << 20;
/// For a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// What bodies that are being read, checked or written may take of memory, in units of [`UNIT`].
pub(super) const ROOM: usize = (256 << 20) / UNIT;
/// So small that all connections there can be, each with a few bytes, leave room for the rest.
const UNIT: usize = 8 << 10;
/// For a passing fault to pass.
const RETRY_AFTER: &str = "1";

/// A status and a sentence.
type Answer = (StatusCode, String);

pub(super) async fn put(State(app): State<App>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let (status, sentence) = match take(&app, &path, request).await {
        Ok(Taken::New) => (StatusCode::CREATED, String::new()),
        Ok(Taken::Already) => (StatusCode::OK, String::new()),
        Err(refused) => refused,
    };
    app.store.metrics().ingested.get_or_create(&Status { status: status.as_u16() }).inc();
    if !sentence.is_empty() {
        debug!("{path} was answered with {status}: {sentence}");
    }
    answer(status, &sentence)
}

fn answer(status: StatusCode, sentence: &str) -> Response {
    let mut response = match sentence {
        "" => status.into_response(),
        _ => (status, format!("{sentence}\n")).into_response(),
    };
    if status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::INSUFFICIENT_STORAGE {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_AFTER));
    }
    response
}

async fn take(app: &App, path: &str, request: Request) -> Result<Taken, Answer> {
    let place = place(path.strip_prefix("/ingest/").unwrap_or_default())?;
    if app.store.mode() == Mode::Shared && !matches!(place, Place::Record(_)) {
        let sentence =
            "this packager serves a shared folder: write media there, only signal.json is taken here";
        return Err((StatusCode::METHOD_NOT_ALLOWED, sentence.to_owned()));
    }
    let (parts, body) = request.into_parts();
    let announced = announced(&parts.headers)?;
    let read = timeout(BODY_TIMEOUT, read(body, Arrived::new(&app.room, announced)?)).await;
    let late = || (StatusCode::REQUEST_TIMEOUT, format!("the body did not arrive within {BODY_TIMEOUT:?}"));
    let (bytes, room) = read.map_err(|_| late())??;
    store(&app.store, place, bytes, room).await
}

/// What the path below `/ingest/` or `/v1/media/` names.
///
/// Names need no escape, so a path with one is an attempt to name something else.
pub(super) fn place(path: &str) -> Result<Place, Answer> {
    let mut elements = path.split('/');
    if path.contains(['%', '\0']) || elements.any(|element| matches!(element, "" | "." | "..")) {
        let sentence = "a path here has no empty element, no '.', no '..' and no escaped character";
        return Err((StatusCode::BAD_REQUEST, sentence.to_owned()));
    }
    Place::parse(path).ok_or_else(|| {
        let sentence = "no such place: expected <signal>/signal.json, <signal>/<worker>-<second>/playlist.m3u8 or \
                        <signal>/<worker>-<second>/<track>/ and playlist.m3u8, init-<hash>.mp4, slate.mp4 or \
                        <number>.m4s";
        (StatusCode::NOT_FOUND, sentence.to_owned())
    })
}

/// How long the body is at most; refuses one that is announced to be too long before any of it is read.
fn announced(headers: &HeaderMap) -> Result<usize, Answer> {
    let Some(length) = headers.get(header::CONTENT_LENGTH) else { return Ok(BODY_MAX) };
    let length = length.to_str().ok().and_then(|length| length.parse::<u64>().ok());
    let length = length.ok_or((StatusCode::BAD_REQUEST, "Content-Length is no number".to_owned()))?;
    usize::try_from(length).ok().filter(|length| *length <= BODY_MAX).ok_or_else(too_large)
}

fn too_large() -> Answer {
    (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {BODY_MAX} bytes"))
}

/// What has arrived of a body, and its room.
///
/// It takes room for what it takes of memory, and that follows what has arrived, whatever was announced: one that
/// sends slowly or not at all keeps nobody out.
struct Arrived {
    bytes: Vec<u8>,
    /// Its length at most.
    most: usize,
    taken: OwnedSemaphorePermit,
}

impl Arrived {
    fn new(room: &Arc<Semaphore>, most: usize) -> Result<Self, Answer> {
        let taken = room.clone().try_acquire_many_owned(0).map_err(busy)?;
        Ok(Self { bytes: Vec::new(), most, taken })
    }

    fn push(&mut self, data: &[u8]) -> Result<(), Answer> {
        let length = self.bytes.len() + data.len();
        if length > self.most {
            return Err(too_large());
        }
        if length > self.bytes.capacity() {
            // Twice as much each time, so that bytes are seldom moved.
            let capacity = (self.bytes.capacity() * 2).clamp(length, self.most);
            let units = capacity.div_ceil(UNIT).saturating_sub(self.taken.num_permits());
            let units = u32::try_from(units).unwrap_or(u32::MAX);
            self.taken.merge(self.taken.semaphore().clone().try_acquire_many_owned(units).map_err(busy)?);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    /// The bytes, with no memory behind them that they don't need: they may be kept for long.
    fn whole(self) -> (Bytes, OwnedSemaphorePermit) {
        (self.bytes.into_boxed_slice().into(), self.taken)
    }
}

fn busy(_: TryAcquireError) -> Answer {
    (StatusCode::SERVICE_UNAVAILABLE, "too much arrives at once: send it again".to_owned())
}

/// Reads a body to its end.
async fn read(mut body: Body, mut arrived: Arrived) -> Result<(Bytes, OwnedSemaphorePermit), Answer> {
    while let Some(frame) = body.frame().await {
        let broken = |error| (StatusCode::BAD_REQUEST, format!("the body broke off: {error}"));
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        arrived.push(&data)?;
    }
    Ok(arrived.whole())
}

async fn store(
    store: &Store,
    place: Place,
    bytes: Bytes,
    room: OwnedSemaphorePermit,
) -> Result<Taken, Answer> {
    let store = store.clone();
    let stored = tokio::task::spawn_blocking(move || {
        let stored = store.put(&place, bytes);
        drop(room);
        stored
    });
    let fault = |error: tokio::task::JoinError| Err(Refusal::Fault(format!("this packager failed: {error}")));
    stored.await.unwrap_or_else(fault).map_err(|refusal| (status(&refusal), refusal.to_string()))
}

/// The one table of what a refusal is in HTTP.
fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Bad(_) => StatusCode::BAD_REQUEST,
        Refusal::Contradiction(_) => StatusCode::CONFLICT,
        Refusal::Missing(_) => StatusCode::PRECONDITION_FAILED,
        Refusal::Range { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Ended { .. } => StatusCode::GONE,
        Refusal::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        Refusal::Fault(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_has_room_for_all_that_it_takes_of_memory() {
        let (chunk, free) = ([7; 1000], Arc::new(Semaphore::new(ROOM)));
        for (most, chunks) in [(BODY_MAX, 5000), (3_000_500, 3000), (500, 0)] {
            let mut arrived = Arrived::new(&free, most).unwrap();
            for _ in 0..chunks {
                arrived.push(&chunk).unwrap();
                let room = (ROOM - free.available_permits()) * UNIT;
                assert!(arrived.bytes.capacity() <= room, "{} in {room}", arrived.bytes.capacity());
                assert!(room <= most + UNIT && room <= arrived.bytes.len() * 2 + UNIT, "{room}");
            }
            if most < BODY_MAX {
                assert_eq!(arrived.push(&chunk).unwrap_err().0, StatusCode::PAYLOAD_TOO_LARGE);
            }
            let (bytes, taken) = arrived.whole();
            assert_eq!(bytes.len(), chunks * chunk.len());
            drop(taken);
            assert_eq!(free.available_permits(), ROOM);
        }
        let full = Arc::new(Semaphore::new(1));
        let mut arrived = Arrived::new(&full, BODY_MAX).unwrap();
        arrived.push(&[7; UNIT]).unwrap();
        assert_eq!(arrived.push(&[7]).unwrap_err().0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn paths_that_try_to_leave_are_bad_and_others_unknown() {
        for path in [
            "",
            "..",
            "../x",
            "a/../signal.json",
            "a/%2e%2e/x",
            "a%00/signal.json",
            "/a",
            "a//b",
            "a/.",
            "a/",
        ] {
            assert_eq!(place(path).unwrap_err().0, StatusCode::BAD_REQUEST, "{path}");
        }
        for path in
            ["live01", "live01/x.json", "live01/a-1/720p/1.mp4", "live01/a-1/720p/.put-1", "a-/signal.jsn"]
        {
            assert_eq!(place(path).unwrap_err().0, StatusCode::NOT_FOUND, "{path}");
        }
        assert!(place("live01/a-1/720p/1.m4s").is_ok());
    }
}
