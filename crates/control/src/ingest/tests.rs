use super::*;
use proptest::prelude::*;

#[test]
fn equal_addresses_have_one_spelling() {
    let table = [
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("HTTP://LocalHost:09090", "http://localhost:9090"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://server1:80", "http://server1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://[::1]", "http://[::1]"),
        ("http://edge_1.example.org:1", "http://edge_1.example.org:1"),
    ];
    for (text, expected) in table {
        let url: PartUrl = text.parse().unwrap();
        assert_eq!(url.to_string(), expected);
        assert_eq!(url, expected.parse().unwrap());
    }
}

#[test]
fn what_is_no_url_of_a_part_is_named_with_what_would_be_right() {
    let table = [
        ("", "it has to start with http://"),
        ("localhost:8080", "it has to start with http://"),
        ("https://localhost", "it has to start with http://"),
        ("ftp://x", "it has to start with http://"),
        ("http://", "its host has to be"),
        ("http://:8080", "its host has to be"),
        ("http://a b", "its host has to be"),
        ("http://a..b", "its host has to be"),
        ("http://-a", "its host has to be"),
        ("http://::1", "its host has to be"),
        ("http://[::g]:1", "its host has to be"),
        ("http://a\0b", "its host has to be"),
        ("http://a%2eb", "its host has to be"),
        ("http://a:0", "its port has to be"),
        ("http://a:65536", "its port has to be"),
        ("http://a:+1", "its port has to be"),
        ("http://a:", "its port has to be"),
        ("http://a/live01", "without path, query or user"),
        ("http://a/../b", "without path, query or user"),
        ("http://a?x", "without path, query or user"),
        ("http://u:p@a", "without path, query or user"),
    ];
    for (text, rule) in table {
        let error = text.parse::<PartUrl>().unwrap_err().to_string();
        assert!(error.contains(rule), "{text:?}: {error}");
        assert!(error.contains("is no URL of a part") && error.ends_with("such as http://localhost:8080"));
        assert!(!error.contains('\0'), "control characters are escaped: {error:?}");
    }
    assert!(format!("http://{}", "a".repeat(300)).parse::<PartUrl>().is_err());
}

#[test]
fn ports_are_ordered_as_numbers() {
    let urls: BTreeSet<PartUrl> =
        ["http://a:10000", "http://a:9090", "http://a"].iter().map(|url| url.parse().unwrap()).collect();
    let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
    assert_eq!(urls, ["http://a", "http://a:9090", "http://a:10000"]);
}

fn check_json(json: &str) -> Result<Vec<Report>, ReportError> {
    check(serde_json::from_str(json).unwrap())
}

#[test]
fn a_report_is_checked_as_a_whole() {
    let good = r#"{"signal":"live01","packagers":["http://b","http://a","http://a/"]}"#;
    let reports = check_json(&format!("[{good}]")).unwrap();
    assert_eq!(
        serde_json::to_string(&reports).unwrap(),
        r#"[{"signal":"live01","packagers":["http://a","http://b"]}]"#
    );
    let table = [
        (r#"{"signal":"../etc","packagers":[]}"#, "entry 2 of the report: '../etc' is no signal name"),
        (
            r#"{"signal":"live02","packagers":["http://a","nowhere"]}"#,
            "entry 2 of the report, a packager of signal 'live02': 'nowhere' is no URL of a part",
        ),
    ];
    for (bad, expected) in table {
        let error = check_json(&format!("[{good},{bad}]")).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn packagers_of_a_signal_are_bounded() {
    let raw = |count| RawReport {
        signal: "live01".into(),
        packagers: (1..=count).map(|port| format!("http://a:{port}")).collect(),
    };
    assert!(check(vec![raw(PACKAGERS_MAX)]).is_ok());
    let error = check(vec![raw(PACKAGERS_MAX + 1)]).unwrap_err();
    assert!(error.to_string().contains("65 packagers are more than 64"), "{error}");
}

#[test]
fn the_answer_is_to_the_letter() {
    let moment: Timestamp = "2024-04-05T14:23:45Z".parse().unwrap();
    let zone = TimeZone::get("America/Sao_Paulo").unwrap();
    let answer = [Ingest {
        signal: "live01".parse().unwrap(),
        packagers: vec!["http://localhost:8080".parse().unwrap(), "http://localhost:9090".parse().unwrap()],
        last_reported: rfc1123(moment, &zone),
    }];
    assert_eq!(
        serde_json::to_string(&answer).unwrap(),
        r#"[{"signal":"live01","packagers":["http://localhost:8080","http://localhost:9090"],"last_reported":"Fri, 05 Apr 2024 11:23:45 -03"}]"#
    );
}

#[test]
fn the_zone_is_its_abbreviation_at_that_moment() {
    let table = [
        ("UTC", "2024-04-05T14:23:45Z", "Fri, 05 Apr 2024 14:23:45 UTC"),
        ("Europe/Berlin", "2024-04-05T14:23:45Z", "Fri, 05 Apr 2024 16:23:45 CEST"),
        ("Europe/Berlin", "2024-01-01T00:00:00Z", "Mon, 01 Jan 2024 01:00:00 CET"),
        ("America/New_York", "2024-12-31T23:59:59Z", "Tue, 31 Dec 2024 18:59:59 EST"),
        ("Asia/Kolkata", "2024-02-29T12:00:00Z", "Thu, 29 Feb 2024 17:30:00 IST"),
        ("America/Sao_Paulo", "2024-04-06T02:00:00.9Z", "Fri, 05 Apr 2024 23:00:00 -03"),
    ];
    for (zone, moment, expected) in table {
        assert_eq!(rfc1123(moment.parse().unwrap(), &TimeZone::get(zone).unwrap()), expected);
    }
}

proptest! {
    /// What parses has one spelling, and that spelling parses to the same.
    #[test]
    fn a_url_survives_its_own_spelling(text in "(http://)?[a-z0-9.:/\\[\\]_-]{0,24}") {
        if let Ok(url) = text.parse::<PartUrl>() {
            prop_assert_eq!(url.to_string().parse::<PartUrl>(), Ok(url));
        }
    }

    /// No text whatever panics.
    #[test]
    fn any_text_is_a_url_or_an_error(text in any::<String>()) {
        let _ = text.parse::<PartUrl>();
    }
}
