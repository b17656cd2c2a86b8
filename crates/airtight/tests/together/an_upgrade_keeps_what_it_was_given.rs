//! `airtight up --upgrade` alone goes on with all that the system was given, whoever of it still runs. What can't be
//! changed is refused.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;

use rustix::process::Signal;

use crate::support::{
    ON_THE_AIR,
    system::{self, System},
    within,
};

const PARTS: [&str; 4] = ["worker-a", "discovery", "server1", "origin1"];
const GIVEN: [&str; 6] = [
    "--signal=sport",
    "--input=testsrc-small",
    "--segment=1000",
    "--window=12",
    "--log-format=json",
    // None: viewers come another way.
    "--pathways=",
];

fn lines(system: &System) -> Vec<String> {
    within(ON_THE_AIR, "all parts have begun", || {
        PARTS.iter().map(|part| system.command_line(part)).collect()
    })
}

#[test]
fn an_upgrade_keeps_what_it_was_given() {
    let mut system = System::start_some(&PARTS, &GIVEN);
    let (given, port) = (lines(&system), system.port("origin1"));
    assert!(
        given[0].contains("--signal=sport") && given[0].contains("--input=testsrc-small"),
        "{}",
        given[0]
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let run_dir = system.run_dir().display().to_string();
    system.upgrade_from(elsewhere.path(), &["--run-dir", &run_dir]);
    assert_eq!(lines(&system), given);

    // Nobody is left who encodes, and nobody who supervises.
    system.kill_supervisor();
    system.kill("worker-a");
    system.upgrade();
    assert_eq!(lines(&system), given);
    assert_eq!(system.port("origin1"), port);
    assert!(system.shown().starts_with('{'), "the supervisor goes on in JSON: {}", system.shown());

    within(ON_THE_AIR, "the packager has media", || {
        system
            .playlist("server1", "sport/audio/playlist.m3u8")
            .filter(|playlist| playlist.contains("#EXTINF"))
    });
    let packager = format!("http://localhost:{}", system.port("server1"));
    let end = system.run(&["end", "sport", "--packagers", &packager]);
    assert!(end.status.success(), "{end:?}");
    within(ON_THE_AIR, "the worker ends", || system.process("worker-a").is_none().then_some(()));
    system.kill_supervisor();
    system.upgrade();
    assert_eq!(system.port("origin1"), port);
    within(ON_THE_AIR, "the event is over", || system.process("worker-a").is_none().then_some(()));
}

#[test]
fn an_upgrade_that_fails_leaves_those_that_go_on_what_they_are() {
    let mut system = System::start_some(&PARTS, &GIVEN);
    let (given, on_record) = (lines(&system), fs::read_to_string(system.settings()).unwrap());
    within(ON_THE_AIR, "the packager has media", || {
        let playlist = system.playlist("server1", "sport/audio/playlist.m3u8")?;
        playlist.contains("#EXTINF").then_some(())
    });

    // The event goes on with the segments that it began with, as the worker knows.
    let said = system.upgrade_in_vain(&["--segment", "2000"]);
    assert!(said.contains("worker-a") && said.contains(" ended with exit code 2: "), "{said}");
    assert_eq!(fs::read_to_string(system.settings()).unwrap(), on_record);
    let before = system.pid("worker-a");
    system.kill("worker-a");
    system.wait_for_another("worker-a", before);
    assert_eq!(lines(&system), given);
    system.upgrade();
    assert_eq!(lines(&system), given);

    for (flag, value, expected) in [
        ("--signal", "film", "signal = 'film' can't be used: sport is on the air; end it with "),
        ("--window", "14", "window = '14' can't be used: the event on the air has one of 12 s, "),
    ] {
        let said = refused(&system, &["up", "--upgrade", flag, value]);
        assert!(said.contains(expected), "{said}");
    }
    assert_eq!(lines(&system), given, "nothing was changed");

    system.upgrade_as(&["--window", "10"]);
    let shorter = [given[0].clone(), given[1].clone()].into_iter();
    let shorter = shorter.chain(given[2..].iter().map(|line| line.replace("--window=12", "--window=10")));
    assert_eq!(lines(&system), shorter.collect::<Vec<_>>());
    let now_on_record = on_record.replace(r#""window": "12""#, r#""window": "10""#);
    assert_ne!(now_on_record, on_record);
    assert_eq!(fs::read_to_string(system.settings()).unwrap(), now_on_record);
}

/// What is said of a command that is refused.
fn refused(system: &System, args: &[&str]) -> String {
    let refused = system.run(args);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    said
}

#[test]
fn other_addresses_and_other_settings_are_refused_without_a_supervisor_too() {
    let mut system = System::start();
    let (pids, port) = (system.pids(), system.port("reporter"));
    let other = ["up", "--upgrade", "--reporter-port", "1"];
    let expected = format!("reporter listens on 127.0.0.1:{port}, not on 127.0.0.1:1; ");
    let said = refused(&system, &other);
    assert!(said.contains(&expected), "{said}");
    system.kill_supervisor();
    // It has nothing to say for itself.
    system.signal("reporter", Signal::STOP);
    let said = refused(&system, &other);
    assert!(said.contains(&expected), "{said}");
    system.signal("reporter", Signal::CONT);
    // Neither of the two parts reads it, but one that is started later may.
    let ports = system::PORTS.iter().flat_map(|flag| [*flag, "0"]);
    let given: Vec<_> =
        ["up", "--only", "discovery,reporter", "--window", "60"].into_iter().chain(ports).collect();
    let said = refused(&system, &given);
    assert!(said.contains("what runs already has other settings: it was given no --window=60; "), "{said}");
    system.supervise();
    assert_eq!(system.pids(), pids, "nothing was changed");
}
