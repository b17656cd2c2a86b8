//! What a lineage says of its content, and whether what is bad about it is its own trouble or the programme's.
//!
//! A programme may rightly be black or silent: then all lineages say so, and nothing changes. Only who is bad
//! where another is good gives way. Nothing here rests on the order in which lineages are heard.

use std::collections::BTreeMap;

use crate::{grid::Number, health::Health};

/// A lineage that was in trouble of its own gives way for so many further numbers: what comes and goes does
/// not change the lead each time.
const HOLD: u64 = 5;

/// The words for the numbers of one lineage.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Good ones are known once the number is whole, bad ones from the first track on.
    known: BTreeMap<Number, Health>,
    /// The newest that was told.
    told: Option<(Number, Health)>,
}

impl Words {
    /// Takes the word for a track of `number`, which `is_whole` with it or not. The word for all of it, if it
    /// is not that of the number before.
    pub(super) fn say(&mut self, number: Number, health: Health, is_whole: bool) -> Option<Health> {
        if health.is_healthy() && !is_whole {
            return None;
        }
        let (newest, last) = (self.told.map_or(Number(0), |(number, _)| number), self.last());
        let known = self.known.entry(number).or_default();
        *known = health.max(*known);
        if !is_whole || number <= newest {
            return None;
        }
        self.told = Some((number, *known));
        (*known != last).then_some(*known)
    }

    /// The word for the newest number that is whole.
    pub(super) fn last(&self) -> Health {
        self.told.map_or(Health::Healthy, |(_, health)| health)
    }

    /// Words for numbers before `floor` are of no use.
    pub(super) fn forget_before(&mut self, floor: Number) {
        self.known = self.known.split_off(&floor);
    }

    fn is_bad(&self, number: Number) -> bool {
        self.known.get(&number).is_some_and(|health| !health.is_healthy())
    }

    fn is_good(&self, number: Number) -> bool {
        self.known.get(&number).is_some_and(Health::is_healthy)
    }

    /// True if the word for `number` is still to come and that for the last one before was good.
    fn may_be_good(&self, number: Number) -> bool {
        let before = self.known.range(..number).next_back();
        !self.known.contains_key(&number) && before.is_some_and(|(_, health)| health.is_healthy())
    }

    /// True if this lineage is to give way to one of `others`, those that deliver in time, at `number`.
    pub(super) fn is_in_trouble(&self, number: Number, others: &[&Self]) -> bool {
        let is_own = |n: Number| self.is_bad(n) && others.iter().any(|other| other.is_good(n));
        let may_be_own = self.is_bad(number) && others.iter().any(|other| other.may_be_good(number));
        may_be_own || (0..=HOLD).any(|back| is_own(number.minus(back)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Health = Health::Healthy;
    const BAD: Health = Health::Black;

    /// The words of a lineage for numbers from 10 on.
    fn words(said: &[Health]) -> Words {
        let mut words = Words::default();
        for (number, health) in (10..).zip(said) {
            words.say(Number(number), *health, true);
        }
        words
    }

    fn gives_way(one: &[Health], other: &[Health], number: u64) -> bool {
        let (one, other) = (words(one), words(other));
        one.is_in_trouble(Number(number), &[&one, &other])
    }

    #[test]
    fn who_is_bad_where_another_is_good_gives_way() {
        assert!(gives_way(&[GOOD, BAD], &[GOOD, GOOD], 11));
        assert!(!gives_way(&[GOOD, GOOD], &[GOOD, BAD], 11));
        assert!(gives_way(&[GOOD, BAD], &[GOOD], 11), "the other's word is still to come, and may be good");
        assert!(!gives_way(&[GOOD, BAD], &[], 11), "nobody else is heard");
    }

    #[test]
    fn a_programme_that_is_rightly_bad_changes_nothing_whoever_is_heard_first() {
        let (one, other) = ([GOOD, BAD, BAD, BAD, GOOD, GOOD], [GOOD, BAD, BAD, BAD, GOOD, GOOD]);
        for heard in 0..=one.len() {
            for ahead in 0..=1 {
                let behind = heard.saturating_sub(ahead);
                for number in 10..17 {
                    let first = gives_way(&one[..heard], &other[..behind], number);
                    // But for the first bad number, where the other's word is worth a look.
                    let looks = ahead == 1 && heard == 2 && number == 11;
                    assert_eq!(first, looks, "{heard} and {behind} heard, number {number}");
                    assert!(!gives_way(&other[..behind], &one[..heard], number), "{heard} {behind} {number}");
                }
            }
        }
    }

    #[test]
    fn who_was_in_trouble_returns_once_and_late() {
        let one = [GOOD, BAD, GOOD, BAD, BAD, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD];
        let other = [GOOD; 13];
        let gave: Vec<_> = (10..23).map(|number| gives_way(&one, &other, number)).collect();
        let expected: Vec<_> = (10..23).map(|number| (11..=14 + HOLD).contains(&number)).collect();
        assert_eq!(gave, expected);
    }

    #[test]
    fn each_change_is_told_once_and_of_whole_numbers() {
        let mut words = Words::default();
        let mut say = |number, health, is_whole| words.say(Number(number), health, is_whole);
        assert_eq!(say(10, GOOD, false), None);
        assert_eq!(say(10, GOOD, true), None);
        assert_eq!(say(11, BAD, false), None);
        assert_eq!(say(11, GOOD, true), Some(BAD), "the worst of its tracks");
        assert_eq!(say(11, BAD, true), None, "another packager says it, too");
        assert_eq!(say(12, BAD, true), None);
        assert_eq!(say(13, GOOD, true), Some(GOOD));
        assert_eq!(say(12, BAD, true), None);
        words.forget_before(Number(13));
        assert_eq!(words.known.len(), 1);
    }
}
