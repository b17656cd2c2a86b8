//! Reads a media playlist: which lines belong to which segment, which to the whole.

use std::time::Duration;

use quick_m3u8::{
    HlsLine,
    tag::{KnownTag, hls},
};

use super::{Line, Media, Segment, Unreadable};

/// A playlist as far as it has been read.
#[derive(Default)]
struct Reading {
    playlist: Media,
    target: Option<Duration>,
    head: Option<u64>,
    /// The lines that are in force until another replaces them.
    map: Option<(String, String)>,
    key: Option<String>,
    /// The segment whose URI is still to come.
    next: Next,
    discontinuities: u64,
}

#[derive(Default)]
struct Next {
    lines: Vec<String>,
    duration: Option<Duration>,
    date: Option<jiff::Timestamp>,
    gap: bool,
    is_discontinuity: bool,
}

pub(super) fn read(lines: &[Line<'_>]) -> Result<Media, Unreadable> {
    let mut reading = Reading::default();
    for line in lines {
        match &line.parsed {
            HlsLine::KnownTag(KnownTag::Hls(tag)) => reading.tag(line, tag)?,
            HlsLine::Uri(uri) => reading.uri(line, uri)?,
            // A client ignores it; but what belongs to a segment may not change.
            HlsLine::UnknownTag(_) => reading.next.lines.push(line.text.to_owned()),
            _ => {}
        }
    }
    let Some(target) = reading.target else {
        return Err(Unreadable { line: lines.len(), reason: "there is no EXT-X-TARGETDURATION".to_owned() });
    };
    Ok(Media { target, ..reading.playlist })
}

impl Reading {
    fn tag(&mut self, line: &Line<'_>, tag: &hls::Tag<'_>) -> Result<(), Unreadable> {
        use hls::Tag::{
            Bitrate, Byterange, Daterange, Discontinuity, DiscontinuitySequence, Endlist, Gap,
            IndependentSegments, Inf, Key, M3u, Map, MediaSequence, Part, PlaylistType, PreloadHint,
            ProgramDateTime, RenditionReport, ServerControl, Skip, Targetduration,
        };
        let text = || line.text.to_owned();
        match tag {
            Targetduration(tag) => once(line, &mut self.target, target(line, tag.target_duration())?)?,
            MediaSequence(tag) => self.sequence(line, tag.media_sequence())?,
            DiscontinuitySequence(tag) => self.discontinuities(line, tag.discontinuity_sequence())?,
            Endlist(_) => self.playlist.ended = true,
            Inf(tag) => {
                self.next.duration = Some(seconds(line, tag.duration())?);
                self.next.lines.push(text());
            }
            ProgramDateTime(_) => self.date(line)?,
            Discontinuity(_) => {
                self.next.is_discontinuity = true;
                self.next.lines.push(text());
            }
            Gap(_) => {
                self.next.gap = true;
                self.next.lines.push(text());
            }
            Map(tag) => self.map = Some((tag.uri().to_owned(), text())),
            Key(_) => self.key = Some(text()),
            Byterange(_) | Bitrate(_) => self.next.lines.push(text()),
            // They may go when they no longer apply.
            M3u(_) | Part(_) | Daterange(_) | Skip(_) | PreloadHint(_) | RenditionReport(_) => {}
            PlaylistType(_) => self.playlist.kind = Some(text()),
            ServerControl(_) => once(line, &mut self.playlist.server_control, text())?,
            IndependentSegments(_) => self.playlist.independent = true,
            _ => self.playlist.header.push(text()),
        }
        Ok(())
    }

    fn sequence(&mut self, line: &Line<'_>, head: u64) -> Result<(), Unreadable> {
        self.before_segments(line)?;
        once(line, &mut self.head, head)?;
        self.playlist.head = head;
        Ok(())
    }

    fn discontinuities(&mut self, line: &Line<'_>, sequence: u64) -> Result<(), Unreadable> {
        self.before_segments(line)?;
        once(line, &mut self.playlist.discontinuity_sequence, sequence)?;
        self.discontinuities = sequence;
        Ok(())
    }

    fn before_segments(&self, line: &Line<'_>) -> Result<(), Unreadable> {
        let begun = !self.playlist.segments.is_empty() || self.next.is_discontinuity;
        if begun { Err(line.wrong(format!("'{}' comes after the first segment", line.text))) } else { Ok(()) }
    }

    fn date(&mut self, line: &Line<'_>) -> Result<(), Unreadable> {
        let value = line.text.split_once(':').map_or("", |(_, value)| value);
        let date = value.parse().map_err(|error| line.wrong(format!("'{value}' is no date: {error}")))?;
        self.next.date = Some(date);
        self.next.lines.push(line.text.to_owned());
        Ok(())
    }

    fn uri(&mut self, line: &Line<'_>, uri: &str) -> Result<(), Unreadable> {
        let next = std::mem::take(&mut self.next);
        let Some(duration) = next.duration else {
            return Err(line.wrong(format!("'{uri}' has no EXTINF")));
        };
        let count = self.playlist.segments.len() as u64;
        let Some(number) = self.playlist.head.checked_add(count) else {
            return Err(line.wrong("the media sequence number exceeds 64 bits"));
        };
        self.discontinuities = self.discontinuities.saturating_add(u64::from(next.is_discontinuity));
        let in_force = self.key.iter().chain(self.map.as_ref().map(|(_, line)| line));
        let mut lines: Vec<_> = in_force.cloned().chain(next.lines).collect();
        lines.push(uri.to_owned());
        self.playlist.segments.push(Segment {
            number,
            discontinuity: self.discontinuities,
            is_discontinuity: next.is_discontinuity,
            uri: uri.to_owned(),
            duration,
            date: next.date,
            map: self.map.as_ref().map(|(uri, _)| uri.clone()),
            gap: next.gap,
            lines,
        });
        Ok(())
    }
}

/// A tag that a playlist has once at the most.
fn once<T>(line: &Line<'_>, place: &mut Option<T>, value: T) -> Result<(), Unreadable> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(line.wrong(format!("'{}' is there twice", line.text))),
    }
}

/// No segment is longer than a day: sums of what passes stay far from any overflow.
const LONGEST: Duration = Duration::from_secs(86_400);

fn target(line: &Line<'_>, seconds: u64) -> Result<Duration, Unreadable> {
    match Duration::from_secs(seconds) {
        target if target > Duration::ZERO && target <= LONGEST => Ok(target),
        _ => Err(line.wrong(format!("'{}' is not between 1 second and a day", line.text))),
    }
}

fn seconds(line: &Line<'_>, value: f64) -> Result<Duration, Unreadable> {
    let duration = Duration::try_from_secs_f64(value).ok().filter(|duration| *duration <= LONGEST);
    duration.ok_or_else(|| line.wrong(format!("'{}' is not between 0 seconds and a day", line.text)))
}
