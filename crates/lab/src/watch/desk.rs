//! Where all reports arrive: asks rules, players and media checks, and keeps the figures. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    Url,
    decode::Decoded,
    report::{Delay, Line, Report, Server},
};
use crate::{
    media::{Continuity, Dates, Init, Timing},
    player::{Fault, Player, whole_millis},
    playlist::{Media, Multivariant, Segment},
    rules::{
        Finding, Judge, Sighting, Violation,
        rates::{self, Rates},
    },
};

/// Findings that are told one by one; further ones are only counted.
const MOST_TOLD: usize = 1000;

/// One report of a viewer's task.
#[derive(Debug)]
pub(super) struct Seen {
    pub server: usize,
    /// Since the watch began.
    pub at: Duration,
    /// A URL.
    pub place: String,
    pub what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Offer(Multivariant),
    /// The renditions that are played, by name.
    Renditions(Vec<String>),
    Playlist {
        name: Arc<str>,
        asked: Duration,
        playlist: Arc<Media>,
    },
    /// A whole segment.
    Segment {
        name: Arc<str>,
        listed: Segment,
        bytes: usize,
        slate: bool,
        media: Option<(Init, Timing)>,
    },
    /// Nothing will follow in a rendition.
    End(Arc<str>),
    Answer {
        bytes: usize,
    },
    Fault {
        fault: Fault,
        fatal: bool,
    },
    /// A segment that had left its playlist was asked for.
    Removed,
    Finding(Finding),
    /// What the decoders of a rendition showed.
    Decoded(Decoded),
}

/// Hears everything.
pub(super) struct Desk {
    wall: Timestamp,
    judge: Judge,
    dates: Dates,
    viewers: Vec<Viewer>,
    told: BTreeSet<(String, Finding)>,
    violations: BTreeMap<&'static str, u64>,
    stopped: Option<Duration>,
}

/// The view of one server.
#[derive(Default)]
struct Viewer {
    server: Server,
    offer: Option<Multivariant>,
    player: Option<Player>,
    tracks: BTreeMap<Arc<str>, Track>,
    discontinuities: BTreeSet<u64>,
}

#[derive(Default)]
struct Track {
    continuity: Continuity,
    slate: Duration,
    rates: Rates,
    edge: Option<u64>,
}

impl Desk {
    pub(super) fn new(urls: &[Url], wall: Timestamp) -> Self {
        let viewer = |url: &Url| {
            let server = Server { url: url.to_string(), ..Server::default() };
            Viewer { server, ..Viewer::default() }
        };
        Self {
            wall,
            judge: Judge::default(),
            dates: Dates::default(),
            viewers: urls.iter().map(viewer).collect(),
            told: BTreeSet::new(),
            violations: BTreeMap::new(),
            stopped: None,
        }
    }

    /// The watch is over: what viewers notice is what they have noticed until now.
    pub(super) fn stop(&mut self, now: Duration) {
        self.stopped = Some(now);
        self.viewers.iter_mut().for_each(|viewer| viewer.settle(now));
    }

    /// One report, in the order in which things were seen.
    pub(super) fn hear(&mut self, seen: Seen, tell: &mut impl FnMut(&Line)) {
        let Seen { server, at, place, what } = seen;
        let findings = self.judge(server, at, &place, what, tell);
        for finding in findings {
            self.find(finding, at, &place, tell);
        }
    }

    fn judge(
        &mut self,
        server: usize,
        at: Duration,
        place: &str,
        what: What,
        tell: &mut impl FnMut(&Line),
    ) -> Vec<Finding> {
        let viewer = &mut self.viewers[server];
        match what {
            What::Offer(offer) => {
                let found = self.judge.offered(server, &offer);
                viewer.offer = Some(offer);
                return found;
            }
            What::Renditions(names) => {
                tell(&Line::Watching { url: place.to_owned(), renditions: names.clone() });
                viewer.server.renditions.clone_from(&names);
                viewer.player = Some(Player::new(names, self.wall));
            }
            What::Playlist { name, asked, playlist } => {
                viewer.listed(&name, at, self.wall, &playlist);
                let sighting = Sighting { server, rendition: &name, asked, seen: at, playlist: &playlist };
                return self.judge.saw(sighting);
            }
            What::Segment { name, listed, bytes, slate, media } => {
                viewer.loaded(&name, at, &listed, slate, self.stopped.is_none());
                let mut found = Vec::from_iter(viewer.rated(&name, &listed, bytes));
                if let Some((init, timing)) = media {
                    let track = viewer.tracks.entry(name).or_default();
                    found.extend(track.continuity.saw(&listed, timing, &init));
                    found.extend(self.dates.saw(&listed, timing));
                }
                return found;
            }
            What::End(name) => viewer.player.iter_mut().for_each(|player| player.end(at, &name)),
            What::Answer { bytes } => {
                viewer.server.answers += 1;
                viewer.server.bytes += bytes as u64;
            }
            What::Fault { fault, fatal } => {
                viewer.server.faults += 1;
                viewer.server.fatal += u64::from(fatal);
                tell(&Line::Fault { at_ms: whole_millis(at), place: place.to_owned(), fault, fatal });
            }
            What::Removed => viewer.server.removed += 1,
            What::Finding(finding) => return vec![finding],
            What::Decoded(Decoded { shown, heard }) => {
                let server = &mut viewer.server;
                server.frames = Some(server.frames.unwrap_or_default() + shown);
                server.sound = Some(server.sound.unwrap_or_default() + heard);
            }
        }
        Vec::new()
    }

    /// Tells a finding the first time.
    fn find(&mut self, finding: Finding, at: Duration, place: &str, tell: &mut impl FnMut(&Line)) {
        let known = (place.to_owned(), finding.clone());
        if self.told.contains(&known) {
            return;
        }
        *self.violations.entry(finding.rule.name).or_default() += 1;
        if self.told.len() < MOST_TOLD {
            self.told.insert(known);
            tell(&Line::Violation(Violation::new(finding, at, place)));
        }
    }

    /// All figures.
    pub(super) fn report(mut self, now: Duration) -> Report {
        if self.stopped.is_none() {
            self.stop(now);
        }
        let servers = self.viewers.into_iter().map(Viewer::report).collect();
        Report { watched_ms: whole_millis(self.stopped.unwrap_or(now)), servers, violations: self.violations }
    }
}

impl Viewer {
    fn listed(&mut self, name: &Arc<str>, at: Duration, wall: Timestamp, playlist: &Media) {
        let track = self.tracks.entry(name.clone()).or_default();
        let new = track.edge.is_some() && track.edge < playlist.edge();
        track.edge = playlist.edge();
        let wall = wall.saturating_add(at).unwrap_or(Timestamp::MAX);
        if let Some(end) = playlist.end().filter(|_| new) {
            let delay = i64::try_from(wall.duration_since(end).as_millis()).unwrap_or(i64::MAX);
            let edge = self.server.edge_delay_ms.get_or_insert(Delay { least: delay, most: delay });
            *edge = Delay { least: edge.least.min(delay), most: edge.most.max(delay) };
        }
    }

    fn loaded(&mut self, name: &str, at: Duration, listed: &Segment, slate: bool, live: bool) {
        self.server.segments += 1;
        self.discontinuities.insert(listed.discontinuity);
        if let Some(track) = self.tracks.get_mut(name).filter(|_| slate) {
            track.slate += listed.duration;
        }
        // What comes after the end of the watch is not played any more.
        if let Some(player) = self.player.as_mut().filter(|_| live) {
            player.append(at, name, listed.date, listed.duration);
        }
    }

    /// Whether a variant now takes more than it said.
    fn rated(&mut self, name: &str, listed: &Segment, bytes: usize) -> Option<Finding> {
        self.tracks.get_mut(name)?.rates.saw(listed.duration, bytes);
        let base: Url = self.server.url.parse().ok()?;
        let named = |uri: &str| base.join(uri).ok().map(|url| base.name_of(&url));
        rates::finding(self.offer.as_ref()?, |uri| Some(&self.tracks.get(&*named(uri)?)?.rates))
    }

    /// What the player noticed until `now` is what counts.
    fn settle(&mut self, now: Duration) {
        if let Some(player) = &mut self.player {
            self.server.noticed = player.noticed(now);
        }
    }

    fn report(self) -> Server {
        let sum = |of: fn(&Continuity) -> Duration| {
            let each = self.tracks.values().map(|track| of(&track.continuity));
            whole_millis(each.fold(Duration::ZERO, Duration::saturating_add))
        };
        Server {
            slate_ms: whole_millis(self.tracks.values().map(|track| track.slate).max().unwrap_or_default()),
            gap_ms: sum(|continuity| continuity.gap),
            overlap_ms: sum(|continuity| continuity.overlap),
            discontinuities: self.discontinuities.len().saturating_sub(1),
            ..self.server
        }
    }
}
