//! `airtight watch` finds nothing wrong with a system that runs, one of whose packagers dies meanwhile. That it
//! would find it is shown by `watch_names_what_is_wrong.rs`.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod support;

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::Duration,
};

use support::{
    airtight,
    stillness::{self, Outcome},
    system::{SERVERS, System},
};

#[test]
fn watch_finds_nothing_wrong() {
    let system = System::start_on_the_air();
    stillness::judge("all servers are watched, a packager is killed", || Outcome {
        faults: watch(&system),
        standstill: Duration::ZERO,
    });
}

/// Watches all servers for 20 seconds; what was found, one line each.
fn watch(system: &System) -> Vec<String> {
    let urls = SERVERS.map(|server| system.url(server, "playlist.m3u8"));
    let mut watch = airtight(&["watch", "--seconds", "20", "--frames", "--player", "recommended", "--json"]);
    let mut watch = watch.args(&urls).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    let lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line).unwrap());
    let (mut viewers, mut faults, mut report) = (0, Vec::new(), None);
    for line in lines {
        if line.get("watching").is_some() {
            viewers += 1;
            if viewers == SERVERS.len() {
                let before = system.pid("server1");
                system.kill("server1");
                system.wait_for_another("server1", before);
            }
        } else if let Some(last) = line.get("report") {
            report = Some(last.clone());
        } else if line.get("violation").is_some() {
            faults.push(line.to_string());
        }
    }
    let status = watch.wait().unwrap();
    let report = report.expect("the report is the last line");
    for server in report["servers"].as_array().unwrap() {
        let played = server["played_ms"].as_u64().unwrap();
        let frames = server["frames"]["frames"].as_u64().unwrap();
        // Two pictures of 25 frames per second; the first segments take a moment.
        if played < 15_000 || frames < 2 * 25 * 15 {
            faults.push(format!("hardly anything was watched: {server}"));
        }
    }
    if !status.success() {
        faults.push(format!("watch ends with {status}: {report}"));
    }
    faults
}
