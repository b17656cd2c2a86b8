//! URLs of plain HTTP, and references to them (RFC 3986, section 5).

use std::{fmt, str::FromStr};

use serde::Serialize;
use thiserror::Error;

/// An absolute `http://` URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Url(String);

/// Why a text is no URL that can be watched.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is no URL of a playlist: expected http://HOST[:PORT]/PATH")]
pub struct BadUrl(String);

impl FromStr for Url {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let bad = || BadUrl(text.to_owned());
        let uri: http::Uri = text.parse().map_err(|_| bad())?;
        let plain = uri.scheme_str() == Some("http") && uri.host().is_some_and(|host| !host.is_empty());
        if plain { Ok(Self(uri.to_string())) } else { Err(bad()) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Url {
    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme and authority, and the path with what follows.
    fn split(&self) -> (&str, &str) {
        let authority = "http://".len();
        let path = self.0[authority..].find('/').map_or(self.0.len(), |slash| authority + slash);
        self.0.split_at(path)
    }

    /// The path, up to and including its last slash.
    fn folder(&self) -> &str {
        let path = self.split().1.split(['?', '#']).next().unwrap_or_default();
        path.rsplit_once('/').map_or("/", |(folder, _)| &path[..=folder.len()])
    }

    /// What `reference` in this playlist means.
    ///
    /// # Errors
    /// It is no reference to plain HTTP.
    pub fn join(&self, reference: &str) -> Result<Self, BadUrl> {
        if reference.contains("://") {
            return reference.parse();
        }
        let (authority, _) = self.split();
        match reference.strip_prefix("//") {
            Some(other) => format!("http://{other}").parse(),
            None if reference.starts_with('/') => format!("{authority}{reference}").parse(),
            None => format!("{authority}{}", without_dots(self.folder(), reference)).parse(),
        }
    }

    /// Whether `other` is on the same server.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.split().0 == other.split().0
    }

    /// The path of `other` below the folder of this one, or its whole path: the name of the same resource on
    /// every server.
    pub fn name_of(&self, other: &Self) -> String {
        let path = other.split().1;
        path.strip_prefix(self.folder()).unwrap_or(path).to_owned()
    }
}

/// A relative path below a folder, with `.` and `..` taken away.
fn without_dots(folder: &str, relative: &str) -> String {
    let mut segments: Vec<&str> = folder.trim_end_matches('/').split('/').collect();
    let (path, rest) = relative.split_at(relative.find(['?', '#']).unwrap_or(relative.len()));
    for segment in path.split('/') {
        match segment {
            "." => {}
            ".." if segments.len() > 1 => drop(segments.pop()),
            ".." => {}
            segment => segments.push(segment),
        }
    }
    format!("{}{rest}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved() {
        let base: Url = "http://h:80/live01/720p/playlist.m3u8?a=/b".parse().unwrap();
        let cases = [
            ("7.m4s", "http://h:80/live01/720p/7.m4s"),
            ("a/7.m4s?x=1", "http://h:80/live01/720p/a/7.m4s?x=1"),
            ("../360p/7.m4s", "http://h:80/live01/360p/7.m4s"),
            ("./7.m4s", "http://h:80/live01/720p/7.m4s"),
            ("../../../../7.m4s", "http://h:80/7.m4s"),
            ("/x/7.m4s", "http://h:80/x/7.m4s"),
            ("//g/7.m4s", "http://g/7.m4s"),
            ("http://g:1/7.m4s", "http://g:1/7.m4s"),
        ];
        for (reference, expected) in cases {
            assert_eq!(base.join(reference).unwrap().as_str(), expected, "{reference}");
        }
        let root: Url = "http://h".parse().unwrap();
        assert_eq!(root.join("a").unwrap().as_str(), "http://h/a");
    }

    #[test]
    fn only_plain_http_is_watched() {
        for bad in ["", "localhost:8000", "https://h/", "ftp://h/", "/live01/playlist.m3u8", "http://"] {
            assert!(bad.parse::<Url>().is_err(), "{bad}");
        }
    }

    #[test]
    fn one_resource_has_one_name_on_all_servers() {
        let name = |server: &str, of: &str| {
            let base: Url = server.parse().unwrap();
            base.name_of(&base.join(of).unwrap())
        };
        assert_eq!(name("http://a:1/live01/playlist.m3u8", "720p/playlist.m3u8"), "720p/playlist.m3u8");
        assert_eq!(
            name("http://b:2/live01/playlist.m3u8", "/live01/720p/playlist.m3u8"),
            "720p/playlist.m3u8"
        );
        assert_eq!(name("http://b:2/live01/playlist.m3u8", "http://c/x"), "/x");
    }
}
