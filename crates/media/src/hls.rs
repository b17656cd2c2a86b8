//! HLS playlists: pure text from the record and a window of numbers.
//!
//! Every character is a function of the record, the number and what is published, never of the
//! bytes that happened to arrive: two servers at the same edge write the same playlist.

use std::fmt::Write;

use jiff::Timestamp;

use crate::{
    grid::{Number, Ticks},
    id::TrackName,
    record::{Content, Record, Track},
    window::Snapshot,
};

/// The media type of playlists.
pub const MEDIA_TYPE: &str = "application/vnd.apple.mpegurl";

/// fMP4 without low-latency extensions: `EXT-X-MAP` outside of I-frame playlists needs 6.
const VERSION: u32 = 6;

/// The multivariant playlist of the tracks at the edge.
pub fn multivariant(snapshot: &Snapshot) -> String {
    let tracks = snapshot.tracks();
    let audio: Vec<&Track> = tracks.iter().filter(|t| !t.is_video()).collect();
    let video: Vec<&Track> = tracks.iter().filter(|t| t.is_video()).collect();
    let mut out = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    if video.is_empty() {
        for track in &audio {
            let (bandwidth, codecs) = (track.bandwidth, &track.codecs);
            line(&mut out, format_args!("#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{codecs}\""));
            line(&mut out, format_args!("{}/playlist.m3u8", track.name));
        }
    }
    if !video.is_empty() {
        for (i, track) in audio.iter().enumerate() {
            rendition(&mut out, track, i == 0);
        }
    }
    for track in video {
        variant(&mut out, track, audio.first().copied());
    }
    out
}

fn rendition(out: &mut String, track: &Track, first: bool) {
    let Content::Audio { channels } = track.content else { return };
    let (name, default) = (&track.name, if first { "YES" } else { "NO" });
    line(
        out,
        format_args!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"{name}\",DEFAULT={default},AUTOSELECT=YES,\
             CHANNELS=\"{channels}\",URI=\"{name}/playlist.m3u8\""
        ),
    );
}

fn variant(out: &mut String, track: &Track, audio: Option<&Track>) {
    let Content::Video { width, height } = track.content else { return };
    let bandwidth = u64::from(track.bandwidth) + audio.map_or(0, |a| u64::from(a.bandwidth));
    let codecs = audio.map_or_else(|| track.codecs.clone(), |a| format!("{},{}", track.codecs, a.codecs));
    let group = audio.map_or("", |_| ",AUDIO=\"audio\"");
    let rate = thousandths(track.rate.scale.get(), track.rate.frame.get());
    line(
        out,
        format_args!(
            "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{codecs}\",RESOLUTION={width}x{height},\
             FRAME-RATE={rate}{group}"
        ),
    );
    line(out, format_args!("{}/playlist.m3u8", track.name));
}

/// The media playlist of `track`; `None` if the track is not on offer.
///
/// A track that an era brought is listed from that era on.
pub fn media(snapshot: &Snapshot, track: &TrackName) -> Option<String> {
    let record = &snapshot.record;
    record.track(track, snapshot.edge)?;
    let lacks = |number: &Number| record.track(track, *number).is_none();
    let lacking = snapshot.listed().map(|s| s.number).filter(lacks).last();
    let head = lacking.map_or(snapshot.head, Number::next);
    let mut out = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n");
    let target = record.grid.millis.get().div_ceil(1000);
    line(&mut out, format_args!("#EXT-X-TARGETDURATION:{target}"));
    line(&mut out, format_args!("#EXT-X-MEDIA-SEQUENCE:{head}"));
    // The tag of an era's first segment stays until that segment leaves, then it is counted.
    let mut sequence = record.discontinuity(head.minus(1));
    line(&mut out, format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{sequence}"));
    let mut map = None;
    for number in snapshot.listed().map(|s| s.number).filter(|n| *n >= head) {
        let at = record.track(track, number)?;
        if record.discontinuity(number) != sequence {
            sequence = record.discontinuity(number);
            line(&mut out, format_args!("#EXT-X-DISCONTINUITY"));
        }
        if map.replace(at.init) != Some(at.init) {
            line(&mut out, format_args!("#EXT-X-MAP:URI=\"init-{}.mp4\"", at.init));
        }
        segment(&mut out, record, at, number);
    }
    if snapshot.ended() {
        line(&mut out, format_args!("#EXT-X-ENDLIST"));
    }
    Some(out)
}

/// The lines of one segment: when it begins, how long it is, what it is called.
fn segment(out: &mut String, record: &Record, track: &Track, number: Number) {
    let span = record.grid.span(number, &track.rate);
    line(out, format_args!("#EXT-X-PROGRAM-DATE-TIME:{}", date_time(span.start())));
    line(out, format_args!("#EXTINF:{},\n{number}.m4s", seconds(span.duration())));
}

fn line(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a String takes every text");
}

/// `duration` in seconds with five decimals.
fn seconds(duration: Ticks) -> String {
    let hundred_thousandths = (duration.micros() + 5) / 10;
    format!("{}.{:05}", hundred_thousandths / 100_000, hundred_thousandths % 100_000)
}

/// `scale / frame` with three decimals.
fn thousandths(scale: u32, frame: u32) -> String {
    let rate = (u64::from(scale) * 1000 + u64::from(frame) / 2) / u64::from(frame);
    format!("{}.{:03}", rate / 1000, rate % 1000)
}

/// ISO 8601 in UTC, rounded down to the millisecond.
fn date_time(at: Ticks) -> String {
    let millis = i64::try_from(at.millis()).unwrap_or(i64::MAX);
    let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests;
