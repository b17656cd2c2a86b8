//! Two encoders of one programme are told from two whose pictures differ, be it by a frame: by a figure of the packager and
//! of the origin, and by one line of their logs.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{path::Path, process::Command, thread, time::Duration};

use crate::support::{Role, http, media, text, within};

/// For encoders to start and show ten numbers.
const PATIENCE: Duration = Duration::from_secs(60);
/// The inputs last so many seconds and are shown over and over.
const LENGTH: u32 = 40;

/// Makes an input of moving pictures that begins so many frames late.
fn input(path: &Path, late: u32) {
    let graph = format!("testsrc2=s=320x180:r=25,trim=start_frame={late},setpts=PTS-STARTPTS[v]");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-filter_complex", &graph, "-map", "[v]", "-t", &LENGTH.to_string()]);
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-qp", "0"]);
    media::make(ffmpeg.arg(path));
}

/// What a server says of the parity of its two encoders now.
fn parity(server: &Role) -> Option<f64> {
    let text = http::get(&format!("{}/metrics", server.url()))?.text();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("airtight_lineage_parity{")).collect();
    assert!(lines.len() <= 1, "two encoders are one pair: {lines:?}");
    let line = lines.first()?;
    let pair = |words: &str| line.contains(words);
    assert!(pair("signal=\"live01\"") && pair("lineage=\"b-") && pair("with=\"a-"), "{line}");
    line.rsplit(' ').next()?.parse().ok()
}

/// How many lines of a log say this.
fn said(server: &Role, words: &str) -> usize {
    server.log().iter().filter(|line| line.contains(words)).count()
}

/// A packager, an origin, and two encoders of which `b` is so many frames late; what `check` finds in each server.
fn faults_of(late: u32, check: fn(&str, &Role) -> Vec<String>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let inputs = ["a.mkv", "b.mkv"].map(|name| folder.path().join(name));
    input(&inputs[0], 0);
    input(&inputs[1], late);
    let root = folder.path().join("spool");
    std::fs::create_dir(&root).unwrap();
    let packager = Role::start(&["packager", "--root", text(&root), "--spool", "true", "--listen", "0"]);
    let url = packager.url();
    let _workers = [("a", &inputs[0]), ("b", &inputs[1])].map(|(name, input)| {
        let name = ["worker", "--name", name, "--segment", "1000", "--parts", "2"];
        Role::start(&[&name[..], &["--input", text(input), "--packagers", &url]].concat())
    });
    let origin = Role::start(&["origin", "--listen", "0", "--packagers", &url]);
    for server in [&packager, &origin] {
        within(PATIENCE, "both encoders are compared", || parity(server));
    }
    // Ten numbers of both.
    thread::sleep(Duration::from_secs(10));
    [("packager", &packager), ("origin", &origin)]
        .into_iter()
        .flat_map(|(name, role)| check(name, role))
        .collect()
}

fn same(name: &str, server: &Role) -> Vec<String> {
    let (parity, lines) = (parity(server), said(server, "show different pictures"));
    println!("{name}: the same input, parity {parity:?}");
    let is_well = parity.is_some_and(|parity| parity > 0.999) && lines == 0;
    if is_well { Vec::new() } else { vec![format!("{name}: parity {parity:?} of one input, {lines} lines")] }
}

fn other(name: &str, server: &Role) -> Vec<String> {
    let (parity, lines) = (parity(server), said(server, "WRN live01: lineages a-"));
    println!("{name}: another input, parity {parity:?}");
    let is_well = parity.is_some_and(|parity| parity < 0.7) && lines == 1;
    if is_well { Vec::new() } else { vec![format!("{name}: parity {parity:?} of others, {lines} lines")] }
}

#[test]
fn encoders_that_differ_are_told_from_those_that_do_not() {
    let faults = thread::scope(|scope| {
        let cases = [(0, same as fn(&str, &Role) -> Vec<String>), (1, other), (250, other)];
        let cases = cases.map(|(late, check)| (late, scope.spawn(move || faults_of(late, check))));
        let told = |(late, case): (u32, thread::ScopedJoinHandle<'_, Vec<String>>)| {
            case.join().unwrap().into_iter().map(move |fault| format!("{late} frames late: {fault}"))
        };
        cases.into_iter().flat_map(told).collect::<Vec<_>>()
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
