//! `airtight watch` finds nothing wrong with a system that runs, one of whose packagers dies meanwhile. That it
//! would find it is shown by `watch_names_what_is_wrong.rs`.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod support;

use std::time::Duration;

use support::{
    stillness::{self, Outcome},
    system::System,
    watching::watch,
};

/// How long the servers are watched.
const SECONDS: u64 = 20;

#[test]
fn watch_finds_nothing_wrong() {
    let mut system = System::start_on_the_air();
    stillness::judge("all servers are watched, a packager is killed", || {
        let faults = watch(&mut system, SECONDS, |system| {
            let before = system.pid("server1");
            system.kill("server1");
            system.wait_for_another("server1", before);
            Vec::new()
        });
        Outcome { faults, standstill: Duration::ZERO }
    });
}
