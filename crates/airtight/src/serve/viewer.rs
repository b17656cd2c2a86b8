//! Answers viewers: a request and the board in, a response out, without waiting.
//!
//! The one table of what HTTP says of media: types, entity tags, lifetimes, errors. It reads no
//! socket and no file; what is no viewer's URL is somebody else's.

use airtight_media::{
    grid::Number,
    hls,
    id::{SignalName, TrackName},
    pathway,
    route::{self, Route},
    window::{Made, Media, Snapshot},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

use super::{condition, index, overload::Overload, page, reply::Reply};
use crate::publish::{Board, Coding, Offer, Published, View};

/// By half a target duration in whole seconds: a playlist is current for no longer. A cache asks again by its tag.
const PLAYLIST: [&str; 4] = ["max-age=0", "max-age=1", "max-age=2", "max-age=3"];
/// The newest slate of a track has other bytes in another era.
const CHANGING: &str = "no-cache";
/// Bytes under this URL never change.
const FOR_GOOD: &str = "public, max-age=3600, immutable";
/// Slate gives way to media under the same URL, a refusal to an answer.
const PASSING: &str = "no-store";
/// Replicas may be half a target duration apart, and caches add their own: numbers beyond the edge that another may list.
const AHEAD: u64 = 2;
/// A missing resource may be there soon.
const MISSING: &str = "max-age=1";

const SEGMENT_TYPE: &str = "video/iso.segment";
const INIT_TYPE: &str = "video/mp4";
const PAGE_TYPE: &str = "text/html; charset=utf-8";

/// The answer to a viewer's request; `None` if the URL is no viewer's.
pub fn answer<B>(board: &Board, overload: &Overload, request: &Request<B>) -> Option<Response<Reply>> {
    let route = route::parse(request.uri().path(), request.uri().query()).transpose()?;
    let mut response = match (route, request.method()) {
        (Err(error), _) => refusal(StatusCode::BAD_REQUEST, &error.to_string()),
        (Ok(Route::Multivariant(_)), &Method::GET | &Method::HEAD) if overload.is_full() => full(overload),
        (Ok(Route::Signal(signal)), &Method::GET | &Method::HEAD) if board.ask(&signal).is_some() => {
            slash(&signal, request.uri().query())
        }
        (Ok(route), &Method::GET | &Method::HEAD) => found(board, &route, request.headers()),
        (Ok(_), &Method::OPTIONS) => preflight(),
        (Ok(_), _) => {
            let mut refused = refusal(StatusCode::METHOD_NOT_ALLOWED, "viewers GET, HEAD or OPTIONS");
            refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
            refused
        }
    };
    response = condition::apply(request.method(), request.headers(), response);
    if request.method() == Method::HEAD && response.status() != StatusCode::NOT_MODIFIED {
        // The length stays that of the body which GET would send.
        let length = http_body::Body::size_hint(response.body()).exact().unwrap_or(0);
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(length.into());
        *response.body_mut() = Reply::empty();
    }
    Some(response)
}

fn found(board: &Board, route: &Route, headers: &HeaderMap) -> Response<Reply> {
    let Some(signal) = route.signal() else { return list(board) };
    match (route, board.ask(signal)) {
        (_, None) if !board.signals().is_empty() => {
            refusal(StatusCode::NOT_FOUND, &format!("there is no signal '{signal}'"))
        }
        (Route::Page(_), _) => open(page::page().reply(headers)),
        // It has heard of nothing yet: what a viewer of the run before asks for may well be there.
        (_, None) => soon("no signal is known here yet"),
        (Route::Steering(_), Some(_)) => steering(board, signal),
        (_, Some(Offer::Declared(_))) => not_yet(signal),
        (_, Some(Offer::On(published))) => on_air(&published, route, headers),
    }
}

fn on_air(published: &Published, route: &Route, headers: &HeaderMap) -> Response<Reply> {
    let snapshot = &published.snapshot;
    let answer = match route {
        // Answered whatever is on the air.
        Route::Index | Route::Signal(_) | Route::Page(_) | Route::Steering(_) => None,
        Route::Multivariant(_) => playlist(published, View::Multivariant, headers),
        Route::Playlist(_, track) => playlist(published, View::Media(track), headers),
        Route::Init(_, track, hash) => {
            snapshot.init(track, *hash).map(|init| media(INIT_TYPE, init.clone(), &format!("\"{hash}\"")))
        }
        Route::Segment(_, track, number) => snapshot.segment(track, *number).map(|segment| {
            let tag = tag(snapshot, segment, track, *number, "");
            timed(segment, Reply::parts(segment.parts.clone()), &tag)
        }),
        Route::Part(_, track, number, part) => {
            snapshot.part(track, *number, *part).map(|(bytes, segment)| {
                let tag = tag(snapshot, segment, track, *number, &format!(".{part}"));
                timed(segment, Reply::bytes(bytes.clone()), &tag)
            })
        }
        Route::Slate(_, track) => snapshot
            .opening(track, snapshot.edge)
            .map(|opening| (opening.slate.clone(), format!("\"slate-{}\"", opening.named)))
            .map(|(slate, tag)| in_ranges(ok(INIT_TYPE, CHANGING, &tag, Reply::bytes(slate)))),
    };
    answer.unwrap_or_else(|| missing(snapshot, route))
}

/// The entity tag of encoded or filled media: it names the bytes, whoever serves them. `part` is empty
/// for the whole segment.
fn tag(snapshot: &Snapshot, segment: &Media, track: &TrackName, number: Number, part: &str) -> String {
    match &segment.made {
        Made::By(lineage) => format!("\"{lineage}-{track}-{number}{part}\""),
        Made::Slate => {
            let slate = snapshot.opening(track, number).map(|o| o.named.to_string()).unwrap_or_default();
            format!("\"slate-{slate}-{track}-{number}{part}\"")
        }
    }
}

fn playlist(published: &Published, view: View<'_>, headers: &HeaderMap) -> Option<Response<Reply>> {
    let coding = if condition::takes_gzip(headers) { Coding::Gzip } else { Coding::Identity };
    let ready = published.text(view, coding)?;
    let half = published.snapshot.record.grid.millis.get() / 2000;
    let lifetime = PLAYLIST[usize::try_from(half).unwrap_or(usize::MAX).min(PLAYLIST.len() - 1)];
    let mut response = ok(hls::MEDIA_TYPE, lifetime, &ready.etag, Reply::bytes(ready.body.clone()));
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if coding == Coding::Gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(response)
}

fn media(kind: &'static str, bytes: Bytes, etag: &str) -> Response<Reply> {
    in_ranges(ok(kind, FOR_GOOD, etag, Reply::bytes(bytes)))
}

fn timed(segment: &Media, body: Reply, etag: &str) -> Response<Reply> {
    let lifetime = if segment.made == Made::Slate { PASSING } else { FOR_GOOD };
    in_ranges(ok(SEGMENT_TYPE, lifetime, etag, body))
}

/// Media may be asked for in pieces; a playlist is small, and its versions follow each other.
fn in_ranges(mut response: Response<Reply>) -> Response<Reply> {
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    response
}

fn ok(kind: &'static str, lifetime: &'static str, etag: &str, body: Reply) -> Response<Reply> {
    let mut response = respond(StatusCode::OK, kind, lifetime, body);
    if let Ok(etag) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn respond(status: StatusCode, kind: &'static str, lifetime: &'static str, body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(lifetime));
    open(response)
}

/// Pages of other sites may read it.
fn open(mut response: Response<Reply>) -> Response<Reply> {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Accept-Ranges, Age, Content-Length, Content-Range, Date, ETag"),
    );
    response
}

fn refusal(status: StatusCode, sentence: &str) -> Response<Reply> {
    let lifetime = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => MISSING,
        _ => PASSING,
    };
    respond(status, "text/plain; charset=utf-8", lifetime, Reply::bytes(format!("{sentence}\n")))
}

/// Players retry a 503, and take a 404 for final.
fn not_yet(signal: &SignalName) -> Response<Reply> {
    soon(&format!("signal '{signal}' has no media yet"))
}

fn soon(what: &str) -> Response<Reply> {
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, &format!("{what}, ask again in a second"));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A viewer who begins can come back later; the connection makes room for those who watch.
fn full(overload: &Overload) -> Response<Reply> {
    overload.refused();
    let sentence = "there is no room for new viewers now, ask again in 5 seconds or elsewhere";
    let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, sentence);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn missing(snapshot: &Snapshot, route: &Route) -> Response<Reply> {
    let expired = |number: &Number| snapshot.slots.first().is_some_and(|s| *number < s.number);
    let is_next = |track: &TrackName, number: Number| {
        let due = number > snapshot.edge && number <= snapshot.edge.plus(AHEAD);
        due && snapshot.record.track(track, number).is_some()
            && !snapshot.record.has_ended_by(number.minus(1))
    };
    match route {
        Route::Segment(_, track, number) | Route::Part(_, track, number, _) if is_next(track, *number) => {
            soon(&format!("segment {number} is not here yet"))
        }
        Route::Segment(_, _, number) | Route::Part(_, _, number, _) if expired(number) => {
            refusal(StatusCode::GONE, &format!("segment {number} is no longer kept"))
        }
        other => refusal(StatusCode::NOT_FOUND, &format!("'{other}' is not on offer")),
    }
}

/// What the order is now is for whoever asks now.
fn steering(board: &Board, signal: &SignalName) -> Response<Reply> {
    match board.steering(signal) {
        Some(manifest) => respond(StatusCode::OK, pathway::STEERING_TYPE, PASSING, Reply::bytes(manifest)),
        None => refusal(StatusCode::NOT_FOUND, "this server knows no other pathway: --pathways names them"),
    }
}

fn list(board: &Board) -> Response<Reply> {
    respond(StatusCode::OK, PAGE_TYPE, PASSING, Reply::bytes(index::render(&board.signals())))
}

/// The page finds its media by relative URLs, which need the slash. So does this one, behind a proxy.
fn slash(signal: &SignalName, query: Option<&str>) -> Response<Reply> {
    let mut moved = refusal(StatusCode::PERMANENT_REDIRECT, &format!("signal '{signal}' is at {signal}/"));
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::from_bytes(format!("{signal}/{query}").as_bytes());
    moved.headers_mut().extend(location.ok().map(|location| (header::LOCATION, location)));
    moved
}

fn preflight() -> Response<Reply> {
    let mut response = respond(StatusCode::NO_CONTENT, "text/plain", "max-age=86400", Reply::empty());
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

#[cfg(test)]
mod tests;
