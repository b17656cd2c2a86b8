//! A follower of the holdings that does not read costs nothing and delays nobody.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{BufRead as _, BufReader},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::programme::{files, lineage, now, segment};
use crate::support::{
    self, Role,
    http::{open, request},
    memory, text,
};
use airtight_media::holding::{Entry, Line};
use rustix::process::Signal;

/// The next line of the feed; `None` at its end.
fn next(feed: &mut BufReader<TcpStream>) -> Option<Entry> {
    loop {
        let mut line = String::new();
        if feed.read_line(&mut line).ok()? == 0 {
            return None;
        }
        // The head and the sizes of chunks are no lines of the feed.
        if let Ok(entry) = serde_json::from_str(&line) {
            return Some(entry);
        }
    }
}

#[test]
fn a_follower_that_does_not_read_costs_nothing() {
    let root = tempfile::tempdir().unwrap();
    let role = Role::start(&["packager", "--root", text(root.path()), "--spool", "true", "--listen", "0"]);
    let url = role.url();
    let (n, lineage) = (now(), lineage());
    let put =
        |path: &str, bytes: &[u8]| request("PUT", &format!("{url}/ingest/{path}"), bytes).unwrap().status;
    for (path, bytes) in files("live01", &lineage, n - 100..=n - 90) {
        assert_eq!(put(&path, &bytes), 201);
    }
    let holdings = format!("{url}/v1/holdings");
    let before = memory::resident_kib(role.pid());
    let silent: Vec<_> = (0..100).map(|_| open("GET", &holdings, &[]).unwrap()).collect();
    let mut reading = open("GET", &holdings, &[]).unwrap();
    while next(&mut reading).expect("the feed goes on").line != Line::Tick {}
    for number in n - 89..=n {
        let began = Instant::now();
        assert_eq!(put(&format!("live01/{lineage}/720p/{number}.m4s"), &segment("720p", number)), 201);
        loop {
            let line = next(&mut reading).expect("the feed goes on").line;
            if matches!(line, Line::Held { .. }) {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(2), "the news of {number} are late");
        }
    }
    let grown = memory::resident_kib(role.pid()).saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more for followers that do not read");
    drop(silent);
}

#[test]
fn the_feed_ticks_resumes_and_ends_with_the_packager() {
    let root = tempfile::tempdir().unwrap();
    let mut role =
        Role::start(&["packager", "--root", text(root.path()), "--spool", "true", "--listen", "0"]);
    let url = role.url();
    let mut feed = open("GET", &format!("{url}/v1/holdings"), &[]).unwrap();
    assert_eq!(next(&mut feed).unwrap().line, Line::Reset);
    let began = Instant::now();
    let ticks: Vec<_> = (0..4).map(|_| next(&mut feed).unwrap()).collect();
    assert!(ticks.iter().all(|entry| entry.line == Line::Tick));
    assert!(began.elapsed() < Duration::from_secs(3), "a tick each 250 ms, not {:?}", began.elapsed());

    let (n, lineage) = (now(), lineage());
    for (path, bytes) in files("live01", &lineage, n..=n) {
        assert_eq!(request("PUT", &format!("{url}/ingest/{path}"), &bytes).unwrap().status, 201);
    }
    let mut resumed = open("GET", &format!("{url}/v1/holdings?since={}", ticks[3].rev), &[]).unwrap();
    let news: Vec<_> = (0..7).map(|_| next(&mut resumed).unwrap().line).collect();
    assert!(matches!(news[0], Line::Record { .. }), "no listing, only what came since: {news:?}");
    assert!(news[1..].iter().all(|line| matches!(line, Line::Held { .. })), "{news:?}");
    let wrong = support::http::get(&format!("{url}/v1/holdings?since=x")).unwrap();
    assert_eq!(
        (wrong.status, wrong.text().as_str()),
        (400, "since: expected a revision as a line of the feed has it: <run>-<sequence>\n")
    );

    role.signal(Signal::TERM);
    let told = Instant::now();
    while next(&mut resumed).is_some() {}
    assert!(role.exit().success());
    assert!(told.elapsed() < Duration::from_secs(4), "it ended by itself, it was not cut at the deadline");
}
