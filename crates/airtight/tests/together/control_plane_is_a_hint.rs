//! Whatever the control plane says, or if it says nothing at all, viewers of an origin notice nothing; and an origin
//! that is started without one serves what its last good answer, or its own settings, name.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{path::Path, time::Duration};

use crate::support::{self, Role, hls::Playlist, http, refusing, text, within};

/// For a number more than there was, while the machine does other things, too.
const MOVES: Duration = Duration::from_secs(10);

fn names(packagers: &[String]) -> String {
    let last = "Fri, 05 Apr 2024 11:23:45 UTC";
    serde_json::json!([{ "signal": "live01", "packagers": packagers, "last_reported": last }]).to_string()
}

fn origin(reporter: &str, state: &Path, more: &[&str]) -> Role {
    let args = ["origin", "--listen", "0", "--reporter", reporter, "--state", text(state)];
    Role::start(&[&args, more].concat())
}

/// Waits until the origin lists a number beyond the one that it lists now.
fn moves(origin: &Role, what: &str) {
    let url = format!("{}/live01/audio/playlist.m3u8", origin.url());
    let edge = || Playlist::get(&url).and_then(|playlist| playlist.edge());
    let before = within(support::ON_THE_AIR, &format!("{what}: it is on the air"), edge);
    within(MOVES, &format!("{what}: the programme goes on"), || edge().filter(|edge| *edge > before));
}

#[test]
fn what_the_control_plane_says_does_not_reach_viewers() {
    let folder = tempfile::tempdir().unwrap();
    let (output, state) = (folder.path().join("output"), folder.path().join("state"));
    let worker = ["worker", "--input", "testsrc", "--output", text(&output), "--segment", "1000"];
    let _worker = Role::start(&worker);
    let packager = Role::start(&["packager", "--root", text(&output), "--listen", "0"]);
    let (right, (_socket, nobody)) = (names(&[packager.url()]), refusing());
    let answer = right.clone();
    let reporter = http::Remote::start(move |_| (200, answer.clone()));
    let running = origin(reporter.url(), &state, &[]);
    moves(&running, "the reporter names the packager");

    let nowhere: Vec<_> = (1..=200).map(|host| format!("http://127.0.1.{host}:9")).collect();
    for (what, status, body) in [
        ("it was started empty", 200, "[]".to_owned()),
        ("it is broken", 500, "out of memory".to_owned()),
        ("another program is at its address", 200, "<html>It works!</html>".to_owned()),
        ("it names what is no URL", 200, names(&["packager one".to_owned()])),
        ("it names one that is not there", 200, names(std::slice::from_ref(&nobody))),
        ("it names any number that are not there", 200, names(&nowhere)),
        ("it names what is no signal", 200, right.replace("live01", "../live01")),
        ("its answer has no end", 200, "[".repeat(8 << 20)),
    ] {
        reporter.answer(move |_| (status, body.clone()));
        moves(&running, what);
    }
    reporter.answer(move |_| (200, right.clone()));
    running.line("answers again");
    moves(&running, "it is right again");
    running.kill();

    let saved = origin(&nobody, &state, &[]);
    moves(&saved, "an origin begins from the saved answer");
    saved.kill();
    let told = origin(&nobody, &folder.path().join("new"), &["--packagers", &packager.url()]);
    moves(&told, "an origin begins from its settings");
    let lost = origin(&nobody, &folder.path().join("empty"), &[]);
    let ready = http::get(&format!("{}/readyz", lost.url())).unwrap();
    assert_eq!((ready.status, ready.text().as_str()), (503, "no packager and no peer is known\n"));
}
