//! Which fetches are under way, and which copies have been tried.

use std::collections::BTreeMap;

use super::{Monotonic, SourceId, Ticket, pace::Pace};
use crate::{grid::Number, holding::Piece};

/// How long a copy that could not be had is left alone, the first time; then twice as long.
const PAUSE: Monotonic = Monotonic::from_millis(200);
/// Either is doubled so many times at most.
const DOUBLED: u32 = 4;
/// How long a source that brought nothing is asked after all others, the first time; then twice as long.
const SUSPECT: Monotonic = Monotonic::from_millis(3000);

/// When a copy that brought nothing may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// At this time; it has failed so many times.
    At(Monotonic, u32),
    Never,
}

/// A source that brought nothing may hang.
#[derive(Debug, Clone, Copy)]
struct Suspicion {
    until: Monotonic,
    /// How many times in a row.
    times: u32,
}

/// A fetch under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) from: SourceId,
    pub(super) piece: Piece,
    pub(super) since: Monotonic,
    /// One of two that are made for one piece.
    hedged: bool,
}

#[derive(Debug, Default)]
pub(super) struct Fetches {
    issued: u64,
    flying: BTreeMap<Ticket, Flight>,
    pace: Pace,
    tried: BTreeMap<(SourceId, Piece), Again>,
    suspects: BTreeMap<SourceId, Suspicion>,
}

impl Fetches {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.flying.len() + self.tried.len() + self.suspects.len() + self.pace.len()
    }

    pub(super) fn start(&mut self, from: SourceId, piece: Piece, now: Monotonic) -> Ticket {
        self.pace.earn();
        self.fly(Flight { from, piece, since: now, hedged: false })
    }

    fn fly(&mut self, flight: Flight) -> Ticket {
        self.issued += 1;
        let ticket = Ticket(self.issued);
        self.flying.insert(ticket, flight);
        ticket
    }

    /// Fetches that take longer than 95 of 100 do, while a hedge may be made.
    pub(super) fn slow(&self, now: Monotonic) -> Vec<Ticket> {
        let Some(usual) = self.pace.usual().filter(|_| self.pace.can_spend()) else { return Vec::new() };
        let is_slow = |flight: &Flight| !flight.hedged && flight.since + usual <= now;
        self.flying.iter().filter(|(_, flight)| is_slow(flight)).map(|(ticket, _)| *ticket).collect()
    }

    /// Asks `from`, too, for what `ticket` stands for; none if no further hedge may be made.
    pub(super) fn hedge(&mut self, ticket: Ticket, from: SourceId, now: Monotonic) -> Option<Ticket> {
        if !self.pace.can_spend() {
            return None;
        }
        let flight = self.flying.get_mut(&ticket)?;
        flight.hedged = true;
        let piece = flight.piece.clone();
        self.pace.spend();
        Some(self.fly(Flight { from, piece, since: now, hedged: true }))
    }

    pub(super) fn flight(&self, ticket: Ticket) -> Option<&Flight> {
        self.flying.get(&ticket)
    }

    /// What `ticket` stood for, now that it has its answer; an unknown one is of a fetch that was given up.
    pub(super) fn take(&mut self, ticket: Ticket, now: Monotonic) -> Option<Flight> {
        let flight = self.flying.remove(&ticket)?;
        self.pace.took(now.saturating_sub(flight.since));
        Some(flight)
    }

    fn suspect(&mut self, source: SourceId, now: Monotonic) {
        let times = self.suspects.get(&source).map_or(0, |known| known.times);
        let until = now + SUSPECT * 2u32.pow(times.min(DOUBLED));
        self.suspects.insert(source, Suspicion { until, times: times + 1 });
    }

    /// `won` brought its piece: others that are under way for it are given up. One that was asked
    /// before, and is overtaken, may hang.
    pub(super) fn overtaken(&mut self, won: &Flight, now: Monotonic) -> Vec<Ticket> {
        let of_piece = self.flying.iter().filter(|(_, flight)| flight.piece == won.piece);
        let lost: Vec<_> = of_piece.map(|(ticket, _)| *ticket).collect();
        if let Some(suspicion) = self.suspects.get_mut(&won.from) {
            suspicion.times = 0;
        }
        for ticket in &lost {
            let Some(flight) = self.flying.remove(ticket) else { continue };
            self.pace.took(now.saturating_sub(flight.since));
            if flight.since < won.since {
                self.suspect(flight.from, now);
            }
        }
        lost
    }

    /// A fetch brought nothing. What it was.
    pub(super) fn failed(&mut self, ticket: Ticket, now: Monotonic) -> Option<Flight> {
        let flight = self.flying.remove(&ticket)?;
        let copy = (flight.from, flight.piece.clone());
        self.suspect(copy.0, now);
        let failed = match self.tried.get(&copy) {
            Some(Again::At(_, failed)) => *failed,
            _ => 0,
        };
        let pause = PAUSE * 2u32.pow(failed.min(DOUBLED));
        self.tried.insert(copy, Again::At(now + pause, failed + 1));
        Some(flight)
    }

    /// How often in a row the source has lately brought nothing: the more, the later it is asked.
    pub(super) fn suspicion(&self, source: SourceId, now: Monotonic) -> u32 {
        self.suspects.get(&source).filter(|known| known.until > now).map_or(0, |known| known.times.max(1))
    }

    pub(super) fn corrupt(&mut self, from: SourceId, piece: Piece) {
        self.tried.insert((from, piece), Again::Never);
    }

    /// Fetches from a source that is down will not end: others may be asked. What is given up.
    pub(super) fn abandon(&mut self, source: SourceId, now: Monotonic) -> Vec<(Ticket, Flight)> {
        let lost: Vec<_> = self.flying.extract_if(.., |_, flight| flight.from == source).collect();
        if !lost.is_empty() {
            self.suspect(source, now);
        }
        lost
    }

    /// The source tells anew what it holds: nothing that was learnt of its copies counts. That it brought nothing does.
    pub(super) fn retell(&mut self, source: SourceId) {
        self.tried.retain(|(from, _), _| *from != source);
    }

    /// The source is not asked again.
    pub(super) fn left(&mut self, source: SourceId) {
        self.retell(source);
        self.suspects.remove(&source);
    }

    pub(super) fn in_flight(&self, piece: &Piece) -> bool {
        self.flying.values().any(|flight| flight.piece == *piece)
    }

    /// How much those are suspected of whom the piece is asked now, at the least; none if nobody is.
    pub(super) fn doubt(&self, piece: &Piece, now: Monotonic) -> Option<u32> {
        let asked = self.flying.values().filter(|flight| flight.piece == *piece);
        asked.map(|flight| self.suspicion(flight.from, now)).min()
    }

    pub(super) fn in_flight_from(&self, from: SourceId, piece: &Piece) -> bool {
        self.flying.values().any(|flight| flight.from == from && flight.piece == *piece)
    }

    /// True of a copy that is never asked for again.
    pub(super) fn is_corrupt(&self, from: SourceId, piece: &Piece) -> bool {
        matches!(self.tried.get(&(from, piece.clone())), Some(Again::Never))
    }

    pub(super) fn may_try(&self, from: SourceId, piece: &Piece, now: Monotonic) -> bool {
        match self.tried.get(&(from, piece.clone())) {
            None => true,
            Some(Again::At(at, _)) => *at <= now,
            Some(Again::Never) => false,
        }
    }

    /// When the next copy may be tried again after `now`.
    pub(super) fn retry_after(&self, now: Monotonic) -> Option<Monotonic> {
        let times = self.tried.values().filter_map(|again| match again {
            Again::At(at, _) => Some(*at),
            Again::Never => None,
        });
        times.filter(|at| *at > now).min()
    }

    /// When the next fetch becomes slow enough for a hedge after `now`.
    pub(super) fn slow_after(&self, now: Monotonic) -> Option<Monotonic> {
        let usual = self.pace.usual().filter(|_| self.pace.can_spend())?;
        let flights = self.flying.values().filter(|flight| !flight.hedged);
        flights.map(|flight| flight.since + usual).filter(|at| *at > now).min()
    }

    /// Segments before `floor` will not be asked for any more.
    pub(super) fn forget_before(&mut self, floor: Number) {
        self.tried.retain(|(_, piece), _| match piece {
            Piece::Segment { number, .. } => *number >= floor,
            _ => true,
        });
    }
}
