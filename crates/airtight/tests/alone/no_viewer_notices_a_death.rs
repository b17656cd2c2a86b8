//! Whatever is killed behind them, the viewers of the origins notice nothing: no stall, no error, no
//! discontinuity, and the frames of the programme are complete and in order by their codes.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use crate::support::{
    browser::{self, Browser},
    eventually, http,
    progress::{lineage, wait_for_numbers},
    record::Recording,
    stillness,
    system::System,
};

/// The default segment duration.
const SEGMENT_SECONDS: u64 = 2;

#[test]
fn no_viewer_notices_a_death() {
    let mut system = System::start_on_the_air();
    stillness::judge("all but the origins are killed in turn", || {
        let url = system.url("origin1", "360p/playlist.m3u8");
        let pages = [system.url("origin1", ""), system.url("origin2", "")];
        let (reports, recording) = Recording::of(&url, || {
            let browser = Browser::play(&pages);
            for part in ["server1", "server2", "worker-a", "worker-b", "discovery", "reporter"] {
                kill_and_wait(&system, part);
            }
            for (packager, worker) in [("server1", "a"), ("server2", "b")] {
                leave_one_path(&mut system, packager, worker);
            }
            browser.stop()
        });
        let mut outcome = browser::outcome(&reports);
        outcome.faults.extend(recording.media_faults(SEGMENT_SECONDS));
        if !recording.slate().is_empty() {
            outcome.faults.push(format!("slate was served for {:?}", recording.slate()));
        }
        outcome
    });
}

/// Kills a part and waits until it does again what it is there for.
fn kill_and_wait(system: &System, part: &str) {
    let worker = part.strip_prefix("worker-");
    let last = worker.map(|worker| eventually(&format!("{part} delivers"), || lineage(system, worker)));
    let before = system.pid(part);
    system.kill(part);
    system.wait_for_another(part, before);
    match (part, worker) {
        (_, Some(worker)) => eventually(&format!("{part} delivers again"), || {
            // The other one is killed next: until then this one delivers.
            lineage(system, worker).filter(|now| Some(now) != last.as_ref()).map(drop)
        }),
        ("server1" | "server2", _) => wait_for_numbers(system, part, 1),
        ("reporter", _) => eventually("the reporter knows the signal again", || {
            let answer = http::get(&format!("http://localhost:{}/ingests", system.port(part)))?;
            answer.text().contains("live01").then_some(())
        }),
        _ => wait_for_numbers(system, "origin1", 1),
    }
}

/// Kills the supervisor, a packager and a worker, which stay dead for longer than any deadline; then another
/// supervisor adopts what lives and starts what does not.
fn leave_one_path(system: &mut System, packager: &str, worker: &str) {
    let part = format!("worker-{worker}");
    let (packager_before, worker_before) = (system.pid(packager), system.pid(&part));
    let last = eventually(&format!("{part} delivers"), || lineage(system, worker));
    system.kill_supervisor();
    system.kill(packager);
    system.kill(&part);
    wait_for_numbers(system, "origin1", 3);
    system.supervise();
    system.wait_for_another(packager, packager_before);
    system.wait_for_another(&part, worker_before);
    eventually(&format!("{part} delivers again"), || {
        lineage(system, worker).filter(|now| *now != last).map(drop)
    });
}
