//! All servers of a system, watched by `airtight watch` while something is done to the system.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    airtight,
    system::{SERVERS, System},
};

/// Whatever happens to a test, its viewers leave after so many seconds.
const LONGEST: &str = "300";

/// What a watch came to.
pub struct Watched {
    /// What was found, one line each.
    pub faults: Vec<String>,
    /// The figures of each server.
    pub servers: Vec<serde_json::Value>,
}

/// Watches all servers, with further flags, does something once each has a viewer, and watches on for a while.
pub fn watch(
    system: &mut System,
    flags: &[&str],
    during: impl FnOnce(&mut System) -> Vec<String>,
    after: Duration,
) -> Watched {
    let urls = SERVERS.map(|server| system.url(server, "playlist.m3u8"));
    let mut watch =
        airtight(&["watch", "--frames", "--player", "recommended", "--json", "--seconds", LONGEST]);
    let mut watch = watch.args(flags).args(&urls).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap());
    let (mut viewers, mut faults, mut report) = (0, Vec::new(), None);
    while viewers < SERVERS.len() {
        let line = lines.next().expect("every server has a viewer");
        viewers += usize::from(line.get("watching").is_some());
        faults.extend(line.get("violation").map(|_| line.to_string()));
    }
    // The viewers go on meanwhile; the pipe has room for what they say.
    let began = Instant::now();
    faults.extend(during(system));
    thread::sleep(after);
    let watched = began.elapsed().as_secs();
    kill_process(Pid::from_child(&watch), Signal::INT).unwrap();
    for line in lines {
        faults.extend(line.get("violation").map(|_| line.to_string()));
        report = line.get("report").cloned().or(report);
    }
    let status = watch.wait().unwrap();
    let report = report.expect("the report is the last line");
    let servers = report["servers"].as_array().unwrap().clone();
    for server in &servers {
        let played = server["played_ms"].as_u64().unwrap();
        let frames = server["frames"]["frames"].as_u64().unwrap();
        // Two pictures of 25 frames per second; the first segments take a moment.
        let least = watched * 3 / 4;
        if played < 1000 * least || frames < 2 * 25 * least {
            faults.push(format!("hardly anything was watched: {server}"));
        }
    }
    if !status.success() {
        faults.push(format!("watch ends with {status}: {report}"));
    }
    Watched { faults, servers }
}
