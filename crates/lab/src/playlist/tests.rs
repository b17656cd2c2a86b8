use super::*;

fn media(text: &str) -> Media {
    match Playlist::read(text) {
        Ok(Playlist::Media(media)) => media,
        other => panic!("{other:?}"),
    }
}

const LIVE: &str = "\
#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:10
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-MAP:URI=\"a.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T23:47:22.000Z
#EXTINF:2.00000,
10.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"b.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-24T00:47:24.000+01:00
#EXTINF:1.98000,
11.m4s
#EXT-X-GAP
#EXTINF:2.00000,
12.m4s
#EXT-X-ENDLIST
";

#[test]
fn a_media_playlist_is_segments_with_their_lines() {
    let playlist = media(LIVE);
    assert_eq!((playlist.head, playlist.edge(), playlist.ended), (10, Some(12), true));
    assert_eq!(playlist.header, ["#EXT-X-VERSION:6"]);
    let [a, b, c] = &playlist.segments[..] else { panic!("{playlist:?}") };
    assert_eq!((a.number, a.discontinuity, a.map.as_deref()), (10, 3, Some("a.mp4")));
    assert_eq!((b.number, b.discontinuity, b.map.as_deref()), (11, 4, Some("b.mp4")));
    assert_eq!((c.number, c.discontinuity, c.gap, c.date), (12, 4, true, None));
    let date = "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T23:47:22.000Z";
    assert_eq!(a.lines, ["#EXT-X-MAP:URI=\"a.mp4\"", date, "#EXTINF:2.00000,", "10.m4s"]);
    assert_eq!(b.date.unwrap().as_millisecond() - a.date.unwrap().as_millisecond(), 2000);
    assert_eq!(playlist.duration(), Duration::from_millis(5980));
    assert_eq!(playlist.segment(11), Some(b));
    assert_eq!((playlist.segment(9), playlist.segment(13)), (None, None));
}

#[test]
fn a_multivariant_playlist_is_variants_and_renditions() {
    let text = "\
#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",DEFAULT=YES,AUTOSELECT=YES,URI=\"audio.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=9,AVERAGE-BANDWIDTH=8,CODECS=\"c\",RESOLUTION=4x2,FRAME-RATE=25.000,AUDIO=\"a\"
video.m3u8
";
    let Ok(Playlist::Multivariant(playlist)) = Playlist::read(text) else { panic!("it can be read") };
    assert!(playlist.independent);
    let variant = &playlist.variants[0];
    assert_eq!((variant.uri.as_str(), variant.bandwidth, variant.average), ("video.m3u8", 9, Some(8)));
    assert_eq!((variant.resolution, variant.frame_rate), (Some((4, 2)), Some(25.0)));
    assert_eq!((variant.codecs.as_deref(), variant.audio.as_deref()), (Some("c"), Some("a")));
    let sound = &playlist.renditions[0];
    assert_eq!((sound.kind.as_str(), sound.uri.as_deref()), ("AUDIO", Some("audio.m3u8")));
    assert!(sound.default && sound.autoselect);
}

#[test]
fn what_no_client_could_use_is_refused_with_its_line() {
    let cases = [
        ("", "line 1: a playlist begins with #EXTM3U"),
        ("<html>", "line 1: a playlist begins with #EXTM3U"),
        ("#EXTM3U\n", "line 1: there is no EXT-X-TARGETDURATION"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:2\na.m4s", "line 3: 'a.m4s' has no EXTINF"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:x\n", "line 2: '#EXT-X-TARGETDURATION:x' is malformed: "),
        (
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-TARGETDURATION:2",
            "line 3: '#EXT-X-TARGETDURATION:2' is there",
        ),
        (
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:-1,\na",
            "line 3: '#EXTINF:-1,' is not between 0 seconds",
        ),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:0", "line 2: '#EXT-X-TARGETDURATION:0' is not between 1 second"),
        (
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:1,\na\n#EXTINF:1,\nb",
            "line 7: the media sequence number exceeds 64 bits",
        ),
        (
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\na\n#EXT-X-MEDIA-SEQUENCE:1",
            "line 5: '#EXT-X-MEDIA-SEQUENCE:1' comes after the first segment",
        ),
        (
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PROGRAM-DATE-TIME:2026-11-31T00:00:00Z\n#EXTINF:1,\na",
            "line 3: '2026-11-31T00:00:00Z' is no date: ",
        ),
        (
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n#EXT-X-INDEPENDENT-SEGMENTS\n",
            "line 3: EXT-X-STREAM-INF has no URI",
        ),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", "line 2: EXT-X-STREAM-INF has no URI"),
        (
            "#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"x\"\na",
            "line 2: '#EXT-X-STREAM-INF:CODECS=\"x\"' is malformed",
        ),
    ];
    for (text, expected) in cases {
        let error = Playlist::read(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}
