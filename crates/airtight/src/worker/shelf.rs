//! What a worker has made lately, in memory: one ordered shelf that every sink reads at its own pace.
//!
//! The shelf is bounded by segment numbers. A sink that falls behind finds its next items gone and counts
//! them; it never holds up the encoder or another sink, and media is held once however many sinks there are.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use airtight_media::{
    grid::Number,
    holding::{Piece, Place},
    id::{Lineage, SignalName},
};
use bytes::Bytes;
use tokio::sync::watch;

/// One thing to be delivered.
#[derive(Debug, Clone)]
pub struct Item {
    /// What it is.
    pub piece: Piece,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Item {
    /// Where it lies in the layout.
    pub fn place(&self, signal: &SignalName) -> Place {
        Place::Piece(signal.clone(), self.piece.clone())
    }

    /// The run that it belongs to.
    pub fn lineage(&self) -> Option<&Lineage> {
        match &self.piece {
            Piece::Init { lineage, .. } | Piece::Slate { lineage, .. } | Piece::Segment { lineage, .. } => {
                Some(lineage)
            }
            Piece::Filled { .. } => None,
        }
    }

    /// The segment that it is.
    pub fn number(&self) -> Option<Number> {
        match self.piece {
            Piece::Segment { number, .. } => Some(number),
            _ => None,
        }
    }
}

/// What a reader finds at its place.
#[derive(Debug)]
pub struct Found {
    /// The place of the item.
    pub place: u64,
    /// How many items before it have been dropped unread.
    pub missed: u64,
    /// The item.
    pub item: Item,
}

/// The shelf.
#[derive(Debug)]
pub struct Shelf {
    /// How many numbers are kept.
    keep: u64,
    state: Mutex<State>,
    /// The place after the newest item.
    end: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// The place of the first item.
    first: u64,
    /// Inits and slates of the runs that have segments here.
    heads: Vec<(Lineage, Vec<Item>)>,
}

impl Shelf {
    /// An empty shelf that keeps the segments of the `keep` newest numbers.
    pub fn new(keep: u64) -> Self {
        Self { keep, state: Mutex::default(), end: watch::Sender::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two steps that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the inits and slates of a run that begins.
    pub fn begin(&self, lineage: Lineage, heads: Vec<Item>) {
        let mut state = self.state();
        state.items.extend(heads.iter().cloned());
        state.heads.push((lineage, heads));
        self.end.send_replace(state.end());
    }

    /// Adds a segment and drops what is too old.
    pub fn push(&self, segment: Item) {
        let mut state = self.state();
        let newest = segment.number();
        state.items.push_back(segment);
        let oldest = newest.map_or(Number(0), |newest| newest.minus(self.keep - 1));
        while state.items.front().is_some_and(|item| item.number().is_none_or(|n| n < oldest)) {
            // A head at the front goes with the segment behind it, which is to stay.
            if state.items.iter().find_map(Item::number).is_none_or(|n| n >= oldest) {
                break;
            }
            state.items.pop_front();
            state.first += 1;
        }
        state.forget_heads();
        self.end.send_replace(state.end());
    }

    /// The first item at or after `place`.
    pub fn at(&self, place: u64) -> Option<Found> {
        let state = self.state();
        let missed = state.first.saturating_sub(place);
        let index = usize::try_from(place.saturating_sub(state.first)).ok()?;
        let item = state.items.get(index)?.clone();
        Some(Found { place: place.max(state.first), missed, item })
    }

    /// The place of the oldest item.
    pub fn first(&self) -> u64 {
        self.state().first
    }

    /// Inits and slates of a run.
    pub fn heads(&self, lineage: &Lineage) -> Vec<Item> {
        let state = self.state();
        state.heads.iter().find(|(l, _)| l == lineage).map(|(_, heads)| heads.clone()).unwrap_or_default()
    }

    /// Tells the place after the newest item, and every change of it.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.end.subscribe()
    }
}

impl State {
    fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Forgets the heads of runs that have nothing here any more, but for the newest run's.
    fn forget_heads(&mut self) {
        let newest = self.heads.len().saturating_sub(1);
        let mut index = 0;
        let items = &self.items;
        self.heads.retain(|(lineage, _)| {
            index += 1;
            index > newest || items.iter().any(|item| item.lineage() == Some(lineage))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(start: u64) -> Lineage {
        Lineage::new("a".parse().unwrap(), start)
    }

    fn segment(start: u64, number: u64) -> Item {
        let (lineage, track) = (lineage(start), "720p".parse().unwrap());
        Item { piece: Piece::Segment { lineage, track, number: Number(number) }, bytes: Bytes::new() }
    }

    fn head(start: u64) -> Item {
        Item {
            piece: Piece::Slate { lineage: lineage(start), track: "720p".parse().unwrap() },
            bytes: Bytes::new(),
        }
    }

    #[test]
    fn a_reader_that_is_too_slow_learns_how_much_it_missed() {
        let shelf = Shelf::new(3);
        shelf.begin(lineage(1), vec![head(1)]);
        for number in 10..20 {
            shelf.push(segment(1, number));
        }
        let found = shelf.at(0).unwrap();
        assert_eq!((found.place, found.missed), (8, 8), "the head and seven segments");
        assert_eq!(found.item.number(), Some(Number(17)));
        assert_eq!(shelf.at(found.place + 2).unwrap().item.number(), Some(Number(19)));
        assert!(shelf.at(found.place + 3).is_none());
        assert_eq!(*shelf.watch().borrow(), 11);
    }

    #[test]
    fn heads_stay_as_long_as_their_segments() {
        let shelf = Shelf::new(2);
        shelf.begin(lineage(1), vec![head(1)]);
        shelf.push(segment(1, 10));
        shelf.begin(lineage(2), vec![head(2)]);
        shelf.push(segment(2, 11));
        assert_eq!((shelf.heads(&lineage(1)).len(), shelf.heads(&lineage(2)).len()), (1, 1));
        shelf.push(segment(2, 12));
        assert!(shelf.heads(&lineage(1)).is_empty());
        assert_eq!(shelf.heads(&lineage(2)).len(), 1);
        assert!(shelf.at(0).unwrap().item.number().is_none(), "the head before a kept segment is kept");
    }
}
