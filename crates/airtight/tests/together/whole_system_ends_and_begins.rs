//! `airtight up` carries an event from its beginning to its end, also over a time when all of it was down, and
//! begins another; no death leaves an encoder behind.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::time::Duration;

use crate::support::{hls::Playlist, http, record::contradictions, refusing, system::System, within};

/// Encoders that start on a machine that is busy with other tests.
const SLOW: Duration = Duration::from_secs(90);

/// What every viewer-facing part serves.
const SERVERS: [&str; 4] = ["server1", "server2", "origin1", "origin2"];

const TRACK: &str = "live01/360p/playlist.m3u8";

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    within(SLOW, what, || condition().then_some(()));
}

fn all_serve(system: &System, is_right: impl Fn(&str) -> bool) -> bool {
    SERVERS.iter().all(|part| system.playlist(part, TRACK).is_some_and(|playlist| is_right(&playlist)))
}

fn is_running(playlist: &str) -> bool {
    playlist.contains(".m4s") && !playlist.contains("#EXT-X-ENDLIST")
}

#[test]
fn an_event_ends_everywhere_and_the_next_one_begins() {
    let mut system = System::start_whole();
    wait_until("all serve the programme", || all_serve(&system, is_running));

    // One packager is enough, whatever is the matter with the other.
    let (_kept, dead) = refusing();
    let packagers = format!("http://localhost:{},{dead}", system.port("server2"));
    let unknown = system.run(&["end", "live02", "--packagers", &packagers]);
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("expected one of live01"), "{unknown:?}");
    let end = system.run(&["end", "live01", "--packagers", &packagers]);
    assert!(end.status.success(), "{end:?}");
    let warning = String::from_utf8_lossy(&end.stderr).into_owned();
    assert!(warning.contains(&format!("WRN {dead}/signals: Connection refused")), "{warning}");
    let said = String::from_utf8_lossy(&end.stdout).into_owned();
    let number = said.strip_prefix("live01 ends with number ").unwrap().split(',').next().unwrap().to_owned();
    let last = format!("{number}.m4s\n#EXT-X-ENDLIST\n");
    wait_until("all serve the end", || all_serve(&system, |playlist| playlist.ends_with(&last)));
    wait_until("the encoders rest", || {
        ["worker-a", "worker-b"].iter().all(|part| {
            system.shown().contains(&format!("{part} has no more to do, the event ended with {number}"))
        })
    });
    assert_eq!(system.programs("ffmpeg"), 0);

    system.interrupt_supervisor();
    assert_eq!(system.wait_for_supervisor().0, Some(0));
    system.supervise();
    assert!(system.shown().contains(&format!("the event of live01 ended with {number}: a new one begins")));
    wait_until("all serve the next event", || all_serve(&system, is_running));
}

#[test]
fn no_encoder_is_left_behind() {
    let mut system = System::start_whole();
    wait_until("both workers encode", || system.programs("ffmpeg") >= 2);
    system.kill_supervisor();
    system.kill("worker-a");
    system.kill("worker-b");
    wait_until("ffmpeg died with the workers", || system.programs("ffmpeg") == 0);
    let processes = system.processes();
    let down = system.run(&["down"]);
    assert!(down.status.success(), "{down:?}");
    assert!(processes.iter().all(|process| !process.lives()));
}

/// The record of the event as packager 1 has it.
fn record(system: &System) -> Option<serde_json::Value> {
    let signals: serde_json::Value = serde_json::from_str(&system.playlist("server1", "signals")?).ok()?;
    Some(signals[0]["record"].clone()).filter(serde_json::Value::is_object)
}

#[test]
fn a_system_that_was_down_goes_on_with_its_event() {
    let mut system = System::start_whole();
    wait_until("all serve the programme", || all_serve(&system, is_running));
    let before = SERVERS.map(|part| Playlist::parse(&system.playlist(part, TRACK).unwrap()));
    let of_event = record(&system).unwrap();

    let down = system.run(&["down"]);
    assert!(down.status.success(), "{down:?}");
    system.supervise();
    // Nobody has anything newer than what was there before until the encoders are back.
    wait_until("all serve the programme again", || {
        all_serve(&system, |playlist| {
            let goes_on = |last: &Playlist| Playlist::parse(playlist).edge() > last.edge();
            is_running(playlist) && before.iter().all(goes_on)
        })
    });

    let now = record(&system).unwrap();
    assert_eq!((&now["first"], &now["end"]), (&of_event["first"], &of_event["end"]), "it is the same event");
    for (part, last) in SERVERS.iter().zip(&before) {
        let playlist = Playlist::parse(&system.playlist(part, TRACK).unwrap());
        assert!(!playlist.is_broken(), "{part}: {}", playlist.text);
        assert!(playlist.text.contains("#EXT-X-DISCONTINUITY-SEQUENCE:0\n"), "{part}: {}", playlist.text);
        assert_eq!(contradictions(last, &playlist), Vec::<String>::new(), "{part}");
        assert_eq!(playlist.init(), last.init(), "{part}");
        for uri in playlist.segments.keys().filter_map(|number| playlist.uri(*number)) {
            let answer = http::get(&system.url(part, &format!("360p/{uri}")));
            assert_eq!(answer.map(|answer| answer.status), Some(200), "{part}: {uri}");
        }
    }
}
