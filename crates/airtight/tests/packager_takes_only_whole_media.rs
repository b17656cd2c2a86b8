//! What is sent to a packager is held whole or refused with a status and a sentence; nothing else is ever seen.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod programme;
mod support;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
};

use airtight_media::grid::Number;
use programme::{files, init, json, lineage, now, record, segment, slate};
use support::{
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
    files
}

#[test]
fn each_refusal_has_its_status_and_its_sentence() {
    let root = tempfile::tempdir().unwrap();
    let (_role, url) = packager(root.path());
    let (n, lineage) = (now(), lineage());
    let of = |file: &str| format!("live01/{lineage}/720p/{file}");
    let (init, first) = (init("720p"), record("live01", n - 5));
    let (init_path, segment_path) = (of(&format!("init-{}.mp4", init.hash)), of(&format!("{n}.m4s")));
    let whole = segment("720p", n);

    let put = |path: &str, body: &[u8]| put(&url, path, body);
    assert_answer(
        &put(&init_path, &init.bytes),
        412,
        "signal 'live01' has no record yet: send signal.json first",
    );
    assert_answer(&put("live01/signal.json", b"{"), 400, "the body is no record: EOF");
    assert_answer(
        &put("live02/signal.json", &json(&first)),
        400,
        "the record of signal 'live01', not of 'live02'",
    );
    assert_answer(&put("live01/signal.json", &json(&first)), 201, "");
    assert_answer(&put("live01/signal.json", &json(&first)), 200, "");
    let mut other = first.clone();
    other.eras[0].tracks[0].bandwidth += 1;
    assert_answer(&put("live01/signal.json", &json(&other)), 409, "two different sets of tracks");

    assert_answer(&put(&segment_path, &whole), 412, &format!("init {lineage}/720p/init-{}.mp4", init.hash));
    assert_answer(&put(&of("slate.mp4"), &slate("720p")), 412, "no init of track '720p' is held");
    assert_answer(&put(&format!("live01/{lineage}/playlist.m3u8"), b"#EXTM3U"), 412, "no init of lineage");
    assert_answer(&put(&of("init-0000000000000000.mp4"), &init.bytes), 412, "has no init 0000000000000000");
    assert_answer(&put(&init_path, b"other bytes"), 400, "the init's hash is");
    assert_answer(&put(&init_path, &init.bytes), 201, "");
    assert_answer(&put(&init_path, &init.bytes), 200, "");
    assert_answer(&put(&of("slate.mp4"), &whole), 400, "");
    assert_answer(&put(&of("slate.mp4"), &slate("720p")), 201, "");
    assert_answer(&put(&format!("live01/{lineage}/playlist.m3u8"), b"#EXTM3U"), 201, "");
    for junk in [&b"junk"[..], b"", b"#EXTM3UX", b"#EXTM3U\n\xff"] {
        assert_answer(&put(&of("playlist.m3u8"), junk), 400, "the ");
    }
    assert_answer(&put(&of("playlist.m3u8"), b"#EXTM3U"), 201, "");
    assert_answer(&put(&of("playlist.m3u8"), b"#EXTM3U\n"), 200, "");

    assert_answer(&put(&segment_path, &whole[..whole.len() - 1]), 400, "the bytes end inside a box");
    assert_answer(&put(&segment_path, &segment("720p", n - 1)), 400, "the grid says");
    assert_answer(&put(&of(&format!("{}.m4s", n + 9)), &segment("720p", n + 9)), 422, "is outside");
    assert_answer(&put(&of(&format!("{}.m4s", n - 160)), &segment("720p", n - 160)), 422, "is outside");
    let elsewhere = format!("live01/{lineage}/4k/{n}.m4s");
    assert_answer(&put(&elsewhere, &whole), 412, &format!("has no track '4k' at number {n}"));
    assert_answer(&put(&segment_path, &whole), 201, "");

    let ended = airtight_media::record::Record { end: Some(Number(n)), ..first };
    assert_answer(&put("live01/signal.json", &json(&ended)), 201, "");
    assert_answer(
        &put(&of(&format!("{}.m4s", n + 1)), &segment("720p", n + 1)),
        422,
        "after the end of the event",
    );
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
    assert_eq!(tree(outside.path()), Vec::<String>::new());
}

#[test]
fn a_body_that_is_too_long_or_breaks_off_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (_role, url) = packager(root.path());
    let authority = url.trim_start_matches("http://");
    let head = |length: usize| {
        format!("PUT /ingest/live01/signal.json HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
    };
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.write_all(head((64 << 20) + 1).as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413", "refused before a byte of it is sent");

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
    assert_eq!(tree(root.path()), Vec::<String>::new());
}
