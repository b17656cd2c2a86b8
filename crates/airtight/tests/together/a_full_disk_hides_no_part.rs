//! A part that is started again while the disk of the run folder is full is on record: the next `up` adopts it and
//! `down` ends it. A system begins there, too, or says in one sentence what it needs.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{fs, path::Path, process::Output};

use crate::support::{
    small_disk::on_a_small_disk,
    system::{System, airtight_in},
};

fn up(folder: &Path) -> Output {
    airtight_in(folder, &["up", "--only", "discovery,reporter", "--reporter-port", "0"]).output().unwrap()
}

#[test]
fn a_part_started_again_is_adopted_and_ended() {
    on_a_small_disk("a_full_disk_hides_no_part::a_part_started_again_is_adopted_and_ended", |disk| {
        let mut system = System::start();
        disk.fill();
        let before = system.pid("reporter");
        system.kill("reporter");
        system.wait_for_another("reporter", before);
        assert!(system.record("reporter").is_symlink(), "there is no room for a file");
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
fn a_system_that_ran_there_before_begins_anew() {
    on_a_small_disk("a_full_disk_hides_no_part::a_system_that_ran_there_before_begins_anew", |disk| {
        let mut system = System::start();
        assert!(system.run(&["down"]).status.success());
        system.wait_for_supervisor();
        // What the next terminal shows would make room in its place.
        fs::remove_file(system.shown_file()).unwrap();
        disk.fill();
        system.supervise();
        assert!(system.supervisor_record().is_symlink(), "there is no room for a file");
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
