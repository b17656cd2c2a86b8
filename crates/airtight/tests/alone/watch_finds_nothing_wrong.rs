//! `airtight watch` finds nothing wrong with a system that runs, one of whose packagers dies meanwhile. That it
//! would find it is shown by `together::watch_names_what_is_wrong`.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::time::Duration;

use crate::support::{
    stillness::{self, Outcome},
    system::System,
    watching::{Watched, watch},
};

/// Seconds of media in a playlist.
const WINDOW: &str = "12";
/// How long the servers are watched after the death: longer than a segment stays after its listing, the whole window
/// and its own duration.
const WATCHED: Duration = Duration::from_secs(28);
/// Milliseconds between two reloads: whoever reloads as a player does learns too late how long a segment must stay.
const EVERY: &str = "250";
/// Segments of each server, of three tracks together, that leave the window and are asked for once more meanwhile.
const REMOVED: u64 = 12;

#[test]
fn watch_finds_nothing_wrong() {
    let mut system = System::start_on_the_air_with(&["--window", WINDOW]);
    stillness::judge("all servers are watched, a packager is killed", || {
        let kill = |system: &mut System| {
            let before = system.pid("server1");
            system.kill("server1");
            system.wait_for_another("server1", before);
            Vec::new()
        };
        let Watched { mut faults, servers } = watch(&mut system, &["--every", EVERY], kill, WATCHED);
        let few = servers.iter().filter(|server| server["removed"].as_u64().unwrap() < REMOVED);
        faults.extend(few.map(|server| format!("hardly anything left the window: {server}")));
        Outcome { faults, standstill: Duration::ZERO }
    });
}
