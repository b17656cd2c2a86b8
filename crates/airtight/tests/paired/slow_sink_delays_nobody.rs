//! A worker with a folder, a packager that works, one that takes connections and never answers, and one that
//! refuses: the first two get every segment as if the others were not there.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{collections::BTreeMap, fs, path::Path, time::SystemTime};

use crate::support::{Role, eventually, http, refusing, socket, text};

/// Numbers of a track in a lineage's folder with the seconds from the end of the segment to its file.
fn delays(output: &Path, track: &str) -> BTreeMap<u64, f64> {
    let lineages = fs::read_dir(output.join("live01")).into_iter().flatten().flatten();
    let files = lineages.flat_map(|l| fs::read_dir(l.path().join(track)).into_iter().flatten().flatten());
    files
        .filter_map(|file| {
            let number: u64 = file.file_name().to_str()?.strip_suffix(".m4s")?.parse().ok()?;
            let written = file.metadata().ok()?.modified().ok()?;
            let written = written.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
            Some((number, written - (number + 1) as f64))
        })
        .collect()
}

#[test]
fn a_frozen_and_a_dead_packager_cost_the_others_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (output, spool) = (folder.path().join("output"), folder.path().join("spool"));
    fs::create_dir(&spool).unwrap();
    let good = Role::start(&["packager", "--root", text(&spool), "--spool", "true", "--listen", "0"]);
    let good = (good.url(), good);
    // Connections to it wait in the backlog for ever.
    let (_frozen, frozen) = socket();
    let (_dead, dead) = refusing();
    let packagers = format!("http://{frozen},{dead},{}", good.0);
    let worker = Role::start(&[
        "worker",
        "--input",
        "testsrc",
        "--output",
        text(&output),
        "--packagers",
        &packagers,
        "--segment",
        "1000",
    ]);
    worker.line("is on the air");
    let delays = eventually("ten segments are in the folder", || {
        let delays = delays(&output, "360p");
        (delays.len() >= 10).then_some(delays)
    });
    let (first, last) = (*delays.keys().next().unwrap(), *delays.keys().last().unwrap());
    assert_eq!(delays.len() as u64, last + 1 - first, "no hole: {delays:?}");
    let (soonest, latest) = delays.values().fold((f64::MAX, f64::MIN), |(a, b), d| (a.min(*d), b.max(*d)));
    // The frozen one is given up on after three seconds: whoever waited for it would be as late.
    assert!(latest - soonest < 2.5, "steady: {delays:?}");
    assert!(soonest > 0.0, "nothing is shown before its time: {delays:?}");
    eventually("the good packager has the newest of them", || {
        let playlist = http::get(&format!("{}/live01/360p/playlist.m3u8", good.0))?.text();
        playlist.contains(&format!("\n{last}.m4s")).then_some(())
    });
    worker.line("takes no media: no answer within 3s; trying again");
    worker.line("takes no media: Connection refused");
}
