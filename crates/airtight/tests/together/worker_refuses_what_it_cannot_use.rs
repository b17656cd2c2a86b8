//! What a worker can't work with ends it with exit code 2 and one sentence that says what to do, and leaves
//! nothing behind in the output folder; what lacks pictures or sound is encoded with what it has. An input that turns out
//! to be damaged is named, with what ffmpeg says of it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Signal;

use crate::support::{Role, document, eventually, media, outcome, text};

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
        media::make(&mut ffmpeg);
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

/// What was given, and the sentence that it got, in the order of the document.
#[derive(Default)]
struct Table(Vec<Vec<String>>);

impl Table {
    /// `sentence` has to be `expected`, in which `…` stands for what differs from run to run.
    fn row(&mut self, given: &str, sentence: &str, expected: &str) {
        assert!(document::says(sentence, &format!("airtight: {expected}")), "{given}: {sentence}");
        self.0.push(vec![given.to_owned(), document::quoted(expected)]);
    }
}

#[test]
fn each_thing_refused_has_its_sentence() {
    let (bench, mut table) = (Bench::new(), Table::default());
    inputs_that_are_no_media(&bench, &mut table);
    ffmpegs_that_are_missing_or_too_old(&bench, &mut table);
    codecs_that_are_missing_or_do_not_go_with_another_setting(&bench, &mut table);
    an_output_that_cannot_be_written(&bench, &mut table);
    settings_that_are_none(&bench, &mut table);
    document::assert_table("operate.md", "what a worker refuses", &["given", "said at the end"], &table.0);
}

fn inputs_that_are_no_media(bench: &Bench, table: &mut Table) {
    let missing = bench.refused(&bench.path("no-such"), &[]);
    table.row(
        "an input that is not there",
        &missing,
        "input = '…' can't be used: there is no such file or folder; give a media file, a folder of them, or testsrc",
    );
    let empty = bench.refused(&bench.file("empty.mp4", b""), &[]);
    table.row("an empty file", &empty, "input = '…' can't be used: '…' is empty");
    let corrupt = bench.refused(&bench.file("corrupt.mp4", &[7; 4096]), &[]);
    table.row(
        "a file that is no media",
        &corrupt,
        "input '…' can't be used: it is no media that ffmpeg can read: …",
    );
    fs::create_dir(bench.path("folder")).unwrap();
    let bare = bench.refused(&bench.path("folder"), &[]);
    table.row(
        "a folder without media",
        &bare,
        "input = '…' can't be used: the folder holds no media file; expected one of mp4, …",
    );
    let subtitles = bench.file("words.srt", b"1\n00:00:00,000 --> 00:00:01,000\nhello\n");
    let neither = bench.refused(&subtitles, &[]);
    table.row("subtitles alone", &neither, "input '…' can't be used: it has neither pictures nor sound");
    for (given, name) in
        [("a picture", "still.png"), ("a GIF of one picture", "still.gif"), ("a video of one", "still.mp4")]
    {
        let still = bench.media(name, "-f lavfi -i testsrc2=s=64x64 -frames:v 1");
        table.row(
            given,
            &bench.refused(&still, &[]),
            "input '…' can't be used: it is a single picture; give a video, or 'testsrc' for the generated programme",
        );
    }
}

/// A program that says this.
fn program(bench: &Bench, name: &str, script: &[u8]) -> PathBuf {
    let path = bench.file(name, script);
    assert!(Command::new("chmod").arg("+x").arg(&path).status().unwrap().success());
    path
}

fn ffmpegs_that_are_missing_or_too_old(bench: &Bench, table: &mut Table) {
    let input = bench.file("any.mp4", b"x");
    let missing = bench.refused(&input, &["--ffmpeg", "no-such-ffmpeg"]);
    table.row(
        "no ffmpeg",
        &missing,
        "ffmpeg = '…' can't be used: there is no such program; install ffmpeg 5.1 or newer, or say where it is with --ffmpeg",
    );
    let script = b"#!/bin/sh\necho ffmpeg version 4.4.2-0ubuntu0 Copyright\n";
    let old = bench.refused(&input, &["--ffmpeg", text(&program(bench, "old-ffmpeg", script))]);
    table.row(
        "an old ffmpeg",
        &old,
        "ffmpeg = '…' can't be used: it is version 4.4; install ffmpeg 5.1 or newer",
    );
    let barred = bench.refused(&input, &["--ffmpeg", text(bench.folder.path())]);
    table.row(
        "an ffmpeg that this user can't run",
        &barred,
        "ffmpeg = '…' can't be used: cannot run …: Permission denied (os error 13); install ffmpeg 5.1 or newer",
    );
}

fn codecs_that_are_missing_or_do_not_go_with_another_setting(bench: &Bench, table: &mut Table) {
    let input = bench.file("any.mp4", b"x");
    let script = b"#!/bin/sh\ncase $1 in -version) echo ffmpeg version 6.0 ;; *) echo ' V....D libx264 H.264' ;; esac\n";
    let small = program(bench, "small-ffmpeg", script);
    for (key, codec, encoder) in [
        ("video-codec", "hevc", "libx265"),
        ("video-codec", "av1", "libaom-av1"),
        ("audio-codec", "opus", "libopus"),
    ] {
        let flag = format!("--{key}");
        let sentence = bench.refused(&input, &[&flag, codec, "--ffmpeg", text(&small)]);
        let expected = format!(
            "{key} = '{codec}' can't be used: '…' has no encoder {encoder}; install an ffmpeg that has it, or choose another"
        );
        table.row(&format!("`{flag} {codec}` and an ffmpeg without it"), &sentence, &expected);
    }
    let b_frames = bench.refused(&input, &["--video-codec", "av1", "--b-frames", "2"]);
    table.row(
        "`--video-codec av1 --b-frames 2`",
        &b_frames,
        "b-frames = '2' can't be used: av1 has none; leave it out, or choose h264 or hevc",
    );
    let rate = bench.refused(&input, &["--audio-codec", "opus", "--audio-rate", "44100"]);
    table.row(
        "`--audio-codec opus --audio-rate 44100`",
        &rate,
        "audio-rate = '44100' can't be used: opus has 48000 only",
    );
}

fn an_output_that_cannot_be_written(bench: &Bench, table: &mut Table) {
    let output = bench.file("file", b"no folder");
    let (code, log) = outcome(&["worker", "--input", "testsrc", "--output", text(&output)]);
    assert_eq!(code, Some(2));
    let sentence = log.lines().find(|line| line.starts_with("airtight: ")).unwrap_or_default();
    table.row(
        "a file where the output should be",
        sentence,
        "output = '…' can't be used: Not a directory (os error 20); give a folder that can be written",
    );
}

fn settings_that_are_none(bench: &Bench, table: &mut Table) {
    const NAME: &str = "expected 1 to 64 of a-z, A-Z, 0-9, '_' and '-', the first a letter or digit";
    let input = bench.file("any.mp4", b"x");
    for (flag, value, expected) in [
        ("--segment", "2s", "--segment = '2s' can't be used: expected a whole number from 1000 to 6000"),
        ("--name", "../a", &format!("--name = '../a' can't be used: '../a' is no worker name: {NAME}")),
        ("--signal", "a/b", &format!("--signal = 'a/b' can't be used: 'a/b' is no signal name: {NAME}")),
        ("--video-codec", "vp9", "--video-codec = 'vp9' can't be used: expected h264, hevc or av1"),
        ("--b-frames", "5", "--b-frames = '5' can't be used: expected a whole number from 0 to 4"),
        ("--audio-codec", "mp3", "--audio-codec = 'mp3' can't be used: expected aac or opus"),
        ("--audio-rate", "32000", "--audio-rate = '32000' can't be used: expected 44100 or 48000"),
        ("--audio-channels", "3", "--audio-channels = '3' can't be used: expected 1, 2 or 6"),
        (
            "--parts",
            "11",
            "parts = '11' can't be used: a part of a segment of 2000 ms would last less than 200 ms; give at most 10",
        ),
        (
            "--packagers",
            "ftp://x",
            "--packagers has 'ftp://x', which can't be used: 'ftp://x' is no URL of a part: it has to start with \
             http://, such as http://localhost:8080",
        ),
    ] {
        table.row(&format!("`{flag} {value}`"), &bench.refused(&input, &[flag, value]), expected);
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

#[test]
fn a_file_that_turns_out_to_be_damaged_is_named_with_the_last_line_of_ffmpeg() {
    let bench = Bench::new();
    let words =
        "-f lavfi -i testsrc2=s=320x180:r=25:d=10 -c:v libx264 -preset ultrafast -movflags +faststart";
    let whole = fs::read(bench.media("whole.mp4", words)).unwrap();
    let damaged = bench.file("damaged.mp4", &whole[..whole.len() / 8]);
    let output = bench.path("output");
    let args = ["worker", "--input", text(&damaged), "--output", text(&output), "--log", "debug"];
    let mut role = Role::start(&args);
    let line = role.line("is started anew in ");
    assert!(
        line.contains(&format!("WRN The encoder of {} is started anew in ", damaged.display())),
        "{line}"
    );
    assert!(line.contains("; the last line of ffmpeg is '"), "{line}");
    // How it fails differs from run to run, but it does so for ever.
    role.line("DBG The encoder of ");
    role.signal(Signal::TERM);
    assert!(role.exit().success());
    role.line(" more times, the last time because: ");
}
