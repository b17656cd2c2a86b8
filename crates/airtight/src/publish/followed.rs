//! Which sources are followed, and which have left.

use std::collections::BTreeSet;

use airtight_media::compose::SourceId;

/// The sources that are followed.
#[derive(Debug)]
pub(super) struct Followed {
    now: BTreeSet<SourceId>,
    /// The last packager that was; numbers are given in order, and none twice.
    last: Option<SourceId>,
}

impl Followed {
    /// These are followed from the start.
    pub(super) fn new(now: BTreeSet<SourceId>) -> Self {
        let last = last_packager(&now);
        Self { now, last }
    }

    /// These are followed now. Gives those that are not any more.
    pub(super) fn are(&mut self, now: BTreeSet<SourceId>) -> Vec<SourceId> {
        self.last = self.last.max(last_packager(&now));
        let before = std::mem::replace(&mut self.now, now);
        before.difference(&self.now).copied().collect()
    }

    /// Whether it was followed and is not any more. One that is only about to be has a higher number than all that were.
    pub(super) fn has_left(&self, source: SourceId) -> bool {
        !source.is_peer() && !self.now.contains(&source) && Some(source) <= self.last
    }
}

fn last_packager(sources: &BTreeSet<SourceId>) -> Option<SourceId> {
    sources.range(..SourceId::FIRST_PEER).next_back().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: SourceId = SourceId::FIRST_PEER;

    fn ids(ids: &[u32]) -> BTreeSet<SourceId> {
        ids.iter().map(|id| SourceId(*id)).chain([PEER]).collect()
    }

    #[test]
    fn who_left_is_told_from_who_is_about_to_come() {
        let mut followed = Followed::new(ids(&[0, 1]));
        assert_eq!(followed.are(ids(&[0, 1, 2])), []);
        assert!(!followed.has_left(SourceId(3)), "its news may be here before it is told");
        assert_eq!(followed.are(ids(&[0])), [SourceId(1), SourceId(2)]);
        let left =
            |followed: &Followed| (0..4).filter(|id| followed.has_left(SourceId(*id))).collect::<Vec<_>>();
        assert_eq!(left(&followed), [1, 2], "also while nobody has a higher number");
        assert_eq!(followed.are(ids(&[0, 3])), []);
        assert_eq!(left(&followed), [1, 2]);
        assert!(!followed.has_left(PEER));
    }
}
