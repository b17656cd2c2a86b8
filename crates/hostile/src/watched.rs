//! What a server gives to those who watch it: whoever names a server to `airtight watch` does not vouch for it.

use std::{sync::Arc, time::Duration};

use airtight_lab::{
    media::{Continuity, Dates, Init},
    playlist::{Media, Playlist, Segment},
    rules::{Judge, Sighting, kept::Kept},
    watch::Url,
};
use airtight_media::{grid::Number, hls, pathway::Pathways};

use super::{AUDIO, FIRST, SLATE, VIDEO, words::a_record};

/// Playlists, one after the other, of two servers in turn; a zero byte ends each.
pub(super) fn playlists(bytes: &[u8]) {
    let base: Url = "http://localhost:8000/live01/playlist.m3u8".parse().expect("a literal that is a URL");
    let (mut judge, mut kept) = (Judge::default(), Kept::default());
    for (second, text) in (0..).zip(bytes.split(|byte| *byte == 0)) {
        let Some(playlist) = std::str::from_utf8(text).ok().and_then(|text| Playlist::read(text).ok()) else {
            continue;
        };
        let (server, asked) = (usize::from(second % 2 == 1), Duration::from_secs(second));
        match playlist {
            Playlist::Multivariant(offer) => {
                judge.offered(server, &offer);
                offer.variants.iter().for_each(|variant| follow(&base, &variant.uri));
            }
            Playlist::Media(media) => {
                is_whole(&media);
                media.segments.iter().for_each(|segment| follow(&base, &segment.uri));
                let removed = kept.saw(asked, &media);
                assert!(removed.iter().all(|due| due.number < media.head), "what is listed was not removed");
                let (seen, playlist) = (asked + Duration::from_millis(1), &Arc::new(media));
                judge.saw(Sighting { server, rendition: "720p", asked, seen, playlist });
            }
        }
    }
}

fn is_whole(media: &Media) {
    for (number, segment) in (media.head..).zip(&media.segments) {
        assert_eq!(segment.number, number, "a hole");
        assert_eq!(media.segment(number), Some(segment));
        assert_eq!(segment.lines.last(), Some(&segment.uri));
    }
    assert_eq!(media.segments.last().map(|segment| segment.number), media.edge());
    assert!(
        media.duration().as_secs() / 86_400 <= media.segments.len() as u64,
        "a segment is longer than a day"
    );
}

/// A URI leads to plain HTTP or nowhere, and has a name on every server.
fn follow(base: &Url, uri: &str) {
    if let Ok(url) = base.join(uri) {
        assert!(url.as_str().starts_with("http://"), "{url}");
        base.name_of(&url);
    }
}

pub(super) fn offers() -> Vec<Vec<u8>> {
    let record = a_record();
    let tracks = &record.eras[0].tracks;
    let media = |first: u64| hls::media(&record, &tracks[0].name, Number(first)..=Number(first + 5));
    let versions: Vec<_> = (0..4).filter_map(|later| media(FIRST.0 + later)).collect();
    let multivariant = hls::multivariant(&record.signal, tracks, &Pathways::default());
    vec![multivariant.into_bytes(), versions.join("\0").into_bytes()]
}

/// An init and then segments, as a watcher loads them: the first byte says of which track, a `styp` begins each segment.
pub(super) fn loaded(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let file = if which % 2 == 0 { SLATE } else { AUDIO };
    for init in [Init::read(file), Init::read(bytes)].into_iter().flatten() {
        let (mut continuity, mut dates) = (Continuity::default(), Dates::default());
        for (number, segment) in (FIRST.0..).zip([bytes, bytes, file]) {
            let Ok(timing) = init.timing(segment) else { continue };
            assert!(timing.start <= timing.end && timing.samples > 0);
            let listed = Segment {
                number,
                discontinuity: 0,
                is_discontinuity: false,
                uri: format!("{number}.m4s"),
                duration: timing.duration(),
                date: "2026-11-24T06:00:00Z".parse().ok(),
                map: None,
                gap: false,
                lines: Vec::new(),
            };
            continuity.saw(&listed, timing, &init);
            dates.saw(&listed, timing);
        }
    }
}

pub(super) fn recordings() -> Vec<Vec<u8>> {
    [(0, SLATE), (1, AUDIO), (0, VIDEO)].map(|(which, file)| [&[which], file].concat()).into()
}
