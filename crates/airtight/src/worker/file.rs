//! A file as a live source: what ffmpeg reads and filters so that position follows the epoch. Pure.
//!
//! ffmpeg reads a list of lists of the file, long enough for decades. Every entry is followed by a gap
//! on the timeline; the filters fill the timeline to one sample per place of the grid and then take out
//! the gaps by counting. So a file that lacks samples, has some too many or stores them in odd order
//! never shifts what follows.

use super::{
    command::{Feed, Start},
    ladder::{AUDIO_FRAME, AUDIO_HZ},
    source::{Cycle, Source, gcd},
};

/// The name under which a list refers to the file: a link beside the list, so that no path needs quoting.
pub const LINK: &str = "media";
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
    /// How it is shown.
    pub cycle: Cycle,
    /// The microsecond of the file's own timeline at which a showing begins.
    pub begin_us: i64,
    /// How many microseconds later its pictures begin than anything in it.
    pub lead_us: u64,
    /// Whether its pictures are stored as interlaced fields.
    pub interlaced: bool,
    /// How long before the position reading begins, in milliseconds.
    pub preroll_ms: u64,
}

impl File {
    /// The lists to be written beside the link: names and texts. The last one is to be read.
    pub fn lists(&self) -> Vec<(String, String)> {
        let end_us = self.begin_us + i64::try_from(self.cycle.units * self.cycle.unit_ms * 1000).unwrap_or(0);
        let mut entry = format!("file {LINK}\noutpoint {}\n", seconds(end_us));
        let mut millis = self.cycle.stride() * self.cycle.unit_ms;
        let mut lists = Vec::new();
        while lists.is_empty() || millis < REACH_MS {
            entry += &format!("duration {}.{:03}\n", millis / 1000, millis % 1000);
            let count = usize::try_from(ENTRIES).unwrap_or(1);
            let name = format!("list-{}.ffconcat", lists.len() + 1);
            lists.push((name.clone(), format!("ffconcat version 1.0\n{}", entry.repeat(count))));
            entry = format!("file {name}\ninpoint 0\n");
            millis *= ENTRIES;
        }
        lists
    }

    /// What ffmpeg reads and filters for a run from `start`; `list` is the path of the last list.
    pub fn feed(&self, start: &Start, list: &str) -> Feed {
        let (cycle, sound) = (&self.cycle, start.block * u64::from(AUDIO_FRAME));
        let picture = self.source.picture.map(|p| p.rate);
        // Pictures and sound are placed by the showing in which the run begins.
        let (unit, showing, skipped) = match picture {
            Some(_) => {
                let length = cycle.units * cycle.unit_pictures;
                let (into, showing) = (start.picture % length, start.picture / length);
                (into / cycle.unit_pictures, showing * cycle.units * cycle.unit_samples(), into)
            }
            None => {
                let (unit, begun) = cycle.position(sound);
                (unit, begun, 0)
            }
        };
        let seek = unit.saturating_sub(self.preroll_ms.div_ceil(cycle.unit_ms));
        let millis = seek * cycle.unit_ms;
        let seek_to = format!("{}.{:03}", millis / 1000, millis % 1000);
        let input = ["-f", "concat", "-seek_timestamp", "1", "-ss", &seek_to, "-i", list];
        let video = picture.map(|rate| {
            let divisor = gcd(u64::from(rate.scale.get()), u64::from(rate.frame.get()));
            let (scale, frame) =
                (u64::from(rate.scale.get()) / divisor, u64::from(rate.frame.get()) / divisor);
            self.video(scale, frame, seek, skipped - seek * cycle.unit_pictures)
        });
        let samples = sound - showing - seek * cycle.unit_samples();
        let audio = self.source.sound.then(|| self.audio(seek, samples));
        Feed { input: input.map(str::to_owned).into(), video, audio }
    }

    /// Reading from unit `seek` on, the first `skip` pictures are not shown.
    fn video(&self, scale: u64, frame: u64, seek: u64, skip: u64) -> String {
        let pictures = |units: u64| units * self.cycle.unit_pictures;
        let deinterlace = if self.interlaced { "yadif," } else { "" };
        format!(
            "[0:{}]{deinterlace}setpts=PTS-{}/TB,fps={scale}/{frame}:start_time=0:round=near,\
             select='lt(mod(n+{},{}),{})',trim=start_frame={skip},setpts=N",
            self.streams.0.unwrap_or(0),
            self.lead(),
            pictures(seek),
            pictures(self.cycle.stride()),
            pictures(self.cycle.units),
        )
    }

    /// Reading from unit `seek` on, the first `skip` samples are not heard.
    fn audio(&self, seek: u64, skip: u64) -> String {
        format!(
            "[0:{}]asetpts=PTS-{}/TB,aresample={AUDIO_HZ}:async=1:min_hard_comp=0.01:first_pts=0,\
             aformat=channel_layouts=stereo,asetnsamples=n={},aselect='lt(mod(n+{seek},{}),{})',\
             asetpts=N,atrim=start_sample={skip},asetpts=N",
            self.streams.1.unwrap_or(0),
            self.lead(),
            self.cycle.unit_samples(),
            self.cycle.stride(),
            self.cycle.units,
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
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::worker::source::Picture;

    fn file(scale: u32, frame: u32, millis: u64) -> File {
        let rate = airtight_media::grid::Rate {
            scale: NonZeroU32::new(scale).unwrap(),
            frame: NonZeroU32::new(frame).unwrap(),
        };
        File {
            source: Source { picture: Some(Picture { width: 640, height: 360, rate }), sound: true },
            streams: (Some(0), Some(1)),
            cycle: Cycle::new(Some(&rate), millis, 22),
            begin_us: 1_480_000,
            lead_us: 21_333,
            interlaced: false,
            preroll_ms: 500,
        }
    }

    #[test]
    fn lists_of_lists_reach_for_decades() {
        let lists = file(25_000, 1000, 3000).lists();
        let names: Vec<_> = lists.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["list-1.ffconcat", "list-2.ffconcat", "list-3.ffconcat"]);
        let entry = "file media\noutpoint 4.480000\nduration 4.040\n";
        assert!(lists[0].1.starts_with(&format!("ffconcat version 1.0\n{entry}{entry}")));
        assert_eq!(lists[0].1.lines().count(), 3001);
        let entry = "file list-1.ffconcat\ninpoint 0\nduration 4040.000\n";
        assert!(lists[1].1.starts_with(&format!("ffconcat version 1.0\n{entry}{entry}")));
        assert!(lists[2].1.contains("file list-2.ffconcat\ninpoint 0\nduration 4040000.000\n"));
    }

    #[test]
    fn reading_begins_a_little_before_the_position() {
        // 74 showings of 75 pictures and 50 pictures: position 2 s, read from 1.48 s on.
        let start = Start::at((74 * 75 + 50) * 40, &file(25_000, 1000, 3000).source);
        let feed = file(25_000, 1000, 3000).feed(&start, "lists/list-3.ffconcat");
        assert_eq!(feed.input.join(" "), "-f concat -seek_timestamp 1 -ss 1.480 -i lists/list-3.ffconcat");
        assert_eq!(
            feed.video.unwrap(),
            "[0:0]setpts=PTS-0.021333/TB,fps=25/1:start_time=0:round=near,\
             select='lt(mod(n+37,101),75)',trim=start_frame=13,setpts=N"
        );
        // The first audio frame begins 0.0 s after the picture at 224 s of the epoch: 224·48000/1024 is whole.
        assert_eq!(start.block, 10_500);
        let audio = feed.audio.unwrap();
        assert!(
            audio.contains("aselect='lt(mod(n+37,101),75)',asetpts=N,atrim=start_sample=24960,"),
            "{audio}"
        );
    }

    #[test]
    fn a_position_near_the_beginning_is_read_from_the_beginning() {
        let file = file(30_000, 1001, 5005);
        let start = Start::at(1_795_477_632_000, &file.source);
        let feed = file.feed(&start, "l");
        let into = start.picture % 150;
        let unit = into / 30;
        assert_eq!(
            feed.input[5],
            format!("{}.{:03}", unit.saturating_sub(1) * 1001 / 1000, unit.saturating_sub(1) * 1001 % 1000)
        );
        let early = Start::at(1001 * 5 * 1000, &file.source);
        assert_eq!(file.feed(&early, "l").input[5], "0.000");
    }
}
