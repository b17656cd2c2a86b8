//! The folder is the truth: a packager that is killed goes on with what is in it, all of what is whole and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod programme;
mod support;

use std::{collections::BTreeMap, fs, io::BufRead as _, path::Path, time::Duration};

use airtight_media::holding::{Entry, Line};
use programme::{files, json, lineage, now, record, segment};
use support::{
    Role, eventually,
    http::{get, open, request},
    socket, text, within,
};

/// What the holdings list: pieces by their paths, with their lengths.
fn listing(url: &str, since: &str) -> BTreeMap<String, u64> {
    let mut feed =
        open("GET", &format!("{url}/v1/holdings?since={since}"), &[]).expect("the packager answers");
    let mut held = BTreeMap::new();
    loop {
        let mut line = String::new();
        assert!(feed.read_line(&mut line).expect("the feed goes on") > 0, "the feed ended");
        // The head and the sizes of chunks are no lines of the feed.
        let Ok(entry) = serde_json::from_str::<Entry>(&line) else { continue };
        match entry.line {
            Line::Reset => held.clear(),
            Line::Held { signal, piece, length, .. } => {
                held.insert(
                    format!("{signal}/{}", piece.path().expect("packagers hold pieces with paths")),
                    length,
                );
            }
            Line::Tick => return held,
            Line::Record { .. } | Line::Gone { .. } => {}
        }
    }
}

fn write(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    let folder = path.parent().unwrap();
    fs::create_dir_all(folder).unwrap();
    let unfinished = folder.join(".unfinished");
    fs::write(&unfinished, bytes).unwrap();
    fs::rename(unfinished, path).unwrap();
}

fn media(files: &[(String, bytes::Bytes)]) -> BTreeMap<String, u64> {
    let media = files.iter().filter(|(path, _)| !path.ends_with(".json"));
    media.map(|(path, bytes)| (path.clone(), bytes.len() as u64)).collect()
}

#[test]
fn a_killed_packager_holds_the_same_when_it_is_back() {
    let root = tempfile::tempdir().unwrap();
    let (socket, _) = socket();
    let args = ["packager", "--root", text(root.path()), "--spool", "true"];
    let files = files("live01", &lineage(), now() - 3..=now());

    let role = Role::start_on(&socket, &args);
    let url = role.url();
    for (path, bytes) in &files {
        assert_eq!(request("PUT", &format!("{url}/ingest/{path}"), bytes).unwrap().status, 201, "{path}");
    }
    assert_eq!(listing(&url, ""), media(&files));
    role.kill();

    let role = Role::start_on(&socket, &args);
    let url = role.url();
    eventually("it is ready", || (get(&format!("{url}/readyz"))?.status == 200).then_some(()));
    assert_eq!(listing(&url, ""), media(&files));
    assert_eq!(listing(&url, "1-1"), media(&files), "a revision of another run gets everything");
    for (path, bytes) in files.iter().filter(|(path, _)| !path.ends_with(".json")) {
        assert_eq!(get(&format!("{url}/v1/media/{path}")).unwrap().body, *bytes, "{path}");
    }
    assert!(get(&format!("{url}/signals")).unwrap().text().contains("live01"));
}

#[test]
fn a_viewer_that_comes_back_finds_the_same_media_at_once() {
    let root = tempfile::tempdir().unwrap();
    let (socket, _) = socket();
    let args = ["packager", "--root", text(root.path()), "--spool", "true"];
    let (n, lineage) = (now(), lineage());
    let files = files("live01", &lineage, n - 20..=n);
    let role = Role::start_on(&socket, &args);
    let url = role.url();
    for (path, bytes) in &files {
        assert_eq!(request("PUT", &format!("{url}/ingest/{path}"), bytes).unwrap().status, 201, "{path}");
    }
    let playlist = format!("{url}/live01/720p/playlist.m3u8");
    let number = format!("{n}.m4s");
    eventually("the newest number is offered", || {
        get(&playlist).filter(|answer| answer.status == 200 && answer.text().contains(&number))
    });
    role.kill();

    let _role = Role::start_on(&socket, &args);
    let back = get(&playlist).unwrap();
    assert_ne!(back.status, 404, "the signal is known to whoever is answered first");
    let back = eventually("it is offered again", || get(&playlist).filter(|answer| answer.status == 200));
    let offered: Vec<_> =
        back.text().lines().filter(|line| line.ends_with(".m4s")).map(str::to_owned).collect();
    assert!(offered.len() >= 15, "{offered:?}");
    for line in offered.iter().rev().skip_while(|line| **line != number).take(10) {
        let media = get(&format!("{url}/live01/720p/{line}")).unwrap();
        let path = format!("live01/{lineage}/720p/{line}");
        let (_, bytes) = files.iter().find(|(held, _)| *held == path).expect("it is one that was sent");
        assert_eq!((media.status, &media.body[..]), (200, &bytes[..]), "{line}");
    }
}

#[test]
fn what_expires_is_told_and_deleted() {
    let root = tempfile::tempdir().unwrap();
    let args = [
        "packager",
        "--root",
        text(root.path()),
        "--spool",
        "true",
        "--listen",
        "0",
        "--retention",
        "30",
        "--window",
        "6",
    ];
    let role = Role::start(&args);
    let url = role.url();
    let (n, lineage) = (now(), lineage());
    // 30 s are 15 numbers, and the newest is two ahead of the clock.
    let numbers = [n - 13, n - 12, n - 11, n + 1];
    let files: Vec<_> = files("live01", &lineage, n - 13..=n + 1)
        .into_iter()
        .filter(|(path, _)| {
            !path.ends_with(".m4s") || numbers.iter().any(|n| path.ends_with(&format!("/{n}.m4s")))
        })
        .collect();
    for (path, bytes) in &files {
        assert_eq!(request("PUT", &format!("{url}/ingest/{path}"), bytes).unwrap().status, 201, "{path}");
    }
    let oldest = root.path().join(format!("live01/{lineage}/720p/{}.m4s", n - 13));
    let path = format!("live01/{lineage}/720p/{}.m4s", n + 2);
    let newest = segment("720p", n + 2);
    assert_eq!(request("PUT", &format!("{url}/ingest/{path}"), &newest).unwrap().status, 201);
    eventually("the oldest is deleted", || (!oldest.exists()).then_some(()));
    let mut expected = media(&files);
    expected.insert(path, newest.len() as u64);
    expected.retain(|path, _| !path.ends_with(&format!("/{}.m4s", n - 13)));
    assert_eq!(listing(&url, ""), expected);
    let late = format!("{url}/ingest/live01/{lineage}/720p/{}.m4s", n - 13);
    assert_eq!(request("PUT", &late, &segment("720p", n - 13)).unwrap().status, 422, "it does not come back");
}

#[test]
fn a_disk_that_takes_nothing_does_not_take_the_live_edge_down() {
    let root = tempfile::tempdir().unwrap();
    let role = Role::start(&["packager", "--root", text(root.path()), "--spool", "true", "--listen", "0"]);
    let url = role.url();
    let (n, lineage) = (now(), lineage());
    let files = files("live01", &lineage, n - 1..=n);
    fs::create_dir(root.path().join("live01")).unwrap();
    // Where its folder should be nothing can be written.
    fs::write(root.path().join(format!("live01/{lineage}")), b"").unwrap();
    for (path, bytes) in &files {
        assert_eq!(request("PUT", &format!("{url}/ingest/{path}"), bytes).unwrap().status, 201, "{path}");
    }
    assert_eq!(listing(&url, ""), media(&files));
    for (path, bytes) in files.iter().filter(|(path, _)| !path.ends_with(".json")) {
        assert_eq!(get(&format!("{url}/v1/media/{path}")).unwrap().body, *bytes, "{path}");
    }
    role.line("what is recent is kept in memory only: make room there");
    let said = role.log().iter().filter(|line| line.contains("can't be written")).count();
    assert_eq!(said, 1, "{:?}", role.log());
    assert!(
        get(&format!("{url}/metrics")).unwrap().text().contains("airtight_packager_write_failures_total 8")
    );
}

#[test]
fn what_is_not_whole_is_set_aside_and_named_once() {
    let root = tempfile::tempdir().unwrap();
    let (n, lineage) = (now(), lineage());
    let files = files("live01", &lineage, n - 2..=n);
    for (path, bytes) in &files {
        write(root.path(), path, bytes);
    }
    let of = |file: &str| format!("live01/{lineage}/720p/{file}");
    let whole = segment("720p", n);
    let (short, corrupt) = (of(&format!("{n}.m4s")), of(&format!("{}.m4s", n - 1)));
    write(root.path(), &short, &whole[..whole.len() / 2]);
    let mut bytes = segment("720p", n - 1).to_vec();
    bytes[40] ^= 0xff;
    write(root.path(), &corrupt, &bytes);
    write(root.path(), "live02/signal.json", b"{");
    write(root.path(), &of(".put-abc"), &whole);

    let role = Role::start(&["packager", "--root", text(root.path()), "--spool", "true", "--listen", "0"]);
    let url = role.url();
    eventually("it is ready", || (get(&format!("{url}/readyz"))?.status == 200).then_some(()));
    let mut expected = media(&files);
    for path in [&short, &corrupt] {
        expected.remove(path);
        assert_eq!(get(&format!("{url}/v1/media/{path}")).unwrap().status, 404);
        let bad = root.path().join(format!("{path}.bad"));
        assert!(bad.exists() && !root.path().join(path).exists());
        let named = role.log().iter().filter(|line| line.contains(path.as_str())).count();
        assert_eq!(named, 1, "{path} is named once: {:?}", role.log());
    }
    assert_eq!(listing(&url, ""), expected);
    assert!(root.path().join("live02/signal.json.bad").exists());
    assert!(!root.path().join(of(".put-abc")).exists(), "what a dead process left is swept");
    // In their place whole ones are taken.
    assert_eq!(request("PUT", &format!("{url}/ingest/{short}"), &whole).unwrap().status, 201);
}

#[test]
fn five_minutes_of_three_tracks_are_held_within_a_second() {
    let root = tempfile::tempdir().unwrap();
    let (n, lineage) = (now(), lineage());
    for (path, bytes) in files("live01", &lineage, n - 1..=n) {
        write(root.path(), &path, &bytes);
    }
    let segments = (n - 224..=n).flat_map(|n| programme::TRACKS.map(|track| (n, track)));
    for (n, track) in segments.clone() {
        write(root.path(), &format!("live01/{lineage}/{track}/{n}.m4s"), &segment(track, n));
    }
    let root = text(root.path());
    let args = ["packager", "--root", root, "--spool", "true", "--listen", "0", "--retention", "600"];
    let role = Role::start(&args);
    let url = role.url();
    let ready = || (get(&format!("{url}/readyz"))?.status == 200).then_some(());
    within(Duration::from_secs(1), "450 segments are held", ready);
    assert_eq!(listing(&url, "").len(), segments.count() + 4);
}

#[test]
fn a_shared_folder_is_followed_from_before_it_is_there() {
    let base = tempfile::tempdir().unwrap();
    let root = base.path().join("output");
    let role = Role::start(&["packager", "--root", text(&root), "--listen", "0"]);
    let url = role.url();
    let (n, lineage) = (now(), lineage());
    let files = files("live01", &lineage, n - 2..=n);
    eventually("the folder is made", || root.is_dir().then_some(()));
    for (path, bytes) in &files {
        write(&root, path, bytes);
    }
    eventually("all is held", || (listing(&url, "") == media(&files)).then_some(()));

    let oldest = format!("live01/{lineage}/720p/{}.m4s", n - 2);
    fs::remove_file(root.join(&oldest)).unwrap();
    eventually("what the worker deletes is forgotten", || {
        (get(&format!("{url}/v1/media/{oldest}"))?.status == 404).then_some(())
    });
    let mut expected = media(&files);
    expected.remove(&oldest);
    assert_eq!(listing(&url, ""), expected);

    fs::remove_dir_all(&root).unwrap();
    eventually("a folder that is removed holds nothing", || listing(&url, "").is_empty().then_some(()));
    for (path, bytes) in &files {
        eventually("the folder is made again", || root.is_dir().then_some(()));
        write(&root, path, bytes);
    }
    eventually("it is followed again", || (listing(&url, "") == media(&files)).then_some(()));
}

#[test]
fn a_shared_folder_takes_the_word_to_end_and_no_media() {
    let root = tempfile::tempdir().unwrap();
    let (n, lineage) = (now(), lineage());
    for (path, bytes) in files("live01", &lineage, n - 2..=n) {
        write(root.path(), &path, &bytes);
    }
    let role = Role::start(&["packager", "--root", text(root.path()), "--listen", "0"]);
    let url = role.url();
    eventually("the signal is known", || {
        get(&format!("{url}/signals"))?.text().contains("live01").then_some(())
    });
    let path = format!("{url}/ingest/live01/{lineage}/720p/{}.m4s", n + 1);
    let refused = request("PUT", &path, &segment("720p", n + 1)).unwrap();
    assert_eq!(refused.status, 405);
    assert!(refused.text().contains("write media there"), "{}", refused.text());

    let mut ended = record("live01", n);
    ended.end = Some(airtight_media::grid::Number(n + 5));
    assert_eq!(
        request("PUT", &format!("{url}/ingest/live01/signal.json"), &json(&ended)).unwrap().status,
        201
    );
    let written = fs::read_to_string(root.path().join("live01/signal.json")).unwrap();
    assert!(written.contains(&format!(r#""end":{}"#, n + 5)), "{written}");
    assert!(written.contains(&format!(r#""first":{}"#, n - 2)), "joined with what was there: {written}");

    // Another writer that did not know of the end does not undo it.
    write(root.path(), "live01/signal.json", &json(&record("live01", n - 2)));
    eventually("the end is written again", || {
        fs::read_to_string(root.path().join("live01/signal.json")).ok()?.contains(r#""end":"#).then_some(())
    });
}
