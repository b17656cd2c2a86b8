//! The web page that plays a signal, and its assets, as they were embedded when this
//! program was compiled (`web/dist`), as they are and in gzip. It reads no file, and it
//! knows no signal: the page finds its media by relative URL.

use std::{collections::HashMap, fmt::Write as _, sync::LazyLock};

use axum::{
    body::Body,
    extract::Path,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::{condition, reply::Reply};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../web/dist"]
struct Dist;

/// Files of the same names, in gzip: the build script makes them.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/gzip"]
struct Gzip;

const PAGE: &str = "index.html";
const ASSETS: &str = "assets/";

/// Names of assets carry a hash of their content, so a cache keeps them for good.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
/// The page names the assets of one build, so a cache asks for it each time.
const ASK_AGAIN: &str = "no-cache";

const LEFT_OUT: &str = "<!doctype html><meta charset=\"utf-8\"><title>airtight</title>\
<p>The player page was left out of this build: install Node 20.19 or later, run <code>make web</code> and build again. \
Until then a player opens <a href=\"playlist.m3u8\">playlist.m3u8</a>.</p>";

/// One embedded file, ready to be answered with.
#[derive(Debug)]
pub struct Asset {
    plain: Coded,
    gzip: Option<Coded>,
    /// Value of `Content-Type`.
    mime: &'static str,
    /// Value of `Cache-Control`.
    cache_control: &'static str,
}

/// A file in one coding.
#[derive(Debug)]
struct Coded {
    bytes: Bytes,
    /// Value of `ETag`: strong, in quotes, a hash of these very bytes.
    etag: HeaderValue,
}

static FILES: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    Dist::iter().filter_map(|name| Some((name.to_string(), Asset::new(&name, Dist::get(&name)?)))).collect()
});

static MISSING: LazyLock<Asset> = LazyLock::new(|| Asset {
    plain: Coded {
        bytes: Bytes::from_static(LEFT_OUT.as_bytes()),
        etag: HeaderValue::from_static("\"left-out\""),
    },
    gzip: None,
    mime: mime(PAGE),
    cache_control: "no-store",
});

/// The page served at `/<signal>/`. In a build made without it, a page that says so
/// and how to get it.
pub fn page() -> &'static Asset {
    FILES.get(PAGE).unwrap_or(&MISSING)
}

/// Answers `GET /assets/{file}`.
pub async fn answer(Path(file): Path<String>, asked: HeaderMap) -> Response {
    match asset(&file) {
        Some(asset) => condition::apply(&Method::GET, &asked, asset.reply(&asked)).map(Body::new),
        None => (StatusCode::NOT_FOUND, "there is no such asset in this build\n").into_response(),
    }
}

/// Answers what no route has: in one sentence.
pub async fn nothing(uri: Uri) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("there is nothing at '{}'\n", uri.path()))
}

/// Answers a method that a route does not take; the `Allow` header is added by the router.
pub async fn other_method(method: Method, uri: Uri) -> (StatusCode, String) {
    let sentence = format!("'{}' takes no {method}, use a method of the Allow header\n", uri.path());
    (StatusCode::METHOD_NOT_ALLOWED, sentence)
}

/// The file served at `/assets/<name>`, or `None` if this build has none of that name.
pub fn asset(name: &str) -> Option<&'static Asset> {
    FILES.get(&format!("{ASSETS}{name}"))
}

impl Asset {
    fn new(name: &str, file: EmbeddedFile) -> Self {
        let cache_control = if name.starts_with(ASSETS) { FOR_GOOD } else { ASK_AGAIN };
        let gzip = Gzip::get(name).map(Coded::new);
        Self { plain: Coded::new(file), gzip, mime: mime(name), cache_control }
    }

    /// The whole of it, in gzip for whoever takes that.
    pub fn reply(&self, asked: &HeaderMap) -> Response<Reply> {
        let gzip = self.gzip.as_ref().filter(|_| condition::takes_gzip(asked));
        let copy = gzip.unwrap_or(&self.plain);
        let mut response = Response::new(Reply::bytes(copy.bytes.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.mime));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        headers.insert(header::ETAG, copy.etag.clone());
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        if gzip.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

impl Coded {
    fn new(file: EmbeddedFile) -> Self {
        let etag = etag(&file.metadata.sha256_hash());
        let bytes = match file.data {
            std::borrow::Cow::Borrowed(data) => Bytes::from_static(data),
            std::borrow::Cow::Owned(data) => Bytes::from(data),
        };
        Self { bytes, etag: HeaderValue::try_from(etag).expect("a tag is hexadecimal digits in quotes") }
    }
}

/// Half of the hash tells any two files of ours apart.
fn etag(hash: &[u8; 32]) -> String {
    let mut tag = String::from("\"");
    for byte in &hash[..16] {
        write!(tag, "{byte:02x}").expect("writing to a String cannot fail");
    }
    tag.push('"');
    tag
}

/// The types that the page's build writes.
fn mime(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_always_there_and_says_when_it_was_left_out() {
        let body = std::str::from_utf8(&page().plain.bytes).expect("the page is UTF-8");
        assert!(body.contains("playlist.m3u8"), "{body}");
        assert_eq!(page().mime, "text/html; charset=utf-8");
        assert!(!page().cache_control.contains("immutable"));
    }

    #[test]
    fn every_asset_that_the_page_names_is_embedded_under_that_name() {
        let body = std::str::from_utf8(&page().plain.bytes).expect("the page is UTF-8");
        for named in body.split('"').filter_map(|text| text.strip_prefix("/assets/")) {
            let asset = asset(named)
                .unwrap_or_else(|| panic!("the page names /assets/{named}, which is not embedded"));
            assert_ne!(asset.mime, "application/octet-stream", "{named} has no known type");
            assert!(!asset.plain.bytes.is_empty());
        }
    }

    /// What is answered to a request for the page with these header fields.
    fn asked(fields: &[(&'static str, &str)]) -> Response<Reply> {
        let fields = fields.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap())
        });
        let asked = fields.collect();
        condition::apply(
            &Method::GET,
            &asked,
            FILES.values().find(|f| f.gzip.is_some()).unwrap().reply(&asked),
        )
    }

    #[tokio::test]
    async fn whoever_takes_gzip_gets_it_and_nobody_gets_twice_what_he_has() {
        if FILES.is_empty() {
            return;
        }
        let (plain, coded) = (asked(&[]), asked(&[("accept-encoding", "br, gzip")]));
        assert_eq!(coded.headers()[header::CONTENT_ENCODING], "gzip");
        assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
        for response in [&plain, &coded] {
            assert_eq!(response.headers()[header::VARY], "Accept-Encoding");
            let tag = response.headers()[header::ETAG].to_str().unwrap();
            let again = asked(&[("accept-encoding", "gzip"), ("if-none-match", tag)]);
            let same = response.headers().contains_key(header::CONTENT_ENCODING);
            assert_eq!(again.status() == StatusCode::NOT_MODIFIED, same, "a tag names one coding");
        }
        let whole = |response: Response<Reply>| async {
            http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes()
        };
        let (plain, coded) = (whole(plain).await, whole(coded).await);
        assert!(coded.len() < plain.len());
        let mut decoded = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&coded[..]), &mut decoded).unwrap();
        assert_eq!(decoded, plain);
    }

    #[test]
    fn names_outside_the_assets_are_not_found() {
        for name in ["", "index.html", "../index.html", "..%2findex.html", "/etc/passwd", "\0"] {
            assert!(asset(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn etags_are_strong_and_tell_files_apart() {
        assert_eq!(etag(&[0xab; 32]), "\"abababababababababababababababab\"");
        assert_ne!(etag(&[1; 32]), etag(&[2; 32]));
    }
}
