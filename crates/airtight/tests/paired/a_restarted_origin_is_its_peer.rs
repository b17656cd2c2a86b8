//! An origin that is killed and started anew serves, within one second, what its peer serves: the same
//! playlist at the same edge, and no number goes back for the viewers it had. None of them is ever refused.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::time::Duration;

use crate::support::{
    hls::Playlist,
    http,
    record::contradictions,
    stillness::{self, Outcome},
    system::{System, TRACKS},
    within,
};

/// From the start of its process until it serves.
const READY: Duration = Duration::from_secs(1);

#[test]
fn a_restarted_origin_is_its_peer() {
    let system = System::start_on_the_air();
    for (origin, peer) in [("origin1", "origin2"), ("origin2", "origin1")] {
        stillness::judge(&format!("{origin} is killed"), || Outcome {
            faults: faults_of_a_restart(&system, origin, peer),
            standstill: Duration::ZERO,
        });
    }
}

/// Kills an origin and compares all of its playlists with those of its peer until they are equal.
fn faults_of_a_restart(system: &System, origin: &str, peer: &str) -> Vec<String> {
    let playlist =
        |part: &str, track: &str| Playlist::get(&system.url(part, &format!("{track}/playlist.m3u8")));
    let before = TRACKS.map(|track| playlist(origin, track).expect("it serves before its death"));
    let pid = system.pid(origin);
    system.kill(origin);
    let mut faults = Vec::new();
    // Whoever asks waits in the socket until the origin has an answer.
    let ask = |path: &str, faults: &mut Vec<String>| {
        let answer = http::get(&system.url(origin, path))?;
        if answer.status != 200 {
            faults.push(format!("{origin} answers {} to {path}: {}", answer.status, answer.text()));
        }
        (answer.status == 200).then(|| answer.text())
    };
    for (track, before) in TRACKS.into_iter().zip(before) {
        let (same, age) = within(Duration::from_secs(20), &format!("{origin} is as {peer}"), || {
            ask("playlist.m3u8", &mut faults)?;
            let own = Playlist::parse(&ask(&format!("{track}/playlist.m3u8"), &mut faults)?);
            let process = system.process(origin).filter(|process| process.pid != pid)?;
            faults.extend(contradictions(&before, &own));
            let age = process.age();
            // The peer may have moved on meanwhile; then both are asked again.
            let other = playlist(peer, track)?;
            (own.edge() == other.edge()).then(|| (own.text == other.text, age))
        });
        if !same {
            faults.push(format!("{track}: {origin} and {peer} differ at the same edge"));
        }
        if age > READY {
            faults.push(format!("{track}: {origin} is as {peer} {age:?} after its start"));
        }
    }
    faults
}
