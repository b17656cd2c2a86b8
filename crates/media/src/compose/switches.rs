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
    /// From when on the time counts.
    since: Monotonic,
    lineage: Lineage,
    /// Whose copy; none if nobody had it.
    from: Option<SourceId>,
    others: Others,
}

/// What there is in place of the copy in trouble.
#[derive(Debug, Clone, Copy)]
enum Others {
    /// Not looked for yet.
    Unknown,
    /// Nobody has had another one from this time on: there is nothing to decide for.
    Nobody(Monotonic),
    /// Somebody has another one, which is not asked for yet.
    Somebody,
    /// Another one was asked for.
    Asked,
}

impl Trouble {
    fn new(lineage: &Lineage, from: Option<SourceId>, since: Monotonic) -> Self {
        Self { since, lineage: lineage.clone(), from, others: Others::Unknown }
    }

    /// True if the copy of `lineage` that `from` has is another one than that in trouble.
    fn spares(&self, from: SourceId, lineage: &Lineage) -> bool {
        self.lineage != *lineage || self.from.is_some_and(|troubled| troubled != from)
    }

    /// True if what is in trouble now is in its place: nobody had the copy, or another one was asked for since.
    fn is_past(&self) -> bool {
        self.from.is_none() || matches!(self.others, Others::Asked)
    }

    /// Takes note at `now` whether somebody has another copy. The time in which nobody had one does not count.
    fn look(&mut self, now: Monotonic, is_there: bool) {
        self.others = match (self.others, is_there) {
            (Others::Unknown, false) => Others::Nobody(self.since),
            (Others::Somebody, false) => Others::Nobody(now),
            (Others::Nobody(from), true) => {
                self.since += now.saturating_sub(from);
                Others::Somebody
            }
            (Others::Unknown, true) => Others::Somebody,
            (others, _) => others,
        };
    }
}

/// The copies in use that are of no use, of numbers that are not decided yet, and of late ones until the next is.
#[derive(Debug, Default)]
pub(super) struct Switches(BTreeMap<(Number, TrackName), Trouble>);

impl Switches {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// A copy that was asked for at `since` brought nothing, or not yet.
    pub(super) fn lost(&mut self, from: SourceId, piece: &Piece, since: Monotonic) {
        let Piece::Segment { lineage, track, number } = piece else { return };
        let key = (*number, track.clone());
        if self.0.get(&key).is_none_or(Trouble::is_past) {
            self.0.insert(key, Trouble::new(lineage, Some(from), since));
        }
    }

    /// Nobody has the copy of `lineage`, which usually comes at `since`.
    pub(super) fn late(&mut self, lineage: &Lineage, track: &TrackName, number: Number, since: Monotonic) {
        self.0.entry((number, track.clone())).or_insert_with(|| Trouble::new(lineage, None, since));
    }

    /// Takes note at `now` of who has which copies.
    pub(super) fn look(
        &mut self,
        now: Monotonic,
        copies: impl Fn(&TrackName, Number) -> Vec<(SourceId, Lineage)>,
    ) {
        for ((number, track), trouble) in &mut self.0 {
            let copies = copies(track, *number);
            let is_there = copies.iter().any(|(from, lineage)| trouble.spares(*from, lineage));
            trouble.look(now, is_there);
        }
    }

    /// A copy is asked for at `now`: how long after the trouble, if it is the first other one.
    pub(super) fn asked(&mut self, from: SourceId, piece: &Piece, now: Monotonic) -> Option<Duration> {
        let Piece::Segment { lineage, track, number } = piece else { return None };
        let trouble = self.0.get_mut(&(*number, track.clone()))?;
        if matches!(trouble.others, Others::Asked) || !trouble.spares(from, lineage) {
            return None;
        }
        trouble.look(now, true);
        trouble.others = Others::Asked;
        Some(now.saturating_sub(trouble.since))
    }

    /// Numbers before `next` are decided.
    pub(super) fn forget_before(&mut self, next: Number) {
        self.0.retain(|(number, _), _| *number >= next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: Number = Number(7);
    const ONE: SourceId = SourceId(1);
    const TWO: SourceId = SourceId(2);

    fn at(millis: u64) -> Monotonic {
        Monotonic::from_millis(millis)
    }

    fn track() -> TrackName {
        "720p".parse().unwrap()
    }

    fn of(lineage: &str) -> Lineage {
        lineage.parse().unwrap()
    }

    fn piece(lineage: &str) -> Piece {
        Piece::Segment { lineage: of(lineage), track: track(), number: NUMBER }
    }

    /// Who has copies of which lineages.
    fn look(switches: &mut Switches, now: u64, copies: &[(SourceId, &str)]) {
        let copies = |_: &_, _| copies.iter().map(|(from, lineage)| (*from, of(lineage))).collect();
        switches.look(at(now), copies);
    }

    fn asked(switches: &mut Switches, from: SourceId, lineage: &str, now: u64) -> Option<Duration> {
        switches.asked(from, &piece(lineage), at(now))
    }

    /// The lead's copy was due at 0 ms, and is found to be late at 500.
    fn late(copies: &[(SourceId, &str)]) -> Switches {
        let mut switches = Switches::default();
        switches.late(&of("a-1"), &track(), NUMBER, at(0));
        look(&mut switches, 500, copies);
        switches
    }

    #[test]
    fn the_time_in_which_nobody_has_another_copy_does_not_count() {
        let mut switches = late(&[(ONE, "b-1")]);
        assert_eq!(asked(&mut switches, ONE, "b-1", 600), Some(at(600)), "it was there all the time");
        let mut switches = late(&[]);
        look(&mut switches, 700, &[]);
        look(&mut switches, 900, &[(ONE, "b-1")]);
        assert_eq!(asked(&mut switches, ONE, "b-1", 950), Some(at(50)));
        // Its holder was away from 700 to 900: it was there for 700 ms before, and for 50 after.
        let mut switches = late(&[(ONE, "b-1")]);
        look(&mut switches, 700, &[]);
        look(&mut switches, 900, &[(ONE, "b-1")]);
        assert_eq!(asked(&mut switches, ONE, "b-1", 950), Some(at(750)));
    }

    #[test]
    fn each_trouble_has_one_answer() {
        let mut switches = late(&[(ONE, "b-1"), (TWO, "b-1")]);
        assert_eq!(asked(&mut switches, ONE, "b-1", 500), Some(at(500)));
        // The lead's copy is late still.
        switches.late(&of("a-1"), &track(), NUMBER, at(0));
        assert_eq!(asked(&mut switches, TWO, "b-1", 600), None);
        // The copy in its place fails, too: a trouble of its own.
        switches.lost(ONE, &piece("b-1"), at(500));
        look(&mut switches, 900, &[(ONE, "b-1"), (TWO, "b-1")]);
        assert_eq!(asked(&mut switches, ONE, "b-1", 900), None, "it is the same once more");
        assert_eq!(asked(&mut switches, TWO, "b-1", 910), Some(at(410)));
    }

    #[test]
    fn a_late_copy_that_fails_once_it_is_there_counts_from_when_it_was_asked_for() {
        let mut switches = late(&[]);
        let both = [(ONE, "a-1"), (TWO, "a-1")];
        look(&mut switches, 600, &both);
        assert_eq!(asked(&mut switches, ONE, "a-1", 600), None, "it is the one that was waited for");
        switches.lost(ONE, &piece("a-1"), at(600));
        look(&mut switches, 1000, &both);
        assert_eq!(asked(&mut switches, TWO, "a-1", 1000), Some(at(400)));
        switches.forget_before(NUMBER.next());
        assert_eq!(switches.len(), 0);
    }
}
