//! Which fetches are under way, and which copies have been tried.

use std::collections::BTreeMap;

use super::{Monotonic, SourceId, Ticket};
use crate::{grid::Number, holding::Piece};

/// How long a copy that could not be had is left alone.
const PAUSE: Monotonic = Monotonic::from_millis(200);

/// When a copy that brought nothing may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    At(Monotonic),
    Never,
}

#[derive(Debug, Default)]
pub(super) struct Fetches {
    issued: u64,
    flying: BTreeMap<Ticket, (SourceId, Piece)>,
    tried: BTreeMap<(SourceId, Piece), Again>,
}

impl Fetches {
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
        if let Some(copy) = self.flying.remove(&ticket) {
            self.tried.insert(copy, Again::At(now + PAUSE));
        }
    }

    pub(super) fn corrupt(&mut self, from: SourceId, piece: Piece) {
        self.tried.insert((from, piece), Again::Never);
    }

    /// Fetches from a source that is down will not end: others may be asked.
    pub(super) fn abandon(&mut self, source: SourceId) {
        self.flying.retain(|_, (from, _)| *from != source);
    }

    pub(super) fn in_flight(&self, piece: &Piece) -> bool {
        self.flying.values().any(|(_, flying)| flying == piece)
    }

    pub(super) fn may_try(&self, from: SourceId, piece: &Piece, now: Monotonic) -> bool {
        match self.tried.get(&(from, piece.clone())) {
            None => true,
            Some(Again::At(at)) => *at <= now,
            Some(Again::Never) => false,
        }
    }

    /// When the next copy may be tried again after `now`.
    pub(super) fn retry_after(&self, now: Monotonic) -> Option<Monotonic> {
        let times = self.tried.values().filter_map(|again| match again {
            Again::At(at) => Some(*at),
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
