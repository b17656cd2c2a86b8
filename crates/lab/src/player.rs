//! A player without a screen: what it has buffered, when it stalls, how far behind live it is.
//!
//! The clock is an input: time since the watch began. All tracks are played together, as a player of one
//! variant plays pictures and sound; whichever runs empty stalls all.

mod policy;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use policy::{Fault, Policy, Settings};

/// Holes in the buffer that players step over (hls.js: `maxBufferHole`).
const HOLE: Duration = Duration::from_millis(100);

/// While a buffer is filled for the first time its level says nothing of the server.
const FILLING: Duration = Duration::from_secs(1);

/// What a viewer noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Noticed {
    /// From the first playlist to the first picture, in milliseconds; none if it never came.
    pub start_ms: Option<u64>,
    /// Media shown, in milliseconds.
    pub played_ms: u64,
    /// How often it stood still after the start.
    pub stalls: u32,
    /// How long it stood still after the start, in milliseconds.
    pub stall_ms: u64,
    /// Media that was missing and stepped over, in milliseconds.
    pub skipped_ms: u64,
    /// The smallest buffer from a second after the start to the end of the event, in milliseconds.
    pub smallest_buffer_ms: Option<u64>,
    /// Wall clock less the date of the picture shown, in milliseconds.
    pub latency_ms: Option<i64>,
    /// How much the latency grew since the start, in milliseconds.
    pub drift_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Playing,
    Stalled { since: Duration },
    Ended,
}

/// The player.
#[derive(Debug)]
pub struct Player {
    tracks: BTreeMap<String, Track>,
    /// The wall clock when the watch began.
    began: Timestamp,
    state: State,
    /// Up to when the past is accounted for.
    at: Duration,
    head: Timestamp,
    started: Option<(Duration, SignedDuration)>,
    smallest: Option<Duration>,
    noticed: Noticed,
    played: Duration,
    stalled: Duration,
    skipped: Duration,
}

#[derive(Debug, Default)]
struct Track {
    /// Dates of what is buffered, in order.
    ranges: VecDeque<(Timestamp, Timestamp)>,
    ended: bool,
}

impl Track {
    /// How much can be shown from `head` on without a hole.
    fn level(&self, head: Timestamp) -> Duration {
        let (first, end) = match self.ranges.front() {
            Some(range) => *range,
            None => return Duration::ZERO,
        };
        let reached = Timestamp::saturating_add(head, HOLE).unwrap_or(Timestamp::MAX) >= first;
        let level = end.duration_since(head);
        if reached && level.is_positive() { level.unsigned_abs() } else { Duration::ZERO }
    }

    fn append(&mut self, date: Option<Timestamp>, duration: Duration) {
        let end = self.ranges.back().map(|(_, end)| *end);
        let start = date.or(end).unwrap_or(Timestamp::UNIX_EPOCH);
        let Ok(new_end) = start.checked_add(duration) else { return };
        match self.ranges.back_mut() {
            Some((_, end)) if start.duration_since(*end).unsigned_abs() <= HOLE => *end = new_end.max(*end),
            _ => self.ranges.push_back((start, new_end)),
        }
    }

    /// Drops what lies before `head`.
    fn forget(&mut self, head: Timestamp) {
        while self.ranges.len() > 1 && self.ranges.front().is_some_and(|(_, end)| *end <= head) {
            self.ranges.pop_front();
        }
    }

    /// Where a hole at `head` ends.
    fn beyond(&self, head: Timestamp) -> Option<Timestamp> {
        self.ranges.iter().map(|(start, _)| *start).find(|start| *start > head)
    }
}

impl Player {
    /// A player of these tracks; `began` is the wall clock when the watch began.
    pub fn new(tracks: impl IntoIterator<Item = String>, began: Timestamp) -> Self {
        Self {
            tracks: tracks.into_iter().map(|name| (name, Track::default())).collect(),
            began,
            state: State::Starting,
            at: Duration::ZERO,
            head: Timestamp::UNIX_EPOCH,
            started: None,
            smallest: None,
            noticed: Noticed::default(),
            played: Duration::ZERO,
            stalled: Duration::ZERO,
            skipped: Duration::ZERO,
        }
    }

    /// A segment of `track` is whole. Without a date it follows the one before.
    pub fn append(&mut self, now: Duration, track: &str, date: Option<Timestamp>, duration: Duration) {
        self.tick(now);
        if let Some(track) = self.tracks.get_mut(track) {
            track.append(date, duration);
        }
        self.tick(now);
    }

    /// Nothing will follow in `track`.
    pub fn end(&mut self, now: Duration, track: &str) {
        self.tick(now);
        if let Some(track) = self.tracks.get_mut(track) {
            track.ended = true;
        }
    }

    /// Whether all that there is has been shown.
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Time passes until `now`.
    pub fn tick(&mut self, now: Duration) {
        if self.state == State::Starting {
            self.start(now);
        }
        if let (State::Stalled { since }, true) = (self.state, self.level() > Duration::ZERO) {
            self.stalled += now.saturating_sub(since);
            self.state = State::Playing;
            self.at = now;
        }
        while self.state == State::Playing && self.at < now {
            self.play(now);
        }
        self.at = self.at.max(now);
    }

    fn start(&mut self, now: Duration) {
        let firsts: Option<Vec<_>> = self.tracks.values().map(|t| t.ranges.front().map(|r| r.0)).collect();
        let Some(head) = firsts.and_then(|firsts| firsts.into_iter().max()) else { return };
        self.head = head;
        // What one track has of the other's first segment, by a rounded date, is nothing to play from.
        if self.level() > HOLE {
            self.state = State::Playing;
            self.at = now;
            self.started = Some((now, self.latency(now)));
        }
    }

    /// Plays until `now`, or until the buffer is empty.
    fn play(&mut self, now: Duration) {
        let level = self.level();
        let span = level.min(now - self.at);
        self.at += span;
        self.played += span;
        self.head = self.head.saturating_add(span).unwrap_or(Timestamp::MAX);
        let ending = self.tracks.values().any(|track| track.ended);
        if self.played >= FILLING && !ending {
            let left = level - span;
            self.smallest = Some(self.smallest.map_or(left, |smallest| smallest.min(left)));
        }
        for track in self.tracks.values_mut() {
            track.forget(self.head);
        }
        if self.at < now {
            self.run_dry();
        }
    }

    /// Steps over a hole if there is media behind it in every track, ends, or stalls.
    fn run_dry(&mut self) {
        let empty = |track: &&Track| track.level(self.head) == Duration::ZERO;
        let dry: Vec<&Track> = self.tracks.values().filter(empty).collect();
        let beyond: Option<Vec<_>> = dry.iter().map(|track| track.beyond(self.head)).collect();
        if let Some(next) = beyond.and_then(|beyond| beyond.into_iter().max()) {
            self.skipped += next.duration_since(self.head).unsigned_abs();
            self.head = next;
        } else if dry.iter().any(|track| track.ended) {
            self.state = State::Ended;
        } else {
            self.noticed.stalls += 1;
            self.state = State::Stalled { since: self.at };
        }
    }

    /// What can be shown before a track runs empty.
    fn level(&self) -> Duration {
        self.tracks.values().map(|track| track.level(self.head)).min().unwrap_or_default()
    }

    fn latency(&self, now: Duration) -> SignedDuration {
        let wall = self.began.saturating_add(now).unwrap_or(Timestamp::MAX);
        wall.duration_since(self.head)
    }

    /// What was noticed until `now`.
    pub fn noticed(&mut self, now: Duration) -> Noticed {
        self.tick(now);
        let still = match self.state {
            State::Stalled { since } => now.saturating_sub(since),
            _ => Duration::ZERO,
        };
        let latency = self.latency(now);
        let millis = |duration: SignedDuration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        // After the end nothing moves any more.
        let live = self.started.filter(|_| self.state != State::Ended);
        Noticed {
            start_ms: self.started.map(|(at, _)| whole_millis(at)),
            played_ms: whole_millis(self.played),
            stall_ms: whole_millis(self.stalled + still),
            skipped_ms: whole_millis(self.skipped),
            smallest_buffer_ms: self.smallest.map(whole_millis),
            latency_ms: live.map(|_| millis(latency)),
            drift_ms: live.map(|(_, first)| millis(latency - first)),
            ..self.noticed
        }
    }
}

/// Whole milliseconds of a time.
pub fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
