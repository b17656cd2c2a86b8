//! Whichever server a viewer is pointed at, it is the same programme: both packagers and both origins list
//! the same tracks and, for every number, the same lines, as other parsers read them, too; what they serve
//! decodes; a browser plays each.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{collections::BTreeMap, thread, time::Duration};

use crate::support::{
    browser::{self, Browser, Report},
    eventually,
    hls::Playlist,
    http, media, parsers, stillness,
    system::{SERVERS, System, TRACKS},
};

/// How long the pages play.
const PLAYED: Duration = Duration::from_secs(30);

/// Segments that are decoded one after the other.
const CONSECUTIVE: usize = 10;

#[test]
fn four_servers_show_one_programme() {
    let system = System::start_on_the_air();
    every_server_lists_the_same(&system);
    other_parsers_read_every_playlist(&system);
    stillness::judge("a browser on each server", || {
        let browser = Browser::play(&SERVERS.map(|server| system.url(server, "")));
        thread::sleep(PLAYED);
        let reports = browser.stop();
        let mut outcome = browser::outcome(&reports);
        outcome.faults.extend(reports.iter().filter_map(Report::pace_fault));
        outcome
    });
    for track in TRACKS {
        consecutive_segments_decode(&system, track);
    }
}

fn every_server_lists_the_same(system: &System) {
    let multivariant = |server: &str| http::get(&system.url(server, "playlist.m3u8")).unwrap().text();
    // Origins name each other, too.
    for pair in SERVERS.chunks(2) {
        let expected = multivariant(pair[0]);
        for track in TRACKS {
            assert!(expected.contains(&format!("{track}/playlist.m3u8")), "{expected}");
        }
        assert_eq!(multivariant(pair[1]), expected, "{pair:?}");
    }
    for track in TRACKS {
        // Playlists that are fetched one after the other may have an edge between them.
        eventually(&format!("all servers list numbers of {track} in common"), || {
            let playlist = |server| Playlist::get(&system.url(server, &format!("{track}/playlist.m3u8")));
            let playlists = SERVERS.map(|server| (server, playlist(server).unwrap()));
            let common = agree(&playlists);
            let [.., (_, one), (_, two)] = &playlists;
            if one.edge() != two.edge() {
                return None;
            }
            assert_eq!(one.text, two.text, "two origins at the same edge");
            (common >= 3).then_some(())
        });
    }
}

fn other_parsers_read_every_playlist(system: &System) {
    for server in SERVERS {
        let get = |path: &str| http::get(&system.url(server, path)).unwrap().text();
        let variants = parsers::read(&get("playlist.m3u8"))["variants"].take();
        let pathways = if server.starts_with("origin") { 2 } else { 1 };
        let video = TRACKS.iter().filter(|track| track.ends_with('p')).count();
        assert_eq!(variants.as_array().unwrap().len(), pathways * video, "{server}: {variants}");
        for variant in variants.as_array().unwrap() {
            for stated in ["bandwidth", "average", "codecs", "size", "rate"] {
                assert!(!variant[stated].is_null(), "{server}: {stated} of {variant}");
            }
            assert_eq!(variant["sounds"].as_array().unwrap().len(), 1, "{server}: {variant}");
        }
        for track in TRACKS {
            let text = get(&format!("{track}/playlist.m3u8"));
            let (read, ours) = (parsers::read(&text), Playlist::parse(&text));
            assert_eq!((&read["first"], &read["ended"]), (&ours.first.into(), &false.into()), "{text}");
            let segments = read["segments"].as_array().unwrap();
            assert_eq!(segments.len(), ours.segments.len(), "{text}");
            for (segment, number) in segments.iter().zip(ours.segments.keys()) {
                assert_eq!(segment["uri"], format!("{number}.m4s"), "{text}");
                // The grid begins with the epoch; a sample of audio may begin late by its length.
                let late = segment["date"].as_u64().unwrap() - number * 2000;
                assert!(late < 22 && !segment["init"].is_null(), "{segment} of {text}");
            }
        }
    }
}

/// How many numbers are listed by more than one; fails if the lines of one differ.
fn agree(playlists: &[(&str, Playlist)]) -> usize {
    let mut known = BTreeMap::new();
    let mut common = 0;
    for (server, playlist) in playlists {
        for (number, lines) in &playlist.segments {
            let (before, expected) = known.entry(*number).or_insert((*server, lines));
            assert_eq!(lines, *expected, "number {number} on {server} and {before}");
            common += usize::from(before != server);
        }
    }
    common
}

fn consecutive_segments_decode(system: &System, track: &str) {
    let url = |name: &str| system.url("origin1", &format!("{track}/{name}"));
    let playlist = Playlist::get(&url("playlist.m3u8")).unwrap();
    let get = |name: &str| {
        let answer = http::get(&url(name)).unwrap();
        assert_eq!(answer.status, 200, "{track}/{name}");
        answer.body
    };
    // The newest: they stay in the window while they are fetched.
    let uris: Vec<_> = playlist.segments.values().filter_map(|lines| lines.last()).collect();
    assert!(uris.len() >= CONSECUTIVE, "{}", playlist.text);
    let segments: Vec<_> = uris[uris.len() - CONSECUTIVE..].iter().map(|uri| get(uri)).collect();
    let file = media::file(&get(playlist.init().unwrap()), segments.iter().map(Vec::as_slice));
    assert_eq!(media::complaints(file.path()), "", "{track}");
    let times = media::times(file.path());
    assert!(times.len() >= CONSECUTIVE * 50, "{track}: {} packets", times.len());
    assert_eq!(media::gap(&times), None, "{track}: a gap or an overlap");
}
