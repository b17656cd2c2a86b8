//! JSON and names: records, reports, paths, URLs.

use std::time::Duration;

use airtight_control::{
    ingest::{self, PartUrl, RawReport},
    registry::{Now, Registry, Snapshot},
};
use airtight_media::{
    grid::Number,
    hls,
    holding::{Place, Revision},
    id::{InitHash, Lineage, SignalName, TrackName, WorkerName},
    mp4::Init,
    pathway::Pathways,
    record::{Era, Record, Track},
    route,
};
use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};

use super::{AUDIO, FIRST, SLATE, grid, pictures, sound};

pub(super) fn a_record() -> Record {
    let track = |name: &str, file: &'static [u8], rate| {
        let init = Init::parse(Bytes::from_static(file)).expect("a recording has an init");
        let (content, name) = (init.kind.into(), name.parse().expect("a literal that is a name"));
        Track { name, content, rate, codecs: init.codecs, bandwidth: 1_000_000, init: init.hash }
    };
    let tracks = vec![track("720p", SLATE, pictures()), track("audio", AUDIO, sound())];
    let signal = "live01".parse().expect("a literal that is a name");
    Record { signal, grid: grid(), first: FIRST, eras: vec![Era { first: FIRST, tracks }], end: None }
}

/// Two records, one a line: whatever is taken joins alike in either order, and its playlists can be written.
pub(super) fn record(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let mut next = || {
        let record: Record = serde_json::from_slice(lines.next()?).ok()?;
        record.check().is_ok().then_some(record)
    };
    let Some(one) = next() else { return };
    let two = next().unwrap_or_else(a_record);
    let (ours, theirs) = (one.join(&two), two.join(&one));
    assert_eq!(ours.as_ref().ok(), theirs.as_ref().ok());
    let joined = ours.unwrap_or(one);
    assert_eq!(joined.join(&joined).ok().as_ref(), Some(&joined));
    assert!(joined.check().is_ok(), "what was joined can be taken: {:?}", joined.check());
    for era in &joined.eras {
        for track in &era.tracks {
            let edge = Number(era.first.0.saturating_add(15));
            if let Some(text) = hls::media(&joined, &track.name, era.first..=edge) {
                assert!(text.starts_with("#EXTM3U\n"));
            }
        }
        assert!(
            hls::multivariant(&joined.signal, &era.tracks, &Pathways::default()).starts_with("#EXTM3U\n")
        );
    }
}

pub(super) fn records() -> Vec<Vec<u8>> {
    let record = a_record();
    let mut ended = record.clone();
    ended.end = Some(Number(FIRST.0 + 100));
    let mut later = record.clone();
    later.eras.push(Era { first: Number(FIRST.0 + 9), tracks: record.eras[0].tracks[..1].to_vec() });
    let json = |record: &Record| serde_json::to_vec(record).expect("a record is JSON");
    vec![json(&record), [json(&ended), json(&later)].join(&b'\n')]
}

/// A report and a snapshot, one a line.
pub(super) fn report(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (report, snapshot) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let now = Now {
        monotonic: Duration::from_secs(9),
        wall: Timestamp::from_second(1_795_477_632).unwrap_or_default(),
    };
    let expiry = Duration::from_secs(5);
    let snapshot: Snapshot = serde_json::from_slice(snapshot).unwrap_or_default();
    let mut registry = Registry::restore(snapshot, expiry, now);
    let raw: Vec<RawReport> = serde_json::from_slice(report).unwrap_or_default();
    if let Ok(reports) = ingest::check(raw) {
        let signals: Vec<_> = reports.iter().map(|report| report.signal.clone()).collect();
        if registry.merge(reports, now).is_ok() {
            let known = registry.snapshot();
            assert!(signals.iter().all(|s| known.signals.iter().any(|k| k.signal == *s)));
        }
    }
    let known = registry.snapshot();
    let json = serde_json::to_vec(&known.ingests(&TimeZone::UTC)).expect("the answer is JSON");
    assert!(json.starts_with(b"["));
    let restored = Registry::restore(known.clone(), expiry, now).snapshot();
    assert_eq!(restored.signals, known.signals);
    registry.expire(now.monotonic + expiry);
    assert!(registry.snapshot().signals.is_empty(), "everything expires");
}

pub(super) fn reports() -> Vec<Vec<u8>> {
    let report = br#"[{"signal":"live01","packagers":["http://localhost:8080","http://[::1]:9090"]}]"#;
    let snapshot = br#"{"revision":7,"signals":[{"signal":"live01","last_reported":"2026-11-23T23:47:12Z","packagers":[{"url":"http://localhost:8080","last_reported":"2026-11-23T23:47:12Z"}]}]}"#;
    vec![report.to_vec(), [&report[..], snapshot].join(&b'\n')]
}

/// A text as everything that has one spelling: what is read is written alike.
pub(super) fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (path, query) = text.split_once('?').map_or((&*text, None), |(path, query)| (path, Some(query)));
    if let Ok(Some(route)) = route::parse(path, query) {
        assert_eq!(route.to_string(), path);
    }
    if let Some(place) = Place::parse(&text) {
        assert_eq!(place.to_string(), text);
        assert!(!text.contains("..") && !text.starts_with('/'), "{text}");
    }
    if let Ok(url) = text.parse::<PartUrl>() {
        assert_eq!(url.to_string().parse().as_ref(), Ok(&url));
    }
    macro_rules! one_spelling {
        ($($name:ty),*) => {
            $(if let Ok(name) = text.parse::<$name>() {
                assert_eq!(name.to_string(), text);
            })*
        };
    }
    one_spelling!(SignalName, TrackName, WorkerName, Lineage, InitHash);
    if let Ok(revision) = text.parse::<Revision>() {
        assert_eq!(revision.to_string().parse(), Ok(revision));
    }
}

pub(super) fn texts() -> Vec<Vec<u8>> {
    let texts = [
        "/live01/playlist.m3u8",
        "/live01/",
        "/live01/720p/playlist.m3u8?_HLS_msn=897738816&_HLS_part=1",
        "/live01/720p/897738816.3.m4s",
        "/live01/720p/init-0123456789abcdef.mp4",
        "live01/a-1795477632/720p/897738816.m4s",
        "live01/a-1795477632/720p/init-0123456789abcdef.mp4",
        "live01/signal.json",
        "http://localhost:8080",
        "http://[::1]:9090/",
        "a-1795477632",
        "0123456789abcdef",
        "17-42",
    ];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
