//! An event that is ended stays ended: every server closes every playlist after the same number, the
//! encoders rest, and nothing starts again and again.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::time::{Duration, Instant};

use crate::support::{
    ON_THE_AIR, POLL,
    hls::Playlist,
    system::{SERVERS, System, TRACKS},
    within,
};

/// A part that is started in a loop is started within this time, whatever its backoff.
const SETTLED: Duration = Duration::from_secs(11);

/// The parts that have something to do after the end.
const LASTING: [&str; 6] = ["discovery", "reporter", "server1", "server2", "origin1", "origin2"];

#[test]
fn an_ended_event_settles() {
    let system = System::start_on_the_air();
    let packagers =
        ["server1", "server2"].map(|part| format!("http://localhost:{}", system.port(part))).join(",");
    let end = system.run(&["end", "live01", "--packagers", &packagers]);
    assert!(end.status.success(), "{end:?}");
    let said = String::from_utf8(end.stdout).unwrap();
    let last = said.strip_prefix("live01 ends with number ").unwrap().split_once(',').unwrap().0.parse().ok();

    for (server, track) in SERVERS.iter().flat_map(|server| TRACKS.map(|track| (*server, track))) {
        let url = system.url(server, &format!("{track}/playlist.m3u8"));
        let closed = within(ON_THE_AIR, &format!("{server} closes {track}"), || {
            Playlist::get(&url).filter(|playlist| playlist.ended)
        });
        assert_eq!(closed.edge(), last, "{server} {track}:\n{}", closed.text);
    }
    within(ON_THE_AIR, "the workers end", || {
        ["worker-a", "worker-b"].iter().all(|part| system.process(part).is_none()).then_some(())
    });

    let processes = LASTING.map(|part| system.process(part));
    let until = Instant::now() + SETTLED;
    while Instant::now() < until {
        assert_eq!(LASTING.map(|part| system.process(part)), processes, "{}", system.shown());
        for worker in ["worker-a", "worker-b"] {
            assert_eq!(system.process(worker), None, "{}", system.shown());
        }
        std::thread::sleep(POLL);
    }
    assert_eq!(system.programs("ffmpeg"), 0);
}
