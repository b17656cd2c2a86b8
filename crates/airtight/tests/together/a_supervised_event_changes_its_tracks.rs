//! The tracks of an event change under `airtight up`: its workers announce an era when they are told to, once; and when
//! workers from outside announce one, those of the system give way to it and nothing else ends.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;

use crate::support::{
    ON_THE_AIR, Role,
    hls::Playlist,
    system::{SERVERS, System},
    within,
};

/// Waits until all servers list `eras` discontinuities and media after the last of them.
fn wait_for_eras(system: &System, eras: u64) {
    within(ON_THE_AIR, &format!("{eras} changes of tracks are listed everywhere"), || {
        let listed = |part: &str| {
            let playlist = Playlist::parse(&system.playlist(part, "live01/360p/playlist.m3u8")?);
            let counted =
                playlist.text.lines().find_map(|l| l.strip_prefix("#EXT-X-DISCONTINUITY-SEQUENCE:"));
            let tags = playlist.text.lines().filter(|line| *line == "#EXT-X-DISCONTINUITY").count() as u64;
            Some(counted?.parse::<u64>().unwrap() + tags == eras)
        };
        SERVERS.iter().all(|part| listed(part) == Some(true)).then_some(())
    });
}

fn log(system: &System, part: &str) -> String {
    fs::read_to_string(system.log(part)).unwrap()
}

#[test]
fn a_supervised_event_changes_its_tracks() {
    let mut system = System::start_on_the_air();
    let down = system.run(&["down"]);
    assert!(down.status.success(), "{down:?}");
    system.supervise_as(&["--b-frames", "0", "--new-era", "10"]);
    wait_for_eras(&system, 1);

    let packagers =
        ["server1", "server2"].map(|part| format!("http://localhost:{}", system.port(part))).join(",");
    let own = ["--input", "testsrc", "--packagers", &packagers, "--new-era", "10"];
    let outside = Role::start(&[&["worker", "--name", "c"], &own[..]].concat());
    outside.line("has other tracks from number");
    wait_for_eras(&system, 2);
    within(ON_THE_AIR, "the workers of the system have given way", || {
        let again = |part: &&str| {
            system.shown().contains(&format!("{part} ended with exit code 2, is started again"))
        };
        ["worker-a", "worker-b"].iter().all(again).then_some(())
    });
    within(ON_THE_AIR, "they are refused and change nothing back", || {
        let refused = |part: &&str| {
            log(&system, part).matches("airtight: signal 'live01' can't be encoded").count() >= 2
        };
        ["worker-a", "worker-b"].iter().all(refused).then_some(())
    });
    wait_for_eras(&system, 2);
    assert!(system.reporter_answers(), "the others run on");
}

#[test]
fn an_upgrade_changes_the_tracks_of_an_event() {
    let mut system = System::start_on_the_air();
    system.upgrade_as(&["--b-frames", "0", "--new-era", "10"]);
    wait_for_eras(&system, 1);
}
