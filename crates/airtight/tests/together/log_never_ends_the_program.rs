//! The log is lines of text or of JSON, and a log that nobody reads costs the program nothing.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStderr, ExitStatus, Stdio},
    thread,
};

use crate::support::{
    Role, airtight, eventually,
    http::{get, post},
    outcome,
};
use rustix::process::{Pid, Signal, kill_process};

const LIVE01: &str = r#"[{"signal":"live01","packagers":["http://localhost:8080"]}]"#;

#[test]
fn json_lines_carry_time_level_and_message() {
    let reporter = Role::start(&["reporter", "--listen", "0", "--log-format", "json"]);
    let line: serde_json::Value = serde_json::from_str(&reporter.line("listening on http://")).unwrap();
    assert_eq!(line["level"], "INFO");
    assert!(line["message"].as_str().unwrap().starts_with("listening on http://127.0.0.1:"), "{line}");
    line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().expect("the time is RFC 3339");
}

#[test]
fn a_role_whose_log_nobody_reads_goes_on() {
    let mut child = airtight(&["reporter", "--listen", "0"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let url = line[line.find("http://").unwrap()..].trim().to_owned();
    drop(stderr);
    // A packager that comes is logged, into a pipe without a reader.
    let posted = post(&format!("{url}/ingests"), LIVE01).map(|answer| answer.status);
    let answered = get(&format!("{url}/ingests")).map(|answer| answer.text());
    let running = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(posted, Some(204));
    assert!(answered.is_some_and(|answer| answer.contains("live01")));
    assert!(running);
}

/// A reporter whose stderr takes a few lines and is not read any further.
struct Stalled {
    child: Child,
    stderr: Option<BufReader<ChildStderr>>,
    url: String,
}

impl Stalled {
    fn start() -> Self {
        let mut reporter = airtight(&["reporter", "--listen", "0", "--log", "debug"]);
        let mut child = reporter.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        rustix::pipe::fcntl_setpipe_size(stderr.get_ref(), 4096).unwrap();
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let url = line[line.find("http://").unwrap()..].trim().to_owned();
        Self { child, stderr: Some(stderr), url }
    }

    /// Has so many reports refused, a line of the log each.
    fn refuse(&self, count: usize) {
        for _ in 0..count {
            let answer = post(&format!("{}/ingests", self.url), "nonsense").expect("it goes on serving");
            assert_eq!(answer.status, 400);
        }
    }

    fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        eventually("it ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_role_whose_log_stands_still_goes_on_and_keeps_its_lines() {
    let mut reporter = Stalled::start();
    reporter.refuse(300);
    let lines = reporter.stderr.take().unwrap().lines().map_while(Result::ok);
    let refused = thread::spawn(move || lines.filter(|line| line.contains("A report was refused")).count());
    reporter.terminate();
    assert!(reporter.ended().success());
    assert_eq!(refused.join().unwrap(), 300, "all are there once somebody reads");
}

#[test]
fn lines_that_nobody_takes_are_counted() {
    let reporter = Stalled::start();
    // More than the queue and the pipe have room for.
    reporter.refuse(2500);
    let metrics = get(&format!("{}/metrics", reporter.url)).expect("it goes on serving").text();
    let counted =
        metrics.lines().find_map(|line| line.strip_prefix("airtight_reporter_log_lines_lost_total "));
    let lost: u64 = counted.expect("they are counted").parse().unwrap();
    assert!((300..=452).contains(&lost), "{lost}");
}

#[test]
fn a_role_ends_although_its_log_stands_still() {
    let mut reporter = Stalled::start();
    reporter.refuse(100);
    reporter.terminate();
    assert!(reporter.ended().success());
}

#[test]
fn the_level_is_the_least_that_is_logged() {
    let reporter = Role::start(&["reporter", "--listen", "0", "--log", "debug"]);
    let url = reporter.url();
    eventually("the reporter answers", || post(&format!("{url}/ingests"), "nonsense"));
    assert!(reporter.line("A report was refused").contains(" DBG "));
}

#[test]
fn a_log_that_does_not_exist_is_refused() {
    for (flag, value, expected) in [
        ("--log-format", "yaml", "--log-format = 'yaml' can't be used: expected text or json"),
        ("--log", "loud", "--log = 'loud' can't be used"),
    ] {
        let (code, stderr) = outcome(&["reporter", "--listen", "0", flag, value]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{stderr}");
    }
}
