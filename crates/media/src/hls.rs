//! HLS playlists: pure text from the record and a range of numbers.
//!
//! Every character is a function of the record, the number and what is published, never of the
//! bytes that happened to arrive: two servers at the same edge write the same playlist.

use std::{fmt::Write, ops::RangeInclusive};

use jiff::Timestamp;

use crate::{
    grid::{Number, Ticks},
    id::{SignalName, TrackName},
    pathway::{Pathway, Pathways},
    record::{Content, Record, Track},
};

/// The media type of playlists.
pub const MEDIA_TYPE: &str = "application/vnd.apple.mpegurl";

/// fMP4 without low-latency extensions: `EXT-X-MAP` outside of I-frame playlists needs 6.
const VERSION: u32 = 6;

/// What is spoken is not known (RFC 5646): the tag of every sound.
const LANGUAGE: &str = "und";

/// Where the media playlists of a variant lie.
enum Place<'a> {
    /// Beside the multivariant playlist.
    Beside,
    /// On the origin that this pathway leads to.
    On(Pathway<'a>, &'a SignalName),
}

impl Place<'_> {
    fn uri(&self, track: &TrackName) -> String {
        match self {
            Self::Beside => format!("{track}/playlist.m3u8"),
            Self::On(pathway, signal) => format!("{}/{signal}/{track}/playlist.m3u8", pathway.url),
        }
    }

    /// The group of the sounds that lie there: a group has one URI for each.
    fn group(&self) -> String {
        match self {
            Self::Beside => "audio".to_owned(),
            Self::On(pathway, _) => format!("audio-{pathway}"),
        }
    }
}

/// The multivariant playlist of the `tracks` of a signal: their media playlists lie beside it, or, if there are
/// pathways, on each origin. Whoever serves it steers beside it, too.
pub fn multivariant(signal: &SignalName, tracks: &[Track], pathways: &Pathways) -> String {
    let mut out = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let mut places: Vec<_> = pathways.iter().map(|pathway| Place::On(pathway, signal)).collect();
    match pathways.iter().next() {
        Some(first) => line(
            &mut out,
            format_args!("#EXT-X-CONTENT-STEERING:SERVER-URI=\"steering.json\",PATHWAY-ID=\"{first}\""),
        ),
        None => places.push(Place::Beside),
    }
    let (video, audio): (Vec<&Track>, Vec<&Track>) = tracks.iter().partition(|t| t.is_video());
    if video.is_empty() {
        for place in &places {
            audio.iter().for_each(|track| variant(&mut out, track, &[], place));
        }
        return out;
    }
    for place in &places {
        for (i, track) in audio.iter().enumerate() {
            rendition(&mut out, track, i == 0, place);
        }
    }
    for place in &places {
        video.iter().for_each(|track| variant(&mut out, track, &audio, place));
    }
    out
}

fn rendition(out: &mut String, track: &Track, first: bool, place: &Place<'_>) {
    let Content::Audio { channels } = track.content else { return };
    let (name, default) = (&track.name, if first { "YES" } else { "NO" });
    let (group, uri) = (place.group(), place.uri(name));
    line(
        out,
        format_args!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{group}\",NAME=\"{name}\",LANGUAGE=\"{LANGUAGE}\",\
             DEFAULT={default},AUTOSELECT=YES,CHANNELS=\"{channels}\",URI=\"{uri}\""
        ),
    );
}

/// A variant is `track` with any one of `audio`: it needs the bandwidth of the largest, and a player
/// must know the codecs of all. No segment exceeds its track's cap, so the average does not either.
fn variant(out: &mut String, track: &Track, audio: &[&Track], place: &Place<'_>) {
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
        attributes.push_str(&format!(",AUDIO=\"{}\"", place.group()));
    }
    if let Place::On(pathway, _) = place {
        attributes.push_str(&format!(",PATHWAY-ID=\"{pathway}\""));
    }
    line(out, format_args!("#EXT-X-STREAM-INF:{attributes}\n{}", place.uri(&track.name)));
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
