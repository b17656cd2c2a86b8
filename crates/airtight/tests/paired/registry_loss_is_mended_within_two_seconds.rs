//! A reporter that is killed and started empty is right again within two seconds.

use std::time::{Duration, Instant};

use crate::support::{
    Role, eventually,
    http::{Remote, get},
    socket, text, within,
};

fn packager() -> Remote {
    Remote::start(|path| match path {
        "/signals" => (200, r#"[{"signal":"live01","newest":1,"age_ms":10}]"#.to_owned()),
        _ => (200, String::new()),
    })
}

/// Who holds what, without the time of the report.
fn holders(url: &str) -> Option<String> {
    let mut answer: serde_json::Value = serde_json::from_slice(&get(&format!("{url}/ingests"))?.body).ok()?;
    for entry in answer.as_array_mut()? {
        entry.as_object_mut()?.remove("last_reported");
    }
    Some(answer.to_string())
}

#[test]
fn a_reporter_started_empty_is_right_again_within_two_seconds() {
    let output = tempfile::tempdir().unwrap();
    let (one, two) = (packager(), packager());
    let (socket, address) = socket();
    let url = format!("http://{address}");
    let packagers = format!("{},{}", one.url(), two.url());
    let args = ["discovery", "--reporter", &url, "--packagers", &packagers, "--output", text(output.path())];
    let mut reporter = Role::start_on(&socket, &["reporter"]);
    let _discovery = Role::start(&args);
    let right = eventually("the reporter knows both packagers", || {
        holders(&url).filter(|answer| answer.contains(one.url()) && answer.contains(two.url()))
    });

    for _ in 0..5 {
        reporter.kill();
        reporter = Role::start_on(&socket, &["reporter"]);
        let begun = Instant::now();
        within(Duration::from_secs(2), "the answer is right again", || {
            holders(&url).filter(|answer| *answer == right)
        });
        assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
    }
}
