//! Redundant pathways: where viewers reach each origin, and the answer that says in which order to try them
//! (draft-pantos-hls-rfc8216bis-22, 7).
//!
//! Names and URLs are settings, alike on every origin, so that all write one playlist; the order is each origin's own
//! knowledge, and is answered apart from it.

use std::{fmt, str::FromStr, sync::Arc};

use thiserror::Error;

use crate::id::SignalName;

/// The media type of the answer that steers.
pub const STEERING_TYPE: &str = "application/vnd.apple.steering-list";

/// Seconds after which a player asks for the order again: an origin that has nothing new to show is left within
/// less than the media that a player holds.
const TTL: u32 = 5;

/// Where viewers reach an origin: `http://` or `https://`, a host, and a path if there is one, without a slash at
/// its end. The signals lie below it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicUrl(String);

/// A text that is no public URL.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "'{0}' is no public URL: it has to be http:// or https:// and a host, such as https://one.example or http://localhost:8000"
)]
pub struct PublicUrlError(String);

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let bare = text.trim_end_matches('/');
        let rest = bare.strip_prefix("http://").or_else(|| bare.strip_prefix("https://")).unwrap_or_default();
        // Quotes would end the attribute, a query or a fragment what is added to it.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]%".contains(c);
        let has_host = rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        match has_host && rest.chars().all(is_plain) {
            true => Ok(Self(bare.to_owned())),
            false => Err(PublicUrlError(text.chars().take(100).flat_map(char::escape_debug).collect())),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The pathways of a system, the same on every origin; none if there is nothing to choose from. Clones share them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pathways(Arc<[PublicUrl]>);

/// One pathway.
#[derive(Debug, Clone, Copy)]
pub struct Pathway<'a> {
    at: usize,
    /// Where it leads.
    pub url: &'a PublicUrl,
}

impl Pathways {
    /// The pathways to these origins, in their order.
    pub fn new(urls: impl IntoIterator<Item = PublicUrl>) -> Self {
        Self(urls.into_iter().collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Pathway<'_>> {
        self.0.iter().enumerate().map(|(at, url)| Pathway { at, url })
    }

    /// The steering manifest of `signal`: players try the pathways in this `order`, of indices, and ask the first of
    /// them for the next manifest.
    pub fn steering(&self, signal: &SignalName, order: &[usize]) -> String {
        let ordered = order.iter().filter_map(|at| Some(Pathway { at: *at, url: self.0.get(*at)? }));
        let next = ordered.clone().next();
        let next = next.map(|first| format!("\"RELOAD-URI\":\"{}/{signal}/steering.json\",", first.url));
        // Neither names nor URLs have characters that JSON would escape.
        let priority: Vec<_> = ordered.map(|pathway| format!("\"{pathway}\"")).collect();
        format!(
            "{{\"VERSION\":1,\"TTL\":{TTL},{}\"PATHWAY-PRIORITY\":[{}]}}\n",
            next.unwrap_or_default(),
            priority.join(",")
        )
    }
}

/// `PATHWAY-ID`.
impl fmt::Display for Pathway<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "origin{}", self.at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_one_that_may_stand_in_a_playlist() {
        for (text, read) in [
            ("http://localhost:8000", Some("http://localhost:8000")),
            ("https://one.example/live/", Some("https://one.example/live")),
            ("https://[2001:db8::1]:8443", Some("https://[2001:db8::1]:8443")),
            ("", None),
            ("one.example", None),
            ("http://", None),
            ("http:///live", None),
            ("ftp://one.example", None),
            ("https://one.example/?a=b", None),
            ("https://one.example/#a", None),
            ("https://one.example/\"", None),
            ("https://one.example/\n", None),
        ] {
            let found = text.parse::<PublicUrl>().ok().map(|url| url.to_string());
            assert_eq!(found.as_deref(), read, "{text:?}");
        }
    }

    #[test]
    fn a_manifest_says_the_order_and_whom_to_ask_next() {
        let urls = ["http://one:8000", "https://two.example/live"].map(|url| url.parse().unwrap());
        let (pathways, signal) = (Pathways::new(urls), "live01".parse().unwrap());
        let manifest: serde_json::Value = serde_json::from_str(&pathways.steering(&signal, &[1, 0])).unwrap();
        let expected = serde_json::json!({
            "VERSION": 1,
            "TTL": 5,
            "RELOAD-URI": "https://two.example/live/live01/steering.json",
            "PATHWAY-PRIORITY": ["origin2", "origin1"],
        });
        assert_eq!(manifest, expected);
    }
}
