//! What viewers of a track get when the event has other tracks.
//!
//! A player reads the multivariant playlist once and follows the media playlists that it named. So each of them goes
//! on: an era that lacks a track has another in its place. Pure: every server chooses alike.

use std::collections::BTreeSet;

use super::{Record, Track};
use crate::{grid::Number, id::TrackName};

impl Record {
    /// The track that viewers of `name` get at number `n`: the one of that name, or, after the last era that had it,
    /// the one of its kind that comes nearest in bandwidth. `None` before there was any.
    pub fn shown(&self, name: &TrackName, n: Number) -> Option<&Track> {
        if let Some(track) = self.track(name, n) {
            return Some(track);
        }
        let era = self.era(n)?;
        let before = self.eras.iter().take_while(|before| before.first < era.first);
        let last = before.filter_map(|before| before.tracks.iter().find(|t| t.name == *name)).last()?;
        let alike = era.tracks.iter().filter(|track| track.is_video() == last.is_video());
        alike.min_by_key(|track| track.bandwidth.abs_diff(last.bandwidth))
    }

    /// The names that viewers may follow at number `n`.
    pub fn names(&self, n: Number) -> BTreeSet<&TrackName> {
        let begun = self.eras.iter().filter(|era| era.first <= n).chain(self.era(n));
        let names = begun.flat_map(|era| &era.tracks).map(|track| &track.name);
        names.filter(|name| self.shown(name, n).is_some()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{record, track};
    use crate::{grid::Number, record::Content};

    #[test]
    fn whoever_follows_a_track_that_an_era_lacks_gets_the_nearest_of_its_kind() {
        let mut event = record(10, &[(10, 1), (20, 2), (30, 3)], None);
        let of = |name: &str, bandwidth| {
            let mut track = track(name, 9);
            track.bandwidth = bandwidth;
            if ["audio", "sound"].contains(&name) {
                track.content = Content::Audio { channels: 2 };
            }
            track
        };
        event.eras[0].tracks = vec![of("720p", 3000), of("360p", 800), of("audio", 128)];
        event.eras[1].tracks = vec![of("1080p", 5000), of("540p", 1500), of("sound", 2900)];
        event.eras[2].tracks = vec![of("360p", 700), of("1080p", 5000)];
        let shown =
            |name: &str, n| event.shown(&name.parse().unwrap(), Number(n)).map(|t| t.name.to_string());
        let all = |name| [19, 20, 30].map(|n| shown(name, n).unwrap_or_default());
        assert_eq!(all("720p"), ["720p", "540p", "1080p"]);
        assert_eq!(all("360p"), ["360p", "540p", "360p"]);
        assert_eq!(all("540p"), ["", "540p", "360p"], "before its era it can't be followed");
        assert_eq!(all("audio"), ["audio", "sound", ""], "nothing of its kind is left");
        assert_eq!(all("4k"), ["", "", ""]);
        let names = |n| event.names(Number(n)).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(names(19), "360p 720p audio");
        assert_eq!(names(20), "1080p 360p 540p 720p audio sound");
        assert_eq!(names(30), "1080p 360p 540p 720p");
    }
}
