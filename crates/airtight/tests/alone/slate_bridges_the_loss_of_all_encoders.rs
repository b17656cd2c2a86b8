//! While no encoder delivers, viewers see slate and nothing else happens to them: the playlist keeps its
//! cadence, slate plays under the init of the programme, and the programme returns.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{thread, time::Duration};

use crate::support::{
    ON_THE_AIR,
    browser::{self, Browser},
    hls::Playlist,
    http,
    record::Recording,
    stillness,
    system::System,
    within,
};

/// The default segment duration.
const SEGMENT_SECONDS: u64 = 2;

/// How long both workers are gone.
const LOSS: Duration = Duration::from_secs(20);

/// Numbers that can't be anything else: media of the last moment and of the first is on its way.
const SLATE_AT_LEAST: usize = 6;

/// 1.5 × TD, and what looking at the playlist and fetching the segment before takes.
const CADENCE: Duration = Duration::from_millis(1_500 * SEGMENT_SECONDS + 500);

#[test]
fn slate_bridges_the_loss_of_all_encoders() {
    let mut system = System::start_on_the_air();
    stillness::judge("both workers are gone", || {
        let url = system.url("origin1", "360p/playlist.m3u8");
        let (reports, recording) = Recording::of(&url, || {
            let browser = Browser::play(&[system.url("origin1", "")]);
            // Without a supervisor nobody starts them again.
            system.kill_supervisor();
            system.kill("worker-a");
            system.kill("worker-b");
            thread::sleep(LOSS);
            system.supervise();
            wait_for_the_programme(&url);
            browser.stop()
        });
        let mut outcome = browser::outcome(&reports);
        outcome.faults.extend(recording.media_faults(SEGMENT_SECONDS));
        if recording.slate().len() < SLATE_AT_LEAST {
            outcome.faults.push(format!("slate was served for {:?} only", recording.slate()));
        }
        if recording.longest_wait() > CADENCE {
            outcome.faults.push(format!("a number came {:?} after the one before", recording.longest_wait()));
        }
        outcome
    });
}

/// Waits until three numbers in a row are programme.
fn wait_for_the_programme(url: &str) {
    let is_programme = |uri: &str| {
        let answer = http::get(&url.replace("playlist.m3u8", uri))?;
        let stored = !answer.header("cache-control")?.contains("no-store");
        (answer.status == 200 && stored).then_some(())
    };
    within(ON_THE_AIR, "the programme returns", || {
        let playlist = Playlist::get(url)?;
        let edge = playlist.edge()?;
        (edge - 2..=edge).try_for_each(|number| is_programme(playlist.uri(number)?))
    });
}
