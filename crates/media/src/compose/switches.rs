//! How long it takes until another copy is decided for, once the one in use is of no use and there is another.

use std::{collections::BTreeMap, time::Duration};

use super::{Monotonic, SourceId};
use crate::{
    grid::Number,
    holding::Piece,
    id::{Lineage, TrackName},
};

/// A copy that failed, or did not come when it usually does.
#[derive(Debug)]
struct Trouble {
    since: Monotonic,
    lineage: Lineage,
    /// Whose copy; none if nobody has it.
    from: Option<SourceId>,
    /// Nobody has another copy yet: there is nothing to decide for.
    alone: bool,
}

impl Trouble {
    fn new(lineage: &Lineage, from: Option<SourceId>, since: Monotonic) -> Self {
        Self { since, lineage: lineage.clone(), from, alone: false }
    }

    /// True if the copy of `lineage` that `from` has is another one than that in trouble.
    fn spares(&self, from: SourceId, lineage: &Lineage) -> bool {
        self.lineage != *lineage || self.from.is_some_and(|troubled| troubled != from)
    }
}

/// The copies in use that are of no use, of numbers that are not decided yet.
#[derive(Debug, Default)]
pub(super) struct Switches(BTreeMap<(Number, TrackName), Trouble>);

impl Switches {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A copy that was asked for at `since` brought nothing, or not yet.
    pub(super) fn lost(&mut self, from: SourceId, piece: &Piece, since: Monotonic) {
        if let Piece::Segment { lineage, track, number } = piece {
            let trouble = Trouble::new(lineage, Some(from), since);
            self.0.entry((*number, track.clone())).or_insert(trouble);
        }
    }

    /// Nobody has the copy of `lineage`, which usually comes at `since`.
    pub(super) fn late(&mut self, lineage: &Lineage, track: &TrackName, number: Number, since: Monotonic) {
        self.0.entry((number, track.clone())).or_insert(Trouble::new(lineage, None, since));
    }

    /// Finds at `now` who has which copies. What nobody had counts from when somebody has it.
    pub(super) fn look(
        &mut self,
        now: Monotonic,
        copies: impl Fn(&TrackName, Number) -> Vec<(SourceId, Piece)>,
    ) {
        for ((number, track), trouble) in &mut self.0 {
            if trouble.alone {
                trouble.since = trouble.since.max(now);
            }
            trouble.alone = !copies(track, *number).iter().any(|(from, piece)| match piece {
                Piece::Segment { lineage, .. } => trouble.spares(*from, lineage),
                _ => false,
            });
        }
    }

    /// A copy is asked for at `now`: how long after the trouble, if it is another one.
    pub(super) fn asked(&mut self, from: SourceId, piece: &Piece, now: Monotonic) -> Option<Duration> {
        let Piece::Segment { lineage, track, number } = piece else { return None };
        let key = (*number, track.clone());
        let trouble = self.0.get(&key)?;
        if !trouble.spares(from, lineage) {
            return None;
        }
        let trouble = self.0.remove(&key)?;
        Some(now.saturating_sub(trouble.since))
    }

    /// Numbers before `next` are decided.
    pub(super) fn forget_before(&mut self, next: Number) {
        self.0.retain(|(number, _), _| *number >= next);
    }
}
