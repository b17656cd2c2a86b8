//! The reporter's answers are what its clients were written against, in every time zone; what is not renewed
//! expires; bad input changes nothing.

use std::io::BufReader;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{
    Role, eventually,
    http::{get, line, open, post},
    outcome, socket, text, within,
};
use jiff::{Timestamp, tz::TimeZone};
use rustix::process::Signal;

const LIVE01: &str = r#"[{"signal":"live01","packagers":["http://localhost:9090","http://localhost:8080"]}]"#;

fn ingests(url: &str) -> String {
    get(&format!("{url}/ingests")).expect("the reporter answers").text()
}

fn report(url: &str, body: &str) -> (u16, String) {
    let answer = post(&format!("{url}/ingests"), body).expect("the reporter answers");
    (answer.status, answer.text())
}

fn answer_in(zone: &str) {
    let reporter = Role::start_with(&["reporter", "--listen", "0"], &[("TZ", zone)]);
    let url = reporter.url();
    assert_eq!(ingests(&url), "[]", "nothing is an empty array");

    let before = Timestamp::now();
    assert_eq!(report(&url, LIVE01), (204, String::new()));
    let answer = get(&format!("{url}/ingests")).expect("the reporter answers");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = answer.text();

    let zone = TimeZone::get(zone).expect("zones come with the library");
    let expected = |moment: Timestamp| {
        let time = moment.to_zoned_datetime(zone.clone());
        format!(
            r#"[{{"signal":"live01","packagers":["http://localhost:8080","http://localhost:9090"],"last_reported":"{}"}}]"#,
            time.strftime("%a, %d %b %Y %H:%M:%S %Z")
        )
    };
    let seconds = (0..=5).map(|second| expected(before + Duration::from_secs(second)));
    assert!(
        seconds.clone().any(|expected| expected == answer),
        "{answer} is none of {:?}",
        seconds.collect::<Vec<_>>()
    );
}

#[test]
fn in_sao_paulo_the_zone_is_an_offset() {
    answer_in("America/Sao_Paulo");
}

#[test]
fn in_utc_the_zone_is_utc() {
    answer_in("UTC");
}

#[test]
fn in_berlin_the_zone_is_an_abbreviation() {
    answer_in("Europe/Berlin");
}

#[test]
fn reports_of_two_discoveries_are_merged_and_expire_apart() {
    let reporter = Role::start(&["reporter", "--listen", "0", "--expiry", "3"]);
    let url = reporter.url();
    let first = Instant::now();
    report(&url, r#"[{"signal":"live01","packagers":["http://a"]},{"signal":"live02","packagers":[]}]"#);
    report(&url, r#"[{"signal":"live01","packagers":["http://b"]}]"#);
    let both = ingests(&url);
    assert!(both.contains(r#"["http://a","http://b"]"#), "{both}");
    assert!(!both.contains("live02"), "a signal without an active packager is left out");
    let detail = get(&format!("{url}/v1/ingests")).unwrap().text();
    assert!(detail.contains(r#""signal":"live02""#), "the detail knows it: {detail}");

    eventually("a expires while b is renewed", || {
        report(&url, r#"[{"signal":"live01","packagers":["http://b"]}]"#);
        (!ingests(&url).contains("http://a")).then_some(())
    });
    assert!(first.elapsed() >= Duration::from_secs(3), "no entry expires before its time");
    assert!(ingests(&url).contains(r#""packagers":["http://b"]"#));
    within(Duration::from_secs(10), "all expires", || (ingests(&url) == "[]").then_some(()));
}

#[test]
fn bad_input_is_refused_in_one_sentence_and_changes_nothing() {
    let reporter = Role::start(&["reporter", "--listen", "0", "--expiry", "60"]);
    let url = reporter.url();
    report(&url, LIVE01);
    let before = ingests(&url);
    let good = r#"{"signal":"live02","packagers":["http://a"]}"#;
    let table = [
        (String::new(), "the body is no report"),
        ("nonsense".into(), "the body is no report"),
        ("{}".into(), "the body is no report"),
        ("\u{0}".into(), "the body is no report"),
        (format!("[{good},"), "the body is no report"),
        (format!(r#"[{good},{{"signal":"live03"}}]"#), "missing field `packagers`"),
        (
            format!(r#"[{good},{{"signal":"../x","packagers":[]}}]"#),
            "entry 2 of the report: '../x' is no signal name",
        ),
        (format!(r#"[{good},{{"signal":"%2e","packagers":[]}}]"#), "'%2e' is no signal name"),
        (format!(r#"[{good},{{"signal":"a\u0000","packagers":[]}}]"#), "is no signal name"),
        (
            format!(r#"[{good},{{"signal":"live03","packagers":["localhost:8080"]}}]"#),
            "entry 2 of the report, a packager of signal 'live03': 'localhost:8080' is no URL of a part",
        ),
    ];
    for (body, expected) in table {
        let (status, sentence) = report(&url, &body);
        assert_eq!(status, 400, "{body}");
        assert!(sentence.contains(expected), "{body}: {sentence}");
        assert_eq!(sentence.trim_end().lines().count(), 1, "{sentence}");
    }
    let (status, sentence) = report(&url, &" ".repeat((4 << 20) + 1));
    assert_eq!((status, sentence.trim_end()), (413, "the report is longer than 4194304 bytes"));
    assert_eq!(ingests(&url), before, "nothing of a refused report is taken");
}

/// Reads up to the next event with data; returns its id and the data. `None`: the stream ended.
fn event(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut id, mut data) = (String::new(), None);
    loop {
        let line = line(stream)?;
        if let Some(value) = line.strip_prefix("id: ") {
            id = value.to_owned();
        } else if let Some(value) = line.strip_prefix("data: ") {
            data = Some(value.to_owned());
        } else if let (true, Some(data)) = (line.is_empty(), data.take()) {
            return Some((id, data));
        }
    }
}

#[test]
fn events_tell_the_state_then_each_change_and_end_when_the_reporter_drains() {
    let mut reporter = Role::start(&["reporter", "--listen", "0", "--expiry", "60"]);
    let url = reporter.url();
    let mut stream = open("GET", &format!("{url}/v1/events"), &[]).unwrap();
    let empty = r#"{"revision":0,"signals":[]}"#;
    assert_eq!(event(&mut stream), Some(("0".to_owned(), empty.to_owned())));
    report(&url, LIVE01);
    report(&url, LIVE01);
    let (id, data) = event(&mut stream).unwrap();
    assert_eq!(id, "1");
    assert!(data.contains(r#""signal":"live01""#) && data.contains("http://localhost:9090"), "{data}");
    report(&url, r#"[{"signal":"live02","packagers":["http://a"]}]"#);
    let (id, data) = event(&mut stream).unwrap();
    assert_eq!(id, "2", "a renewal is no change");
    assert!(data.contains("live02"), "{data}");

    let asked = Instant::now();
    reporter.signal(Signal::TERM);
    assert_eq!(event(&mut stream), None);
    assert!(reporter.exit().success());
    assert!(asked.elapsed() < Duration::from_secs(5), "an open stream does not hold the reporter");
}

#[test]
fn it_says_that_it_lives_is_ready_and_what_it_counts() {
    let reporter = Role::start(&["reporter", "--listen", "0"]);
    let url = reporter.url();
    report(&url, LIVE01);
    report(&url, "nonsense");
    let status = |path: &str| get(&format!("{url}{path}")).map(|answer| answer.status);
    assert_eq!((status("/healthz"), status("/readyz")), (Some(200), Some(200)));
    let unknown = get(&format!("{url}/live01")).unwrap();
    assert_eq!((unknown.status, unknown.text().as_str()), (404, "there is nothing at '/live01'\n"));
    let metrics = get(&format!("{url}/metrics")).unwrap();
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for figure in ["reports_accepted_total 1", "reports_refused_total 1", "signals_active 1"] {
        assert!(metrics.text().contains(&format!("airtight_reporter_{figure}\n")), "{}", metrics.text());
    }
}

#[test]
fn a_restarted_reporter_goes_on_from_its_snapshot() {
    let state = tempfile::tempdir().unwrap();
    let (socket, _) = socket();
    let args = ["reporter", "--expiry", "60", "--state", text(state.path())];
    let mut reporter = Role::start_on(&socket, &args);
    let url = reporter.url();
    report(&url, LIVE01);
    let before = ingests(&url);
    reporter.signal(Signal::TERM);
    assert!(reporter.exit().success());
    let reporter = Role::start_on(&socket, &args);
    assert_eq!(ingests(&url), before);
    reporter.kill();

    std::fs::write(state.path().join("registry.json"), "{\"revision\":").unwrap();
    let reporter = Role::start_on(&socket, &args);
    assert_eq!(ingests(&url), "[]", "it starts empty");
    let line = reporter.line("set aside as");
    assert!(line.contains("WRN") && line.contains("registry.json.corrupt-"), "{line}");
}

#[test]
fn what_the_reporter_can_not_start_with_is_one_sentence_and_exit_code_2() {
    let (_taken, address) = socket();
    let file = tempfile::NamedTempFile::new().unwrap();
    let state = file.path().join("state");
    let table: [(&[&str], &str); 4] = [
        (
            &["--listen", &address.to_string()],
            "another program listens there; choose another address by --listen or REPORTER_PORT",
        ),
        (&["--listen", "http://x"], "--listen = 'http://x' can't be used: expected a port"),
        (&["--expiry", "0"], "--expiry = '0' can't be used: expected a whole number from 1 to 3600"),
        (&["--listen", "0", "--state", text(&state)], "can't be written"),
    ];
    for (args, expected) in table {
        let (code, stderr) = outcome(&[&["reporter"], args].concat());
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(expected) && stderr.lines().count() == 1, "{args:?}: {stderr}");
    }
}
