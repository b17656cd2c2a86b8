//! Which fetches are under way, and which copies have been tried.

use std::collections::BTreeMap;

use super::{Monotonic, SourceId, Ticket};
use crate::{grid::Number, holding::Piece};

/// How long a copy that could not be had is left alone, the first time; then twice as long.
const PAUSE: Monotonic = Monotonic::from_millis(200);
/// The pause is doubled so many times at most.
const DOUBLED: u32 = 4;
/// How long a source that brought nothing is asked after all others.
const SUSPECT: Monotonic = Monotonic::from_millis(3000);

/// When a copy that brought nothing may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    /// At this time; it has failed so many times.
    At(Monotonic, u32),
    Never,
}

#[derive(Debug, Default)]
pub(super) struct Fetches {
    issued: u64,
    flying: BTreeMap<Ticket, (SourceId, Piece)>,
    tried: BTreeMap<(SourceId, Piece), Again>,
    suspects: BTreeMap<SourceId, Monotonic>,
}

impl Fetches {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.flying.len() + self.tried.len() + self.suspects.len()
    }

    pub(super) fn start(&mut self, from: SourceId, piece: Piece) -> Ticket {
        self.issued += 1;
        let ticket = Ticket(self.issued);
        self.flying.insert(ticket, (from, piece));
        ticket
    }

    /// What `ticket` stood for; an unknown one is of a fetch that was given up.
    pub(super) fn take(&mut self, ticket: Ticket) -> Option<(SourceId, Piece)> {
        self.flying.remove(&ticket)
    }

    pub(super) fn failed(&mut self, ticket: Ticket, now: Monotonic) {
        let Some(copy) = self.flying.remove(&ticket) else { return };
        self.suspects.insert(copy.0, now + SUSPECT);
        let failed = match self.tried.get(&copy) {
            Some(Again::At(_, failed)) => *failed,
            _ => 0,
        };
        let pause = PAUSE * 2u32.pow(failed.min(DOUBLED));
        self.tried.insert(copy, Again::At(now + pause, failed + 1));
    }

    /// True if the source has lately brought nothing: it may hang.
    pub(super) fn is_suspect(&self, source: SourceId, now: Monotonic) -> bool {
        self.suspects.get(&source).is_some_and(|until| *until > now)
    }

    pub(super) fn corrupt(&mut self, from: SourceId, piece: Piece) {
        self.tried.insert((from, piece), Again::Never);
    }

    /// Fetches from a source that is down will not end: others may be asked.
    pub(super) fn abandon(&mut self, source: SourceId) {
        self.flying.retain(|_, (from, _)| *from != source);
    }

    /// The source tells anew what it holds: nothing that was learnt of its copies counts.
    pub(super) fn forgive(&mut self, source: SourceId) {
        self.abandon(source);
        self.tried.retain(|(from, _), _| *from != source);
        self.suspects.remove(&source);
    }

    pub(super) fn in_flight(&self, piece: &Piece) -> bool {
        self.flying.values().any(|(_, flying)| flying == piece)
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

    /// Segments before `floor` will not be asked for any more.
    pub(super) fn forget_before(&mut self, floor: Number) {
        self.tried.retain(|(_, piece), _| match piece {
            Piece::Segment { number, .. } => *number >= floor,
            _ => true,
        });
    }
}
