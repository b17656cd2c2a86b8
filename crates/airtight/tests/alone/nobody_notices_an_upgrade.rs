//! While every part is replaced by one of the same program, viewers of all servers notice nothing: no stall, no
//! error, no frame lost; and of many requests on kept connections none is refused, reset or answered otherwise.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::time::Duration;

use crate::support::{
    hammer::Hammer,
    stillness::{self, Outcome},
    system::{SERVERS, System},
    watching::watch,
};

/// How long viewers go on once every part is replaced: longer than any buffer.
const AFTER: Duration = Duration::from_secs(8);

/// Viewers in a hurry, on each server.
const HURRIED: usize = 2;

#[test]
fn nobody_notices_an_upgrade() {
    let mut system = System::start_on_the_air();
    stillness::judge("every part is replaced", || {
        let upgrade = |system: &mut System| {
            let ports = SERVERS.map(|server| system.port(server));
            let before = system.pids();
            let hammer = Hammer::start(&ports, HURRIED, "/live01/360p/playlist.m3u8");
            system.upgrade();
            let (answers, faults) = hammer.stop();
            println!("{answers} answers while every part was replaced");
            assert!(answers > 1000, "only {answers} answers");
            assert!(system.pids().iter().all(|pid| !before.contains(pid)), "every part is another process");
            faults
        };
        let watched = watch(&mut system, &[], upgrade, AFTER);
        Outcome { faults: watched.faults, standstill: Duration::ZERO }
    });
}
