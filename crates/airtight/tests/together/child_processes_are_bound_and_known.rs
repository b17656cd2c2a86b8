//! What `airtight child` prepares holds for the program that it becomes: its sockets are its own, its
//! identity is on record, and, if asked for, it never outlives its parent.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use crate::support::{eventually, finished};

const AIRTIGHT: &str = env!("CARGO_BIN_EXE_airtight");

fn child(args: &[&str]) -> Output {
    finished(Command::new(AIRTIGHT).arg("child").args(args))
}

fn words(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn listening_sockets_are_announced_to_the_program_itself() {
    let words = words(&child(&["--listeners", "2", "--", "sh", "-c", "echo $LISTEN_FDS $LISTEN_PID $$"]));
    assert_eq!(words[0], "2");
    assert_eq!(words[1], words[2], "LISTEN_PID is the pid of the program");
}

#[test]
fn sockets_of_the_parent_are_not_passed_on_unasked() {
    let script = "echo got $LISTEN_FDS$LISTEN_PID";
    let mut child = Command::new(AIRTIGHT);
    let output = finished(child.env("LISTEN_FDS", "1").args(["child", "--", "sh", "-c", script]));
    assert_eq!(words(&output), ["got"]);
}

#[test]
fn the_record_names_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("part.json");
    let output = child(&["--record", record.to_str().unwrap(), "--", "sh", "-c", "echo $$"]);
    let pid = &words(&output)[0];
    let record = std::fs::read_to_string(record).unwrap();
    assert!(record.contains(&format!("\"pid\":{pid},")), "{record} for {pid}");
}

#[test]
fn a_program_that_can_t_be_recorded_runs_all_the_same() {
    let output = child(&["--record", "/dev/null/part.json", "--", "echo", "started"]);
    assert_eq!(words(&output), ["started"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.starts_with("airtight: it runs without a record: cannot write /dev/null/part.json: "),
        "{error}"
    );
}

#[test]
fn a_session_of_its_own_keeps_the_terminal_s_signals_away() {
    let script = "cut -d' ' -f1,5,6 /proc/$$/stat";
    let words = words(&child(&["--own-session", "--", "sh", "-c", script]));
    assert!(words.iter().all(|word| *word == words[0]), "pid, group and session are one: {words:?}");
}

#[test]
fn a_bound_child_dies_with_its_parent() {
    let script = format!("{AIRTIGHT} child --die-with-parent $$ -- sleep 600 & echo $!; wait");
    let mut parent = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut pid = String::new();
    BufReader::new(parent.stdout.as_mut().unwrap()).read_line(&mut pid).unwrap();
    let stat = format!("/proc/{}/stat", pid.trim());
    wait_until("the program runs", || stat_of(&stat).contains("(sleep)"));
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the child is dead", || {
        let stat = stat_of(&stat);
        !stat.contains("(sleep)") || stat.contains(") Z ")
    });
}

#[test]
fn a_child_whose_parent_is_gone_already_does_not_start() {
    let output = child(&["--die-with-parent", "1", "--", "echo", "started"]);
    assert_eq!(output.status.code(), Some(126));
    assert!(output.stdout.is_empty());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("cannot prepare the child echo: its parent 1 is gone already"), "{error}");
}

#[test]
fn a_missing_program_is_told_from_one_that_failed() {
    let output = child(&["--", "no-such-program"]);
    assert_eq!(output.status.code(), Some(127));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.starts_with("airtight: cannot run no-such-program: "), "{error}");
    assert_eq!(child(&["--", "sh", "-c", "exit 3"]).status.code(), Some(3));
}

fn stat_of(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}
