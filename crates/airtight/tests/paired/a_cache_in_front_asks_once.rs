//! A cache in front, nginx here, asks once for what many viewers want, and keeps nothing that is no longer so.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{fs, process::Child, sync::Barrier, thread};

use crate::programme::{TRACKS, files, lineage, now, segment};
use crate::support::{
    Role, eventually,
    hls::Playlist,
    http::{Answer, get, request},
    socket, text, untouched,
};
use tempfile::TempDir;

/// Viewers who come at the same moment.
const VIEWERS: usize = 20;

/// A cache as it comes, told only to ask once at a time, and to ask again by the tag.
const NGINX: &str = "
daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events {}
http {
    access_log off;
    client_body_temp_path 1; proxy_temp_path 2; fastcgi_temp_path 3; uwsgi_temp_path 4; scgi_temp_path 5;
    proxy_cache_path cache keys_zone=airtight:1m;
    server {
        listen LISTEN;
        location / {
            proxy_pass ORIGIN;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_cache airtight;
            proxy_cache_lock on;
            proxy_cache_revalidate on;
            add_header X-Cache $upstream_cache_status always;
        }
    }
}";

struct Cache {
    nginx: Child,
    url: String,
    _folder: TempDir,
}

impl Cache {
    fn before(origin: &str) -> Self {
        eventually("a port stays free until nginx has it", || Self::start(origin))
    }

    /// None if another program takes the port that was found free.
    fn start(origin: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (listener, address) = socket();
        let settings = NGINX.replace("LISTEN", &address.to_string()).replace("ORIGIN", origin);
        fs::write(folder.path().join("nginx.conf"), settings).unwrap();
        drop(listener);
        let mut nginx = untouched("nginx");
        nginx.env("PATH", "/usr/sbin:/usr/bin").args(["-e", "stderr", "-c", "nginx.conf", "-p"]);
        let nginx = nginx.arg(text(folder.path())).spawn().expect("nginx starts: scripts/setup.sh test");
        let mut cache = Self { nginx, url: format!("http://{address}"), _folder: folder };
        let answers = eventually("the cache answers or ends", || {
            let has_ended = cache.nginx.try_wait().expect("a child can be waited for").is_some();
            let answers = !has_ended && get(&format!("{}/healthz", cache.url))?.header("x-cache").is_some();
            (has_ended || answers).then_some(answers)
        });
        answers.then_some(cache)
    }

    fn get(&self, path: &str) -> (String, Answer) {
        let answer = get(&format!("{}{path}", self.url)).unwrap();
        (answer.header("x-cache").unwrap_or_default().to_owned(), answer)
    }

    /// What viewers get who come at the same moment; the origin is asked as often as not `HIT`.
    fn get_at_once(&self, path: &str) -> Vec<(String, Answer)> {
        let start = Barrier::new(VIEWERS);
        let viewer = || {
            start.wait();
            self.get(path)
        };
        thread::scope(|scope| {
            let viewers: Vec<_> = (0..VIEWERS).map(|_| scope.spawn(viewer)).collect();
            viewers.into_iter().map(|viewer| viewer.join().unwrap()).collect()
        })
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.nginx.kill().expect("it runs, or has been waited for");
        self.nginx.wait().expect("it has ended");
    }
}

#[test]
fn many_viewers_are_one_request_and_nothing_passing_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let role = Role::start(&["packager", "--root", text(root.path()), "--spool", "true", "--listen", "0"]);
    let url = role.url();
    let (n, lineage) = (now(), lineage());
    let put = |path: &str, bytes: &[u8]| {
        assert_eq!(request("PUT", &format!("{url}/ingest/{path}"), bytes).unwrap().status, 201, "{path}");
    };
    files("live01", &lineage, n - 8..=n).iter().for_each(|(path, bytes)| put(path, bytes));
    let listed = "/live01/720p/playlist.m3u8";
    let edge = || Playlist::get(&format!("{url}{listed}"))?.edge();
    eventually("it is on the air", || edge().filter(|edge| *edge >= n));
    let cache = Cache::before(&url);

    let track = "/live01/720p";
    for path in [format!("{track}/{n}.m4s"), format!("{track}/{n}.0.m4s"), listed.to_owned()] {
        let got = cache.get_at_once(&path);
        let asked: Vec<_> = got.iter().filter(|(cached, _)| cached != "HIT").map(|(c, _)| c).collect();
        assert_eq!(asked, ["MISS"], "{path}: so often was the origin asked");
        assert!(got.iter().all(|(_, answer)| answer.status == 200 && answer.body == got[0].1.body), "{path}");
    }

    // Nobody makes it: it is not there, then slate, and at last late media, under one URL.
    let (late, path) = eventually("a number is not there yet", || {
        let late = edge()? + 1;
        let path = format!("{track}/{late}.m4s");
        let (_, early) = cache.get(&path);
        let what = (early.status, early.header("retry-after"), early.header("cache-control"));
        // Its time may have come between the two requests: then it is slate, and the next one is to come.
        assert!(
            matches!(what, (503, Some("1"), _) | (200, _, Some("no-store"))),
            "{what:?} {}",
            early.text()
        );
        (early.status == 503).then_some((late, path))
    });
    let slate =
        eventually("slate is shown", || Some(cache.get(&path).1).filter(|answer| answer.status == 200));
    assert_eq!(slate.header("cache-control"), Some("no-store"));
    assert_eq!(cache.get(&path).0, "MISS", "it is asked for anew each time");
    for track in TRACKS {
        put(&format!("live01/{lineage}/{track}/{late}.m4s"), &segment(track, late));
    }
    let media = segment("720p", late);
    eventually("late media are given", || (get(&format!("{url}{path}"))?.body == media).then_some(()));
    assert_eq!(cache.get(&path).1.body, media, "the cache has kept no slate");
    assert_eq!(cache.get(&path).0, "HIT");

    let (_, answer) = cache.get(listed);
    assert_eq!(answer.header("cache-control"), Some("max-age=1"), "half of a target duration");
    eventually("the cache follows", || {
        let (cached, answer) = cache.get(listed);
        assert!(["HIT", "MISS", "EXPIRED", "REVALIDATED"].contains(&&*cached), "{cached}");
        (Playlist::parse(&answer.text()).edge()? > late).then_some(())
    });
}
