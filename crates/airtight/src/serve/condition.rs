//! What a request's conditions make of a whole answer: 304, a range of it, or 416 (RFC 9110, 13 and 14).
//!
//! Pure: headers and the answer in, the answer out. Only answers with an entity tag take part, so a
//! range is never joined to bytes of another copy.

use std::ops::RangeInclusive;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::Body as _;

use super::reply::Reply;

/// Applies the conditions of a request to the 200 that it would get.
pub fn apply(method: &Method, asked: &HeaderMap, response: Response<Reply>) -> Response<Reply> {
    if response.status() != StatusCode::OK {
        return response;
    }
    let Some(etag) = response.headers().get(header::ETAG).cloned() else { return response };
    if text(asked, &header::IF_NONE_MATCH).is_some_and(|held| names(held, etag.as_bytes())) {
        return not_modified(response);
    }
    // Ranges are offered for what has them in its headers, and defined for GET alone (14.2).
    let offered = response.headers().contains_key(header::ACCEPT_RANGES) && method == Method::GET;
    let range = text(asked, &header::RANGE).filter(|_| offered && is_same(asked, &etag));
    match range.and_then(|range| select(range, response.body().size_hint().exact()?)) {
        None => response,
        Some(Selected::Bytes(bytes)) => partial(response, bytes),
        Some(Selected::Nothing) => unsatisfiable(response),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The weak comparison of `If-None-Match`.
fn names(held: &str, etag: &[u8]) -> bool {
    held.split(',').map(str::trim).any(|tag| tag.trim_start_matches("W/").as_bytes() == etag || tag == "*")
}

/// `If-Range` compares strongly. A date never matches: media are named by their tag, not by a time.
fn is_same(asked: &HeaderMap, etag: &HeaderValue) -> bool {
    asked.get(header::IF_RANGE).is_none_or(|held| held == etag)
}

#[derive(Debug, PartialEq, Eq)]
enum Selected {
    Bytes(RangeInclusive<u64>),
    Nothing,
}

/// The bytes that `range` selects of `length`. `None`: the header is ignored, as it may be, because it
/// is malformed, of another unit, or asks for several ranges.
fn select(range: &str, length: u64) -> Option<Selected> {
    let (first, last) = range.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // A number beyond 64 bits is as good as the largest one.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = match (first, last) {
        ("", suffix) => match number(suffix)? {
            0 => return Some(Selected::Nothing),
            suffix => (length.saturating_sub(suffix), u64::MAX),
        },
        (first, "") => (number(first)?, u64::MAX),
        (first, last) => (number(first)?, number(last)?),
    };
    if last < first {
        return None;
    }
    let end = length.checked_sub(1).filter(|end| first <= *end);
    Some(end.map_or(Selected::Nothing, |end| Selected::Bytes(first..=last.min(end))))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_selects_by_the_rule() {
        let bytes = |range| Some(Selected::Bytes(range));
        for (range, length, expected) in [
            ("bytes=0-0", 8, bytes(0..=0)),
            ("bytes=2-5", 8, bytes(2..=5)),
            ("bytes=2-", 8, bytes(2..=7)),
            ("bytes=-3", 8, bytes(5..=7)),
            ("bytes=-30", 8, bytes(0..=7)),
            ("bytes=0-99999999999999999999", 8, bytes(0..=7)),
            ("bytes=8-", 8, Some(Selected::Nothing)),
            ("bytes=99999999999999999999-", 8, Some(Selected::Nothing)),
            ("bytes=-0", 8, Some(Selected::Nothing)),
            ("bytes=0-", 0, Some(Selected::Nothing)),
            ("bytes=5-2", 8, None),
            ("bytes=0-1,4-5", 8, None),
            ("bytes=-", 8, None),
            ("bytes=+1-2", 8, None),
            ("bytes=a-b", 8, None),
            ("seconds=1-2", 8, None),
            ("", 8, None),
        ] {
            assert_eq!(select(range, length), expected, "{range} of {length}");
        }
    }
}
