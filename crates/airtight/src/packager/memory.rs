//! The bytes of recent media, so that the live edge needs no disk.
//!
//! Bounded: where there are more, the oldest media goes, and only the oldest. Pure.

use std::collections::{BTreeMap, BTreeSet};

use airtight_media::{grid::Number, holding::Piece, id::SignalName};
use bytes::Bytes;

#[derive(Debug)]
struct Kept {
    bytes: Bytes,
    /// When its media begins, in milliseconds since 1970; none for an init or a slate, which stay.
    media_ms: Option<u64>,
    /// False if the disk does not have it.
    on_disk: bool,
}

/// What is let go of memory and was nowhere else.
pub(super) type Lost = Vec<(SignalName, Piece)>;

/// Bytes by their names.
#[derive(Debug)]
pub(super) struct Memory {
    limit: usize,
    used: usize,
    kept: BTreeMap<SignalName, BTreeMap<Piece, Kept>>,
    /// The media by its time.
    order: BTreeSet<(u64, SignalName, Piece)>,
}

impl Memory {
    /// An empty memory for `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, used: 0, kept: BTreeMap::new(), order: BTreeSet::new() }
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The bytes of a piece.
    pub(super) fn get(&self, signal: &SignalName, piece: &Piece) -> Option<Bytes> {
        Some(self.kept.get(signal)?.get(piece)?.bytes.clone())
    }

    /// Keeps the bytes of a piece whose media begins at `media_ms`; `on_disk` says whether they are there, too.
    ///
    /// Gives what had to go for it and is now nowhere: that can be the piece itself.
    pub(super) fn keep(
        &mut self,
        signal: &SignalName,
        piece: &Piece,
        bytes: Bytes,
        media_ms: Option<u64>,
        on_disk: bool,
    ) -> Lost {
        self.remove(signal, piece);
        self.used += bytes.len();
        if let Some(media_ms) = media_ms {
            self.order.insert((media_ms, signal.clone(), piece.clone()));
        }
        let kept = Kept { bytes, media_ms, on_disk };
        self.kept.entry(signal.clone()).or_default().insert(piece.clone(), kept);
        let mut lost = Lost::new();
        while self.used > self.limit {
            let Some((_, signal, piece)) = self.order.first().cloned() else { break };
            lost.extend(self.let_go(signal, piece));
        }
        lost
    }

    /// What the disk does not have.
    pub(super) fn unwritten(&self) -> Vec<(SignalName, Piece, Bytes)> {
        let all = self.kept.iter().flat_map(|(signal, kept)| kept.iter().map(move |one| (signal, one)));
        let only = all.filter(|(_, (_, kept))| !kept.on_disk);
        only.map(|(signal, (piece, kept))| (signal.clone(), piece.clone(), kept.bytes.clone())).collect()
    }

    /// The disk has it, too; false if memory has not.
    pub(super) fn written(&mut self, signal: &SignalName, piece: &Piece) -> bool {
        let kept = self.kept.get_mut(signal).and_then(|pieces| pieces.get_mut(piece));
        kept.map(|kept| kept.on_disk = true).is_some()
    }

    /// Lets go the segments of a signal before `number`; gives those that are now nowhere.
    pub(super) fn trim(&mut self, signal: &SignalName, before: Number) -> Lost {
        let pieces = self.kept.get(signal).into_iter().flat_map(BTreeMap::keys);
        let old = pieces.filter(|piece| matches!(piece, Piece::Segment { number, .. } if *number < before));
        let old: Vec<_> = old.cloned().collect();
        old.into_iter().filter_map(|piece| self.let_go(signal.clone(), piece)).collect()
    }

    /// Lets go what `gone` names.
    pub(super) fn remove_where(&mut self, signal: &SignalName, gone: impl Fn(&Piece) -> bool) {
        let pieces = self.kept.get(signal).into_iter().flat_map(BTreeMap::keys);
        let gone: Vec<_> = pieces.filter(|piece| gone(piece)).cloned().collect();
        for piece in gone {
            self.remove(signal, &piece);
        }
    }

    fn let_go(&mut self, signal: SignalName, piece: Piece) -> Option<(SignalName, Piece)> {
        let kept = self.remove(&signal, &piece)?;
        (!kept.on_disk).then_some((signal, piece))
    }

    fn remove(&mut self, signal: &SignalName, piece: &Piece) -> Option<Kept> {
        let pieces = self.kept.get_mut(signal)?;
        let kept = pieces.remove(piece)?;
        if pieces.is_empty() {
            self.kept.remove(signal);
        }
        self.used -= kept.bytes.len();
        if let Some(media_ms) = kept.media_ms {
            self.order.remove(&(media_ms, signal.clone(), piece.clone()));
        }
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal() -> SignalName {
        "live01".parse().unwrap()
    }

    fn segment(number: u64) -> Piece {
        let (lineage, track) = ("a-1".parse().unwrap(), "720p".parse().unwrap());
        Piece::Segment { lineage, track, number: Number(number) }
    }

    fn keep(memory: &mut Memory, number: u64, on_disk: bool) -> Lost {
        memory.keep(&signal(), &segment(number), Bytes::from(vec![0; 10]), Some(number), on_disk)
    }

    #[test]
    fn where_room_is_short_the_oldest_media_goes_whenever_it_arrived() {
        let mut memory = Memory::new(30);
        for number in [5, 6, 7] {
            assert_eq!(keep(&mut memory, number, true), []);
        }
        assert_eq!(keep(&mut memory, 2, false), [(signal(), segment(2))], "older than all: not kept at all");
        assert_eq!(keep(&mut memory, 8, false), [], "5 goes, and the disk has it");
        assert!(memory.get(&signal(), &segment(5)).is_none());
        assert!(memory.get(&signal(), &segment(8)).is_some());
        assert_eq!(memory.used(), 30);
    }

    #[test]
    fn what_only_memory_had_is_named_when_it_goes() {
        let mut memory = Memory::new(100);
        keep(&mut memory, 5, false);
        keep(&mut memory, 6, true);
        keep(&mut memory, 7, false);
        let unwritten: Vec<_> = memory.unwritten().into_iter().map(|(_, piece, _)| piece).collect();
        assert_eq!(unwritten, [segment(5), segment(7)]);
        keep(&mut memory, 4, false);
        assert!(memory.written(&signal(), &segment(4)));
        assert!(!memory.written(&signal(), &segment(3)), "it has none");
        assert_eq!(memory.trim(&signal(), Number(7)), [(signal(), segment(5))]);
        assert_eq!(memory.used(), 10);
        memory.remove_where(&signal(), |_| true);
        assert_eq!(memory.used(), 0);
        assert!(memory.order.is_empty());
    }
}
