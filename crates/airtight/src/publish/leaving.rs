//! Who has to do with each signal that is known, from what sources say and viewers ask.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use airtight_control::interest::Interest;
use airtight_media::{
    compose::SourceId,
    holding::{Line, Piece},
    id::SignalName,
};

use super::Board;

/// Between two looks at who leaves.
const LOOK: Duration = Duration::from_secs(10);

/// The interest in every signal.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    signals: BTreeMap<SignalName, Interest<SourceId>>,
    looked: Duration,
}

impl Leaving {
    /// A source says something. What a peer lists it only has because it was published, as here: two origins must
    /// not keep a signal for each other's sake. New media of a peer are told of, though.
    pub(super) fn heard(&mut self, source: SourceId, line: &Line, now: Duration) {
        match line {
            Line::Reset => self.signals.values_mut().for_each(|interest| interest.lists_anew(&source)),
            Line::Record { record } if !source.is_peer() => {
                if let Some(interest) = self.signals.get_mut(&record.signal) {
                    interest.holds(source, now);
                }
            }
            Line::Held { signal, piece: Piece::Segment { .. }, .. } => {
                if let Some(interest) = self.signals.get_mut(signal) {
                    interest.show(now);
                }
            }
            _ => {}
        }
    }

    /// A signal is known; what is said of others counts for nothing.
    pub(super) fn known(&mut self, signal: &SignalName, now: Duration) -> &mut Interest<SourceId> {
        self.signals.entry(signal.clone()).or_insert_with(|| Interest::new(now))
    }

    /// From time to time: the signals on `board` that leave. `followed` are the sources that may hold something.
    pub(super) fn look(
        &mut self,
        board: &Board,
        followed: &BTreeSet<SourceId>,
        now: Duration,
    ) -> Vec<SignalName> {
        if now < self.looked + LOOK {
            return Vec::new();
        }
        self.looked = now;
        let known = board.signals();
        self.signals.retain(|signal, _| known.contains_key(signal));
        let mut over = Vec::new();
        for signal in known.keys() {
            let interest = self.known(signal, now);
            if board.was_wanted(signal) {
                interest.show(now);
            }
            if interest.is_over(followed, now) {
                over.push(signal.clone());
            }
        }
        over.iter().for_each(|signal| drop(self.signals.remove(signal)));
        over
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use airtight_control::interest::FORGET;
    use airtight_media::{health::Health, record::Record};

    use super::*;
    use crate::publish::fixture;

    const PACKAGER: SourceId = SourceId(0);

    struct Origin {
        board: Board,
        leaving: Leaving,
        signal: SignalName,
    }

    impl Origin {
        fn on_the_air() -> Self {
            let (board, signal) = (Board::default(), "live01".parse().unwrap());
            board.publish(&signal, Arc::new(fixture::snapshot(1..=3, 1, &[])));
            let mut leaving = Leaving::default();
            leaving.known(&signal, Duration::ZERO);
            Self { board, leaving, signal }
        }

        fn record(&self) -> Line {
            Line::Record { record: (*fixture::snapshot(1..=3, 1, &[]).record).clone() }
        }

        fn leaves_at(&mut self, now: Duration) -> bool {
            !self.leaving.look(&self.board, &BTreeSet::from([PACKAGER, SourceId::FIRST_PEER]), now).is_empty()
        }
    }

    #[test]
    fn a_signal_that_its_packager_lets_go_leaves_and_a_peer_does_not_hold_it() {
        let mut origin = Origin::on_the_air();
        let record = origin.record();
        for source in [PACKAGER, SourceId::FIRST_PEER] {
            origin.leaving.heard(source, &record, Duration::ZERO);
        }
        assert!(!origin.leaves_at(2 * FORGET), "the packager holds it");
        origin.leaving.heard(PACKAGER, &Line::Reset, 3 * FORGET);
        assert!(!origin.leaves_at(3 * FORGET - LOOK));
        assert!(origin.leaves_at(3 * FORGET));
    }

    #[test]
    fn a_signal_that_viewers_read_stays() {
        let mut origin = Origin::on_the_air();
        assert!(!origin.leaves_at(LOOK));
        for minute in 1..100 {
            origin.board.ask(&origin.signal);
            assert!(!origin.leaves_at(LOOK + minute * FORGET));
        }
        let last = LOOK + 99 * FORGET;
        assert!(!origin.leaves_at(last + FORGET - LOOK));
        assert!(origin.leaves_at(last + FORGET));
    }

    #[test]
    fn short_events_one_after_the_other_leave_room_for_the_next() {
        const APART: Duration = Duration::from_secs(20);
        let mut origin = Origin::on_the_air();
        let events: Vec<SignalName> = (0..300).map(|n| format!("match{n}").parse().unwrap()).collect();
        for (at, signal) in events.iter().enumerate() {
            let now = APART * u32::try_from(at).unwrap();
            origin.board.declare(signal);
            origin.leaving.known(signal, now);
            // The packager has forgotten what was over two events ago, and lists anew.
            origin.leaving.heard(PACKAGER, &Line::Reset, now);
            for held in &events[at.saturating_sub(2)..=at] {
                let record =
                    Record { signal: held.clone(), ..(*fixture::snapshot(1..=3, 1, &[]).record).clone() };
                origin.leaving.heard(PACKAGER, &Line::Record { record }, now);
            }
            let followed = BTreeSet::from([PACKAGER]);
            for gone in origin.leaving.look(&origin.board, &followed, now) {
                origin.board.remove(&gone);
            }
            let known = origin.board.signals();
            assert!(known.contains_key(signal), "{signal} is there");
            // Ten minutes, the two that the packager still holds, and the one that was there before.
            assert!(known.len() <= 34, "{}", known.len());
        }
    }

    #[test]
    fn media_that_come_from_a_peer_alone_keep_a_signal() {
        let mut origin = Origin::on_the_air();
        let piece = Piece::Segment {
            lineage: "a-7".parse().unwrap(),
            track: "720p".parse().unwrap(),
            number: airtight_media::grid::Number(4),
        };
        let (signal, health) = (origin.signal.clone(), Health::default());
        let line = Line::Held { signal, piece, length: 8, age_ms: 0, health, luma: None };
        for minute in 1..10 {
            origin.leaving.heard(SourceId::FIRST_PEER, &line, minute * FORGET);
            assert!(!origin.leaves_at(minute * FORGET + LOOK));
        }
    }
}
