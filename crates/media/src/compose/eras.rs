//! Which eras are shown, and from which number on: an era that comes late, or whose inits and slates nobody has yet,
//! begins with the first number that can be shown. Until then the lines of the era before go on.

use std::sync::Arc;

use super::{Composer, Decision, arrival::Arrivals, timeline::Timeline};
use crate::{
    grid::Number,
    record::{Era, Record},
};

impl Composer {
    /// Takes what `other` says of the signal. What viewers know of published numbers stays: neither an earlier
    /// beginning nor other tracks reach back.
    ///
    /// An event that begins after ours is over takes its place, and one that was over before ours began is left alone.
    pub(super) fn join(&mut self, other: &Record) {
        let is_after = |later: &Record, earlier: &Record| earlier.end.is_some_and(|end| end < later.first);
        if let Some(told) =
            self.told.clone().filter(|told| told.signal == other.signal && other.check().is_ok())
        {
            if is_after(&told, other) {
                return;
            }
            let is_over = self.timeline.edge().is_none_or(|edge| told.has_ended_by(edge));
            if is_after(other, &told) && is_over {
                self.begin_anew();
            }
        }
        let joined = other.check().and_then(|()| match &self.told {
            Some(told) => told.join(other),
            None => Ok(other.clone()),
        });
        match joined {
            Ok(joined) if self.told.as_deref() == Some(&joined) => {}
            Ok(joined) => {
                self.told = Some(Arc::new(joined));
                self.turn_to(false);
            }
            Err(error) => self.decided(error.into()),
        }
    }

    /// Takes up an era that can be shown now, and leaves one that can't be shown in time for later: the timeline
    /// waits for neither.
    pub(super) fn turn(&mut self) {
        let (Some(told), Some(record)) = (&self.told, &self.record) else { return };
        let Some(next) = self.timeline.edge().map(Number::next) else { return };
        let (Some(wanted), Some(shown)) = (told.era(next), record.era(next)) else { return };
        let can = self.openings.admit(wanted);
        if wanted.tracks != shown.tracks && can {
            let decision = Decision::Late(wanted.first, next);
            self.decided(decision);
            self.turn_to(false);
        } else if shown.first == next && !can && self.is_due(record, next) {
            self.decided(Decision::Lacking(next));
            self.turn_to(true);
        }
    }

    /// Makes anew what can be shown of what is told; an era that begins with the next number is `put_off` or not.
    fn turn_to(&mut self, put_off: bool) {
        let Some(told) = self.told.clone() else { return };
        let shown = match (&self.record, self.timeline.edge()) {
            (Some(record), Some(edge)) => {
                let next = edge.next();
                let begins = |era: &Era| self.openings.admit(era) || era.first == next && !put_off;
                Arc::new(told.after(record, next, begins))
            }
            _ => told,
        };
        self.show(shown);
    }

    fn show(&mut self, shown: Arc<Record>) {
        if self.record.as_ref() == Some(&shown) {
            return;
        }
        if self.record.as_ref().is_some_and(|known| known.eras != shown.eras) {
            self.timeline.forget_early();
        }
        self.record = Some(shown);
        // The end of the event changes what is offered though no number is decided.
        self.timeline.touch();
    }

    /// Forgets the event; what sources hold is still known.
    fn begin_anew(&mut self) {
        (self.told, self.record, self.moved, self.promised) = (None, None, None, None);
        (self.arrivals, self.timeline) = (Arrivals::default(), Timeline::default());
        self.settled = self.now + self.policy.settle;
        self.backfilled = self.settled;
    }

    /// Before anything is shown: leaves out the era of `number` if nobody has its inits and slates and the one before
    /// can be shown. True if it did.
    pub(super) fn leave_out(&mut self, record: &Record, number: Number) -> bool {
        let Some(era) = record.era(number) else { return false };
        let first = era.first;
        let has = |init| !self.sources.inits(init).is_empty() && !self.sources.slates(init).is_empty();
        let before = record.era(first.minus(1)).filter(|before| before.first < first);
        if era.tracks.iter().all(|t| has(t.init)) || !before.is_some_and(|before| self.openings.admit(before))
        {
            return false;
        }
        let eras = record.eras.iter().filter(|other| other.tracks != era.tracks || other.first < first);
        let eras = eras.cloned().collect();
        self.decided(Decision::Lacking(first));
        self.show(Arc::new(Record { eras, ..record.clone() }));
        true
    }
}
