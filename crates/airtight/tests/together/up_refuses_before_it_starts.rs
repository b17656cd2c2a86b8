//! What `airtight up` can't work with ends it with exit code 2 and one sentence, before a part is started, a
//! socket bound or a folder made.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{fs, path::Path};

use crate::support::{finished, system::airtight_in};

/// The one sentence with which `up` ends in a folder; nothing is printed or left there.
fn refused(folder: &Path, flags: &[&str], variables: &[(&str, &str)]) -> String {
    let mut up = airtight_in(folder, &[&["up", "--run-dir", "run"], flags].concat());
    let up = finished(up.envs(variables.iter().copied()));
    let said = String::from_utf8(up.stderr).unwrap();
    assert_eq!(up.status.code(), Some(2), "{said}");
    assert_eq!(String::from_utf8_lossy(&up.stdout), "", "{flags:?}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!folder.join("run").exists(), "{flags:?}: nothing is made");
    said
}

fn check(flags: &[&str], variables: &[(&str, &str)], expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let said = refused(folder.path(), flags, variables);
    assert!(said.starts_with(&format!("airtight: {expected}")), "{said}");
}

#[test]
fn an_ffmpeg_or_an_input_that_can_t_be_used() {
    check(
        &["--ffmpeg", "no-such-ffmpeg"],
        &[],
        "ffmpeg = 'no-such-ffmpeg' can't be used: there is no such program; install ffmpeg 5.1 or newer",
    );
    check(&["--ffmpeg", "/"], &[], "ffmpeg = '/' can't be used: cannot run /: Permission denied");
    check(
        &["--input", "film.mp4"],
        &[],
        "input = 'film.mp4' can't be used: there is no such file or folder; give a media file",
    );
}

#[test]
fn a_folder_without_media_that_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("films")).unwrap();
    fs::write(folder.path().join("films/notes.txt"), "words").unwrap();
    let expected =
        "airtight: input = 'films' can't be used: the folder holds no media file; expected one of mp4, ";
    for (flags, variables) in [(&["--input", "films"][..], &[][..]), (&[], &[("INPUT_STREAM_PATH", "films")])]
    {
        let said = refused(folder.path(), flags, variables);
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn a_setting_of_any_part_that_is_out_of_its_range() {
    check(&["--window", "5"], &[], "--window = '5' can't be used: expected a whole number from 6 to 3600");
    check(&["--segment", "7"], &[], "--segment = '7' can't be used: ");
    check(&[], &[("AIRTIGHT_EXPIRY", "never")], "AIRTIGHT_EXPIRY = 'never' can't be used: ");
    check(&[], &[("AIRTIGHT_INTERVAL", "1")], "AIRTIGHT_INTERVAL = '1' can't be used: ");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), "[packager]\nretention-bytes = 1\n").unwrap();
    let said = refused(folder.path(), &["--config", "a.toml"], &[]);
    assert!(said.starts_with("airtight: a.toml, retention-bytes = '1' can't be used: "), "{said}");
}
