//! What must hold of every snapshot that an origin publishes, whatever happens around it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::world::{D, WINDOW, World, end_of};
use crate::{
    compose::Decision,
    grid::Number,
    hls,
    id::TrackName,
    pathway::Pathways,
    window::{Made, Snapshot},
};

/// Media that were to be had for so long are in time, whatever else is dead: the patience with the
/// lead, or one fetch that hangs, and a fetch that does not.
const IN_TIME: u64 = 700;
/// Late media that were to be had for so long are shown.
const AT_LAST: u64 = 4000;
/// From the end of a number to its deadline, where no clock is late: it is at a packager 220 ms later at the latest,
/// and told of 20 ms after that.
const DEADLINE: u64 = 240 + D / 2;
/// Things and bytes that a composer remembers at the most.
const THINGS: usize = 4000;
const BYTES: usize = 4_000_000;

#[derive(Debug, Default)]
struct Seen {
    snapshot: Option<Arc<Snapshot>>,
    texts: BTreeMap<TrackName, String>,
    /// When the newest number was published.
    at: u64,
    /// How long after its end.
    behind: Option<u64>,
    /// The edge before a restart that left somebody who knows it.
    edge_before: Option<Number>,
}

#[derive(Debug)]
pub struct Rules {
    origins: Vec<Seen>,
    /// What was listed at an edge, by whoever came first.
    at_edge: BTreeMap<(Number, bool), (String, BTreeMap<TrackName, String>)>,
    pub log: Vec<String>,
    /// Slates, all and those that were not replaced later.
    pub filled: usize,
    pub replaced: usize,
    pub hedged: usize,
    /// How long it took to decide for another copy, each time.
    pub switched: Vec<Duration>,
    pub versions: usize,
}

impl Rules {
    pub fn new(origins: usize) -> Self {
        Self {
            origins: (0..origins).map(|_| Seen::default()).collect(),
            at_edge: BTreeMap::new(),
            log: Vec::new(),
            filled: 0,
            replaced: 0,
            hedged: 0,
            switched: Vec::new(),
            versions: 0,
        }
    }

    pub fn decided(&mut self, now: u64, o: usize, decision: &Decision) {
        match decision {
            Decision::Filled(..) => self.filled += 1,
            Decision::Replaced(..) => self.replaced += 1,
            Decision::Hedged { .. } => self.hedged += 1,
            Decision::Switched { after, .. } => self.switched.push(*after),
            _ => {}
        }
        self.log.push(format!("{now} origin {o}: {decision}"));
        if self.log.len() > 60 {
            self.log.remove(0);
        }
    }

    /// Origin `o` was killed; `known` if a living source knows what it had published.
    pub fn restarted(&mut self, o: usize, known: bool) {
        let seen = std::mem::take(&mut self.origins[o]);
        let edge = seen.snapshot.map(|s| s.edge).max(seen.edge_before);
        self.origins[o].edge_before = edge.filter(|_| known);
    }

    pub fn published(&mut self, world: &World, o: usize, snapshot: &Arc<Snapshot>) {
        let (now, log) = (world.now, self.log.join("\n"));
        let about = format!("at {now}, origin {o}, edge {}\n{log}\n", snapshot.edge);
        self.versions += 1;
        shape(snapshot, &about);
        let seen = &mut self.origins[o];
        let old = seen.snapshot.replace(snapshot.clone());
        let news = match &old {
            None => {
                assert!(seen.edge_before <= Some(snapshot.edge), "behind {:?}: {about}", seen.edge_before);
                true
            }
            Some(old) => {
                assert!(old.edge <= snapshot.edge && old.head <= snapshot.head, "went back {about}");
                assert!(!old.ended() || old.edge == snapshot.edge, "came after the end {about}");
                let follows = snapshot.slots.iter().any(|s| s.number == old.edge.next());
                assert!(follows || old.edge == snapshot.edge, "skipped {} {about}", old.edge.next());
                if old.edge < snapshot.edge {
                    assert!(now - seen.at <= D * 3 / 2 + 1, "{} ms without a number {about}", now - seen.at);
                }
                old.edge < snapshot.edge
            }
        };
        if news {
            seen.at = now;
            // A lie may move deadlines by a segment, the word of a peer alone by two; nothing else may.
            let doubt = D * u64::from(world.has_lied).max(2 * u64::from(world.was_dark));
            let (ended, limit) = (end_of(snapshot.edge), DEADLINE + world.latest + doubt);
            let limit = seen.behind.map_or(u64::MAX, |before| before.max(limit));
            assert!(ended <= now || world.was_dark, "{} ms before it ended {about}", ended - now);
            let behind = now.saturating_sub(ended);
            assert!(behind <= limit, "{behind} ms after it ended {about}");
            seen.behind = Some(behind);
        }
        let composer = world.composer(o).unwrap();
        let (things, bytes) = (composer.held(), composer.kept_bytes());
        assert!(things <= THINGS && bytes <= BYTES, "{things} things and {bytes} bytes {about}");
        self.media(world, o, snapshot, old.as_deref(), &about);
        self.texts(o, snapshot, &about);
    }

    /// What is listed is there, is whose it says, and is slate only where there was nothing else.
    fn media(&mut self, world: &World, o: usize, snapshot: &Snapshot, old: Option<&Snapshot>, about: &str) {
        for slot in &snapshot.slots {
            let known = |old: &Snapshot| old.slots.iter().any(|other| Arc::ptr_eq(other, slot));
            let is_new = !old.is_some_and(known);
            let era = snapshot.record.era(slot.number).unwrap();
            assert_eq!(slot.tracks.len(), era.tracks.len(), "number {} {about}", slot.number);
            for (i, track) in era.tracks.iter().enumerate() {
                let media = &slot.tracks[&track.name];
                let parts = world.studio.grid.part_count(slot.number, &track.rate) as usize;
                assert_eq!(media.parts.len(), parts, "{about}");
                match &media.made {
                    Made::By(lineage) if is_new => {
                        let expected = world.studio.segment(lineage, track, slot.number);
                        assert_eq!(media.parts.concat(), expected, "{lineage} made other bytes {about}");
                    }
                    Made::By(_) => {}
                    Made::Slate if slot.number >= snapshot.head => {
                        let had = world.had(o, i, slot.number).map(|at| world.now.saturating_sub(at));
                        let newest = snapshot.edge == slot.number && self.origins[o].at == world.now;
                        let limit = if newest { IN_TIME } else { AT_LAST };
                        assert!(
                            had.is_none_or(|had| had < limit),
                            "number {} of {} is slate, its media were to be had for {had:?} ms {about}",
                            slot.number,
                            track.name
                        );
                    }
                    Made::Slate => {}
                }
            }
        }
    }

    fn texts(&mut self, o: usize, snapshot: &Snapshot, about: &str) {
        let name = |s: &Snapshot| s.tracks().iter().map(|t| t.name.clone()).collect::<Vec<_>>();
        let texts: BTreeMap<_, _> = name(snapshot)
            .into_iter()
            .map(|t| (t.clone(), hls::media(&snapshot.record, &t, snapshot.numbers()).unwrap()))
            .collect();
        for (track, text) in &texts {
            let listed = listed(text);
            assert_eq!(listed.last().unwrap().number, snapshot.edge.0, "{about}");
            if let Some(before) = self.origins[o].texts.get(track) {
                allowed_change(before, text, about);
            }
        }
        let all = (
            hls::multivariant(&snapshot.record.signal, snapshot.tracks(), &Pathways::default()),
            texts.clone(),
        );
        let known = self.at_edge.entry((snapshot.edge, snapshot.ended())).or_insert_with(|| all.clone());
        assert_eq!(*known, all, "replicas differ {about}");
        while self.at_edge.len() > 64 {
            self.at_edge.pop_first();
        }
        self.origins[o].texts = texts;
    }

    /// No origin on air has stood still.
    pub fn still_moving(&self, world: &World) {
        for (o, seen) in self.origins.iter().enumerate() {
            let Some(snapshot) = seen.snapshot.as_ref().filter(|s| !s.ended()) else { continue };
            let quiet = world.now - seen.at;
            let log = self.log.join("\n");
            assert!(quiet <= D * 3 / 2 + 1, "origin {o} stands at {} for {quiet} ms\n{log}", snapshot.edge);
        }
    }
}

fn shape(snapshot: &Snapshot, about: &str) {
    let head = snapshot.record.first.max(snapshot.edge.next().minus(WINDOW));
    assert_eq!(snapshot.head, head, "{about}");
    assert_eq!(snapshot.slots.last().map(|s| s.number), Some(snapshot.edge), "{about}");
    assert!(snapshot.slots[0].number <= head, "the window is not whole {about}");
    assert!(snapshot.slots.windows(2).all(|w| w[0].number.next() == w[1].number), "a gap {about}");
    assert!(snapshot.slots.len() as u64 <= 2 * WINDOW, "{} slots {about}", snapshot.slots.len());
}

/// A segment with everything that a playlist says about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    pub number: u64,
    pub sequence: u64,
    pub discontinuity: bool,
    pub map: String,
    pub date: String,
    pub duration: String,
}

pub fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))
}

/// The segments of a media playlist, each with the lines that apply to it.
pub fn listed(text: &str) -> Vec<Listed> {
    let mut sequence: u64 = tag(text, "#EXT-X-DISCONTINUITY-SEQUENCE").map_or(0, |s| s.parse().unwrap());
    let (mut discontinuity, mut map, mut date, mut duration) = (false, "", "", "");
    let mut segments = Vec::new();
    for line in text.lines() {
        let value = |name: &str| line.strip_prefix(name);
        if line == "#EXT-X-DISCONTINUITY" {
            (discontinuity, sequence) = (true, sequence + 1);
        } else if let Some(uri) = value("#EXT-X-MAP:") {
            map = uri;
        } else if let Some(at) = value("#EXT-X-PROGRAM-DATE-TIME:") {
            date = at;
        } else if let Some(seconds) = value("#EXTINF:") {
            duration = seconds;
        } else if let Some(number) = value("").filter(|l| !l.starts_with('#')) {
            let number = number.strip_suffix(".m4s").unwrap().parse().unwrap();
            segments.push(Listed {
                number,
                sequence,
                discontinuity,
                map: map.to_owned(),
                date: date.to_owned(),
                duration: duration.to_owned(),
            });
            (discontinuity, date, duration) = (false, "", "");
        }
    }
    let first: u64 = tag(text, "#EXT-X-MEDIA-SEQUENCE").unwrap().parse().unwrap();
    assert!(segments.iter().zip(first..).all(|(s, n)| s.number == n), "names and sequence differ: {text}");
    segments
}

/// RFC 8216bis §6.2.1: lines are appended, removed from the head, nothing else.
pub fn allowed_change(old: &str, new: &str, about: &str) {
    for name in ["#EXT-X-VERSION", "#EXT-X-TARGETDURATION"] {
        assert_eq!(tag(old, name), tag(new, name), "{about}");
    }
    for name in ["#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE"] {
        let value = |text| tag(text, name).unwrap().parse::<u64>().unwrap();
        assert!(value(old) <= value(new), "{name} went back {about}");
    }
    let ended = |text: &str| text.lines().any(|l| l == "#EXT-X-ENDLIST");
    assert!(!ended(old) || old == new, "changed after the end {about}");
    let (old, new) = (listed(old), listed(new));
    assert!(old.last().map(|s| s.number) <= new.last().map(|s| s.number), "{about}");
    for segment in &old {
        let common = new.iter().find(|s| s.number == segment.number);
        assert!(common.is_none_or(|c| c == segment), "{segment:?} became {common:?} {about}");
    }
}
