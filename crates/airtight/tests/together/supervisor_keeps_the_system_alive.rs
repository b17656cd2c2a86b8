//! Whatever dies, the system of `airtight up` stays: a killed part is back on the same socket, a killed
//! supervisor changes nothing and is followed by one that adopts all, and `airtight down` ends everything.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{
    eventually, finished, outcome_of,
    system::{System, airtight_in, connect},
};
use rustix::process::{Pid, Signal, kill_process};

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    eventually(what, || condition().then_some(()));
}

/// Connects again and again while `during` runs, and says how often; fails if it is ever refused.
fn nobody_is_refused(system: &System, during: impl FnOnce()) {
    let port = system.port("reporter");
    let (done, connections) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let viewer = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                connect(port).expect("a connection is never refused");
                connections.fetch_add(1, Ordering::Relaxed);
            }
        });
        // The viewer is told to stop even if `during` fails.
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(during));
        done.store(true, Ordering::Relaxed);
        let viewer = viewer.join();
        outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        viewer.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    assert!(connections.load(Ordering::Relaxed) > 0, "somebody connected");
}

#[test]
fn a_killed_part_is_back_on_its_socket_and_nobody_is_refused() {
    let system = System::start();
    nobody_is_refused(&system, || {
        for _ in 0..3 {
            let before = system.pid("reporter");
            system.kill("reporter");
            system.wait_for_another("reporter", before);
            wait_until("the reporter answers again", || system.reporter_answers());
        }
    });
}

#[test]
fn the_death_of_the_supervisor_changes_nothing_and_the_next_one_adopts_all() {
    let mut system = System::start();
    let pids = system.pids();
    system.kill_supervisor();
    assert!(system.reporter_answers(), "parts outlive their supervisor");
    system.supervise();
    assert_eq!(system.pids(), pids, "adopted, not started again");
    nobody_is_refused(&system, || {
        for part in ["reporter", "discovery"] {
            let before = system.pid(part);
            system.kill(part);
            system.wait_for_another(part, before);
        }
        wait_until("the reporter answers again", || system.reporter_answers());
    });
}

#[test]
fn a_part_that_died_without_a_supervisor_is_started_by_the_next_one() {
    let mut system = System::start();
    let (reporter, discovery) = (system.pid("reporter"), system.pid("discovery"));
    let port = system.port("reporter");
    system.kill_supervisor();
    system.kill("reporter");
    wait_until("the port is free", || connect(port).is_err());
    system.supervise();
    system.wait_for_another("reporter", reporter);
    wait_until("the reporter answers on the same port", || system.reporter_answers());
    assert_eq!(system.port("reporter"), port);
    assert_eq!(system.pid("discovery"), discovery, "adopted");
}

/// A folder in the place of the file to be written: nothing can be written there, as on a full disk.
fn bar(place: &Path) {
    std::fs::remove_file(place).unwrap();
    std::fs::create_dir(place).unwrap();
}

#[test]
fn a_part_that_can_t_be_recorded_runs_and_is_recorded_later() {
    let mut system = System::start();
    let (before, record) = (system.pid("reporter"), system.record("reporter"));
    bar(&record);
    bar(&system.log("reporter"));
    kill_process(Pid::from_raw(before).unwrap(), Signal::KILL).unwrap();
    wait_until("the supervisor tells of it", || system.shown().contains("without a record: "));
    assert!(system.shown().contains("reporter runs without the log "), "{}", system.shown());
    assert!(system.reporter_answers());
    std::fs::remove_dir(&record).unwrap();
    wait_until("it is told", || system.shown().contains("reporter is on record again"));
    let now = system.pid("reporter");
    assert!(now != before, "another one runs");
    assert_eq!(system.shown().matches("without a record: ").count(), 1, "{}", system.shown());
    system.kill_supervisor();
    system.supervise();
    assert_eq!(system.pid("reporter"), now, "it is adopted");
}

#[test]
fn a_supervisor_that_can_t_record_itself_adopts_what_runs() {
    let mut system = System::start();
    // Its ports are known by its sockets only, once the record that tells them is gone.
    wait_until("the reporter answers", || system.reporter_answers());
    system.kill_supervisor();
    let record = system.supervisor_record();
    bar(&record);
    let pids = system.pids();
    system.supervise_while(|system| {
        wait_until("it is told", || {
            let shown = system.shown();
            assert!(!shown.contains("airtight: "), "it ended: {shown}");
            shown.contains("up supervises without a whole record")
        });
        system.kill("discovery");
        system.wait_for_another("discovery", pids[0]);
        std::fs::remove_dir(&record).unwrap();
    });
    assert_eq!(system.pid("reporter"), pids[1], "adopted");
    assert!(system.run(&["down"]).status.success());
}

#[test]
fn an_answer_that_nobody_reads_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut down = airtight_in(folder.path(), &["down"]);
    down.stdout(writer);
    assert_eq!(outcome_of(down), (Some(0), String::new()));
}

#[test]
fn a_part_that_is_stopped_is_adopted_all_the_same() {
    let mut system = System::start();
    let before = system.pid("reporter");
    system.kill_supervisor();
    system.signal("reporter", Signal::STOP);
    system.supervise();
    assert_eq!(system.pid("reporter"), before);
    // It gave no socket: its address is bound again.
    system.kill("reporter");
    system.wait_for_another("reporter", before);
    wait_until("the reporter answers again", || system.reporter_answers());
}

#[test]
fn a_part_that_is_frozen_is_replaced_and_nobody_is_refused() {
    let system = System::start();
    wait_until("the reporter answers", || system.reporter_answers());
    for part in ["reporter", "discovery"] {
        let before = system.pid(part);
        nobody_is_refused(&system, || {
            system.signal(part, Signal::STOP);
            system.wait_for_another(part, before);
            wait_until("the reporter answers again", || system.reporter_answers());
        });
        assert!(system.shown().contains(&format!("{part} gave no sign of life for ")), "{}", system.shown());
    }
}

#[test]
fn a_part_that_is_told_to_leave_is_followed_before_it_is_gone() {
    let system = System::start();
    wait_until("the reporter answers", || system.reporter_answers());
    let before = system.process("reporter").unwrap();
    nobody_is_refused(&system, || {
        // A viewer that says nothing holds the old process for its whole patience.
        let _idle = std::net::TcpStream::connect(("127.0.0.1", system.port("reporter"))).unwrap();
        wait_until("it is accepted", || system.reporter_answers());
        system.signal("reporter", Signal::TERM);
        system.wait_for_another("reporter", before.pid);
        wait_until("the reporter answers", || system.reporter_answers());
        assert!(before.lives(), "it still lets its viewers go");
        wait_until("it has left", || !before.lives());
    });
    assert!(system.process("reporter").is_some(), "its successor stays");
}

#[test]
fn a_supervisor_that_stood_still_kills_nobody_for_it() {
    let system = System::start();
    let pids = system.pids();
    system.signal_supervisor(Signal::STOP);
    let stopped = Instant::now();
    wait_until("it stood still for many times the patience", || stopped.elapsed() > Duration::from_secs(4));
    system.signal_supervisor(Signal::CONT);
    system.kill("discovery");
    system.wait_for_another("discovery", pids[0]);
    assert_eq!(system.pid("reporter"), pids[1]);
    assert!(!system.shown().contains("no sign of life"), "{}", system.shown());
}

#[test]
fn an_interrupt_ends_everything_in_order() {
    let mut system = System::start();
    let processes = system.processes();
    system.interrupt_supervisor();
    let (code, log) = system.wait_for_supervisor();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("was killed"), "every part ends when asked: {log}");
    for process in processes {
        assert!(!process.lives(), "{process:?} is left behind");
    }
    assert!(connect(system.port_before("reporter")).is_err());
}

#[test]
fn down_ends_a_system_with_and_without_a_supervisor() {
    for supervised in [true, false] {
        let mut system = System::start();
        let processes = system.processes();
        if !supervised {
            system.kill_supervisor();
        }
        let down = system.run(&["down"]);
        assert!(down.status.success(), "{down:?}");
        for process in processes {
            assert!(!process.lives(), "supervised: {supervised}, {process:?} is left behind");
        }
        let again = system.run(&["down"]);
        assert!(again.status.success());
        let said = String::from_utf8_lossy(&again.stdout).into_owned();
        assert!(said.starts_with("nothing runs in "), "{said}");
    }
}

#[test]
fn down_where_nothing_ever_ran_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let down = finished(&mut airtight_in(folder.path(), &["down"]));
    assert!(down.status.success());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it leaves nothing");
}

#[test]
fn a_port_in_use_is_one_sentence_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let mut up = airtight_in(folder.path(), &["up", "--only", "discovery,reporter"]);
    let up = finished(up.env("REPORTER_PORT", port.to_string()));
    assert_eq!(up.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&up.stderr),
        format!(
            "airtight: reporter: 127.0.0.1:{port} can't be bound: another program listens there; end it, \
             or choose another port with --reporter-port or REPORTER_PORT\n"
        )
    );
    assert_eq!(std::fs::read_dir(folder.path().join(".airtight/parts")).unwrap().count(), 0);
}

#[test]
fn a_second_supervisor_is_refused_and_disturbs_nothing() {
    let system = System::start();
    let pids = system.pids();
    let second = system.run(&["up", "--only", "discovery,reporter", "--reporter-port", "0"]);
    assert_eq!(second.status.code(), Some(2));
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(error.starts_with("airtight: another `airtight up` (process "), "{error}");
    assert_eq!(system.pids(), pids);
    assert!(system.reporter_answers());
}

#[test]
fn a_system_with_other_settings_is_not_adopted() {
    let mut system = System::start();
    let pids = system.pids();
    system.kill_supervisor();
    let other = system.run(&["up", "--only", "discovery,reporter", "--reporter-port", "1"]);
    assert_eq!(other.status.code(), Some(2), "{other:?}");
    let error = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(error.contains("what runs already has other settings: "), "{error}");
    assert_eq!(system.pids(), pids);
    assert!(system.reporter_answers());
}

#[test]
fn a_setting_that_can_t_be_used_touches_nothing_that_runs() {
    let mut system = System::start();
    let pids = system.pids();
    system.kill_supervisor();
    system.kill("discovery");
    eventually("it is gone", || system.process("discovery").is_none().then_some(()));
    let refused = system.run(&["up", "--reporter-port", "0", "--ffmpeg", "no-such-ffmpeg"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.starts_with("airtight: ffmpeg = 'no-such-ffmpeg' can't be used: "), "{error}");
    assert_eq!(system.pid("reporter"), pids[1]);
    assert_eq!(system.process("discovery"), None, "nothing was started");
    assert!(system.reporter_answers());
}

#[test]
fn a_part_that_can_t_go_on_ends_a_fresh_system_with_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".airtight")).unwrap();
    // A folder in which nobody may make files.
    std::os::unix::fs::symlink("/proc", folder.path().join(".airtight/state-reporter")).unwrap();
    let up = finished(&mut airtight_in(folder.path(), &["up", "--only", "reporter", "--reporter-port", "0"]));
    let error = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(2), "{error}");
    let sentence = error.lines().last().unwrap();
    assert!(sentence.starts_with("airtight: reporter can't go on: state folder '"), "{error}");
}

#[test]
fn a_terminal_that_stands_still_does_not_stop_the_supervision() {
    let system = System::start_unread();
    // Far more than the pipe to the terminal and the queue before it hold.
    let mut log = std::fs::OpenOptions::new().append(true).open(system.log("reporter")).unwrap();
    let lines = format!("{}\n", "x".repeat(99)).repeat(90_000);
    log.write_all(lines.as_bytes()).unwrap();
    let bounded = system.log("reporter").with_extension("log.1");
    wait_until("the supervisor has read and bounded the log", || bounded.exists());
    let before = system.pid("reporter");
    system.kill("reporter");
    system.wait_for_another("reporter", before);
    wait_until("the reporter answers again", || system.reporter_answers());
}

#[test]
fn what_the_parts_say_is_shown_with_their_name() {
    let mut system = System::start();
    let mut log = std::fs::OpenOptions::new().append(true).open(system.log("reporter")).unwrap();
    log.write_all(b"a word\n").unwrap();
    wait_until("the line is shown", || system.shown().contains("[reporter] a word\n"));
    system.interrupt_supervisor();
    let (_, log) = system.wait_for_supervisor();
    assert!(log.contains("up all parts have ended"), "{log}");
}
