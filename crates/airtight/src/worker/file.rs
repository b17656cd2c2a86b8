//! A file as a live source: what ffmpeg reads and filters so that position follows the epoch. Pure.
//!
//! ffmpeg reads a list of lists of the file, long enough for decades. Every entry is followed by a gap
//! on the timeline; the filters fill the timeline to one sample per place of the grid and then take out
//! the gaps by counting. So a file that lacks samples, has some too many or stores them in odd order
//! never shifts what follows. Pictures and sound have lists of their own, since a gap that is whole in pictures
//! and one that is whole in samples differ.

use std::num::NonZeroU32;

use airtight_media::grid::Rate;

use super::{
    codec::Sound,
    command::{Feed, List, Start},
    source::{Reel, Source, gcd},
};

/// The name under which a list refers to the file: a link beside the list, so that no path needs quoting.
pub const LINK: &str = "media";
/// How every list begins.
const HEAD: &str = "ffconcat version 1.0\n";
/// The names of the lists.
const PICTURES: &str = "pictures";
const SOUND: &str = "sound";
/// Entries of a list.
const ENTRIES: u64 = 1000;
/// The lists reach at least this far.
const REACH_MS: u64 = 30 * 365 * 24 * 3600 * 1000;

/// A file and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What it has.
    pub source: Source,
    /// Which of its streams are the pictures and the sound.
    pub streams: (Option<u32>, Option<u32>),
    /// How its pictures and its sound are shown.
    pub reels: (Option<Reel>, Option<Reel>),
    /// The microsecond of the file's own timeline at which a showing begins.
    pub begin_us: i64,
    /// How many microseconds later its pictures begin than anything in it.
    pub lead_us: u64,
    /// If it has one stream only: the fraction of a second that its times are counted in.
    pub only_tick: Option<(u32, u32)>,
    /// Whether its pictures are stored as interlaced fields.
    pub interlaced: bool,
    /// How long before the position reading begins, in milliseconds.
    pub preroll_ms: u64,
}

/// Where a run begins in one stream of the file.
struct Place {
    /// The showing.
    showing: u64,
    /// The piece at which reading begins.
    seek: u64,
    /// How many samples, or pictures, are read from there on and left out.
    skip: u64,
}

impl File {
    /// The lists to be written beside the link: names and texts. They never change.
    pub fn lists(&self) -> Vec<List> {
        let reels = [(PICTURES, &self.reels.0), (SOUND, &self.reels.1)];
        reels
            .into_iter()
            .filter_map(|(name, reel)| Some(self.loops(name, reel.as_ref()?)))
            .flatten()
            .collect()
    }

    /// Lists of one stream, each of the one before; the last one reaches for decades.
    fn loops(&self, name: &str, reel: &Reel) -> Vec<List> {
        let mut entry = format!("file {LINK}\noutpoint {}\n", seconds(self.end_us(reel)));
        let mut millis = reel.stride_ms;
        let mut lists = Vec::new();
        while lists.is_empty() || millis < REACH_MS {
            entry += &format!("duration {}.{:03}\n", millis / 1000, millis % 1000);
            let count = usize::try_from(ENTRIES).unwrap_or(1);
            let name = format!("{name}-{}.ffconcat", lists.len() + 1);
            lists.push((name.clone(), format!("{HEAD}{}", entry.repeat(count))));
            entry = format!("file {name}\ninpoint 0\n");
            millis *= ENTRIES;
        }
        lists
    }

    /// Where the last piece of a showing ends on the file's own timeline, in microseconds.
    fn end_us(&self, reel: &Reel) -> i64 {
        let length = reel.piece.ticks(reel.length.0.div_ceil(reel.length.1));
        self.begin_us.saturating_add_unsigned(length.micros())
    }

    /// What ffmpeg reads and filters for a run from `start`; `folder` is where the lists are.
    ///
    /// Pictures and sound are read apart from each other: where the file has no sound for a while, ffmpeg finds
    /// out at once and fills in silence, however far away the next sound is.
    pub fn feed(&self, start: &Start, folder: &str) -> Feed {
        let mut feed = Feed::default();
        if let (Some(picture), Some(reel)) = (self.source.picture, &self.reels.0) {
            let showing = reel.showing(start.picture);
            let into = start.picture - reel.first(showing);
            let seek = reel.seek(into, self.preroll_ms);
            self.read(&mut feed, PICTURES, reel, seek, folder);
            feed.video = Some(self.video(picture.rate, reel, &Place { showing, seek, skip: into - seek }));
        }
        if let (Some(sound), Some(reel)) = (self.source.sound, &self.reels.1) {
            let (sample, piece) = (sound.begin(start.block), u64::from(reel.piece.frame.get()));
            let showing = reel.showing(sample / piece);
            let begun = reel.first(showing);
            let seek = reel.seek(sample / piece - begun, self.preroll_ms);
            let input = usize::from(feed.video.is_some());
            self.read(&mut feed, SOUND, reel, seek, folder);
            let place = Place { showing, seek, skip: sample - (begun + seek) * piece };
            feed.audio = Some(self.audio(input, sound, reel, &place));
        }
        feed
    }

    /// Has ffmpeg read one stream from piece `seek` on: the rest of one showing, then the loops.
    ///
    /// An entry with an `inpoint` in place of `-ss`: ffmpeg seeks before the place that it is told, by a guess at
    /// how far pictures are reordered.
    fn read(&self, feed: &mut Feed, name: &str, reel: &Reel, seek: u64, folder: &str) {
        let seek_us = reel.piece.ticks(seek).micros();
        let earliest = self.begin_us.saturating_sub_unsigned(self.lead_us);
        let from = match seek {
            0 => String::new(),
            _ => format!("inpoint {}\n", seconds(self.reachable(earliest.saturating_add_unsigned(seek_us)))),
        };
        let rest = i64::try_from((reel.stride_ms * 1000).saturating_sub(seek_us)).unwrap_or(i64::MAX);
        let loops = self.loops(name, reel).pop().map(|(name, _)| name).unwrap_or_default();
        let text = format!(
            "{HEAD}file {LINK}\n{from}outpoint {}\nduration {}\nfile {loops}\ninpoint 0\n",
            seconds(self.end_us(reel)),
            seconds(rest)
        );
        let list = format!("{name}.ffconcat");
        let options = ["-f", "concat", "-seek_timestamp", "1", "-i"].map(str::to_owned);
        feed.input.extend(options.into_iter().chain([format!("{folder}/{list}")]));
        feed.lists.push((list, text));
    }

    /// The first microsecond from `micros` on that ffmpeg can seek to.
    ///
    /// It brings the place to ticks of the only stream of a file, rounded to the nearest, and the limit, which is
    /// the same, rounded down; a place behind the limit is refused.
    fn reachable(&self, micros: i64) -> i64 {
        let Some((per, second)) = self.only_tick else { return micros };
        let (tick, scale) = (i128::from(per) * 1_000_000, i128::from(second));
        let into = (i128::from(micros) * scale).rem_euclid(tick);
        if into * 2 < tick {
            return micros;
        }
        let further = (tick - into + scale - 1) / scale;
        micros.saturating_add(i64::try_from(further).unwrap_or(0))
    }

    fn video(&self, rate: Rate, reel: &Reel, place: &Place) -> String {
        let per = |n: NonZeroU32| u64::from(n.get()) / gcd(rate.scale.get().into(), rate.frame.get().into());
        let deinterlace = if self.interlaced { "yadif," } else { "" };
        format!(
            "[0:{}]{deinterlace}setpts=PTS-{}/TB,fps={}/{}:start_time=0:round=near,select='{}',\
             trim=start_frame={},setpts=N",
            self.streams.0.unwrap_or(0),
            self.lead(),
            per(rate.scale),
            per(rate.frame),
            reel.shows(place.showing, place.seek),
            place.skip,
        )
    }

    fn audio(&self, input: usize, sound: Sound, reel: &Reel, place: &Place) -> String {
        format!(
            "[{input}:{}]asetpts=PTS-{}/TB,aresample={}:async=1:min_hard_comp=0.01:first_pts=0,\
             aformat=channel_layouts={},asetnsamples=n={},aselect='{}',asetpts=N,atrim=start_sample={},asetpts=N",
            self.streams.1.unwrap_or(0),
            self.lead(),
            sound.hertz.get(),
            sound.channels.layout(),
            reel.piece.frame,
            reel.shows(place.showing, place.seek),
            place.skip,
        )
    }

    fn lead(&self) -> String {
        seconds(i64::try_from(self.lead_us).unwrap_or(i64::MAX))
    }
}

/// Microseconds as seconds, to the digit.
fn seconds(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests;
