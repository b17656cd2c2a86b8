//! Everything that all servers gave, judged as one stream.
//!
//! A viewer may be moved to another server at any request, so each version must be a legal successor of what
//! *any* server gave before. Servers are not in step to the microsecond, and need not be: a client waits half a
//! target duration between two requests (§6.3.4), so versions of two servers are held against each other in
//! order if they lie that far apart, and in content always.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    CONTROL_EQUAL, DISCONTINUITY_FIXED, Finding, INDEPENDENT, TARGET_EQUAL, UPDATE_IN_TIME, VARIANTS_ALIGNED,
    VARIANTS_TOGETHER, alone, offer, successor,
};
use crate::playlist::{Media, Multivariant, Segment};

/// Of programmes that do not tell their frame rate: 24 frames per second, rounded up.
const FRAME: Duration = Duration::from_millis(42);
/// Numbers of one rendition that are remembered.
const MOST_NUMBERS: usize = 4096;
/// Versions of one playlist of one server that are remembered.
const MOST_VERSIONS: usize = 64;

/// A media playlist as a client got it.
#[derive(Debug, Clone, Copy)]
pub struct Sighting<'a> {
    /// Which server.
    pub server: usize,
    /// Which rendition: the same name on every server.
    pub rendition: &'a str,
    /// When the request was sent, since the watch began: the version is not older.
    pub asked: Duration,
    /// When the answer was whole: the version is not younger.
    pub seen: Duration,
    /// The version.
    pub playlist: &'a Arc<Media>,
}

/// Remembers what was seen and judges what comes.
#[derive(Debug, Default)]
pub struct Judge {
    offers: BTreeMap<usize, Multivariant>,
    renditions: BTreeMap<String, Rendition>,
}

/// One rendition on all servers.
#[derive(Debug, Default)]
struct Rendition {
    servers: BTreeMap<usize, History>,
    known: BTreeMap<u64, Segment>,
}

/// The versions of one server; there is one at least.
#[derive(Debug)]
struct History {
    versions: VecDeque<(Duration, Arc<Media>)>,
    /// When the newest segment was first seen.
    grew: Duration,
}

impl Judge {
    /// A server's multivariant playlist.
    pub fn offered(&mut self, server: usize, offer: &Multivariant) -> Vec<Finding> {
        let mut found = offer::findings(offer);
        found.extend(self.offers.values().next().and_then(|first| offer::differs(offer, first)));
        self.offers.insert(server, offer.clone());
        found
    }

    /// A version of a media playlist, in the order of [`Sighting::seen`].
    pub fn saw(&mut self, sighting: Sighting<'_>) -> Vec<Finding> {
        let playlist = sighting.playlist;
        let mut found = alone::findings(playlist, self.frame());
        if !playlist.independent && !self.offers.get(&sighting.server).is_some_and(|offer| offer.independent)
        {
            found.push(INDEPENDENT.broken("neither this playlist nor the multivariant one says it"));
        }
        found.extend(self.beside_others(sighting));
        let rendition = self.renditions.entry(sighting.rendition.to_owned()).or_default();
        found.extend(rendition.saw(sighting));
        found
    }

    /// The longest frame of any picture on offer.
    fn frame(&self) -> Duration {
        let rates = self.offers.values().flat_map(|offer| offer.variants.iter().filter_map(|v| v.frame_rate));
        let longest = rates.filter(|rate| *rate >= 1.0).map(|rate| Duration::from_secs_f64(1.0 / rate)).max();
        longest.unwrap_or(FRAME)
    }

    /// What the other renditions say against this version.
    fn beside_others(&self, sighting: Sighting<'_>) -> Vec<Finding> {
        let tolerance = self.frame() + Duration::from_millis(1);
        let mut found = Vec::new();
        for (name, other) in self.renditions.iter().filter(|(name, _)| *name != sighting.rendition) {
            let aligned = |segment| unaligned(segment, other.known.get(&segment.number)?, name, tolerance);
            found.extend(sighting.playlist.segments.iter().find_map(aligned));
            if let Some((seen, newest)) = other.servers.get(&sighting.server).map(History::newest) {
                found.extend(unequal(sighting.playlist, newest, name));
                found.extend(behind(sighting, *seen, newest, name));
            }
        }
        found
    }
}

impl Rendition {
    fn saw(&mut self, sighting: Sighting<'_>) -> Vec<Finding> {
        let Sighting { server, asked, playlist, .. } = sighting;
        let mut found = Vec::new();
        let own = self.servers.get(&server);
        if let Some(history) = own {
            found.extend(successor::findings(&history.newest().1, playlist));
            found.extend(history.overdue(asked, playlist));
        }
        for (_, history) in self.servers.iter().filter(|(other, _)| **other != server) {
            found.extend(successor::fixed(&history.newest().1, playlist));
            let before = history.before(asked, playlist.target / 2);
            found.extend(before.into_iter().flat_map(|before| successor::order(before, playlist)));
        }
        for segment in &playlist.segments {
            let was = self.known.entry(segment.number).or_insert_with(|| segment.clone());
            found.extend(successor::unlike(was, segment));
        }
        while self.known.len() > MOST_NUMBERS {
            self.known.pop_first();
        }
        match self.servers.get_mut(&server) {
            Some(history) => history.push(sighting),
            None => drop(self.servers.insert(server, History::new(sighting))),
        }
        found
    }
}

impl History {
    fn new(first: Sighting<'_>) -> Self {
        Self { versions: [(first.seen, first.playlist.clone())].into(), grew: first.seen }
    }

    fn newest(&self) -> &(Duration, Arc<Media>) {
        self.versions.back().expect("there is one from the start, and one is always kept")
    }

    fn push(&mut self, next: Sighting<'_>) {
        let newest = self.newest().1.clone();
        if newest.edge() != next.playlist.edge() {
            self.grew = next.seen;
        }
        if newest != *next.playlist {
            self.versions.push_back((next.seen, next.playlist.clone()));
        }
        while self.versions.len() > MOST_VERSIONS {
            self.versions.pop_front();
        }
    }

    /// The newest version that a client had before it asked at `asked`, after having waited for `wait`.
    fn before(&self, asked: Duration, wait: Duration) -> Option<&Media> {
        let had = |(seen, _): &&(Duration, Arc<Media>)| *seen + wait <= asked;
        self.versions.iter().rev().find(had).map(|(_, playlist)| &**playlist)
    }

    /// Whether `playlist`, asked for at `asked`, still lacks what should have come after the newest segment.
    fn overdue(&self, asked: Duration, playlist: &Media) -> Option<Finding> {
        let edge = playlist.edge().filter(|edge| self.newest().1.edge() == Some(*edge) && !playlist.ended)?;
        let waited = asked.saturating_sub(self.grew);
        let late = waited > playlist.target * 3 / 2;
        late.then(|| UPDATE_IN_TIME.broken(format!("nothing came after {edge} in time")))
    }
}

fn unaligned(is: &Segment, other: &Segment, name: &str, tolerance: Duration) -> Option<Finding> {
    let number = is.number;
    if is.discontinuity != other.discontinuity {
        let (is, other) = (is.discontinuity, other.discontinuity);
        let detail = format!("that of number {number} is {is}, in {name} {other}");
        return Some(DISCONTINUITY_FIXED.broken(detail));
    }
    let (is, other) = (is.date?, other.date?);
    let apart = is.duration_since(other).unsigned_abs();
    (apart > tolerance)
        .then(|| VARIANTS_ALIGNED.broken(format!("number {number} is dated {is}, in {name} {other}")))
}

fn unequal(is: &Media, other: &Media, name: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if is.target != other.target {
        let (is, other) = (is.target, other.target);
        found.push(TARGET_EQUAL.broken(format!("it is {is:?}, in {name} {other:?}")));
    }
    if is.server_control != other.server_control {
        let (is, other) = (&is.server_control, &other.server_control);
        found.push(CONTROL_EQUAL.broken(format!("it is {is:?}, in {name} {other:?}")));
    }
    found
}

/// Whether a version that was asked for after `other` was there ends too long before it.
fn behind(sighting: Sighting<'_>, seen: Duration, other: &Media, name: &str) -> Option<Finding> {
    let (is, other) = (sighting.playlist.end()?, other.end()?);
    let lag = other.duration_since(is);
    let target = sighting.playlist.target + Duration::from_millis(1);
    let late = seen <= sighting.asked && lag.is_positive() && lag.unsigned_abs() > target;
    late.then(|| VARIANTS_TOGETHER.broken(format!("it ends at {is}, {name} at {other}")))
}
