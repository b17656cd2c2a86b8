//! The log is lines of text or of JSON, and a log that nobody reads costs the program nothing.

mod support;

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use support::{
    Role, airtight, eventually,
    http::{get, post},
    outcome,
};

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
