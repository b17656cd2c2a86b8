//! What a request's conditions make of a whole answer: 304, a range of it, or 416 (RFC 9110, 13 and 14).
//!
//! Pure: headers and the answer in, the answer out. Only answers with an entity tag take part, so a
//! range is never joined to bytes of another copy.

use std::ops::RangeInclusive;

use airtight_media::fields::{self, Selected};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as _;

use super::reply::Reply;

/// Applies the conditions of a request to the 200 that it would get.
pub fn apply(method: &Method, asked: &HeaderMap, response: Response<Reply>) -> Response<Reply> {
    if response.status() != StatusCode::OK {
        return response;
    }
    let Some(etag) = response.headers().get(header::ETAG).cloned() else { return response };
    if fields::names(lines(asked, &header::IF_NONE_MATCH), etag.as_bytes()) {
        return not_modified(response);
    }
    // Ranges are offered for what has them in its headers, and defined for GET alone (14.2).
    let offered = response.headers().contains_key(header::ACCEPT_RANGES) && method == Method::GET;
    let is_same = || fields::is_same(lines(asked, &header::IF_RANGE), etag.as_bytes());
    let length = response.body().size_hint().exact().filter(|_| offered && is_same());
    match length.and_then(|length| fields::range(lines(asked, &header::RANGE), length)) {
        None => response,
        Some(Selected::Bytes(bytes)) => partial(response, bytes),
        Some(Selected::Nothing) => unsatisfiable(response),
    }
}

/// Whether the answer may be in gzip.
pub fn takes_gzip(asked: &HeaderMap) -> bool {
    fields::takes_gzip(lines(asked, &header::ACCEPT_ENCODING))
}

/// The lines of a header, which may come several times.
fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes)
}

fn not_modified(mut response: Response<Reply>) -> Response<Reply> {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().remove(header::CONTENT_TYPE);
    response.headers_mut().remove(header::CONTENT_ENCODING);
    *response.body_mut() = Reply::empty();
    response
}

fn partial(mut response: Response<Reply>, bytes: RangeInclusive<u64>) -> Response<Reply> {
    let whole = response.body().size_hint().lower();
    let (first, last) = (bytes.start(), bytes.end());
    let range = HeaderValue::from_str(&format!("bytes {first}-{last}/{whole}"));
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    response.headers_mut().insert(header::CONTENT_RANGE, range.expect("digits make a header"));
    response.map(|body| body.slice(bytes))
}

fn unsatisfiable(response: Response<Reply>) -> Response<Reply> {
    let whole = response.body().size_hint().lower();
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::RANGE_NOT_SATISFIABLE;
    let range = HeaderValue::from_str(&format!("bytes */{whole}")).expect("digits make a header");
    parts.headers.insert(header::CONTENT_RANGE, range);
    parts.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    parts.headers.remove(header::ETAG);
    Response::from_parts(parts, Reply::bytes(format!("the range lies outside of {whole} bytes\n")))
}
