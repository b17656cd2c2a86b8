//! The playlists of one lineage: each run of an encoder is a playable HLS asset of its own. Pure.
//!
//! They are for tools and for people who look into the folder; viewers get theirs from the window of a
//! packager or an origin.

use std::fmt::Write as _;

use airtight_media::{
    grid::{Grid, Number},
    record::{Content, Track},
};
use jiff::Timestamp;

/// The multivariant playlist.
pub fn multivariant(tracks: &[Track]) -> String {
    let mut text = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n".to_owned();
    let audio = tracks.iter().find(|track| !track.is_video());
    let video: Vec<_> = tracks.iter().filter(|track| track.is_video()).collect();
    if let Some(audio) = audio.filter(|_| !video.is_empty()) {
        add(
            &mut text,
            &format!(
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"{0}\",DEFAULT=YES,AUTOSELECT=YES,URI=\"{0}/playlist.m3u8\"",
                audio.name
            ),
        );
    }
    let streams = if video.is_empty() { audio.into_iter().collect() } else { video };
    for track in streams {
        let beside = audio.filter(|audio| audio.name != track.name);
        let codecs =
            beside.map_or(track.codecs.clone(), |audio| format!("{},{}", track.codecs, audio.codecs));
        let bandwidth = track.bandwidth + beside.map_or(0, |audio| audio.bandwidth);
        let group = if beside.is_some() { ",AUDIO=\"audio\"" } else { "" };
        add(
            &mut text,
            &format!("#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{codecs}\"{}{group}", picture(track)),
        );
        add(&mut text, &format!("{}/playlist.m3u8", track.name));
    }
    text
}

fn picture(track: &Track) -> String {
    let Content::Video { width, height } = track.content else { return String::new() };
    let millis = u64::from(track.rate.scale.get()) * 1000 / u64::from(track.rate.frame.get());
    format!(",RESOLUTION={width}x{height},FRAME-RATE={}.{:03}", millis / 1000, millis % 1000)
}

/// The media playlist of a track that has the segments `first ..= newest`; `ended`: none will follow.
pub fn media(track: &Track, grid: &Grid, first: Number, newest: Number, ended: bool) -> String {
    let target = grid.millis.get().div_ceil(1000);
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init-{}.mp4\"\n",
        track.init
    );
    for number in (first.0..=newest.0).map(Number) {
        let span = grid.span(number, &track.rate);
        if number == first {
            let millis = i64::try_from(span.start().millis()).unwrap_or(i64::MAX);
            let date = Timestamp::from_millisecond(millis).unwrap_or_default();
            add(&mut text, &format!("#EXT-X-PROGRAM-DATE-TIME:{date:.3}"));
        }
        let micros = span.duration().micros();
        add(&mut text, &format!("#EXTINF:{}.{:06},", micros / 1_000_000, micros % 1_000_000));
        add(&mut text, &format!("{number}.m4s"));
    }
    if ended {
        add(&mut text, "#EXT-X-ENDLIST");
    }
    text
}

fn add(text: &mut String, line: &str) {
    // Writing to a String can't fail.
    let _ = writeln!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use airtight_media::{grid::Rate, id::InitHash};

    use super::*;

    fn track(name: &str, content: Content, scale: u32, frame: u32, codecs: &str) -> Track {
        let rate = Rate { scale: NonZeroU32::new(scale).unwrap(), frame: NonZeroU32::new(frame).unwrap() };
        let (codecs, init) = (codecs.to_owned(), InitHash::of(name.as_bytes()));
        Track { name: name.parse().unwrap(), content, rate, codecs, bandwidth: 100_000, init }
    }

    #[test]
    fn the_playlists_of_a_lineage() {
        let video = track("720p", Content::Video { width: 1280, height: 720 }, 30_000, 1001, "avc1.64001f");
        let audio = track("audio", Content::Audio { channels: 2 }, 48_000, 1024, "mp4a.40.2");
        let grid = Grid { millis: NonZeroU32::new(2000).unwrap(), parts: NonZeroU32::new(4).unwrap() };
        assert_eq!(
            multivariant(&[video.clone(), audio.clone()]),
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"audio\",DEFAULT=YES,AUTOSELECT=YES,URI=\"audio/playlist.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=200000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO=\"audio\"\n\
             720p/playlist.m3u8\n"
        );
        assert_eq!(
            multivariant(std::slice::from_ref(&audio)),
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS=\"mp4a.40.2\"\naudio/playlist.m3u8\n"
        );
        assert_eq!(
            media(&audio, &grid, Number(897_738_816), Number(897_738_817), true),
            format!(
                "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:897738816\n\
                 #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"init-{}.mp4\"\n\
                 #EXT-X-PROGRAM-DATE-TIME:2026-11-23T23:47:12.000Z\n#EXTINF:2.005333,\n897738816.m4s\n\
                 #EXTINF:2.005333,\n897738817.m4s\n#EXT-X-ENDLIST\n",
                audio.init
            )
        );
    }
}
