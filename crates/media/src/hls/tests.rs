use std::{collections::BTreeMap, sync::Arc};

use quick_m3u8::{
    HlsLine, Reader,
    config::ParsingOptionsBuilder,
    tag::{KnownTag, hls},
};

use super::*;
use crate::{
    grid::{Grid, Rate},
    record::Era,
    window::{Slot, Snapshot},
};

/// A number of these days.
const N: u64 = 897_738_816;

fn track(name: &str, init: &str, content: Content, rate: (u32, u32)) -> Track {
    let (codecs, bandwidth) = match (&content, name) {
        (Content::Audio { .. }, _) => ("mp4a.40.2", 128_000),
        (_, "360p") => ("avc1.64001e", 800_000),
        _ => ("avc1.64001f", 3_000_000),
    };
    let init = init.repeat(4).parse().unwrap();
    let rate = Rate::new(rate.0, rate.1);
    Track { name: name.parse().unwrap(), content, rate, codecs: codecs.to_owned(), bandwidth, init }
}

const PAL: (u32, u32) = (25_000, 1000);
const NTSC: (u32, u32) = (30_000, 1001);

fn hd(init: &str, rate: (u32, u32)) -> Track {
    track("720p", init, Content::Video { width: 1280, height: 720 }, rate)
}

fn sd() -> Track {
    track("360p", "ab12", Content::Video { width: 640, height: 360 }, PAL)
}

fn sound(name: &str) -> Track {
    track(name, "cd34", Content::Audio { channels: 2 }, (48_000, 1024))
}

fn snapshot(eras: &[(u64, Vec<Track>)], head: u64, edge: u64, end: Option<u64>) -> Snapshot {
    let eras: Vec<_> =
        eras.iter().map(|(n, tracks)| Era { first: Number(N + n), tracks: tracks.clone() }).collect();
    let grid = Grid::new(2000, 4);
    let (first, end) = (eras[0].first, end.map(|n| Number(N + n)));
    let record = Record { signal: "live01".parse().unwrap(), grid, first, eras, end };
    // A slot before the head can still be fetched, and is not listed.
    let numbers = (N + head).saturating_sub(1)..=N + edge;
    let slots = numbers.map(|n| Arc::new(Slot { number: Number(n), tracks: BTreeMap::new() })).collect();
    let (head, edge) = (Number(N + head), Number(N + edge));
    Snapshot { record: Arc::new(record), head, edge, slots, openings: Arc::default() }
}

/// Every line, as another reader of playlists understands it: it knows each tag, and each has the
/// attributes that it needs.
fn second_opinion(text: &str) -> Vec<hls::Tag<'_>> {
    let options = ParsingOptionsBuilder::new().with_parsing_for_all_tags().build();
    let (mut reader, mut tags, mut uris) = (Reader::from_str(text, options), Vec::new(), 0);
    while let Some(line) = reader.read_line().unwrap_or_else(|e| panic!("{e:?} in {text}")) {
        match line {
            HlsLine::KnownTag(KnownTag::Hls(tag)) => tags.push(tag),
            HlsLine::Uri(_) => uris += 1,
            other => panic!("{other:?} in {text}"),
        }
    }
    assert!(uris > 0 && matches!(tags[0], hls::Tag::M3u(_)), "{text}");
    tags
}

fn multivariant(snapshot: &Snapshot) -> String {
    steered(snapshot, &Pathways::default())
}

fn steered(snapshot: &Snapshot, pathways: &Pathways) -> String {
    super::multivariant(&snapshot.record.signal, snapshot.tracks(), pathways)
}

fn media(snapshot: &Snapshot, name: &str) -> Option<String> {
    super::media(&snapshot.record, &name.parse().unwrap(), snapshot.numbers())
}

fn playlist(snapshot: &Snapshot, name: &str) -> String {
    let text = media(snapshot, name).unwrap();
    second_opinion(&text);
    text
}

#[test]
fn a_multivariant_playlist_of_pictures_and_sound() {
    let snapshot = snapshot(&[(0, vec![hd("ef56", PAL), sd(), sound("audio")])], 0, 3, None);
    let text = multivariant(&snapshot);
    let expected = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"audio\",LANGUAGE=\"und\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"audio/playlist.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=3128000,AVERAGE-BANDWIDTH=3128000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO=\"audio\"
720p/playlist.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=928000,AVERAGE-BANDWIDTH=928000,CODECS=\"avc1.64001e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=25.000,AUDIO=\"audio\"
360p/playlist.m3u8
";
    assert_eq!(text, expected);
    let tags = second_opinion(&text);
    let variants: Vec<_> =
        tags.iter().filter_map(|t| if let hls::Tag::StreamInf(v) = t { Some(v) } else { None }).collect();
    let seen: Vec<_> = variants.iter().map(|v| (v.bandwidth(), v.codecs(), v.audio())).collect();
    assert_eq!(seen[0], (3_128_000, Some("avc1.64001f,mp4a.40.2"), Some("audio")));
    assert_eq!(seen.len(), 2);
}

#[test]
fn a_multivariant_playlist_of_two_pathways() {
    let snapshot = snapshot(&[(0, vec![hd("ef56", PAL), sound("audio")])], 0, 3, None);
    let urls = ["http://one:8000", "https://two.example/live"].map(|url| url.parse().unwrap());
    let text = steered(&snapshot, &Pathways::new(urls));
    let expected = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-CONTENT-STEERING:SERVER-URI=\"steering.json\",PATHWAY-ID=\"origin1\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio-origin1\",NAME=\"audio\",LANGUAGE=\"und\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"http://one:8000/live01/audio/playlist.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio-origin2\",NAME=\"audio\",LANGUAGE=\"und\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"https://two.example/live/live01/audio/playlist.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=3128000,AVERAGE-BANDWIDTH=3128000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO=\"audio-origin1\",PATHWAY-ID=\"origin1\"
http://one:8000/live01/720p/playlist.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=3128000,AVERAGE-BANDWIDTH=3128000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO=\"audio-origin2\",PATHWAY-ID=\"origin2\"
https://two.example/live/live01/720p/playlist.m3u8
";
    assert_eq!(text, expected);
    let tags = second_opinion(&text);
    let pathways =
        tags.iter().filter_map(|t| if let hls::Tag::StreamInf(v) = t { v.pathway_id() } else { None });
    assert_eq!(pathways.collect::<Vec<_>>(), ["origin1", "origin2"]);
    let steering =
        tags.iter().find_map(|t| if let hls::Tag::ContentSteering(s) = t { Some(s) } else { None });
    let steering = steering.map(|s| (s.server_uri(), s.pathway_id()));
    assert_eq!(steering, Some(("steering.json", Some("origin1"))));
}

#[test]
fn a_variant_states_what_any_of_its_sounds_needs() {
    let opus = Track { codecs: "opus".to_owned(), bandwidth: 160_000, ..sound("wide") };
    let snapshot = snapshot(&[(0, vec![hd("ef56", PAL), sound("audio"), sound("clean"), opus])], 0, 3, None);
    let text = multivariant(&snapshot);
    let variant = "BANDWIDTH=3160000,AVERAGE-BANDWIDTH=3160000,CODECS=\"avc1.64001f,mp4a.40.2,opus\",";
    assert!(text.contains(variant), "{text}");
    assert_eq!(text.matches("DEFAULT=YES").count(), 1, "{text}");
    second_opinion(&text);
}

#[test]
fn a_multivariant_playlist_of_sound_alone() {
    let snapshot = snapshot(&[(0, vec![sound("audio"), sound("clean")])], 0, 3, None);
    let text = multivariant(&snapshot);
    let expected = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=128000,AVERAGE-BANDWIDTH=128000,CODECS=\"mp4a.40.2\"
audio/playlist.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=128000,AVERAGE-BANDWIDTH=128000,CODECS=\"mp4a.40.2\"
clean/playlist.m3u8
";
    assert_eq!(text, expected);
    second_opinion(&text);
}

#[test]
fn a_multivariant_playlist_of_pictures_alone() {
    let snapshot = snapshot(&[(0, vec![hd("ef56", NTSC)])], 0, 3, None);
    let text = multivariant(&snapshot);
    let expected = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=3000000,AVERAGE-BANDWIDTH=3000000,CODECS=\"avc1.64001f\",RESOLUTION=1280x720,FRAME-RATE=29.970
720p/playlist.m3u8
";
    assert_eq!(text, expected);
    second_opinion(&text);
}

#[test]
fn a_media_playlist() {
    let snapshot = snapshot(&[(0, vec![hd("ef56", PAL)])], 5, 7, None);
    let expected = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:897738821
#EXT-X-DISCONTINUITY-SEQUENCE:0
#EXT-X-MAP:URI=\"init-ef56ef56ef56ef56.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T23:47:22.000Z
#EXTINF:2.00000,
897738821.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T23:47:24.000Z
#EXTINF:2.00000,
897738822.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T23:47:26.000Z
#EXTINF:2.00000,
897738823.m4s
";
    assert_eq!(playlist(&snapshot, "720p"), expected);
    assert_eq!(media(&snapshot, "audio"), None);
}

#[test]
fn an_event_that_is_over_says_so() {
    let tracks = vec![hd("ef56", PAL)];
    let ended = |end| playlist(&snapshot(&[(0, tracks.clone())], 5, 7, end), "720p");
    assert!(ended(Some(7)).ends_with("897738823.m4s\n#EXT-X-ENDLIST\n"));
    assert_eq!(ended(Some(8)), ended(None));
}

/// The tags and names of a playlist, in short.
fn outline(text: &str) -> Vec<String> {
    let told = text.lines().filter(|l| {
        !["#EXTM3U", "#EXTINF", "#EXT-X-PRO", "#EXT-X-V", "#EXT-X-T"].iter().any(|p| l.starts_with(p))
    });
    told.map(|l| l.trim_start_matches("#EXT-X-").replace(&(N / 100).to_string(), "")).collect()
}

#[test]
fn an_era_begins_with_a_discontinuity_that_stays_with_its_segment() {
    let eras = [(0, vec![hd("ef56", PAL), sound("audio")]), (6, vec![hd("0789", PAL), sd(), sound("audio")])];
    let at = |head| outline(&playlist(&snapshot(&eras, head, 7, None), "720p"));
    let (old, new) = ("MAP:URI=\"init-ef56ef56ef56ef56.mp4\"", "MAP:URI=\"init-0789078907890789.mp4\"");
    let sequences = |number: u64, eras: u64| {
        [format!("MEDIA-SEQUENCE:{number}"), format!("DISCONTINUITY-SEQUENCE:{eras}")]
    };
    let with = |number, passed, rest: &[&str]| {
        let rest = rest.iter().map(|s| (*s).to_owned());
        sequences(number, passed).into_iter().chain(rest).collect::<Vec<_>>()
    };
    assert_eq!(at(5), with(21, 0, &[old, "21.m4s", "DISCONTINUITY", new, "22.m4s", "23.m4s"]));
    assert_eq!(at(6), with(22, 0, &["DISCONTINUITY", new, "22.m4s", "23.m4s"]));
    assert_eq!(at(7), with(23, 1, &[new, "23.m4s"]));
    // A track that came with the era is listed from there on, one that did not change has no new init.
    let name = |track, head| outline(&playlist(&snapshot(&eras, head, 7, None), track));
    let (sd, audio) = ("MAP:URI=\"init-ab12ab12ab12ab12.mp4\"", "MAP:URI=\"init-cd34cd34cd34cd34.mp4\"");
    assert_eq!(name("360p", 5), with(22, 0, &["DISCONTINUITY", sd, "22.m4s", "23.m4s"]));
    assert_eq!(name("audio", 5), with(21, 0, &[audio, "21.m4s", "DISCONTINUITY", "22.m4s", "23.m4s"]));
    // Whoever follows a track that the era lacks gets another of its kind.
    let eras = [eras[0].clone(), (6, vec![self::sd(), sound("audio")])];
    let goes_on = outline(&playlist(&snapshot(&eras, 5, 7, None), "720p"));
    assert_eq!(goes_on, with(21, 0, &[old, "21.m4s", "DISCONTINUITY", sd, "22.m4s", "23.m4s"]));
}

/// What another reader understands: number of the first segment, dates in milliseconds, durations.
fn timing(text: &str) -> (Vec<i64>, Vec<f64>) {
    let (mut dates, mut durations) = (Vec::new(), Vec::new());
    let tags = second_opinion(text);
    for (tag, line) in tags.iter().zip(text.lines().filter(|l| l.starts_with('#'))) {
        match tag {
            hls::Tag::Inf(inf) => durations.push(inf.duration()),
            hls::Tag::ProgramDateTime(_) => {
                let at: Timestamp = line.split_once(':').unwrap().1.parse().unwrap();
                dates.push(at.as_millisecond());
            }
            _ => {}
        }
    }
    (dates, durations)
}

/// A track at each rate of the real world.
fn tracks_of_every_rate() -> Vec<Track> {
    let video = Content::Video { width: 1280, height: 720 };
    let audio = Content::Audio { channels: 2 };
    let pictures = [
        (24_000, 1001),
        (24_000, 1000),
        PAL,
        NTSC,
        (30_000, 1000),
        (50_000, 1000),
        (60_000, 1001),
        (60_000, 1000),
    ];
    let blocks = [(44_100, 1024), (48_000, 1024), (48_000, 960)];
    let named = |kind: &str, rate: (u32, u32), content: &Content| {
        track(&format!("{kind}-{}-{}", rate.0, rate.1), "ef56", content.clone(), rate)
    };
    let pictures = pictures.map(|rate| named("v", rate, &video));
    pictures.into_iter().chain(blocks.map(|rate| named("a", rate, &audio))).collect()
}

#[test]
fn dates_are_those_of_first_samples_and_durations_add_up() {
    let tracks = tracks_of_every_rate();
    for millis in [1000, 1500, 2000, 3000, 4000, 5000, 6000] {
        let mut snapshot = snapshot(&[(0, tracks.clone())], 0, 199, None);
        Arc::make_mut(&mut snapshot.record).grid = Grid::new(millis, 4);
        let target = f64::from(millis.div_ceil(1000));
        for track in &tracks {
            let (dates, durations) = timing(&playlist(&snapshot, track.name.as_str()));
            let (scale, frame) = (u128::from(track.rate.scale.get()), u128::from(track.rate.frame.get()));
            // The first sample at or after the beginning of a number, computed here once more.
            let first =
                |number: u64| (u128::from(number) * u128::from(millis) * scale).div_ceil(1000 * frame);
            assert_eq!((dates.len(), durations.len()), (200, 200));
            let mut sum = 0.0;
            for (i, number) in (N..=N + 199).enumerate() {
                assert_eq!(dates[i], i64::try_from(first(number) * frame * 1000 / scale).unwrap());
                // RFC 8216bis §4.4.3.1: rounded to the nearest integer, no longer than the target.
                assert!(durations[i].round() <= target);
                sum += durations[i];
                let micros = (first(number + 1) - first(N)) * frame * 1_000_000 / scale;
                let exact = f64::from(u32::try_from(micros).unwrap()) / 1e6;
                assert!((sum - exact).abs() < 0.002, "{} at {i}: {sum} against {exact}", track.name);
            }
        }
    }
}
