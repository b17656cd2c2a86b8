//! Whatever a packager finds on its disk, or however little the disk takes, it serves what is whole, says what is wrong
//! in one line, and its live edge goes on.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::programme::{self, files, json, lineage, media, now, record, segment, write};
use crate::support::{
    self, AIRTIGHT, Role, document, eventually,
    hls::Playlist,
    holdings::listing,
    http::{get, request},
    memory, text, untouched, within,
};
use airtight_media::grid::Number;
use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    process::{Pid, Resource, Rlimit, Signal, geteuid, kill_process, prlimit},
};

fn arguments<'a>(root: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["packager", "--root", text(root), "--spool", "true", "--listen", "0"], more].concat()
}

fn spool(root: &Path, more: &[&str]) -> (Role, String) {
    let role = Role::start(&arguments(root, more));
    let url = role.url();
    (role, url)
}

fn ready(url: &str) {
    eventually("it is ready", || (get(&format!("{url}/readyz"))?.status == 200).then_some(()));
}

fn put(url: &str, path: &str, bytes: &[u8]) -> u16 {
    request("PUT", &format!("{url}/ingest/{path}"), bytes).expect("it is answered").status
}

/// Every file of media below a folder.
fn media_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let of_entry = |path: PathBuf| match path.is_dir() {
        true => media_files(&path),
        false => vec![path],
    };
    let all = entries.flat_map(|entry| of_entry(entry.path()));
    all.filter(|path| path.extension().is_some_and(|extension| extension == "m4s")).collect()
}

/// What is in the log, in the order of the document.
#[derive(Default)]
struct Table(Vec<Vec<String>>);

impl Table {
    /// Waits until the log says so, and only once.
    fn said(&mut self, role: &Role, found: &str, sentence: &str) {
        let says = || role.log().into_iter().filter(|line| is_said(line, sentence)).count();
        eventually(&format!("'{sentence}' is said of {found}"), || (says() > 0).then_some(()));
        assert_eq!(says(), 1, "{found}: {:?}", role.log());
        self.0.push(vec![found.to_owned(), document::quoted(sentence)]);
    }

    /// Runs a command that is to end with this sentence and exit code 2.
    fn refused(&mut self, command: Command, found: &str, sentence: &str) {
        let mut role = Role::spawn(command);
        assert_eq!(role.exit().code(), Some(2), "{found}: {:?}", role.log());
        self.said(&role, found, sentence);
        assert_eq!(role.log().len(), 1, "{found}: {:?}", role.log());
    }
}

/// Whether a line of the log, without its time and level, says so.
fn is_said(line: &str, sentence: &str) -> bool {
    let bare = line.splitn(4, ' ').nth(3).unwrap_or_default();
    document::says(bare, sentence) || document::says(line, sentence)
}

#[test]
fn each_thing_found_has_its_sentence() {
    let mut table = Table::default();
    files_that_are_not_what_they_say(&mut table);
    spools_that_are_none(&mut table);
    let columns = ["found", "said in the log, or at the end"];
    document::assert_table("operate.md", "what is found", &columns, &table.0);
}

fn files_that_are_not_what_they_say(table: &mut Table) {
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

    let (role, url) = spool(root.path(), &[]);
    ready(&url);
    let mut expected = media(&files);
    for path in [&short, &corrupt] {
        expected.remove(path);
        assert_eq!(get(&format!("{url}/v1/media/{path}")).unwrap().status, 404);
        let bad = root.path().join(format!("{path}.bad"));
        assert!(bad.exists() && !root.path().join(path).exists());
    }
    assert_eq!(listing(&url, ""), expected);
    assert!(root.path().join("live02/signal.json.bad").exists());
    assert!(!root.path().join(of(".put-abc")).exists(), "what a dead process left is swept");
    table.said(
        &role,
        "a segment that was half written",
        "'….m4s' can't be served: the bytes end inside a box …; set aside as '….m4s.bad'",
    );
    table.said(
        &role,
        "a segment with wrong bytes",
        "'….m4s' can't be served: box … set aside as '….m4s.bad'",
    );
    table.said(
        &role,
        "a `signal.json` that is none",
        "'…/signal.json' can't be served: the body is no record: …; set aside as '…/signal.json.bad'",
    );
    // In their place whole ones are taken.
    assert_eq!(put(&url, &short, &whole), 201);
}

fn spools_that_are_none(table: &mut Table) {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join(".layout"), "2\n").unwrap();
    write(root.path(), "live01/signal.json", b"who knows");
    let (role, url) = spool(root.path(), &[]);
    ready(&url);
    table.said(
        &role,
        "a spool of another version",
        "'…' is a spool of layout '2', this program has layout '1': what was in it is set aside as '…' and takes up \
         room until somebody deletes it",
    );
    assert!(!root.path().join("live01").exists());
    assert_eq!(put(&url, "live01/signal.json", &json(&record("live01", now()))), 201, "it begins anew");
    drop(role);

    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("letter.txt"), "Dear").unwrap();
    table.refused(
        support::airtight(&arguments(home.path(), &[])),
        "a folder for a spool that holds something else",
        "airtight: root folder '…' is no spool, it holds 'letter.txt', and a packager deletes in its spool: choose an empty \
         folder by --root or OUTPUT_STREAM_PATH",
    );
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1, "nothing is made there");

    let closed = tempfile::tempdir().unwrap();
    write(closed.path(), "live01/letter.txt", b"Dear");
    let _read_only = ReadOnly::new(closed.path());
    set_mode(&closed.path().join("live01"), 0);
    table.refused(
        unprivileged(&arguments(closed.path(), &[])),
        "a folder for a spool that holds what can't be read",
        "airtight: root folder '…' is no spool, it holds 'live01', which can't be read (…), and a packager deletes in its \
         spool: choose an empty folder by --root or OUTPUT_STREAM_PATH",
    );

    let shared = tempfile::tempdir().unwrap();
    let (first, _) = spool(shared.path(), &[]);
    kill_process(first.pid(), Signal::STOP).unwrap();
    fs::write(shared.path().join(".layout"), "2\n").unwrap();
    table.refused(
        support::airtight(&arguments(shared.path(), &["--name", "server2"])),
        "the spool of another packager that runs, or stands still",
        "airtight: root folder '…' is the spool of packager server1 at …, which runs: choose another by --root or \
         OUTPUT_STREAM_PATH, or end that one first",
    );
    assert_eq!(fs::read(shared.path().join(".layout")).unwrap(), b"2\n", "nothing of it is set aside");
    kill_process(first.pid(), Signal::CONT).unwrap();
    drop(first);
    let (second, _) = spool(shared.path(), &["--name", "server2"]);
    drop(second);

    let unusable = "airtight: root folder '…' can't be used: …; choose another by --root or OUTPUT_STREAM_PATH, or let this \
                    user make and use it";
    let unwritable = tempfile::tempdir().unwrap();
    let _read_only = ReadOnly::new(unwritable.path());
    let command = unprivileged(&arguments(unwritable.path(), &[]));
    table.refused(command, "a spool that can't be written", unusable);
    let file = tempfile::NamedTempFile::new().unwrap();
    table.refused(
        support::airtight(&arguments(file.path(), &[])),
        "a file where the root should be",
        unusable,
    );
}

/// The program run by a user who may read what all may read, and write nothing.
fn unprivileged(args: &[&str]) -> Command {
    if !geteuid().is_root() {
        return support::airtight(args);
    }
    let mut command = untouched("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", AIRTIGHT]).args(args);
    command
}

/// Lets nobody write in a folder and those in it, until it is dropped.
struct ReadOnly(PathBuf);

impl ReadOnly {
    fn new(folder: &Path) -> Self {
        set_mode(folder, 0o555);
        Self(folder.to_owned())
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        set_mode(&self.0, 0o755);
    }
}

fn set_mode(folder: &Path, mode: u32) {
    fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries.filter(|entry| entry.path().is_dir()).for_each(|entry| set_mode(&entry.path(), mode));
}

#[test]
fn a_shared_folder_that_can_only_be_read_is_served() {
    let root = tempfile::tempdir().unwrap();
    let (n, lineage) = (now(), lineage());
    let files = files("live01", &lineage, n - 5..=n);
    for (path, bytes) in &files {
        write(root.path(), path, bytes);
    }
    let _read_only = ReadOnly::new(root.path());
    let role = Role::spawn(unprivileged(&["packager", "--root", text(root.path()), "--listen", "0"]));
    let url = role.url();
    ready(&url);
    assert_eq!(listing(&url, ""), media(&files));
    eventually("it is on the air", || Playlist::get(&format!("{url}/live01/720p/playlist.m3u8")));
    let mut ended = record("live01", n - 5);
    ended.end = Some(Number(n + 5));
    let end = request("PUT", &format!("{url}/ingest/live01/signal.json"), &json(&ended)).unwrap();
    assert!(document::says(&end.text(), "the record can't be written: …"), "{}", end.text());
    assert_eq!(end.status, 503);
    assert!(!role.log().iter().any(|line| line.contains("ERR")), "{:?}", role.log());
}

/// A packager for whose files there is no room, from its start on.
fn on_a_full_disk(root: &Path) -> (Role, String) {
    let mut command = untouched("prlimit");
    // As long as the limit holds every write fails; the signal that goes with it is not what a full disk sends.
    command.args(["--fsize=0:", "env", "--ignore-signal=XFSZ", AIRTIGHT]).args(arguments(root, &[]));
    let role = Role::spawn(command);
    let url = role.url();
    (role, url)
}

fn make_room(pid: Pid) {
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: None, maximum: None }).unwrap();
}

#[test]
fn a_full_disk_does_not_take_the_live_edge_down_and_is_caught_up_with() {
    let root = tempfile::tempdir().unwrap();
    let (role, url) = on_a_full_disk(root.path());
    let (n, lineage) = (now(), lineage());
    let files = files("live01", &lineage, n - 5..=n);
    for (path, bytes) in &files {
        assert_eq!(put(&url, path, bytes), 201, "{path}");
    }
    assert_eq!(media_files(root.path()), Vec::<PathBuf>::new(), "the disk is full");
    assert_eq!(listing(&url, ""), media(&files));
    for (path, bytes) in files.iter().filter(|(path, _)| !path.ends_with(".json")) {
        assert_eq!(get(&format!("{url}/v1/media/{path}")).unwrap().body, *bytes, "{path}");
    }
    eventually("it is on the air", || Playlist::get(&format!("{url}/live01/720p/playlist.m3u8")));
    let failures = format!("airtight_packager_write_failures_total {}", files.len());
    assert!(get(&format!("{url}/metrics")).unwrap().text().contains(&failures));
    let mut table = Table::default();
    table.said(
        &role,
        "a disk that takes nothing",
        "'…' can't be written: …; what is recent is kept in memory only: make room there",
    );

    make_room(role.pid());
    for (path, bytes) in files.iter().filter(|(path, _)| !path.ends_with(".json")) {
        let written = || (fs::read(root.path().join(path)).ok()? == *bytes).then_some(());
        eventually(&format!("{path} is written"), written);
    }
    table.said(&role, "a disk that takes media again", "'…' can be written again");
    document::assert_table("operate.md", "a full disk", &["the disk", "said in the log"], &table.0);
    role.kill();

    let (_role, url) = spool(root.path(), &[]);
    ready(&url);
    assert_eq!(listing(&url, ""), media(&files), "one that is restarted has it, too");
}

#[test]
fn what_can_not_be_written_keeps_nothing_else_from_the_disk() {
    let root = tempfile::tempdir().unwrap();
    let (n, lineage) = (now(), lineage());
    let folder = root.path().join(format!("live01/{lineage}"));
    fs::create_dir(folder.parent().unwrap()).unwrap();
    fs::write(&folder, "in the way").unwrap();
    let (_role, url) = spool(root.path(), &[]);
    let files = files("live01", &lineage, n - 5..=n);
    for (path, bytes) in &files {
        assert_eq!(put(&url, path, bytes), 201, "{path}");
    }
    // Its folder is given back to it but for one track, and with a file of other bytes.
    let given = root.path().join(".given");
    write(root.path(), &format!(".given/720p/{n}.m4s"), b"of another");
    fs::write(given.join("audio"), "in the way").unwrap();
    renameat_with(CWD, &given, CWD, &folder, RenameFlags::EXCHANGE).unwrap();
    for (path, bytes) in files.iter().filter(|(path, _)| path.contains("/720p/")) {
        let written = || (fs::read(root.path().join(path)).ok()? == *bytes).then_some(());
        eventually(&format!("{path} is written"), written);
    }
    assert_eq!(listing(&url, ""), media(&files), "the rest is given from memory");
}

#[test]
fn a_spool_keeps_to_its_bytes() {
    const KEPT: u64 = 16 << 20;
    let root = tempfile::tempdir().unwrap();
    let bytes = KEPT.to_string();
    let (_role, url) =
        spool(root.path(), &["--retention-bytes", &bytes, "--window", "6", "--retention", "600"]);
    let (n, lineage) = (now(), lineage());
    let first = n - 99;
    for (path, bytes) in files("live01", &lineage, first..=first) {
        assert_eq!(put(&url, &path, &bytes), 201, "{path}");
    }
    // A box that players skip makes them as long as those of a real encoder.
    let padding = [&(1_u32 << 18).to_be_bytes()[..], b"free", &[0; (1 << 18) - 8]].concat();
    for number in first + 1..=n {
        let long = [&padding[..], &segment("720p", number)].concat();
        assert_eq!(put(&url, &format!("live01/{lineage}/720p/{number}.m4s"), &long), 201, "{number}");
    }
    let on_disk = || {
        media_files(root.path())
            .iter()
            .map(|path| fs::metadata(path).map_or(0, |file| file.len()))
            .sum::<u64>()
    };
    eventually("the spool is within its bytes", || (on_disk() <= KEPT).then_some(()));
    assert!(on_disk() > KEPT - (2 << 20), "no more is let go than must be: {}", on_disk());
    let held = listing(&url, "");
    for number in n - 14..=n {
        assert!(
            held.contains_key(&format!("live01/{lineage}/720p/{number}.m4s")),
            "{number} is one of the newest"
        );
    }
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
    let (_role, url) = spool(root.path(), &["--retention", "600"]);
    let all = || (listing(&url, "").len() == segments.clone().count() + 4).then_some(());
    within(Duration::from_secs(1), "450 segments are held", all);
}

/// The same segment, so many numbers later: only its times differ.
fn later(segment: &[u8], numbers: u64) -> Vec<u8> {
    let mut bytes = segment.to_vec();
    let times: Vec<_> =
        bytes.windows(4).enumerate().filter(|(_, name)| *name == b"tfdt").map(|(at, _)| at + 8).collect();
    for at in times {
        let time = u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap()) + numbers * 50_000;
        bytes[at..at + 8].copy_from_slice(&time.to_be_bytes());
    }
    bytes
}

#[test]
fn a_hundred_thousand_files_are_no_burden() {
    const FILES: u64 = 100_000;
    const DAY: u64 = 43_200;
    let root = tempfile::tempdir().unwrap();
    let (n, first) = (now(), now() - FILES / 2);
    let template = segment("720p", first);
    for lineage in ["a-1", "b-1"] {
        for (path, bytes) in files("live01", &lineage.parse().unwrap(), n - 20..=n) {
            write(root.path(), &path, &bytes);
        }
        for number in first..n - 20 {
            let path = root.path().join(format!("live01/{lineage}/720p/{number}.m4s"));
            fs::write(path, later(&template, number - first)).unwrap();
        }
    }
    let began = Instant::now();
    let (role, url) = spool(root.path(), &["--retention", "86400"]);
    let listening = began.elapsed();
    ready(&url);
    let playlist =
        eventually("it is on the air", || Playlist::get(&format!("{url}/live01/720p/playlist.m3u8")));
    let on_air = began.elapsed();
    assert!(playlist.segments.len() >= 15, "with all of its window: {}", playlist.text);
    assert!(on_air < Duration::from_secs(5), "{on_air:?}");
    let kept = || media_files(root.path()).len() as u64;
    within(Duration::from_secs(120), "what has expired is deleted", || {
        (kept() < 2 * (DAY + 100)).then_some(())
    });
    let (all, resident) = (began.elapsed(), memory::resident_kib(role.pid()));
    println!(
        "{FILES} files: listens after {listening:?}, on the air after {on_air:?}, all done after {all:?}, {resident} KiB"
    );
    assert!(resident < 256 << 10, "{resident} KiB");
    assert!(listing(&url, "").len() as u64 > 2 * DAY, "a day is held");
}
