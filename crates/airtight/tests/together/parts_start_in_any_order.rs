//! The parts need no order: as `make run-local-…` starts them, on one shared folder, each finds the others
//! whoever was first, the signal is registered, and the origin serves it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{AIRTIGHT, ON_THE_AIR, Role, finished, hls::Playlist, http, untouched, within};
use jiff::civil::DateTime;

const PORTS: [&str; 5] =
    ["SERVER_ONE_PORT", "SERVER_TWO_PORT", "REPORTER_PORT", "ORIGIN_PORT", "ORIGIN_TWO_PORT"];

#[test]
fn from_the_source_to_the_viewer() {
    serves(["worker", "server1", "server2", "discovery", "reporter", "origin"]);
}

#[test]
fn from_the_viewer_to_the_source() {
    serves(["origin", "reporter", "discovery", "server2", "server1", "worker"]);
}

#[test]
fn the_control_plane_in_between() {
    serves(["server2", "discovery", "worker", "origin", "server1", "reporter"]);
}

/// Starts the parts in this order, each once the one before has something to say.
fn serves(order: [&str; 6]) {
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports();
    let port = |name: &str| ports.iter().find(|(port, _)| *port == name).unwrap().1;
    let mut roles = Vec::new();
    for part in order {
        let role = Role::spawn(run_local(part, folder.path(), &ports));
        role.line("");
        roles.push((part, role));
    }
    let role = |name: &str| &roles.iter().find(|(part, _)| *part == name).unwrap().1;

    for track in ["720p", "360p", "audio"] {
        let url = format!("http://localhost:{}/live01/{track}/playlist.m3u8", port("ORIGIN_PORT"));
        within(ON_THE_AIR, &format!("the origin serves {track}"), || {
            Playlist::get(&url).filter(|playlist| playlist.segments.len() >= 2)
        });
    }
    let packagers =
        ["SERVER_ONE_PORT", "SERVER_TWO_PORT"].map(|name| format!("\"http://localhost:{}\"", port(name)));
    let expected =
        format!("[{{\"signal\":\"live01\",\"packagers\":[{}],\"last_reported\":\"", packagers.join(","));
    let reported = within(ON_THE_AIR, "both packagers are reported", || {
        let answer = http::get(&format!("http://localhost:{}/ingests", port("REPORTER_PORT")))?.text();
        Some(answer.strip_prefix(&expected)?.strip_suffix("\"}]")?.to_owned())
    });
    let (time, zone) = reported.rsplit_once(' ').unwrap();
    DateTime::strptime("%a, %d %b %Y %H:%M:%S", time).unwrap_or_else(|error| panic!("{reported}: {error}"));
    assert!(!zone.is_empty(), "{reported}");
    is_to_the_letter(&role("discovery").line("Registered signal"));
}

fn is_to_the_letter(line: &str) {
    let (time, rest) = line.split_at(19);
    DateTime::strptime("%Y-%m-%d %H:%M:%S", time).unwrap_or_else(|error| panic!("{line}: {error}"));
    assert_eq!(rest, " INF Registered signal 'live01' as ingest source");
}

/// Ports that nobody listened on a moment ago, in ascending order: packagers are told in the order of their
/// URLs.
fn free_ports() -> Vec<(&'static str, u16)> {
    let sockets = PORTS.map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let mut ports = sockets.map(|socket| socket.local_addr().unwrap().port());
    ports.sort_unstable();
    PORTS.into_iter().zip(ports).collect()
}

/// The last line that `make run-local-PART` runs, on the binary under test.
fn run_local(part: &str, folder: &Path, ports: &[(&str, u16)]) -> Command {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut make = untouched("make");
    make.args([
        "--dry-run",
        "--no-print-directory",
        &format!("run-local-{part}"),
        &format!("AIRTIGHT={AIRTIGHT}"),
    ]);
    // The input is named, so that none is made; a make around the test has no say.
    make.env("INPUT_STREAM_PATH", "testsrc").env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
    let made = finished(make.current_dir(repository));
    let lines = String::from_utf8(made.stdout).unwrap();
    let line = lines.lines().last().unwrap_or_else(|| panic!("make has nothing to do for {part}"));
    assert!(line.starts_with(&format!("exec {AIRTIGHT} ")), "{lines}");
    std::fs::create_dir_all(folder.join("output")).unwrap();
    let mut shell = untouched("bash");
    shell.args(["-c", line]).current_dir(folder).stdout(Stdio::null());
    shell.env("INPUT_STREAM_PATH", "testsrc");
    shell.envs(ports.iter().map(|(name, port)| (*name, port.to_string())));
    shell
}
