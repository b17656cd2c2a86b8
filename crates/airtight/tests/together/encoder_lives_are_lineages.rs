//! Each life of ffmpeg is a lineage of its own; no ffmpeg outlives its worker; an event ends where its record
//! says so.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{Role, eventually, finished, media, outcome, text};
use rustix::process::{Pid, Signal, kill_process};

/// A worker on a small looped file with an output folder of its own.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with_sound_for(3)
    }

    /// Three seconds of pictures, and sound for fewer.
    fn with_sound_for(seconds: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (source, sound) = ("testsrc2=s=160x90:r=25:d=3", format!("sine=440:d={seconds}"));
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", source, "-f", "lavfi", "-i", &sound]);
        ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast"]).arg(folder.path().join("input.mp4"));
        media::make(&mut ffmpeg);
        Self { folder }
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("output")
    }

    fn args(&self) -> [String; 7] {
        let input = self.folder.path().join("input.mp4");
        ["worker", "--input", text(&input), "--output", text(&self.output()), "--segment", "1000"]
            .map(str::to_owned)
    }

    fn start(&self) -> Role {
        Role::start(&self.args().each_ref().map(String::as_str))
    }

    fn lineages(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.output().join("live01")).into_iter().flatten().flatten();
        let mut lineages: Vec<_> =
            entries.map(|e| e.path()).filter(|p| p.join("playlist.m3u8").exists()).collect();
        lineages.sort();
        lineages
    }

    fn record(&self) -> PathBuf {
        self.output().join("live01/signal.json")
    }
}

/// The ffmpeg processes whose parent is `worker`.
fn encoders(worker: Pid) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let pids = processes.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<i32>().ok());
        stat.contains("(ffmpeg)") && parent == Some(worker.as_raw_pid())
    })
    .filter_map(Pid::from_raw)
    .collect()
}

fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).unwrap_or_default();
    !stat.contains("(ffmpeg)") || stat.contains(") Z ")
}

fn last_number(playlist: &Path) -> Option<u64> {
    let text = fs::read_to_string(playlist).ok()?;
    text.lines().rfind(|line| line.ends_with(".m4s"))?.strip_suffix(".m4s")?.parse().ok()
}

#[test]
fn a_dead_or_frozen_encoder_is_followed_by_another_lineage() {
    let bench = Bench::new();
    let worker = bench.start();
    for (count, signal) in [(1, Signal::KILL), (2, Signal::STOP)] {
        eventually("a lineage plays", || (bench.lineages().len() == count).then_some(()));
        let encoder = eventually("its encoder runs", || encoders(worker.pid()).pop());
        kill_process(encoder, signal).unwrap();
        eventually("it is replaced", || is_gone(encoder).then_some(()));
    }
    let lineages = eventually("a third lineage plays", || Some(bench.lineages()).filter(|l| l.len() == 3));
    worker.line("no media has come for");
    worker.kill();
    lineages.iter().for_each(|lineage| plays(lineage));
}

#[test]
fn sound_that_ends_before_the_pictures_is_filled_within_one_life() {
    let bench = Bench::with_sound_for(1);
    let worker = bench.start();
    let lineage = eventually("a lineage plays", || bench.lineages().pop());
    let [pictures, sound] = ["90p", "audio"].map(|track| lineage.join(track).join("playlist.m3u8"));
    let first = eventually("a segment is there", || numbers(&sound).first().copied());
    // Four showings: what lacks sound in one is filled once the next begins.
    let made = eventually("twelve numbers have sound", || Some(numbers(&sound)).filter(|n| n.len() >= 12));
    let shown = numbers(&pictures);
    assert_eq!(made, (first..first + made.len() as u64).collect::<Vec<_>>(), "no hole");
    assert!(shown.last() <= Some(&(first + made.len() as u64 + 5)), "pictures {shown:?}, sound {made:?}");
    assert_eq!(bench.lineages().len(), 1);
    assert!(!worker.log().iter().any(|line| line.contains("started anew")), "{:?}", worker.log());
    worker.kill();
    plays(&lineage);
}

/// The numbers that a playlist lists.
fn numbers(playlist: &Path) -> Vec<u64> {
    let text = fs::read_to_string(playlist).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_suffix(".m4s")?.parse().ok()).collect()
}

/// Plays all of a lineage that is over.
fn plays(lineage: &Path) {
    for track in ["90p", "audio"] {
        // Players wait for more of a live playlist.
        let path = lineage.join(track).join("playlist.m3u8");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text + "#EXT-X-ENDLIST\n").unwrap();
    }
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-xerror", "-i"]).arg(lineage.join("playlist.m3u8"));
    let played = finished(ffmpeg.args(["-map", "0", "-f", "null", "-"]));
    assert!(played.status.success() && played.stderr.is_empty(), "{}: {played:?}", lineage.display());
}

#[test]
fn no_encoder_outlives_its_worker() {
    let bench = Bench::new();
    let worker = bench.start();
    worker.line("is on the air");
    let encoder = encoders(worker.pid()).pop().unwrap();
    // A frozen one does not notice that nobody reads its pipes any more.
    kill_process(encoder, Signal::STOP).unwrap();
    let _leash = Leash(encoder);
    worker.kill();
    eventually("the encoder is gone", || is_gone(encoder).then_some(()));
}

/// Ends a process that should have ended by itself.
struct Leash(Pid);

impl Drop for Leash {
    fn drop(&mut self) {
        if !is_gone(self.0) {
            let _ = kill_process(self.0, Signal::KILL);
        }
    }
}

#[test]
fn an_event_ends_with_its_last_number_and_is_not_begun_again() {
    let bench = Bench::new();
    let mut worker = bench.start();
    let playlist =
        eventually("the lineage plays", || Some(bench.lineages().first()?.join("audio/playlist.m3u8")));
    let end = eventually("a segment is there", || last_number(&playlist)) + 4;
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(bench.record()).unwrap()).unwrap();
    record["end"] = end.into();
    let draft = bench.output().join("draft");
    fs::write(&draft, record.to_string()).unwrap();
    fs::rename(draft, bench.record()).unwrap();
    assert!(worker.exit().success());
    worker.line("The event of live01 has ended");
    assert_eq!(last_number(&playlist), Some(end));
    assert!(fs::read_to_string(&playlist).unwrap().ends_with("#EXT-X-ENDLIST\n"));
    let (code, log) = outcome(&bench.args().each_ref().map(String::as_str));
    assert_eq!(code, Some(2));
    assert!(log.contains(&format!("its event has ended with number {end}; give another --signal")), "{log}");
}

#[test]
fn two_workers_on_one_folder_agree_on_one_record() {
    let bench = Bench::new();
    let args = bench.args();
    let with = |name| [&args.each_ref().map(String::as_str)[..], &["--name", name]].concat();
    let (a, b) = (Role::start(&with("a")), Role::start(&with("b")));
    a.line("is on the air");
    b.line("is on the air");
    eventually("both lineages play", || (bench.lineages().len() == 2).then_some(()));
    let first = eventually("the record has the first of both", || {
        let record: serde_json::Value = serde_json::from_slice(&fs::read(bench.record()).ok()?).ok()?;
        let eras = record["eras"].as_array()?;
        let same = eras.iter().all(|era| era["tracks"] == eras[0]["tracks"]);
        same.then(|| record["first"].as_u64())?
    });
    let numbers = bench.lineages().into_iter().filter_map(|lineage| {
        let text = fs::read_to_string(lineage.join("audio/playlist.m3u8")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")?.parse::<u64>().ok())
    });
    assert_eq!(numbers.min(), Some(first));
}
