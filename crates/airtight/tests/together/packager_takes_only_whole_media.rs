//! What is sent to a packager is held whole or refused with a status and a sentence; nothing else is ever seen.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
};

use crate::programme::{files, json, lineage, now, record, segment};
use crate::support::{
    Role, eventually,
    http::{Answer, get, request},
    text,
};

fn packager(root: &Path) -> (Role, String) {
    let role = Role::start(&["packager", "--root", text(root), "--spool", "true", "--listen", "0"]);
    let url = role.url();
    (role, url)
}

fn put(url: &str, path: &str, body: &[u8]) -> Answer {
    request("PUT", &format!("{url}/ingest/{path}"), body).expect("the packager answers")
}

fn assert_answer(answer: &Answer, status: u16, sentence: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(sentence), "'{}' lacks '{sentence}'", answer.text());
}

/// Every file below a folder, by its path.
fn tree(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there").flatten() {
        match entry.path().is_dir() {
            true => files.extend(tree(&entry.path())),
            false => files.push(entry.path().display().to_string()),
        }
    }
    files.sort();
    files
}

/// What is in every spool.
fn markers(root: &Path) -> [String; 2] {
    [".layout", ".owner"].map(|name| root.join(name).display().to_string())
}

#[test]
fn the_first_copy_wins_and_is_given_as_it_came() {
    let root = tempfile::tempdir().unwrap();
    let (_role, url) = packager(root.path());
    let (n, lineage) = (now(), lineage());
    for (path, bytes) in files("live01", &lineage, n - 1..=n) {
        assert_eq!(put(&url, &path, &bytes).status, 201, "{path}");
        assert_eq!(put(&url, &path, &bytes).status, 200, "{path}");
        if path.ends_with(".json") {
            continue;
        }
        let answer = get(&format!("{url}/v1/media/{path}")).unwrap();
        assert_eq!((answer.status, &answer.body[..]), (200, &bytes[..]), "{path}");
        let etag = answer.header("etag").expect("it has a tag");
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag} is strong");
        assert!(answer.header("cache-control").is_some_and(|value| value.contains("immutable")));
        assert_eq!(answer.header("content-length"), Some(bytes.len().to_string().as_str()));
        assert_eq!(std::fs::read(root.path().join(&path)).unwrap(), bytes);
    }
    // Whole, but not the first of its name: the last part of the first copy stays what it was.
    let path = format!("live01/{lineage}/720p/{n}.m4s");
    let (first, mut other) = (segment("720p", n), segment("720p", n).to_vec());
    *other.last_mut().unwrap() ^= 1;
    assert_eq!(put(&url, &path, &other).status, 200);
    assert_eq!(get(&format!("{url}/v1/media/{path}")).unwrap().body, first);
    assert_eq!(std::fs::read(root.path().join(&path)).unwrap(), first);

    let signals = get(&format!("{url}/signals")).unwrap();
    assert_eq!(signals.header("content-type"), Some("application/json"));
    let signals: serde_json::Value = serde_json::from_slice(&signals.body).unwrap();
    assert_eq!(signals[0]["signal"], "live01");
    assert_eq!(signals[0]["newest"], n);
    assert_eq!(signals[0]["lineages"][0]["lineage"], lineage.to_string());
    assert!(signals[0]["age_ms"].as_u64().is_some_and(|age| age < 30_000));
    assert_eq!(signals[0]["record"]["first"], n - 1);
}

#[test]
fn paths_that_try_to_leave_the_folder_touch_nothing() {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("spool");
    let (_role, url) = packager(&root);
    let body = json(&record("live01", now()));
    for path in [
        "../signal.json",
        "live01/../../signal.json",
        "live01/%2e%2e/signal.json",
        "%2e%2e%2fsignal.json",
        "live01%00/signal.json",
        "live01//signal.json",
        "live01/./signal.json",
    ] {
        assert_eq!(put(&url, path, &body).status, 400, "{path}");
        assert_eq!(get(&format!("{url}/v1/media/{path}")).unwrap().status, 400, "{path}");
    }
    for path in
        ["live01/signal.jso", "live01/x/y/z.m4s", "live01/a-1/720p/.put-1", "live01/a-1/720p/1.5.m4s.bad"]
    {
        assert_answer(&put(&url, path, &body), 404, "no such place: expected <signal>/signal.json");
    }
    // A zero byte itself is no HTTP: whatever the answer is, it is no success.
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream
        .write_all(b"PUT /ingest/live01\0/signal.json HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(tree(outside.path()), markers(&root));
}

#[test]
fn a_body_that_breaks_off_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (_role, url) = packager(root.path());
    let authority = url.trim_start_matches("http://");
    let head = |length: usize| {
        format!("PUT /ingest/live01/signal.json HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
    };
    let body = json(&record("live01", now()));
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.write_all(head(body.len()).as_bytes()).unwrap();
    stream.write_all(&body[..body.len() - 1]).unwrap();
    drop(stream);
    eventually("the broken request is counted", || {
        let metrics = get(&format!("{url}/metrics")).unwrap().text();
        metrics.contains(r#"airtight_packager_ingest_requests_total{status="400"} 1"#).then_some(())
    });
    assert_eq!(get(&format!("{url}/signals")).unwrap().text(), "[]");
    assert_eq!(tree(root.path()), markers(root.path()));
}
