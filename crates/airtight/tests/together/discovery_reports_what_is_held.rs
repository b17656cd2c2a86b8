//! Discovery tells the reporter which packagers truly hold which signal, says once that a signal is registered,
//! and tells an outage of the reporter from its own end.

use std::time::{Duration, Instant};

use crate::support::{
    Role, eventually,
    http::{Remote, get},
    outcome, refusing, socket, text,
};
use rustix::process::Signal;

/// A packager that lives and lists live01 with media of this age, in milliseconds.
fn packager(age_ms: u64) -> Remote {
    Remote::start(answers(age_ms))
}

fn answers(age_ms: u64) -> impl Fn(&str) -> (u16, String) {
    move |path| match path {
        "/healthz" => (200, "ok".to_owned()),
        "/signals" => {
            (200, format!(r#"[{{"signal":"live01","newest":897738816,"age_ms":{age_ms},"record":{{}}}}]"#))
        }
        _ => (404, String::new()),
    }
}

fn ingests(url: &str) -> String {
    get(&format!("{url}/ingests")).map(|answer| answer.text()).unwrap_or_default()
}

/// The packagers of live01 in the answer.
fn holders(url: &str) -> Vec<String> {
    let answer: serde_json::Value = serde_json::from_str(&ingests(url)).unwrap_or_default();
    let packagers = answer[0]["packagers"].as_array().cloned().unwrap_or_default();
    packagers.iter().map(|packager| packager.as_str().unwrap_or_default().to_owned()).collect()
}

fn discovery(reporter: &str, packagers: &[&str], output: &str) -> Role {
    let packagers = packagers.join(",");
    Role::start_with(
        &[
            "discovery",
            "--reporter",
            reporter,
            "--packagers",
            &packagers,
            "--output",
            output,
            "--log",
            "debug",
        ],
        &[("TZ", "America/Sao_Paulo")],
    )
}

#[test]
fn a_signal_is_registered_once_in_that_very_line() {
    let output = tempfile::tempdir().unwrap();
    let (reporter, one, two) = (Role::start(&["reporter", "--listen", "0"]), packager(100), packager(100));
    let url = reporter.url();
    let discovery = discovery(&url, &[one.url(), two.url()], text(output.path()));
    let line = discovery.line("Registered");
    let (time, rest) = line.split_at(20);
    assert_eq!(rest, "INF Registered signal 'live01' as ingest source");
    jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S ", time).expect("the line begins with the time");
    assert_eq!(holders(&url).len(), 2);

    // A second report renews the entry; the line is not repeated.
    let first = ingests(&url);
    eventually("the next report", || (ingests(&url) != first).then_some(()));
    assert_eq!(discovery.log().iter().filter(|line| line.contains("Registered")).count(), 1);
}

#[test]
fn only_a_healthy_packager_with_fresh_media_holds_a_signal() {
    let output = tempfile::tempdir().unwrap();
    let reporter = Role::start(&["reporter", "--listen", "0", "--expiry", "1"]);
    let (fresh, stale, ill) = (packager(5000), packager(6500), packager(0));
    ill.answer(|path| match path {
        "/healthz" => (503, "the disk is gone".to_owned()),
        path => answers(0)(path),
    });
    let (_refusing, nobody) = refusing();
    let url = reporter.url();
    let discovery = discovery(&url, &[fresh.url(), stale.url(), ill.url(), &nobody], text(output.path()));
    discovery.line("Registered");
    assert_eq!(holders(&url), [fresh.url()]);
    assert!(discovery.line(&format!("Packager {} is not healthy", ill.url())).contains("503"));
    discovery.line(&format!("Packager {nobody} is not healthy: Connection refused"));

    fresh.answer(answers(7000));
    eventually("its media is stale, so nobody holds the signal", || (ingests(&url) == "[]").then_some(()));
    stale.answer(answers(0));
    eventually("the other one's media is fresh", || (holders(&url) == [stale.url()]).then_some(()));
}

#[test]
fn a_signal_on_the_disk_is_known_without_any_packager() {
    let output = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(output.path().join("live07")).unwrap();
    std::fs::write(output.path().join("live07/signal.json"), "{}").unwrap();
    let reporter = Role::start(&["reporter", "--listen", "0"]);
    let url = reporter.url();
    let (_refusing, nobody) = refusing();
    let _discovery = discovery(&url, &[&nobody], text(output.path()));
    eventually("the detail knows the signal", || {
        get(&format!("{url}/v1/ingests")).filter(|answer| answer.text().contains("live07")).map(drop)
    });
    assert_eq!(ingests(&url), "[]");
}

#[test]
fn an_outage_of_the_reporter_is_one_line_when_it_begins_and_one_when_it_ends() {
    let output = tempfile::tempdir().unwrap();
    let one = packager(100);
    let (socket, address) = socket();
    let url = format!("http://{address}");
    // Nobody serves the socket, so nothing is answered.
    let mut discovery = discovery(&url, &[one.url()], text(output.path()));
    let line = discovery.line(&format!("reporter {url} can't be reached"));
    assert!(line.contains(" ERR ") && line.ends_with("; trying again"), "{line}");
    let failures = || discovery.log().iter().filter(|line| line.contains("can't be reached")).count();
    eventually("it goes on trying", || (failures() >= 4).then_some(()));
    let reporter = Role::start_on(&socket, &["reporter"]);
    discovery.line(&format!("INF Reporter {url} accepts reports again"));
    discovery.line("Registered signal 'live01'");
    assert_eq!(holders(&url), [one.url()]);
    let errors = discovery.log().iter().filter(|line| line.contains(" ERR ")).count();
    assert_eq!(errors, 1, "{:?}", discovery.log());
    drop(reporter);

    discovery.signal(Signal::TERM);
    assert!(discovery.exit().success());
}

#[test]
fn one_round_has_an_exit_status() {
    let output = tempfile::tempdir().unwrap();
    let reporter = Role::start(&["reporter", "--listen", "0"]);
    let (url, one) = (reporter.url(), packager(100));
    let once = |reporter: &str| {
        let output = text(output.path());
        outcome(&[
            "discovery",
            "--once",
            "--reporter",
            reporter,
            "--packagers",
            one.url(),
            "--output",
            output,
        ])
    };
    let (code, stderr) = once(&url);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("INF Registered signal 'live01' as ingest source"), "{stderr}");
    assert_eq!(holders(&url), [one.url()]);

    let (_refusing, nobody) = refusing();
    let (code, stderr) = once(&nobody);
    assert_eq!(code, Some(1));
    assert!(stderr.ends_with(&format!(
        "airtight: reporter {nobody} can't be reached: Connection refused (os error 111)"
    )));

    let refuses = Remote::start(|_| (400, "no such thing".to_owned()));
    let (code, stderr) = once(refuses.url());
    assert_eq!(code, Some(1));
    assert!(stderr.contains("does not accept the report: 400 Bad Request no such thing"), "{stderr}");
}

#[test]
fn a_frozen_packager_delays_no_report() {
    let output = tempfile::tempdir().unwrap();
    let reporter = Role::start(&["reporter", "--listen", "0"]);
    let url = reporter.url();
    // A socket that nobody serves accepts connections and never answers, as a stopped process does.
    let (_frozen, address) = socket();
    let one = packager(100);
    let discovery = discovery(&url, &[one.url(), &format!("http://{address}")], text(output.path()));
    discovery.line("Registered signal 'live01'");
    for _ in 0..3 {
        let (before, begun) = (ingests(&url), Instant::now());
        eventually("the next report", || (ingests(&url) != before).then_some(()));
        assert!(begun.elapsed() < Duration::from_millis(2500), "took {:?}", begun.elapsed());
    }
}

#[test]
fn what_discovery_can_not_start_with_is_one_sentence_and_exit_code_2() {
    let (_taken, address) = socket();
    let table: [(&[&str], &str); 5] = [
        (
            &["--packagers", "http://localhost:8080,nowhere"],
            "--packagers has 'nowhere', which can't be used: 'nowhere' is no URL of a part: it has to start with http://, such as http://localhost:8080",
        ),
        (&["--packagers", "http://a/../b"], "without path, query or user"),
        (&["--reporter", "http://localhost:99999"], "its port has to be a number from 1 to 65535"),
        (
            &["--interval", "soon"],
            "--interval = 'soon' can't be used: expected a whole number from 100 to 60000",
        ),
        (&["--listen", &address.to_string()], "another program listens there"),
    ];
    for (args, expected) in table {
        let (code, stderr) = outcome(&[&["discovery"], args].concat());
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{args:?}: {stderr}");
    }
}
