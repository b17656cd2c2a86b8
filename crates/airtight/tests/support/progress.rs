//! How far a system is: the numbers that a server lists, the run that a worker is at.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use super::{eventually, hls::Playlist, http, system::System};

/// Waits until a part lists so many numbers more than now.
pub fn wait_for_numbers(system: &System, part: &str, count: u64) {
    let url = system.url(part, "360p/playlist.m3u8");
    let edge = || Playlist::get(&url)?.edge();
    let from = eventually(&format!("{part} has an edge"), edge);
    eventually(&format!("{part} goes on"), || edge().filter(|edge| *edge >= from + count));
}

/// The newest lineage of a worker, if it is as far as any other on both packagers.
pub fn lineage(system: &System, worker: &str) -> Option<String> {
    let [one, two] = ["server1", "server2"].map(|part| {
        let answer = http::get(&format!("http://localhost:{}/signals", system.port(part)))?;
        lineage_on_the_air(&answer.text(), worker)
    });
    one.filter(|one| two.as_ref() == Some(one))
}

/// The newest lineage of a worker in an answer to `/signals`, if it is as far as any other.
fn lineage_on_the_air(signals: &str, worker: &str) -> Option<String> {
    let signals: serde_json::Value = serde_json::from_str(signals).ok()?;
    let signal = signals.get(0)?;
    let prefix = format!("{worker}-");
    let name = |one: &serde_json::Value| one["lineage"].as_str().map(ToOwned::to_owned);
    let of_worker = signal["lineages"]
        .as_array()?
        .iter()
        .filter(|one| name(one).is_some_and(|name| name.starts_with(&prefix)));
    let newest = of_worker.max_by_key(|one| name(one))?;
    (newest["newest"].as_u64()? == signal["newest"].as_u64()?).then(|| name(newest))?
}
