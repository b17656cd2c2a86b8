//! What a worker can't work with ends it with exit code 2 and one sentence that says what to do, and leaves
//! nothing behind in the output folder; what lacks pictures or sound is encoded with what it has.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use support::{Role, eventually, outcome, text};

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Makes a small media file with ffmpeg's own words for its source.
    fn media(&self, name: &str, words: &str) -> PathBuf {
        let path = self.path(name);
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-y"]).args(words.split_whitespace()).arg(&path);
        assert!(ffmpeg.status().unwrap().success());
        path
    }

    /// The sentence with which a worker on this input ends.
    fn refused(&self, input: &Path, more: &[&str]) -> String {
        let output = self.path("output");
        let args = ["worker", "--input", text(input), "--output", text(&output)];
        let (code, log) = outcome(&[&args, more].concat());
        assert_eq!(code, Some(2), "{log}");
        let sentences: Vec<_> = log.lines().filter(|line| line.starts_with("airtight: ")).collect();
        assert_eq!(sentences.len(), 1, "{log}");
        assert!(!log.contains("panicked"), "{log}");
        let left = fs::read_dir(output.join("live01")).into_iter().flatten().count();
        assert_eq!(left, 0, "nothing was published");
        sentences[0].to_owned()
    }
}

#[test]
fn an_input_that_is_no_media() {
    let bench = Bench::new();
    let missing = bench.refused(&bench.path("no-such"), &[]);
    assert!(missing.contains("no-such' can't be used: there is no such file or folder"), "{missing}");
    let empty = bench.refused(&bench.file("empty.mp4", b""), &[]);
    assert!(empty.ends_with("empty.mp4' is empty"), "{empty}");
    let corrupt = bench.refused(&bench.file("corrupt.mp4", &[7; 4096]), &[]);
    assert!(corrupt.contains("it is no media that ffmpeg can read: "), "{corrupt}");
    fs::create_dir(bench.path("folder")).unwrap();
    let bare = bench.refused(&bench.path("folder"), &[]);
    assert!(bare.contains("the folder holds no media file"), "{bare}");
    let subtitles = bench.file("words.srt", b"1\n00:00:00,000 --> 00:00:01,000\nhello\n");
    let neither = bench.refused(&subtitles, &[]);
    assert!(neither.ends_with("it has neither pictures nor sound"), "{neither}");
    let still = "-f lavfi -i testsrc2=s=64x64 -frames:v 1";
    for name in ["still.png", "still.gif", "still.mp4"] {
        let still = bench.refused(&bench.media(name, still), &[]);
        assert!(still.contains(&format!("{name}' can't be used: it is a single picture; ")), "{still}");
    }
}

#[test]
fn an_ffmpeg_that_is_missing_or_too_old() {
    let bench = Bench::new();
    let input = bench.file("any.mp4", b"x");
    let missing = bench.refused(&input, &["--ffmpeg", "no-such-ffmpeg"]);
    assert!(missing.contains("'no-such-ffmpeg' can't be used: there is no such program; install ffmpeg 5.1"));
    let old = bench.file("ffmpeg", b"#!/bin/sh\necho ffmpeg version 4.4.2-0ubuntu0 Copyright\n");
    assert!(Command::new("chmod").arg("+x").arg(&old).status().unwrap().success());
    let old = bench.refused(&input, &["--ffmpeg", text(&old)]);
    assert!(old.ends_with("it is version 4.4; install ffmpeg 5.1 or newer"), "{old}");
    let barred = bench.refused(&input, &["--ffmpeg", text(bench.folder.path())]);
    assert!(barred.ends_with("Permission denied (os error 13); install ffmpeg 5.1 or newer"), "{barred}");
}

#[test]
fn a_codec_that_ffmpeg_lacks_or_that_does_not_go_with_another_setting() {
    let bench = Bench::new();
    let input = bench.file("any.mp4", b"x");
    let script = b"#!/bin/sh\ncase $1 in -version) echo ffmpeg version 6.0 ;; *) echo ' V....D libx264 H.264' ;; esac\n";
    let small = bench.file("ffmpeg", script);
    assert!(Command::new("chmod").arg("+x").arg(&small).status().unwrap().success());
    for (flags, encoder) in [
        (&["--video-codec", "hevc"][..], "video-codec = 'hevc' can't be used: '{}' has no encoder libx265;"),
        (&["--video-codec", "av1"], "video-codec = 'av1' can't be used: '{}' has no encoder libaom-av1;"),
        (&["--audio-codec", "opus"], "audio-codec = 'opus' can't be used: '{}' has no encoder libopus;"),
    ] {
        let sentence = bench.refused(&input, &[flags, &["--ffmpeg", text(&small)]].concat());
        assert!(sentence.contains(&encoder.replace("{}", text(&small))), "{sentence}");
    }
    let b_frames = bench.refused(&input, &["--video-codec", "av1", "--b-frames", "2"]);
    assert!(b_frames.contains("b-frames = '2' can't be used: av1 has none"), "{b_frames}");
    let rate = bench.refused(&input, &["--audio-codec", "opus", "--audio-rate", "44100"]);
    assert!(rate.contains("audio-rate = '44100' can't be used: opus has 48000 only"), "{rate}");
}

#[test]
fn an_output_that_cannot_be_written() {
    let bench = Bench::new();
    let output = bench.file("file", b"no folder");
    let (code, log) = outcome(&["worker", "--input", "testsrc", "--output", text(&output)]);
    assert_eq!(code, Some(2));
    assert!(
        log.contains("file' can't be used: ") && log.contains("give a folder that can be written"),
        "{log}"
    );
}

#[test]
fn settings_that_are_none() {
    let bench = Bench::new();
    let input = bench.file("any.mp4", b"x");
    for (flag, value, right) in [
        ("--segment", "2s", "expected a whole number from 1000 to 6000"),
        ("--name", "../a", "is no worker name"),
        ("--signal", "a/b", "is no signal name"),
        ("--video-codec", "vp9", "expected h264, hevc or av1"),
        ("--b-frames", "5", "expected a whole number from 0 to 4"),
        ("--audio-codec", "mp3", "expected aac or opus"),
        ("--audio-rate", "32000", "expected 44100 or 48000"),
        ("--audio-channels", "3", "expected 1, 2 or 6"),
        ("--parts", "11", "would last less than 200 ms; give at most 10"),
        ("--packagers", "ftp://x", "--packagers has 'ftp://x', which can't be used"),
    ] {
        let sentence = bench.refused(&input, &[flag, value]);
        assert!(sentence.contains(right), "{sentence}");
    }
}

#[test]
fn an_input_is_encoded_with_what_it_has() {
    let bench = Bench::new();
    let picture = "-f lavfi -i testsrc2=s=160x90:r=30000/1001:d=2 -c:v libx264 -preset ultrafast";
    let sound = "-f lavfi -i sine=440:r=44100:d=2";
    for (name, words, tracks) in [("silent.mp4", picture, "90p"), ("radio.mp3", sound, "audio")] {
        let (input, output) = (bench.media(name, words), bench.path(&format!("output-{name}")));
        let role =
            Role::start(&["worker", "--input", text(&input), "--output", text(&output), "--segment", "1000"]);
        role.line(&format!("Signal live01 is encoded to {tracks}"));
        let record = eventually("the record is written", || fs::read(output.join("live01/signal.json")).ok());
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        let names: Vec<_> =
            record["eras"][0]["tracks"].as_array().unwrap().iter().map(|t| &t["name"]).collect();
        assert_eq!(names, [tracks]);
    }
}
