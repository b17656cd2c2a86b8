//! `airtight drill` passes a cell whose fault the system covers and misses one whose guard is broken: here
//! encoders come back twelve seconds late, which the other encoder covers, and nobody when both died. Whatever
//! its end, it leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::support::{
    ENDS_LATE, airtight, eventually, finished, finished_within,
    stillness::{self, Outcome},
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// An ffmpeg whose encoders start late once two have started.
const LATE: &str = r#"#!/bin/sh
case "$*" in *-progress*)
    echo >> "$0.starts"
    test "$(wc -l < "$0.starts")" -le 2 || sleep 12
esac
exec ffmpeg "$@"
"#;

/// A drill whose folder is made in `folder`.
fn drill(folder: &Path, args: &[&str]) -> Command {
    let mut drill = airtight(&["drill"]);
    drill.args(args).env("TMPDIR", folder).current_dir(folder).stdin(Stdio::null());
    drill
}

/// The outcome of each cell of a report.
fn verdicts(report: &Path) -> BTreeMap<String, Vec<String>> {
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let missed = |trial: &serde_json::Value| {
        let over = |figure: &&serde_json::Value| {
            figure["bar"]["at-most"].as_u64().is_some_and(|most| figure["is"].as_u64() > Some(most))
        };
        let figures = trial["figures"].as_array().unwrap().iter().filter(over);
        figures.map(|figure| figure["what"].as_str().unwrap().to_owned()).collect()
    };
    let trials = report["trials"].as_array().unwrap().iter();
    trials.map(|trial| (trial["name"].as_str().unwrap().to_owned(), missed(trial))).collect()
}

#[test]
fn a_cell_passes_while_its_guard_is_there_and_misses_once_it_is_broken() {
    stillness::judge("a drill with encoders that come back late", || {
        let folder = tempfile::tempdir().unwrap();
        let (ffmpeg, report) = (folder.path().join("ffmpeg"), folder.path().join("report"));
        fs::write(&ffmpeg, LATE).unwrap();
        fs::set_permissions(&ffmpeg, fs::Permissions::from_mode(0o755)).unwrap();
        let args = ["--only", "kill@worker-a,kill@workers", "--window", "12", "--report", "report"];
        let output = finished_within(ENDS_LATE, drill(folder.path(), &args).env("AIRTIGHT_FFMPEG", &ffmpeg));
        let text = String::from_utf8_lossy(&output.stdout);
        let mut faults = Vec::new();
        if output.status.code() != Some(1) {
            faults.push(format!("it ends with {}: {text}", output.status));
        }
        let verdicts = verdicts(&report.join("drill.json"));
        if !verdicts["kill@worker-a"].is_empty() {
            faults.push(format!("the other encoder covers the loss of one: {text}"));
        }
        if verdicts["kill@workers"] != ["slate ms"] {
            faults.push(format!("the loss of both shows as slate for too long: {text}"));
        }
        let matrix = fs::read_to_string(report.join("drill.md")).unwrap();
        assert!(matrix.contains("| `kill@worker-a` passed |"), "{matrix}");
        assert!(report.join("origin1.log").is_file());
        let left = left_of(&folder);
        assert!(left.is_empty(), "{left:?}");
        Outcome { faults, standstill: std::time::Duration::ZERO }
    });
}

/// Processes and folders of a drill in `folder`.
fn left_of(folder: &TempDir) -> Vec<String> {
    let path = folder.path().to_str().unwrap();
    let folders = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let folders = folders.filter_map(|name| Some(name.to_str()?.to_owned()));
    let folders = folders.filter(|name| name.starts_with("airtight-drill"));
    let entries =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    let lines = entries.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    let parts = lines.filter(|line| line.contains(path) && !line.starts_with("sleep"));
    folders.chain(parts).collect()
}

fn interrupt(drill: &Child) {
    kill_process(Pid::from_child(drill), Signal::INT).unwrap();
}

#[test]
fn ctrl_c_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut drill = drill(folder.path(), &["--quick"]).stdout(Stdio::null()).spawn().unwrap();
    eventually("all parts run", || (left_of(&folder).len() >= 10).then_some(()));
    interrupt(&drill);
    assert_eq!(drill.wait().unwrap().code(), Some(1));
    assert_eq!(left_of(&folder), [""; 0]);
}

fn refused(args: &[&str], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output = finished(&mut drill(folder.path(), args));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with(&format!("airtight: {expected}")) && said.lines().count() == 1, "{said}");
    assert_eq!(left_of(&folder), [""; 0]);
}

#[test]
fn what_cannot_be_drilled_is_one_sentence() {
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = busy.local_addr().unwrap().port().to_string();
    let expected = format!("origin1: 127.0.0.1:{port} can't be bound: another program listens there");
    refused(&["--origin-port", &port], &expected);
    refused(&["--only", "kill@origin3"], "--only has 'kill@origin3', which can't be used: there is no such");
    refused(&["--only", "stall@origin1"], "--only: stall@origin1 makes no sense, it has no encoder");
    refused(&["--quick", "--random", "5"], "--quick and --random exclude each other: give one of them");
    refused(&["--sequences", "20"], "--sequences needs --random: how many faults each has");
    refused(&["--random", "5", "--duration", "soon"], "--duration = 'soon' can't be used: expected a time");
    refused(&["--report", "/proc/none"], "report = '/proc/none' can't be used: ");
}
