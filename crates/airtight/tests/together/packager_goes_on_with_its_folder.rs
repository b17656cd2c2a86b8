//! The folder is the truth: a packager that is killed goes on with what is in it, all of what is whole and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;

use crate::programme::{files, json, lineage, media, now, record, segment, write};
use crate::support::{
    Role, eventually,
    holdings::listing,
    http::{get, request},
    socket, text,
};
use airtight_media::{
    grid::Number,
    record::{Era, Record},
};

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
    assert_eq!(back.status, 200, "whoever is answered first is given the window: {}", back.text());
    assert_eq!(get(&format!("{url}/readyz")).unwrap().status, 200);
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
fn a_packager_that_has_nothing_to_show_is_ready() {
    for known in [None, Some(record("live01", now()))] {
        let root = tempfile::tempdir().unwrap();
        let (socket, _) = socket();
        let args = ["packager", "--root", text(root.path()), "--spool", "true"];
        if let Some(record) = &known {
            let role = Role::start_on(&socket, &args);
            let place = format!("{}/ingest/live01/signal.json", role.url());
            assert_eq!(request("PUT", &place, &json(record)).unwrap().status, 201);
            role.kill();
        }
        let role = Role::start_on(&socket, &args);
        let answer = get(&format!("{}/readyz", role.url())).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
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
fn a_signal_whose_folder_is_removed_leaves_alone_and_may_come_back() {
    let root = tempfile::tempdir().unwrap();
    let (n, lineage) = (now(), lineage());
    let [old, other] = ["live01", "live02"].map(|signal| files(signal, &lineage, n - 8..=n));
    for (path, bytes) in old.iter().chain(&other) {
        write(root.path(), path, bytes);
    }
    let role = Role::start(&["packager", "--root", text(root.path()), "--listen", "0"]);
    let url = role.url();
    let both = || (listing(&url, "").len() == media(&old).len() + media(&other).len()).then_some(());
    eventually("both are held", both);
    let known = || {
        let signals: serde_json::Value =
            serde_json::from_str(&get(&format!("{url}/signals"))?.text()).ok()?;
        Some(signals.as_array()?.iter().map(|signal| signal["signal"].to_string()).collect::<Vec<_>>())
    };
    fs::remove_dir_all(root.path().join("live01")).unwrap();
    role.line("Signal 'live01' is gone from the folder");
    assert_eq!(known().unwrap(), ["\"live02\""]);
    assert_eq!(listing(&url, ""), media(&other), "what lies beside it stays");
    assert_eq!(get(&format!("{url}/live02/720p/playlist.m3u8")).unwrap().status, 200);

    let again = files("live01", &format!("a-{}", n * 2 + 1).parse().unwrap(), n - 1..=n);
    for (path, bytes) in &again {
        write(root.path(), path, bytes);
    }
    let mut all = media(&other);
    all.extend(media(&again));
    eventually("it is held anew", || (listing(&url, "") == all).then_some(()));
    assert_eq!(known().unwrap(), ["\"live01\"", "\"live02\""]);
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
    ended.end = Some(Number(n + 5));
    assert_eq!(
        request("PUT", &format!("{url}/ingest/live01/signal.json"), &json(&ended)).unwrap().status,
        201
    );
    let written = fs::read_to_string(root.path().join("live01/signal.json")).unwrap();
    let written: Record = serde_json::from_str(&written).unwrap();
    assert_eq!(written.end, Some(Number(n + 5)));
    assert_eq!(written.first, Number(n - 2), "joined with what was there");

    // Another writer that did not know of the end does not undo it.
    write(root.path(), "live01/signal.json", &json(&record("live01", n - 2)));
    eventually("the end is written again", || {
        fs::read_to_string(root.path().join("live01/signal.json")).ok()?.contains(r#""end":"#).then_some(())
    });
}

#[test]
fn tracks_that_changed_while_nothing_came_are_taken_up() {
    let root = tempfile::tempdir().unwrap();
    let (n, lineage) = (now(), lineage());
    for (path, bytes) in files("live01", &lineage, n - 2..=n) {
        write(root.path(), &path, &bytes);
    }
    let role = Role::start(&["packager", "--root", text(root.path()), "--listen", "0"]);
    eventually("slate is shown", || {
        let listed = get(&format!("{}/live01/720p/playlist.m3u8", role.url()))?.text();
        listed.contains(&format!("{}.m4s", n + 2)).then_some(())
    });

    let mut changed = record("live01", n - 2);
    let mut era = Era { first: Number(n + 1), ..changed.eras[0].clone() };
    era.tracks[0].bandwidth += 1;
    changed.eras.push(era);
    let sent = request("PUT", &format!("{}/ingest/live01/signal.json", role.url()), &json(&changed)).unwrap();
    assert_eq!(sent.status, 201, "{}", sent.text());
}

#[test]
fn tracks_that_change_too_late_in_a_shared_folder_change_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (n, lineage) = (now(), lineage());
    for (path, bytes) in files("live01", &lineage, n - 2..=n) {
        write(root.path(), &path, &bytes);
    }
    let role = Role::start(&["packager", "--root", text(root.path()), "--listen", "0"]);
    let signals = || get(&format!("{}/signals", role.url())).map(|answer| answer.text());
    eventually("the newest number is held", || {
        signals()?.contains(&format!(r#""newest":{n}"#)).then_some(())
    });

    let mut late = record("live01", n - 2);
    let mut era = Era { first: Number(n), ..late.eras[0].clone() };
    era.tracks[0].bandwidth += 1;
    late.eras.push(era);
    write(root.path(), "live01/signal.json", &json(&late));
    role.line(&format!("the tracks of signal live01 can't change at number {n} any more"));
    let newer = format!("live01/{lineage}/720p/{}.m4s", n + 1);
    write(root.path(), &newer, &segment("720p", n + 1));
    eventually("media go on as they were", || {
        (get(&format!("{}/v1/media/{newer}", role.url()))?.status == 200).then_some(())
    });
    let record: serde_json::Value = serde_json::from_str(&signals().unwrap()).unwrap();
    assert_eq!(record[0]["record"]["eras"].as_array().unwrap().len(), 1, "{record}");
}
