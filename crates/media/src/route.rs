//! The URLs of viewers: the only grammar there is, as an enum and its inverse.
//!
//! A path is never decoded and never names a file: what is not spelt as [`Route`] writes it is no
//! viewer's URL.

use std::fmt;

use thiserror::Error;

use crate::{
    grid::{Number, Part},
    id::{InitHash, SignalName, TrackName},
};

/// First elements of paths that other routes own.
const RESERVED: &[&str] = &["assets", "ingest", "v1"];
/// Whole paths that other routes own. A signal of such a name has all its URLs but the one without a slash.
const OTHERS: &[&str] = &["healthz", "metrics", "readyz", "signals"];

/// What a viewer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/`: which signals there are.
    Index,
    /// `/<signal>`: somebody forgot the slash.
    Signal(SignalName),
    /// `/<signal>/`: a page that plays it.
    Page(SignalName),
    /// `/<signal>/playlist.m3u8`
    Multivariant(SignalName),
    /// `/<signal>/steering.json`: in which order to try the pathways.
    Steering(SignalName),
    /// `/<signal>/<track>/playlist.m3u8`
    Playlist(SignalName, TrackName),
    /// `/<signal>/<track>/init-<hash>.mp4`
    Init(SignalName, TrackName, InitHash),
    /// `/<signal>/<track>/<n>.m4s`
    Segment(SignalName, TrackName, Number),
    /// `/<signal>/<track>/<n>.<part>.m4s`
    Part(SignalName, TrackName, Number, Part),
    /// `/<signal>/<track>/slate.mp4`
    Slate(SignalName, TrackName),
}

/// A path that looks like a viewer's, but can't be one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RouteError {
    /// Not a plain path.
    #[error("the path holds '{0}': names are plain letters, digits, '_' and '-', never encoded")]
    Character(String),
    /// The end names a kind of resource, what comes before does not fit it.
    #[error("'{0}' names no {1}")]
    Name(String, &'static str),
}

/// Reads the path and query of a request. `None`: not a viewer's URL.
///
/// The query is read by low-latency playlists only, and ignored elsewhere, as caches and players
/// add to it what they like.
///
/// # Errors
/// A path that can't be anybody's.
pub fn parse(path: &str, _query: Option<&str>) -> Result<Option<Route>, RouteError> {
    if let Some(bad) = path.split('/').find(|e| *e == ".." || *e == "." || e.contains(['%', '\\', '\0'])) {
        return Err(RouteError::Character(bad.chars().take(64).flat_map(char::escape_debug).collect()));
    }
    let Some(path) = path.strip_prefix('/') else { return Ok(None) };
    let elements: Vec<&str> = path.splitn(4, '/').collect();
    if elements.first().is_some_and(|e| RESERVED.contains(e)) {
        return Ok(None);
    }
    Ok(Some(match elements[..] {
        [""] => Route::Index,
        // What is no name, such as `favicon.ico`, is somebody else's.
        [signal] if !OTHERS.contains(&signal) => return Ok(signal.parse().ok().map(Route::Signal)),
        [signal, ""] if !signal.is_empty() => Route::Page(name(signal, "signal")?),
        [signal, "playlist.m3u8"] => Route::Multivariant(name(signal, "signal")?),
        [signal, "steering.json"] => Route::Steering(name(signal, "signal")?),
        [signal, track, file] => {
            let Some(resource) = resource(file) else { return Ok(None) };
            resource.of(name(signal, "signal")?, name(track, "track")?, file)?
        }
        _ => return Ok(None),
    }))
}

fn name<T: std::str::FromStr>(text: &str, kind: &'static str) -> Result<T, RouteError> {
    text.parse().map_err(|_| RouteError::Name(text.chars().take(64).collect(), kind))
}

/// Kinds of resources below a track, told apart by how the file is called.
enum Resource {
    Playlist,
    Slate,
    Init,
    Segment,
}

fn resource(file: &str) -> Option<Resource> {
    match file {
        "playlist.m3u8" => Some(Resource::Playlist),
        "slate.mp4" => Some(Resource::Slate),
        _ if file.starts_with("init-") && file.ends_with(".mp4") => Some(Resource::Init),
        _ if file.ends_with(".m4s") => Some(Resource::Segment),
        _ => None,
    }
}

impl Resource {
    fn of(&self, signal: SignalName, track: TrackName, file: &str) -> Result<Route, RouteError> {
        match self {
            Self::Playlist => Ok(Route::Playlist(signal, track)),
            Self::Slate => Ok(Route::Slate(signal, track)),
            Self::Init => {
                let hash = &file["init-".len()..file.len() - ".mp4".len()];
                Ok(Route::Init(signal, track, name(hash, "init")?))
            }
            Self::Segment => {
                let stem = &file[..file.len() - ".m4s".len()];
                match stem.split_once('.') {
                    None => Ok(Route::Segment(signal, track, name(stem, "segment")?)),
                    Some((number, part)) => {
                        Ok(Route::Part(signal, track, name(number, "segment")?, name(part, "part")?))
                    }
                }
            }
        }
    }
}

impl Route {
    /// The signal that is asked for; none of the list of all.
    pub fn signal(&self) -> Option<&SignalName> {
        match self {
            Self::Index => None,
            Self::Signal(signal)
            | Self::Page(signal)
            | Self::Multivariant(signal)
            | Self::Steering(signal)
            | Self::Playlist(signal, _)
            | Self::Init(signal, ..)
            | Self::Segment(signal, ..)
            | Self::Part(signal, ..)
            | Self::Slate(signal, _) => Some(signal),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index => f.write_str("/"),
            Self::Signal(signal) => write!(f, "/{signal}"),
            Self::Page(signal) => write!(f, "/{signal}/"),
            Self::Multivariant(signal) => write!(f, "/{signal}/playlist.m3u8"),
            Self::Steering(signal) => write!(f, "/{signal}/steering.json"),
            Self::Playlist(signal, track) => write!(f, "/{signal}/{track}/playlist.m3u8"),
            Self::Init(signal, track, hash) => write!(f, "/{signal}/{track}/init-{hash}.mp4"),
            Self::Segment(signal, track, number) => write!(f, "/{signal}/{track}/{number}.m4s"),
            Self::Part(signal, track, number, part) => write!(f, "/{signal}/{track}/{number}.{part}.m4s"),
            Self::Slate(signal, track) => write!(f, "/{signal}/{track}/slate.mp4"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_url_of_the_grammar_has_one_spelling() {
        assert_eq!(parse("/", None), Ok(Some(Route::Index)));
        assert_eq!((Route::Index.to_string().as_str(), Route::Index.signal()), ("/", None));
        for url in [
            "/live01",
            "/live01/",
            "/live01/playlist.m3u8",
            "/live01/steering.json",
            "/live01/720p/playlist.m3u8",
            "/live01/720p/init-0123456789abcdef.mp4",
            "/live01/720p/897738816.m4s",
            "/live01/720p/897738816.3.m4s",
            "/live01/audio/slate.mp4",
        ] {
            let route = parse(url, Some("_HLS_msn=1")).unwrap().unwrap();
            assert_eq!(route.to_string(), url);
            assert_eq!(route.signal().map(SignalName::as_str), Some("live01"));
        }
    }

    #[test]
    fn other_routes_fall_through() {
        for url in
            ["", "/healthz", "/readyz", "/metrics", "/signals", "/v1", "/ingest", "/favicon.ico", "/a b"]
                .into_iter()
                .chain(["/v1/holdings", "/ingest/live01/signal.json", "/assets/a.js"])
                .chain(["/v1/media/live01/a-1/720p/1.m4s", "/live01/720p/", "/live01/720p/x.txt"])
        {
            assert_eq!(parse(url, None), Ok(None), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_a_path_is_refused_with_a_sentence() {
        let refused = |url: &str| parse(url, None).unwrap_err().to_string();
        assert!(refused("/live01/../x.m4s").starts_with("the path holds '..'"));
        assert!(refused("/live01/%2e%2e/1.m4s").starts_with("the path holds '%2e%2e'"));
        assert!(refused("/live01/720p/%00.m4s").starts_with("the path holds '%00.m4s'"));
        assert_eq!(refused("/live01/720p/01.m4s"), "'01' names no segment");
        assert_eq!(refused("/live01/720p/1.x.m4s"), "'x' names no part");
        assert_eq!(refused("/live01/720p/init-1.mp4"), "'1' names no init");
        assert_eq!(refused("/li ve/playlist.m3u8"), "'li ve' names no signal");
    }

    proptest! {
        /// Whatever parses is written back as it came: no two URLs are one resource.
        #[test]
        fn parse_then_print_is_the_identity(path in "/[a-z0-9._/%-]{0,40}") {
            if let Ok(Some(route)) = parse(&path, None) {
                prop_assert_eq!(route.to_string(), path);
            }
        }
    }
}
