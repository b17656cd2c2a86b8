//! A part that stands still is replaced within a moment, and no viewer of any server notices: no stall, no fatal
//! error, no frame lost or repeated.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::time::{Duration, Instant};

use crate::support::{
    eventually,
    hls::Playlist,
    http,
    progress::{lineage, wait_for_numbers},
    stillness::{self, Outcome},
    system::{ALL, System},
    watching::watch,
};
use rustix::process::Signal;

/// How long viewers go on after the last: longer than any buffer.
const AFTER: Duration = Duration::from_secs(8);

/// From the standstill to the next process: 0.3 of the target duration, a tick, and a start.
const REPLACED: Duration = Duration::from_millis(1200);

#[test]
fn no_viewer_notices_a_freeze() {
    let mut system = System::start_on_the_air();
    stillness::judge("every part is stopped in turn", || {
        let freeze_all = |system: &mut System| ALL.iter().filter_map(|part| freeze(system, part)).collect();
        let watched = watch(&mut system, &[], freeze_all, AFTER);
        Outcome { faults: watched.faults, standstill: Duration::ZERO }
    });
    let shown = system.shown();
    for part in ALL {
        assert!(shown.contains(&format!("{part} gave no sign of life for ")), "{part}: {shown}");
    }
}

/// Stops a part and waits until another process does what it is there for; says if that took too long.
fn freeze(system: &System, part: &str) -> Option<String> {
    let worker = part.strip_prefix("worker-");
    let last = worker.map(|worker| eventually(&format!("{part} delivers"), || lineage(system, worker)));
    let before = system.pid(part);
    let stopped = Instant::now();
    system.signal(part, Signal::STOP);
    system.wait_for_another(part, before);
    let replaced = stopped.elapsed();
    if let Some(worker) = worker {
        eventually(&format!("{part} delivers again"), || {
            lineage(system, worker).filter(|now| Some(now) != last.as_ref()).map(drop)
        });
        // It is ready, and its partner no longer the last of the pair, once it has made another number.
        wait_for_numbers(system, "server1", 2);
    } else {
        eventually(&format!("{part} is ready again"), || is_ready(system, part));
    }
    (replaced > REPLACED).then(|| format!("{part} was replaced after {replaced:?} only"))
}

fn is_ready(system: &System, part: &str) -> Option<()> {
    match part {
        "discovery" => Some(()),
        "reporter" => system.reporter_answers().then_some(()),
        _ => {
            let ready = http::get(&format!("http://localhost:{}/readyz", system.port(part)))?;
            let listed = Playlist::get(&system.url(part, "360p/playlist.m3u8"))?;
            (ready.status == 200 && listed.segments.len() >= 3).then_some(())
        }
    }
}
