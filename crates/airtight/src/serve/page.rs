//! The web page that plays a signal, and its assets, as they were embedded when this
//! program was compiled (`web/dist`). It reads no file, and it knows no signal: the
//! page finds its media by relative URL.

use std::{collections::HashMap, fmt::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{Method, StatusCode, Uri, header};
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../web/dist"]
struct Dist;

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
    /// The whole body.
    pub bytes: Bytes,
    /// Value of `Content-Type`.
    pub mime: &'static str,
    /// Value of `ETag`: strong, in quotes, a hash of the body.
    pub etag: String,
    /// Value of `Cache-Control`.
    pub cache_control: &'static str,
}

static FILES: LazyLock<HashMap<String, Asset>> = LazyLock::new(|| {
    Dist::iter().filter_map(|name| Some((name.to_string(), Asset::new(&name, Dist::get(&name)?)))).collect()
});

static MISSING: LazyLock<Asset> = LazyLock::new(|| Asset {
    bytes: Bytes::from_static(LEFT_OUT.as_bytes()),
    mime: mime(PAGE),
    etag: "\"left-out\"".to_owned(),
    cache_control: "no-store",
});

/// The page served at `/<signal>/`. In a build made without it, a page that says so
/// and how to get it.
pub fn page() -> &'static Asset {
    FILES.get(PAGE).unwrap_or(&MISSING)
}

/// Answers `GET /assets/{file}`.
pub async fn answer(Path(file): Path<String>) -> Response {
    match asset(&file) {
        Some(asset) => (
            [
                (header::CONTENT_TYPE, asset.mime),
                (header::CACHE_CONTROL, asset.cache_control),
                (header::ETAG, asset.etag.as_str()),
            ],
            asset.bytes.clone(),
        )
            .into_response(),
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
        let hash = file.metadata.sha256_hash();
        let bytes = match file.data {
            std::borrow::Cow::Borrowed(data) => Bytes::from_static(data),
            std::borrow::Cow::Owned(data) => Bytes::from(data),
        };
        let cache_control = if name.starts_with(ASSETS) { FOR_GOOD } else { ASK_AGAIN };
        Self { bytes, mime: mime(name), etag: etag(&hash), cache_control }
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
        let body = std::str::from_utf8(&page().bytes).expect("the page is UTF-8");
        assert!(body.contains("playlist.m3u8"), "{body}");
        assert_eq!(page().mime, "text/html; charset=utf-8");
        assert!(!page().cache_control.contains("immutable"));
    }

    #[test]
    fn every_asset_that_the_page_names_is_embedded_under_that_name() {
        let body = std::str::from_utf8(&page().bytes).expect("the page is UTF-8");
        for named in body.split('"').filter_map(|text| text.strip_prefix("/assets/")) {
            let asset = asset(named)
                .unwrap_or_else(|| panic!("the page names /assets/{named}, which is not embedded"));
            assert_ne!(asset.mime, "application/octet-stream", "{named} has no known type");
            assert!(!asset.bytes.is_empty());
        }
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
