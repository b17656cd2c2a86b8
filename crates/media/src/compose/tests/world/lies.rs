//! What packagers say and give that is not so.

use bytes::Bytes;

use super::{Happening, World, number_at};
use crate::{
    grid::Number,
    health::Health,
    holding::{Line, Piece},
    id::{InitHash, Lineage, TrackName},
    record::Record,
};

/// Lines of its log that a packager tells again.
const AGAIN: usize = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It tells of numbers so many ahead of their time, too.
    Early(u64),
    /// It tells of a lineage of this worker that nobody runs, too, so many numbers ahead.
    Feigned(&'static str, u64),
    /// What it gives is no media, or those of another number or track.
    Garbage,
    /// It says that it has nothing of what it told of.
    Nothing,
    /// Nothing that is asked of it is answered, while its feed goes on.
    Hangs,
    /// It names other inits.
    Inits,
    /// Its feed goes on without news.
    Stalls,
    /// It says that all content is black.
    Slander,
    /// It says that it has held everything for so much longer.
    Older(u64),
    /// It says that everything came just now.
    Younger,
    /// It takes back what it tells.
    Gone,
    /// It tells again what it told before.
    Repeats,
    /// It has lost the newest numbers.
    Regresses,
    /// It tells of other tracks for what was shown, and of an earlier beginning.
    Record,
}

impl World {
    pub(super) fn lies(&self, p: usize, lie: Lie) -> bool {
        self.packagers[p].lies.contains(&lie)
    }

    pub(super) fn begin_lie(&mut self, p: usize, lie: Lie) {
        self.packagers[p].lies.push(lie);
        self.has_lied = true;
        self.packagers[p].well = None;
        self.tell_anew(p);
    }

    pub(super) fn end_lie(&mut self, p: usize, lie: Lie) {
        let lies = &mut self.packagers[p].lies;
        if let Some(at) = lies.iter().position(|known| *known == lie) {
            lies.remove(at);
        }
        self.recovered(p);
        self.tell_anew(p);
    }

    pub(super) fn tell_anew(&mut self, p: usize) {
        for o in 0..self.origins.len() {
            self.origins[o].links[p].told = None;
            self.tell(o, p);
        }
    }

    /// What a packager makes of what it would say if it were honest.
    pub(super) fn twisted(&self, p: usize, mut lines: Vec<Line>) -> Vec<Line> {
        for lie in &self.packagers[p].lies {
            lines = self.twist(p, *lie, lines);
        }
        lines
    }

    fn twist(&self, p: usize, lie: Lie, lines: Vec<Line>) -> Vec<Line> {
        let now = number_at(self.now);
        let before = lines.len().min(AGAIN);
        let mut twisted: Vec<Line> = lines.into_iter().flat_map(|line| self.turned(lie, line)).collect();
        match lie {
            Lie::Stalls => twisted.push(Line::Tick),
            Lie::Repeats if before > 0 => {
                let log = &self.packagers[p].log;
                twisted.extend(log[log.len().saturating_sub(AGAIN)..].iter().cloned());
            }
            Lie::Gone => {
                let gone = self.packagers[p].lineages.iter().map(|(lineage, _)| Line::Gone {
                    signal: self.record.signal.clone(),
                    lineage: lineage.clone(),
                    track: None,
                    before: now.plus(5),
                });
                twisted.extend(gone);
            }
            Lie::Record => twisted.push(Line::Record { record: self.other_record(now) }),
            _ => {}
        }
        twisted
    }

    /// What becomes of one line.
    fn turned(&self, lie: Lie, line: Line) -> Vec<Line> {
        let Line::Held { signal, piece, length, age_ms, health, luma } = line.clone() else {
            return if lie == Lie::Stalls { Vec::new() } else { vec![line] };
        };
        let held = |piece, age_ms, health| Line::Held {
            signal: signal.clone(),
            piece,
            length,
            age_ms,
            health,
            luma,
        };
        match (lie, piece) {
            (Lie::Early(ahead), Piece::Segment { lineage, track, number }) => {
                let early = Piece::Segment { lineage, track, number: number.plus(ahead) };
                vec![line, held(early, age_ms, health)]
            }
            (Lie::Feigned(worker, ahead), Piece::Segment { track, number, .. }) => {
                let lineage = Lineage::new(worker.parse().unwrap(), 7);
                let feigned = Piece::Segment { lineage, track, number: number.plus(ahead) };
                vec![line, held(feigned, age_ms, health)]
            }
            (Lie::Inits, Piece::Init { lineage, track, .. }) => {
                let init = self.another_init(&track);
                vec![held(Piece::Init { lineage, track, init }, age_ms, health)]
            }
            (Lie::Stalls, _) => Vec::new(),
            (Lie::Slander, piece) => vec![held(piece, age_ms, Health::Black)],
            (Lie::Older(by), piece) => vec![held(piece, age_ms + by, health)],
            (Lie::Younger, piece) => vec![held(piece, 0, health)],
            (Lie::Regresses, Piece::Segment { number, .. }) if number.plus(4) > number_at(self.now) => {
                Vec::new()
            }
            _ => vec![line],
        }
    }

    /// The init of another track of the era.
    fn another_init(&self, track: &TrackName) -> InitHash {
        let tracks = &self.record.eras[0].tracks;
        let other = tracks.iter().find(|other| other.name != *track);
        other.map_or_else(|| InitHash::of(b"another"), |other| other.init)
    }

    fn other_record(&self, now: Number) -> Record {
        let mut record = self.record.clone();
        record.first = record.first.minus(5);
        let mut era = record.eras[0].clone();
        (era.first, era.tracks[0].bandwidth) = (now.minus(8).max(self.record.first.next()), 7);
        record.eras.push(era);
        record
    }

    /// What a packager gives for what is asked of it.
    pub(super) fn given(&self, p: usize, piece: &Piece, bytes: Option<Bytes>) -> Option<Bytes> {
        if self.lies(p, Lie::Nothing) {
            return None;
        }
        if !self.lies(p, Lie::Garbage) {
            return bytes;
        }
        let Piece::Segment { lineage, track, number } = piece else {
            return Some(Bytes::from_static(b"no media"));
        };
        let tracks = &self.record.era(*number)?.tracks;
        let at = tracks.iter().position(|t| t.name == *track)?;
        let other = &tracks[(at + 1) % tracks.len()];
        match number.0 % 4 {
            0 => Some(Bytes::from_static(b"no media")),
            1 => Some(self.studio.segment(lineage, &tracks[at], number.next())),
            2 if tracks.len() > 1 => Some(self.studio.segment(lineage, other, *number)),
            _ => bytes.map(|bytes| bytes.slice(..bytes.len() / 2)),
        }
    }

    /// The clock of an encoder turns to be so late.
    pub(super) fn turn_clock(&mut self, w: usize, late: u64) -> u64 {
        self.latest = self.latest.max(late);
        std::mem::replace(&mut self.workers[w].skew, late)
    }

    pub(super) fn recovered(&mut self, p: usize) {
        let packager = &self.packagers[p];
        if packager.answers() && packager.lies.is_empty() {
            self.packagers[p].well = Some(self.now);
        }
    }

    pub(super) fn clock_later(&mut self, w: usize, late: u64, lasts: u64) {
        let before = self.turn_clock(w, late);
        self.later(self.now + lasts, Happening::Clock(w, before));
    }
}
