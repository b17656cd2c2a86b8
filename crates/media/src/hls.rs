//! HLS playlists: pure text from the record and a range of numbers.
//!
//! Every character is a function of the record, the number and what is published, never of the
//! bytes that happened to arrive: two servers at the same edge write the same playlist.

use std::{fmt::Write, ops::RangeInclusive};

use jiff::Timestamp;

use crate::{
    grid::{Number, Ticks},
    id::TrackName,
    record::{Content, Record, Track},
};

/// The media type of playlists.
pub const MEDIA_TYPE: &str = "application/vnd.apple.mpegurl";

/// fMP4 without low-latency extensions: `EXT-X-MAP` outside of I-frame playlists needs 6.
const VERSION: u32 = 6;

/// What is spoken is not known (RFC 5646): the tag of every sound.
const LANGUAGE: &str = "und";

/// The multivariant playlist of `tracks`, whose media playlists lie beside it.
pub fn multivariant(tracks: &[Track]) -> String {
    let (video, audio): (Vec<&Track>, Vec<&Track>) = tracks.iter().partition(|t| t.is_video());
    let mut out = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    if video.is_empty() {
        audio.into_iter().for_each(|track| variant(&mut out, track, &[]));
        return out;
    }
    for (i, track) in audio.iter().enumerate() {
        rendition(&mut out, track, i == 0);
    }
    video.into_iter().for_each(|track| variant(&mut out, track, &audio));
    out
}

fn rendition(out: &mut String, track: &Track, first: bool) {
    let Content::Audio { channels } = track.content else { return };
    let (name, default) = (&track.name, if first { "YES" } else { "NO" });
    line(
        out,
        format_args!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"{name}\",LANGUAGE=\"{LANGUAGE}\",\
             DEFAULT={default},AUTOSELECT=YES,CHANNELS=\"{channels}\",URI=\"{name}/playlist.m3u8\""
        ),
    );
}

/// A variant is `track` with any one of `audio`: it needs the bandwidth of the largest, and a player
/// must know the codecs of all. No segment exceeds its track's cap, so the average does not either.
fn variant(out: &mut String, track: &Track, audio: &[&Track]) {
    let beside = audio.iter().map(|a| u64::from(a.bandwidth)).max().unwrap_or(0);
    let bandwidth = u64::from(track.bandwidth) + beside;
    let mut codecs = vec![track.codecs.as_str()];
    for other in audio {
        if !codecs.contains(&other.codecs.as_str()) {
            codecs.push(&other.codecs);
        }
    }
    let codecs = codecs.join(",");
    let mut attributes = format!("BANDWIDTH={bandwidth},AVERAGE-BANDWIDTH={bandwidth},CODECS=\"{codecs}\"");
    if let Content::Video { width, height } = track.content {
        let rate = thousandths(track.rate.scale.get(), track.rate.frame.get());
        attributes.push_str(&format!(",RESOLUTION={width}x{height},FRAME-RATE={rate}"));
    }
    if !audio.is_empty() {
        attributes.push_str(",AUDIO=\"audio\"");
    }
    line(out, format_args!("#EXT-X-STREAM-INF:{attributes}\n{}/playlist.m3u8", track.name));
}

/// The media playlist of `track` that lists the numbers `listed`; `None` if viewers can't follow it at the last
/// of them.
///
/// A track that an era brought is listed from that era on; one that an era lacks goes on with what is shown in its
/// place.
pub fn media(record: &Record, track: &TrackName, listed: RangeInclusive<Number>) -> Option<String> {
    let (head, edge) = listed.into_inner();
    record.shown(track, edge)?;
    let lacking = (head.0..=edge.0).rev().map(Number).find(|n| record.shown(track, *n).is_none());
    let head = lacking.map_or(head, Number::next);
    let mut out = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n");
    let target = record.grid.millis.get().div_ceil(1000);
    line(&mut out, format_args!("#EXT-X-TARGETDURATION:{target}"));
    line(&mut out, format_args!("#EXT-X-MEDIA-SEQUENCE:{head}"));
    // The tag of an era's first segment stays until that segment leaves, then it is counted.
    let mut sequence = record.discontinuity(head.minus(1));
    line(&mut out, format_args!("#EXT-X-DISCONTINUITY-SEQUENCE:{sequence}"));
    let mut map = None;
    for number in (head.0..=edge.0).map(Number) {
        let at = record.shown(track, number)?;
        if record.discontinuity(number) != sequence {
            sequence = record.discontinuity(number);
            line(&mut out, format_args!("#EXT-X-DISCONTINUITY"));
        }
        if map.replace(at.init) != Some(at.init) {
            line(&mut out, format_args!("#EXT-X-MAP:URI=\"init-{}.mp4\"", at.init));
        }
        segment(&mut out, record, at, number);
    }
    if record.has_ended_by(edge) {
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
