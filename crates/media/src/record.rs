//! The signal record: what must be known of a signal to render every line about it.
//!
//! It travels with the media (folder, PUT, `/signals`, holdings). Copies are merged by
//! [`Record::join`]: earliest first number, union of eras, earliest end. That is associative,
//! commutative and idempotent, so copies need no coordinator. Nothing here knows who holds what.

mod error;
mod shown;

use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

use serde::{Deserialize, Serialize};

pub use self::error::RecordError;
use crate::{
    grid::{Grid, Number, Rate},
    id::{InitHash, SignalName, TrackName},
    mp4::Kind,
};

/// The most eras that a record may have.
const MOST_ERAS: usize = 1024;
const MANY_ERAS: &str = "it has no era, or more than 1024";
/// The most tracks that an era may have.
const MOST_TRACKS: usize = 64;
/// The milliseconds that a segment may last.
const SEGMENT: RangeInclusive<u32> = 100..=60_000;
/// The most parts that a segment may have.
const MOST_PARTS: u32 = 100;
/// The samples that a track may have in a segment: what is made for every number stays small.
const SAMPLES: RangeInclusive<u64> = 1..=60_000;

/// Picture or sound, with what a multivariant playlist says of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Content {
    /// Pictures.
    Video {
        /// Width in pixels.
        width: u16,
        /// Height in pixels.
        height: u16,
    },
    /// Sound.
    Audio {
        /// Channels.
        channels: u16,
    },
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Video { width, height } => write!(f, "pictures of {width}x{height}"),
            Self::Audio { channels } => write!(f, "sound of {channels} channels"),
        }
    }
}

impl From<Kind> for Content {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Video { width, height } => Self::Video { width, height },
            Kind::Audio { channels, .. } => Self::Audio { channels },
        }
    }
}

/// One track of an era.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Its name, e.g. `720p`.
    pub name: TrackName,
    /// Picture or sound.
    #[serde(flatten)]
    pub content: Content,
    /// How its samples follow each other.
    #[serde(flatten)]
    pub rate: Rate,
    /// RFC 6381, e.g. `avc1.64001f`.
    pub codecs: String,
    /// The configured cap in bits per second; `BANDWIDTH` comes from it.
    pub bandwidth: u32,
    /// The name of its initialisation segment.
    pub init: InitHash,
}

impl Track {
    /// True if it holds pictures.
    pub fn is_video(&self) -> bool {
        matches!(self.content, Content::Video { .. })
    }
}

/// A stretch of the event with one set of tracks and inits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Era {
    /// Its first number.
    pub first: Number,
    /// Its tracks: video from the best to the least, then audio.
    pub tracks: Vec<Track>,
}

/// The numbers in which an event has one set of tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The first of them.
    pub first: Number,
    /// The last of them, once that is known.
    pub last: Option<Number>,
}

impl Stretch {
    /// Whether number `n` is one of them.
    pub fn contains(&self, n: Number) -> bool {
        n >= self.first && self.last.is_none_or(|last| n <= last)
    }
}

/// The record of one signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The signal.
    pub signal: SignalName,
    /// Segment duration and parts per segment.
    #[serde(flatten)]
    pub grid: Grid,
    /// The first number of the event.
    pub first: Number,
    /// The eras, by their first number.
    pub eras: Vec<Era>,
    /// The last number of the event, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Number>,
}

impl Record {
    /// Checks what its types don't: segments and rates out of proportion, an era without tracks, two tracks
    /// of one name, an end before the first number.
    ///
    /// # Errors
    /// What can't be.
    pub fn check(&self) -> Result<(), RecordError> {
        let wrong = |what| Err(RecordError::Impossible(self.signal.clone(), what));
        if !SEGMENT.contains(&self.grid.millis.get()) || self.grid.parts.get() > MOST_PARTS {
            return wrong("its segments last less than 0.1 s or more than 60 s, or have more than 100 parts");
        }
        if self.eras.is_empty() || self.eras.len() > MOST_ERAS {
            return wrong(MANY_ERAS);
        }
        if !self.eras.is_sorted_by(|a, b| a.first < b.first) {
            return wrong("its eras are not in order of their first numbers");
        }
        if self.eras.iter().any(|e| e.tracks.is_empty() || e.tracks.len() > MOST_TRACKS) {
            return wrong("an era has no track, or more than 64");
        }
        for era in &self.eras {
            let mut names: Vec<_> = era.tracks.iter().map(|t| &t.name).collect();
            names.sort();
            if names.windows(2).any(|w| w[0] == w[1]) {
                return wrong("two tracks of an era have one name");
            }
        }
        // By the rate alone: copies of a record may begin at different numbers.
        let samples = |t: &Track| {
            let (millis, frame) = (u64::from(self.grid.millis.get()), u64::from(t.rate.frame.get()));
            millis * u64::from(t.rate.scale.get()) / (frame * 1000)
        };
        if !self.eras.iter().flat_map(|e| &e.tracks).all(|t| SAMPLES.contains(&samples(t))) {
            return wrong("a track has no sample in a segment, or more than 60000");
        }
        let quoted = self.eras.iter().flat_map(|e| &e.tracks).map(|t| &t.codecs);
        if !quoted.clone().all(|c| c.len() <= 64 && c.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.'))
        {
            return wrong("a codec is not as RFC 6381 writes it");
        }
        if self.end.is_some_and(|end| end < self.first) {
            return wrong("it ends before it begins");
        }
        Ok(())
    }

    /// Checks that viewers of each track find one of its kind in the next era: players go on asking for pictures and
    /// sound once they have begun with them.
    ///
    /// # Errors
    /// The first track that an era lacks.
    pub fn keeps_kinds(&self) -> Result<(), RecordError> {
        for pair in self.eras.windows(2) {
            let kept = |t: &&Track| pair[1].tracks.iter().any(|u| u.is_video() == t.is_video());
            if let Some(dropped) = pair[0].tracks.iter().find(|t| !kept(t)) {
                let (signal, first, track) = (self.signal.clone(), pair[1].first, dropped.name.clone());
                return Err(RecordError::Dropped { signal, first, track });
            }
        }
        Ok(())
    }

    /// Both records as one.
    ///
    /// # Errors
    /// They contradict each other; neither is changed.
    pub fn join(&self, other: &Self) -> Result<Self, RecordError> {
        if self.signal != other.signal {
            return Err(RecordError::Signal(other.signal.clone(), self.signal.clone()));
        }
        if self.grid != other.grid {
            return Err(RecordError::Grid {
                signal: self.signal.clone(),
                ours: self.grid.millis.get(),
                our_parts: self.grid.parts.get(),
                theirs: other.grid.millis.get(),
                their_parts: other.grid.parts.get(),
            });
        }
        let mut eras: BTreeMap<Number, &Era> = self.eras.iter().map(|e| (e.first, e)).collect();
        for era in &other.eras {
            let known = *eras.entry(era.first).or_insert(era);
            if let Some(difference) = difference(&known.tracks, &era.tracks) {
                let (signal, first) = (self.signal.clone(), era.first);
                return Err(RecordError::Era { signal, first, difference });
            }
        }
        if eras.len() > MOST_ERAS {
            return Err(RecordError::Impossible(self.signal.clone(), MANY_ERAS));
        }
        let end = [self.end, other.end].into_iter().flatten().min();
        Ok(Self {
            signal: self.signal.clone(),
            grid: self.grid,
            first: self.first.min(other.first),
            eras: eras.into_values().cloned().collect(),
            end,
        })
    }

    /// What of `other` comes in time where the numbers up to `known` are held or shown, and why the rest does not:
    /// nothing that is said of them later gives them other tracks.
    pub fn timely(&self, other: &Self, known: Number) -> (Self, Option<RecordError>) {
        let mut late = None;
        let mut timely = other.clone();
        timely.eras.retain(|era| {
            let error = self.late(era, known);
            let is_timely = error.is_none();
            late = late.take().or(error);
            is_timely
        });
        (timely, late)
    }

    fn late(&self, era: &Era, known: Number) -> Option<RecordError> {
        let Era { first, ref tracks } = *era;
        // What lies before the first era counts as its.
        let is_known = first <= known || self.eras.first().is_some_and(|ours| first < ours.first);
        // Two that begin at one number and differ contradict each other, which the join tells.
        let ours = self.era(first).filter(|ours| is_known && first != ours.first)?;
        let difference = difference(&ours.tracks, tracks)?;
        Some(RecordError::Late { signal: self.signal.clone(), first, known, difference })
    }

    /// This record as it can be offered to viewers who were shown `shown` up to the number before `next`: from there on
    /// the tracks are ours if their era may begin, which `begins` decides, and later eras come as they are.
    pub fn after(&self, shown: &Self, next: Number, begins: impl Fn(&Era) -> bool) -> Self {
        let mut eras: Vec<Era> = shown.eras.iter().filter(|era| era.first < next).cloned().collect();
        // What lies before the first era counts as its: it stays so.
        let before = shown.era(next.minus(1)).filter(|_| eras.is_empty());
        eras.extend(before.map(|era| Era { first: shown.first.min(next.minus(1)), ..era.clone() }));
        let era = self.era(next).filter(|era| era.first <= next && begins(era));
        if let Some(Era { tracks, .. }) = era
            && eras.last().is_none_or(|last| last.tracks != *tracks)
        {
            eras.push(Era { first: next, tracks: tracks.clone() });
        }
        eras.extend(self.eras.iter().filter(|era| era.first > next).cloned());
        Self { first: self.first.max(shown.first), eras, ..self.clone() }
    }

    /// The eras as viewers see them: neighbours with equal tracks are one, as when two workers
    /// began the same event at different numbers.
    fn distinct(&self) -> impl Iterator<Item = &Era> {
        let previous = std::iter::once(None).chain(self.eras.iter().map(Some));
        self.eras
            .iter()
            .zip(previous)
            .filter(|(era, before)| before.is_none_or(|b| b.tracks != era.tracks))
            .map(|(era, _)| era)
    }

    /// The era that number `n` belongs to; the first one for numbers before it.
    pub fn era(&self, n: Number) -> Option<&Era> {
        self.distinct().take_while(|e| e.first <= n).last().or_else(|| self.eras.first())
    }

    /// The discontinuity sequence number of `n`: the index of its era.
    pub fn discontinuity(&self, n: Number) -> u64 {
        (self.distinct().take_while(|e| e.first <= n).count() as u64).saturating_sub(1)
    }

    /// Where an encoder of exactly these tracks has its place at `now` or later: the first stretch that is
    /// not over before `now`; `None` if neither an era nor an announced one has these tracks.
    pub fn stretch(&self, tracks: &[Track], now: Number) -> Option<Stretch> {
        let eras: Vec<&Era> = self.distinct().collect();
        let next = eras.iter().skip(1).map(|next| Some(next.first.minus(1))).chain([None]);
        let alike = eras.iter().zip(next).filter(|(era, _)| era.tracks == tracks);
        let mut stretches = alike.map(|(era, last)| {
            let last = [last, self.end].into_iter().flatten().min();
            Stretch { first: era.first, last }
        });
        stretches.find(|stretch| stretch.last.is_none_or(|last| last >= now))
    }

    /// The record with an era of these tracks that begins `ahead` numbers after `now`. Whoever announces the
    /// same tracks at about the same time adds to the same era: neighbours with equal tracks are one, which
    /// begins with the earliest.
    ///
    /// # Errors
    /// Other tracks are announced already, all pictures or all sound would go, or the record has no room for a further era.
    pub fn announce(&self, tracks: &[Track], now: Number, ahead: u64) -> Result<Self, RecordError> {
        let announced = self.eras.iter().filter(|era| era.first > now);
        for Era { first, tracks: others } in announced {
            if let Some(difference) = difference(others, tracks) {
                let signal = self.signal.clone();
                return Err(RecordError::Announced { signal, first: *first, difference });
            }
        }
        let era = Era { first: now.plus(ahead.max(1)), tracks: tracks.to_vec() };
        let announced = self.join(&Self { eras: vec![era], ..self.clone() })?;
        announced.check()?;
        announced.keeps_kinds()?;
        Ok(announced)
    }

    /// Track `name` as it is at number `n`.
    pub fn track(&self, name: &TrackName, n: Number) -> Option<&Track> {
        self.era(n)?.tracks.iter().find(|t| t.name == *name)
    }

    /// True once the event is over at number `n`.
    pub fn has_ended_by(&self, n: Number) -> bool {
        self.end.is_some_and(|end| n >= end)
    }
}

/// What differs between two sets of tracks, in words; `None` if they are equal.
pub fn difference(ours: &[Track], theirs: &[Track]) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let names = |tracks: &[Track]| {
        let names: Vec<_> = tracks.iter().map(|t| t.name.to_string()).collect();
        names.join(", ")
    };
    let (our_names, their_names) = (names(ours), names(theirs));
    if our_names != their_names {
        return Some(format!("tracks {our_names} against {their_names}"));
    }
    let (a, b) = ours.iter().zip(theirs).find(|(a, b)| a != b)?;
    let what = match (a, b) {
        _ if a.content != b.content => format!("{} against {}", a.content, b.content),
        _ if a.rate != b.rate => format!(
            "a sample every {}/{} s against {}/{} s",
            a.rate.frame, a.rate.scale, b.rate.frame, b.rate.scale
        ),
        _ if a.codecs != b.codecs => format!("codec {} against {}", a.codecs, b.codecs),
        _ if a.bandwidth != b.bandwidth => format!("{} against {} bits per second", a.bandwidth, b.bandwidth),
        _ => format!("init {} against {}", a.init, b.init),
    };
    Some(format!("track {} has {what}", a.name))
}

#[cfg(test)]
mod tests;
