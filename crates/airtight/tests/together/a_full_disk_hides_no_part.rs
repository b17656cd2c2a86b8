//! A part that is started again while the disk of the run folder is full is on record: the next `up` adopts it and
//! `down` ends it. Ports that the machine chose stay. A system begins there, too, or says in one sentence what it needs.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{fs, path::Path, process::Output};

use crate::support::{
    eventually, finished,
    small_disk::{SmallDisk, on_a_small_disk},
    system::{System, airtight_in, connect},
};

fn up(folder: &Path) -> Output {
    finished(&mut airtight_in(folder, &["up", "--only", "discovery,reporter", "--reporter-port", "0"]))
}

/// A system whose reporter was started again on a full disk.
fn with_a_part_started_again(disk: &SmallDisk) -> System {
    let system = System::start();
    let before = system.process("reporter").unwrap();
    // A link in its place would make room for a file.
    fs::remove_file(system.record("reporter")).unwrap();
    disk.fill();
    before.kill();
    system.wait_for_another("reporter", before.pid);
    assert!(system.record("reporter").is_symlink(), "there is no room for a file");
    system
}

/// Supervises the system anew, without room for a file.
fn supervise_without_room(system: &mut System, disk: &SmallDisk) {
    // What the next terminal shows would make room in its place.
    fs::remove_file(system.shown_file()).unwrap();
    disk.fill();
    system.supervise();
    assert!(system.supervisor_record().is_symlink(), "there is no room for a file");
}

#[test]
fn a_part_started_again_is_adopted_and_ended() {
    on_a_small_disk("a_full_disk_hides_no_part::a_part_started_again_is_adopted_and_ended", |disk| {
        let mut system = with_a_part_started_again(disk);
        let pids = system.pids();
        system.kill_supervisor();
        disk.fill();
        system.supervise();
        assert_eq!(system.pids(), pids, "adopted");
        let processes = system.processes();
        system.kill_supervisor();
        assert!(system.run(&["down"]).status.success());
        assert!(processes.iter().all(|process| !process.lives()), "{processes:?}");
    });
}

#[test]
fn a_part_that_was_adopted_is_on_record_in_a_file_once_there_is_room() {
    let name = "a_full_disk_hides_no_part::a_part_that_was_adopted_is_on_record_in_a_file_once_there_is_room";
    on_a_small_disk(name, |disk| {
        let mut system = with_a_part_started_again(disk);
        let pids = system.pids();
        system.kill_supervisor();
        supervise_without_room(&mut system, disk);
        assert!(system.record("reporter").is_symlink(), "as it was adopted");
        disk.make_room();
        eventually("it is in a file", || system.record("reporter").is_file().then_some(()));
        assert_eq!(system.pids(), pids);
    });
}

#[test]
fn a_part_that_died_meanwhile_has_the_port_that_others_know() {
    let name = "a_full_disk_hides_no_part::a_part_that_died_meanwhile_has_the_port_that_others_know";
    on_a_small_disk(name, |disk| {
        let mut system = System::start();
        system.kill_supervisor();
        supervise_without_room(&mut system, disk);
        let (discovery, port) = (system.pid("discovery"), system.port_before("reporter"));
        let reporter = system.process("reporter").unwrap();
        system.kill_supervisor();
        reporter.kill();
        eventually("the reporter is dead", || (!reporter.lives()).then_some(()));
        supervise_without_room(&mut system, disk);
        assert_eq!(system.pid("discovery"), discovery, "adopted with the reporter that it was told");
        eventually("the reporter has its port", || connect(port).is_ok().then_some(()));
    });
}

#[test]
fn a_system_that_ran_there_before_begins_anew() {
    on_a_small_disk("a_full_disk_hides_no_part::a_system_that_ran_there_before_begins_anew", |disk| {
        let mut system = System::start();
        assert!(system.run(&["down"]).status.success());
        system.wait_for_supervisor();
        supervise_without_room(&mut system, disk);
        let processes = system.processes();
        assert!(system.run(&["down"]).status.success());
        assert!(processes.iter().all(|process| !process.lives()), "{processes:?}");
    });
}

#[test]
fn a_system_that_can_not_begin_says_what_it_needs() {
    on_a_small_disk("a_full_disk_hides_no_part::a_system_that_can_not_begin_says_what_it_needs", |disk| {
        let folder = tempfile::tempdir().unwrap();
        let mut files = disk.fill_with_files();
        // What there is room for, and what is then the first that there is none for.
        for (room, what) in [(0, "parts"), (3, "lock"), (1, "state-reporter"), (1, "up.json")] {
            files.drain(..room).for_each(|file| fs::remove_file(file).unwrap());
            let refused = up(folder.path());
            let said = String::from_utf8(refused.stderr).unwrap();
            assert_eq!(refused.status.code(), Some(2), "{said}");
            let beginning =
                format!("airtight: run-dir = '.airtight' can't be used: .airtight/{what} can't be ");
            assert!(said.starts_with(&beginning), "{said}");
            assert!(said.contains(": No space left on device (os error 28)"), "{said}");
            assert!(said.ends_with("; make room on its disk or choose another --run-dir\n"), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    });
}
