//! The playlist of each origin names both, so that players move by themselves: an origin that dies, and is not started
//! again, stops no picture, neither with the page's settings of hls.js nor with its defaults.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{thread, time::Duration};

use crate::support::{
    browser::{Browser, Report},
    eventually, http, parsers,
    stillness::{self, Outcome},
    system::{System, TRACKS},
};

/// How long the pages play after the death: twice as long as what may be buffered, three target durations and what
/// a playlist is late.
const PLAYED: Duration = Duration::from_secs(15);

#[test]
fn viewers_move_when_an_origin_dies() {
    stillness::judge("an origin dies for good", || {
        let mut system = System::start_on_the_air();
        both_origins_name_both(&system);
        let pages = ["", "?defaults"].map(|query| system.url("origin1", query));
        let browser = Browser::play(&pages);
        steered_to(&system, "origin1", ["origin1", "origin2"]);
        // Nobody starts it again.
        system.kill_supervisor();
        system.kill("origin1");
        steered_to(&system, "origin2", ["origin2", "origin1"]);
        thread::sleep(PLAYED);
        let reports = browser.stop();
        let standstill = reports.iter().map(|report| report.gap_ms).max().unwrap_or_default();
        reports.iter().for_each(tell);
        Outcome {
            faults: reports.iter().flat_map(faults).collect(),
            standstill: Duration::from_millis(standstill),
        }
    });
}

fn both_origins_name_both(system: &System) {
    let [one, two] =
        ["origin1", "origin2"].map(|origin| http::get(&system.url(origin, "playlist.m3u8")).unwrap().text());
    assert_eq!(one, two);
    let read = parsers::read(&one);
    let uris: Vec<_> =
        read["variants"].as_array().unwrap().iter().map(|v| v["uri"].as_str().unwrap()).collect();
    let pictures = TRACKS.iter().filter(|track| track.ends_with('p'));
    let expected = ["origin1", "origin2"].into_iter().flat_map(|origin| {
        pictures.clone().map(move |track| system.url(origin, &format!("{track}/playlist.m3u8")))
    });
    assert_eq!(uris, expected.collect::<Vec<_>>());
}

/// Waits until an origin steers viewers like this.
fn steered_to(system: &System, origin: &str, order: [&str; 2]) {
    let port = system.port_before(origin);
    eventually(&format!("{origin} steers to {order:?}"), || {
        let answer =
            http::get(&format!("http://localhost:{port}/live01/steering.json?_HLS_pathway=origin1"))?;
        let manifest: serde_json::Value = serde_json::from_str(&answer.text()).ok()?;
        (manifest["PATHWAY-PRIORITY"] == serde_json::json!(order)).then_some(())
    });
}

/// Refused requests are the player's to deal with.
fn faults(report: &Report) -> Vec<String> {
    let mut faults = report.faults_shown();
    faults.extend(report.frame_faults.iter().map(|fault| format!("{}: frame {fault}", report.url)));
    faults.extend(report.pace_fault());
    faults
}

fn tell(report: &Report) {
    let Report { url, seconds, advanced, stall_ms, errors, .. } = report;
    eprintln!(
        "{url}: {advanced} s in {seconds} s, stalls {stall_ms} ms, {} errors: {errors:?}",
        errors.len()
    );
}
