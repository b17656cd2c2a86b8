//! How long a segment that has left a playlist must still be there.

use std::{collections::BTreeMap, time::Duration};

use crate::playlist::Media;

/// Follows the listing and removal of the segments of one playlist of one server.
#[derive(Debug, Default)]
pub struct Kept {
    listed: BTreeMap<u64, Listed>,
    /// When the playlist was last asked for.
    asked: Option<Duration>,
}

#[derive(Debug)]
struct Listed {
    /// It was not listed before that; none if it was when the watch began.
    since: Option<Duration>,
    uri: String,
    duration: Duration,
    /// The longest playlist that had it.
    longest: Duration,
}

/// A removed segment that must be there until a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its number.
    pub number: u64,
    /// Its URI, as it was written.
    pub uri: String,
    /// The last moment, since the watch began.
    pub until: Duration,
}

impl Kept {
    /// The next version, asked for at `asked`; gives what it no longer lists. Segments whose listing nobody
    /// saw are left out: nobody knows for how long they must stay.
    pub fn saw(&mut self, asked: Duration, playlist: &Media) -> Vec<Due> {
        let before = self.asked.replace(asked);
        let all = playlist.duration();
        for segment in &playlist.segments {
            let listed = self.listed.entry(segment.number).or_insert_with(|| Listed {
                since: before,
                uri: segment.uri.clone(),
                duration: segment.duration,
                longest: all,
            });
            listed.longest = listed.longest.max(all);
        }
        let left = self.listed.split_off(&playlist.head);
        let removed = std::mem::replace(&mut self.listed, left);
        let due = |(number, listed): (u64, Listed)| {
            let until = listed.since? + listed.duration + listed.longest;
            Some(Due { number, uri: listed.uri, until })
        };
        // After the end other terms apply, which begin with the removal.
        removed.into_iter().filter(|_| !playlist.ended).filter_map(due).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playlist::Playlist;

    fn playlist(from: u64, to: u64) -> Media {
        let segments: String = (from..to).map(|n| format!("#EXTINF:2,\n{n}.m4s\n")).collect();
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{from}\n{segments}");
        let Ok(Playlist::Media(media)) = Playlist::read(&text) else { panic!("{text}") };
        media
    }

    #[test]
    fn a_removed_segment_stays_for_its_duration_and_the_longest_playlist_since_its_listing() {
        let seconds = Duration::from_secs;
        let mut kept = Kept::default();
        assert_eq!(kept.saw(seconds(0), &playlist(10, 14)), []);
        // 10 leaves: nobody saw its listing.
        assert_eq!(kept.saw(seconds(2), &playlist(11, 15)), []);
        assert_eq!(kept.saw(seconds(4), &playlist(11, 16)), []);
        // 14 came between 0 and 2 s, the longest playlist had five segments.
        let due = Due { number: 14, uri: "14.m4s".to_owned(), until: seconds(12) };
        assert_eq!(kept.saw(seconds(10), &playlist(15, 19)), [due]);
    }
}
