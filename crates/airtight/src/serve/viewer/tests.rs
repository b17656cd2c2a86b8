use airtight_media::pathway::Pathways;
use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::*;
use crate::publish::fixture::snapshot;

/// `declared` has no media; `live01` lists 12 to 14, still holds 11, and 14 is slate.
fn board() -> Board {
    let board = Board::default();
    board.declare(&"declared".parse().unwrap());
    board.publish(&"live01".parse().unwrap(), std::sync::Arc::new(snapshot(11..=14, 12, &[14])));
    board
}

fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> Option<Response<Reply>> {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, *value));
    answer(&board(), &Overload::default(), &request.body(()).unwrap())
}

fn header<'a>(response: &'a Response<Reply>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |v| v.to_str().unwrap())
}

fn length(response: &Response<Reply>) -> u64 {
    response.body().size_hint().exact().unwrap()
}

const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";
const TEXT: &str = "text/plain; charset=utf-8";
const KEPT: &str = "public, max-age=3600, immutable";

/// Path; status, type, lifetime, entity tag; the length where the bytes are ours to choose.
type Row = (&'static str, u16, &'static str, &'static str, &'static str, Option<u64>);

const TABLE: &[Row] = &[
    ("/unknown/playlist.m3u8", 404, TEXT, "max-age=1", "", None),
    ("/unknown", 404, TEXT, "max-age=1", "", None),
    ("/declared", 308, TEXT, "no-store", "", None),
    ("/live01", 308, TEXT, "no-store", "", None),
    ("/unknown/720p/12.m4s", 404, TEXT, "max-age=1", "", None),
    ("/declared/playlist.m3u8", 503, TEXT, "no-store", "", None),
    ("/live01/steering.json", 404, TEXT, "max-age=1", "", None),
    ("/declared/720p/playlist.m3u8", 503, TEXT, "no-store", "", None),
    ("/declared/720p/12.m4s", 503, TEXT, "no-store", "", None),
    ("/live01/playlist.m3u8", 200, PLAYLIST_TYPE, "max-age=1", "*", None),
    ("/live01/720p/playlist.m3u8", 200, PLAYLIST_TYPE, "max-age=1", "*", None),
    ("/live01/720p/playlist.m3u8?_HLS_msn=13&x=1", 200, PLAYLIST_TYPE, "max-age=1", "*", None),
    ("/live01/1080p/playlist.m3u8", 404, TEXT, "max-age=1", "", None),
    ("/live01/720p/init-0123456789abcdef.mp4", 200, "video/mp4", KEPT, "\"0123456789abcdef\"", Some(4)),
    ("/live01/720p/init-0123456789abcdee.mp4", 404, TEXT, "max-age=1", "", None),
    ("/live01/1080p/init-0123456789abcdef.mp4", 404, TEXT, "max-age=1", "", None),
    ("/live01/720p/slate.mp4", 200, "video/mp4", "no-cache", "\"slate-fedcba9876543210\"", Some(7)),
    ("/live01/720p/12.m4s", 200, "video/iso.segment", KEPT, "\"a-7-720p-12\"", Some(8)),
    ("/live01/720p/11.m4s", 200, "video/iso.segment", KEPT, "\"a-7-720p-11\"", Some(8)),
    ("/live01/720p/12.1.m4s", 200, "video/iso.segment", KEPT, "\"a-7-720p-12.1\"", Some(5)),
    (
        "/live01/720p/14.m4s",
        200,
        "video/iso.segment",
        "no-store",
        "\"slate-fedcba9876543210-720p-14\"",
        Some(8),
    ),
    (
        "/live01/720p/14.0.m4s",
        200,
        "video/iso.segment",
        "no-store",
        "\"slate-fedcba9876543210-720p-14.0\"",
        Some(3),
    ),
    ("/live01/720p/12.2.m4s", 404, TEXT, "max-age=1", "", None),
    ("/live01/720p/10.m4s", 410, TEXT, "max-age=1", "", None),
    ("/live01/720p/15.m4s", 503, TEXT, "no-store", "", None),
    ("/live01/720p/16.0.m4s", 503, TEXT, "no-store", "", None),
    ("/live01/720p/17.m4s", 404, TEXT, "max-age=1", "", None),
    ("/live01/1080p/15.m4s", 404, TEXT, "max-age=1", "", None),
    ("/unknown/", 404, TEXT, "max-age=1", "", None),
    ("/live01/720p/18446744073709551615.m4s", 404, TEXT, "max-age=1", "", None),
    ("/live01/720p/012.m4s", 400, TEXT, "no-store", "", None),
    ("/live01/720p/99999999999999999999.m4s", 400, TEXT, "no-store", "", None),
    ("/live01/../720p/12.m4s", 400, TEXT, "no-store", "", None),
    ("/live01/%2e%2e/12.m4s", 400, TEXT, "no-store", "", None),
    ("/live01/720p/%0012.m4s", 400, TEXT, "no-store", "", None),
    ("/live01/720p/12%2em4s", 400, TEXT, "no-store", "", None),
];

#[test]
fn every_route_in_every_state() {
    for (path, status, kind, lifetime, etag, expected) in TABLE {
        let got = ask("GET", path, &[]).unwrap_or_else(|| panic!("{path} is a viewer's"));
        assert_eq!(got.status().as_u16(), *status, "{path}");
        assert_eq!(header(&got, "content-type"), *kind, "{path}");
        assert_eq!(header(&got, "cache-control"), *lifetime, "{path}");
        assert_eq!(header(&got, "access-control-allow-origin"), "*", "{path}");
        assert_eq!(header(&got, "retry-after"), if *status == 503 { "1" } else { "" }, "{path}");
        let tag = header(&got, "etag");
        assert!(
            if *etag == "*" { tag.len() > 2 && tag.starts_with('"') } else { tag == *etag },
            "{path}: {tag}"
        );
        assert!(expected.is_none_or(|e| e == length(&got)) && length(&got) > 0, "{path}: {}", length(&got));
    }
}

#[test]
fn head_tells_what_get_would_send_and_sends_nothing() {
    for (path, ..) in TABLE {
        let (get, head) = (ask("GET", path, &[]).unwrap(), ask("HEAD", path, &[]).unwrap());
        assert_eq!(head.status(), get.status(), "{path}");
        assert_eq!(header(&head, "content-length"), length(&get).to_string(), "{path}");
        assert_eq!(length(&head), 0, "{path}");
        for name in ["etag", "content-type", "cache-control", "retry-after", "access-control-allow-origin"] {
            assert_eq!(header(&head, name), header(&get, name), "{path} {name}");
        }
    }
}

#[test]
fn what_the_viewer_has_is_not_sent_again() {
    for (path, status, ..) in TABLE.iter().filter(|row| row.1 == 200) {
        let etag = header(&ask("GET", path, &[]).unwrap(), "etag").to_owned();
        for held in [etag.clone(), "*".to_owned(), format!("W/{etag}"), format!("\"x\", {etag}")] {
            for method in ["GET", "HEAD"] {
                let got = ask(method, path, &[("if-none-match", &held)]).unwrap();
                assert_eq!((got.status().as_u16(), length(&got)), (304, 0), "{method} {path} {held}");
                assert_eq!(header(&got, "etag"), etag, "{path}");
                assert!(!header(&got, "cache-control").is_empty(), "{path}");
            }
        }
        let lines = [("if-none-match", "\"other\""), ("if-none-match", &etag)];
        assert_eq!(ask("GET", path, &lines).unwrap().status(), 304, "{path}: two lines are one list");
        let other = ask("GET", path, &[("if-none-match", "\"other\"")]).unwrap();
        assert_eq!(other.status().as_u16(), *status, "{path}");
    }
    // An error is never "not modified".
    let missing = ask("GET", "/live01/720p/17.m4s", &[("if-none-match", "*")]).unwrap();
    assert_eq!(missing.status(), 404);
}

/// Headers of a request for the eight bytes `onethree`, which are in two parts; status, `Content-Range`, body.
type Pieces = (&'static [(&'static str, &'static str)], u16, &'static str, &'static str);

const RANGES: &[Pieces] = &[
    (&[("range", "bytes=0-2")], 206, "bytes 0-2/8", "one"),
    (&[("range", "bytes=2-3")], 206, "bytes 2-3/8", "et"),
    (&[("range", "bytes=3-")], 206, "bytes 3-7/8", "three"),
    (&[("range", "bytes=-2")], 206, "bytes 6-7/8", "ee"),
    (&[("range", "bytes=0-99")], 206, "bytes 0-7/8", "onethree"),
    (&[("range", "bytes=8-")], 416, "bytes */8", "the range lies outside of 8 bytes\n"),
    (&[("range", "bytes=3-2")], 200, "", "onethree"),
    (&[("range", "bytes=0-1,4-5")], 200, "", "onethree"),
    (&[("range", "bytes=2-3"), ("if-range", "\"a-7-720p-12\"")], 206, "bytes 2-3/8", "et"),
    (
        &[("range", "bytes=8-"), ("if-range", "\"a-7-720p-12\"")],
        416,
        "bytes */8",
        "the range lies outside of 8 bytes\n",
    ),
    (&[("range", "bytes=2-3"), ("if-range", "\"b-7-720p-12\"")], 200, "", "onethree"),
    (&[("range", "bytes=2-3"), ("range", "bytes=2-3")], 200, "", "onethree"),
    (&[("range", "bytes=8-"), ("if-range", "\"b-7-720p-12\"")], 200, "", "onethree"),
    (&[("range", "bytes=2-3"), ("if-range", "W/\"a-7-720p-12\"")], 200, "", "onethree"),
    (&[("range", "bytes=2-3"), ("if-range", "Tue, 24 Nov 2026 06:00:00 GMT")], 200, "", "onethree"),
    (&[("range", "bytes=2-3"), ("if-none-match", "\"a-7-720p-12\"")], 304, "", ""),
    (&[("range", "bytes=2-3"), ("if-none-match", "\"b-7-720p-12\"")], 206, "bytes 2-3/8", "et"),
];

#[tokio::test]
async fn media_may_be_asked_for_in_pieces_of_one_copy() {
    for (headers, status, range, body) in RANGES {
        let got = ask("GET", "/live01/720p/12.m4s", headers).unwrap();
        assert_eq!(got.status().as_u16(), *status, "{headers:?}");
        assert_eq!(header(&got, "content-range"), *range, "{headers:?}");
        assert_eq!(header(&got, "accept-ranges"), "bytes", "{headers:?}");
        if *status == 206 {
            assert_eq!(header(&got, "etag"), "\"a-7-720p-12\"", "{headers:?}");
            assert_eq!(header(&got, "cache-control"), KEPT, "{headers:?}");
        }
        let bytes = got.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes, body.as_bytes(), "{headers:?}");
    }
}

#[test]
fn ranges_are_for_get_and_for_media() {
    let range = [("range", "bytes=0-1")];
    let head = ask("HEAD", "/live01/720p/12.m4s", &range).unwrap();
    assert_eq!((head.status().as_u16(), header(&head, "content-length")), (200, "8"));
    for (path, kind) in TABLE.iter().filter(|row| row.1 == 200).map(|row| (row.0, row.2)) {
        let (got, media) = (ask("GET", path, &range).unwrap(), kind != PLAYLIST_TYPE);
        assert_eq!(got.status().as_u16(), if media { 206 } else { 200 }, "{path}");
        assert_eq!(header(&got, "accept-ranges"), if media { "bytes" } else { "" }, "{path}");
    }
    // An error has no ranges.
    assert_eq!(ask("GET", "/live01/720p/17.m4s", &range).unwrap().status(), 404);
}

#[test]
fn playlists_are_coded_as_the_viewer_takes_them_and_media_never() {
    for (accepts, coded) in [
        ("gzip", true),
        ("br, GZIP;q=0.5", true),
        ("deflate, gzip", true),
        ("gzip;q=0", false),
        ("gzip; q=0", false),
        ("gzip;q=0.000", false),
        ("identity", false),
        ("", false),
        ("*", false),
    ] {
        for path in ["/live01/playlist.m3u8", "/live01/720p/playlist.m3u8"] {
            let got = ask("GET", path, &[("accept-encoding", accepts)]).unwrap();
            assert_eq!(header(&got, "content-encoding"), if coded { "gzip" } else { "" }, "{accepts:?}");
            assert_eq!(header(&got, "vary"), "Accept-Encoding", "{accepts:?}");
            assert_eq!(header(&got, "etag").ends_with("-gzip\""), coded, "{accepts:?}");
        }
        let lines = [("accept-encoding", "br"), ("accept-encoding", accepts)];
        let got = ask("GET", "/live01/playlist.m3u8", &lines).unwrap();
        assert_eq!(header(&got, "content-encoding"), if coded { "gzip" } else { "" }, "br, {accepts:?}");
        let media = ask("GET", "/live01/720p/12.m4s", &[("accept-encoding", accepts)]).unwrap();
        assert_eq!(header(&media, "content-encoding"), "", "{accepts:?}");
    }
}

#[test]
fn a_page_of_another_site_may_ask_and_nobody_may_write() {
    for (path, status, ..) in TABLE.iter().filter(|row| row.1 != 400) {
        let preflight = ask("OPTIONS", path, &[("origin", "https://tv.example")]).unwrap();
        assert_eq!((preflight.status().as_u16(), length(&preflight)), (204, 0), "{path}");
        assert_eq!(header(&preflight, "access-control-allow-methods"), "GET, HEAD, OPTIONS");
        assert_eq!(header(&preflight, "access-control-allow-origin"), "*");
        for method in ["PUT", "POST", "DELETE"] {
            let refused = ask(method, path, &[]).unwrap();
            assert_eq!(refused.status(), 405, "{method} {path}, GET gives {status}");
            assert_eq!(header(&refused, "allow"), "GET, HEAD, OPTIONS");
        }
    }
}

#[tokio::test]
async fn viewers_of_a_system_with_pathways_are_told_the_order() {
    let urls = ["http://one:8000", "http://two:8001"].map(|url| url.parse().unwrap());
    let board = Board::with_pathways(Pathways::new(urls));
    board.declare(&"live01".parse().unwrap());
    let mut orders = Vec::new();
    for order in [None, Some(vec![1, 0])] {
        order.into_iter().for_each(|order| board.steer(order));
        let request = Request::get("/live01/steering.json?_HLS_pathway=origin1&_HLS_throughput=5");
        let got = answer(&board, &Overload::default(), &request.body(()).unwrap()).unwrap();
        assert_eq!(header(&got, "content-type"), "application/vnd.apple.steering-list");
        assert_eq!(header(&got, "cache-control"), "no-store");
        assert_eq!(header(&got, "access-control-allow-origin"), "*");
        let body = got.into_body().collect().await.unwrap().to_bytes();
        let manifest: serde_json::Value = serde_json::from_slice(&body).unwrap();
        orders.push(manifest["PATHWAY-PRIORITY"].to_string());
    }
    assert_eq!(orders, [r#"["origin1","origin2"]"#, r#"["origin2","origin1"]"#]);
}

#[test]
fn other_urls_are_left_to_others() {
    for path in ["/healthz", "/metrics", "/v1/holdings", "/v1/media/live01/a-7/720p/12.m4s", "/assets/x.js"] {
        assert!(ask("GET", path, &[]).is_none(), "{path}");
    }
}

#[test]
fn a_server_that_knows_nothing_yet_denies_nothing() {
    let ask = |path: &str| {
        let request = Request::builder().uri(path).body(()).unwrap();
        answer(&Board::default(), &Overload::default(), &request).unwrap()
    };
    for path in ["/live01/playlist.m3u8", "/live01/720p/playlist.m3u8", "/live01/720p/12.m4s", "/live01"] {
        assert_eq!((ask(path).status().as_u16(), header(&ask(path), "retry-after")), (503, "1"), "{path}");
    }
    assert_eq!(ask("/live01/").status(), 200, "the page waits for its signal");
}

#[test]
fn a_playlist_is_current_for_half_a_target_duration() {
    for (millis, lifetime) in
        [(1000, "max-age=0"), (2000, "max-age=1"), (3000, "max-age=1"), (6000, "max-age=3")]
    {
        let mut snapshot = snapshot(11..=14, 12, &[]);
        let record = std::sync::Arc::make_mut(&mut snapshot.record);
        record.grid.millis = std::num::NonZeroU32::new(millis).unwrap();
        let board = Board::default();
        board.publish(&"live01".parse().unwrap(), std::sync::Arc::new(snapshot));
        let request = Request::builder().uri("/live01/720p/playlist.m3u8").body(()).unwrap();
        let got = answer(&board, &Overload::default(), &request).unwrap();
        assert_eq!(header(&got, "cache-control"), lifetime, "{millis} ms");
    }
}

#[test]
fn a_forgotten_slash_leads_to_the_page() {
    for signal in ["live01", "declared"] {
        for query in ["", "?defaults", "?a=1&b=%20?"] {
            let moved = ask("GET", &format!("/{signal}{query}"), &[]).unwrap();
            let expected = format!("{signal}/{query}");
            assert_eq!((moved.status().as_u16(), header(&moved, "location")), (308, &*expected));
        }
    }
    assert_eq!(header(&ask("GET", "/unknown", &[]).unwrap(), "location"), "");
}

#[tokio::test]
async fn the_root_lists_every_signal_with_a_link() {
    let got = ask("GET", "/", &[]).unwrap();
    assert_eq!((got.status().as_u16(), header(&got, "content-type")), (200, PAGE_TYPE));
    assert_eq!(header(&got, "cache-control"), "no-store");
    let page = String::from_utf8(got.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    assert!(page.contains("<a href=\"live01/\">live01</a> is on the air"), "{page}");
    assert!(page.contains("<a href=\"declared/\">declared</a> has no media yet"), "{page}");
    assert!(index::render(&Board::default().signals()).contains("No signal is known yet"));
}
