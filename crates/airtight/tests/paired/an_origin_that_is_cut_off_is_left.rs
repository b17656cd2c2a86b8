//! One of two origins is cut off from everything behind it: a balancer that asks who is ready leaves it within moments,
//! and what its viewers see meanwhile never goes back, is never late and never ends.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::programme::{TRACKS, files, lineage, now, segment};
use crate::support::{
    Role, eventually, http,
    http::{get, request},
    refusing, text,
};
use airtight_lab::{
    playlist,
    proxy::{Ends, Proxy, Skies, weather::Weather},
    rules::{Judge, Sighting},
};
use tokio::runtime::Runtime;

/// The way from the second origin to the packager.
const WAY: &str = "way";
/// From when on it is cut.
const WHOLE: Duration = Duration::from_secs(2);
/// How long viewers are followed.
const FOLLOWED: Duration = Duration::from_secs(9);
/// An origin that hears nobody says so after two seconds.
const TOLD: Duration = Duration::from_secs(3);
/// An origin that is alone shows slate half a target duration after the usual time, and takes a moment to do so: viewers
/// wait so much longer than that between two requests.
const MOMENT: Duration = Duration::from_millis(300);
/// Between two requests of all viewers together.
const PACE: Duration = Duration::from_millis(100);

/// The packager is behind the way.
struct Behind(SocketAddr);

impl Ends for Behind {
    fn client(&self, _: SocketAddr) -> Option<&'static str> {
        None
    }

    fn server(&self, _: &str) -> Option<SocketAddr> {
        Some(self.0)
    }
}

/// Makes a way to `url` that can be cut; gives its URL.
fn way(runtime: &Runtime, url: &str, skies: &Arc<Skies>) -> String {
    let behind = Behind(url.trim_start_matches("http://").parse().unwrap());
    let proxy = runtime.block_on(Proxy::bind(WAY)).unwrap();
    let port = proxy.port().unwrap();
    runtime.spawn(proxy.run(skies.clone(), Arc::new(behind)));
    format!("http://127.0.0.1:{port}")
}

/// Sends what is due, as an encoder does, for as long as the test lasts.
fn feed(url: String) {
    let (first, lineage) = (now(), lineage());
    let put = move |path: &str, bytes: &[u8]| {
        // The packager goes away with the test.
        request("PUT", &format!("{url}/ingest/{path}"), bytes).is_some_and(|answer| answer.status == 201)
    };
    for (path, bytes) in files("live01", &lineage, first - 8..=first - 1) {
        assert!(put(&path, &bytes), "{path}");
    }
    thread::spawn(move || {
        let mut next = first;
        loop {
            thread::sleep(Duration::from_millis(20));
            if now() > next {
                let path = |track| format!("live01/{lineage}/{track}/{next}.m4s");
                if !TRACKS.iter().all(|track| put(&path(track), &segment(track, next))) {
                    return;
                }
                next += 1;
            }
        }
    });
}

fn origin(packager: &str, reporter: &str) -> Role {
    Role::start(&[
        "origin",
        "--listen",
        "0",
        "--packagers",
        packager,
        "--reporter",
        reporter,
        "--window",
        "12",
    ])
}

fn is_ready(url: &str) -> bool {
    get(&format!("{url}/readyz")).is_some_and(|answer| answer.status == 200)
}

#[test]
fn viewers_of_both_are_on_the_other_within_moments() {
    let (runtime, skies, root) =
        (Runtime::new().unwrap(), Arc::new(Skies::new([WAY])), tempfile::tempdir().unwrap());
    let packager =
        Role::start(&["packager", "--root", text(root.path()), "--spool", "true", "--listen", "0"]);
    feed(packager.url());
    let (_kept, nobody) = refusing();
    let origins =
        [packager.url(), way(&runtime, &packager.url(), &skies)].map(|packager| origin(&packager, &nobody));
    let urls = origins.each_ref().map(Role::url);
    for url in &urls {
        eventually("an origin is on the air", || {
            let playlist = get(&format!("{url}/live01/720p/playlist.m3u8"));
            playlist.filter(|answer| answer.status == 200 && is_ready(url))
        });
    }

    let (mut judge, began, mut left) = (Judge::default(), Instant::now(), None);
    for request in 0.. {
        let asked = began.elapsed();
        if asked > FOLLOWED {
            break;
        }
        if asked > WHOLE {
            skies.set(WAY, Weather::Cut);
        }
        let ready: Vec<_> = urls.iter().enumerate().filter(|(_, url)| is_ready(url)).collect();
        if left.is_none() && ready.len() == 1 {
            left = Some(asked);
        }
        let (server, url) = ready[request % ready.len()];
        let answer = get(&format!("{url}/live01/720p/playlist.m3u8")).unwrap();
        let seen = began.elapsed();
        let playlist = Arc::new(media(&answer));
        assert!(!playlist.ended, "at {seen:?} {url} says that it is over");
        let asked = asked.saturating_sub(MOMENT);
        let findings = judge.saw(Sighting { server, rendition: "720p", asked, seen, playlist: &playlist });
        assert_eq!(findings, [], "at {seen:?} from {url}");
        thread::sleep(PACE);
    }
    let left = left.expect("who is cut off says that it is not ready");
    assert!(left > WHOLE && left < WHOLE + TOLD, "{left:?}");
}

fn media(answer: &http::Answer) -> playlist::Media {
    assert_eq!(answer.status, 200, "{}", answer.text());
    // Independence is told of all tracks at once, in the playlist above this one.
    let text = answer.text().replace("#EXT-X-MAP", "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP");
    match playlist::Playlist::read(&text) {
        Ok(playlist::Playlist::Media(media)) => media,
        other => panic!("{other:?}: {}", answer.text()),
    }
}
