//! The firewall: numbers are decided one after the other and never taken back.
//!
//! Only [`Timeline`] moves the edge, by one at a time. A decided slot changes in one way: late
//! media replace slate.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    grid::Number,
    id::{Lineage, TrackName},
    window::{Made, Media, Slot},
};

/// Where the timeline stands.
#[derive(Debug)]
struct Position {
    /// The number to decide next.
    next: Number,
    /// Nothing is shown before this number is decided: the first version holds the whole window.
    shown_from: Number,
}

#[derive(Debug, Default)]
pub(super) struct Timeline {
    position: Option<Position>,
    decided: BTreeMap<Number, Arc<Slot>>,
    /// Media of numbers that are not decided yet.
    early: BTreeMap<Number, BTreeMap<TrackName, Media>>,
    peer_edge: Option<Number>,
    lead: Option<Lineage>,
    news: bool,
}

impl Timeline {
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let decided = self.decided.values().flat_map(|slot| slot.tracks.values());
        decided.chain(self.early.values().flat_map(BTreeMap::values)).map(Media::len).sum()
    }

    /// Begins at `first`, to be shown once `edge` is decided.
    pub(super) fn begin(&mut self, first: Number, edge: Number) {
        self.position.get_or_insert(Position { next: first, shown_from: edge });
    }

    /// The number to decide next; none before the timeline has begun.
    pub(super) fn next(&self) -> Option<Number> {
        self.position.as_ref().map(|p| p.next)
    }

    /// The newest decided number, once it may be shown.
    pub(super) fn edge(&self) -> Option<Number> {
        let position = self.position.as_ref()?;
        (position.next > position.shown_from).then(|| position.next.minus(1))
    }

    /// The number up to which media are fetched before anything is shown.
    pub(super) fn shown_from(&self) -> Option<Number> {
        self.position.as_ref().map(|p| p.shown_from)
    }

    /// The tracks have changed: media that are not decided yet may be of another init.
    pub(super) fn forget_early(&mut self) {
        self.early.clear();
    }

    /// A peer has published `number`.
    pub(super) fn peer_published(&mut self, number: Number) {
        self.peer_edge = self.peer_edge.max(Some(number));
    }

    pub(super) fn peer_edge(&self) -> Option<Number> {
        self.peer_edge
    }

    /// What is offered changes though no number was decided.
    pub(super) fn touch(&mut self) {
        self.news = true;
    }

    /// True if there is something to publish.
    pub(super) fn is_news(&self) -> bool {
        self.news && self.edge().is_some()
    }

    /// Takes media of a number. True if they replace the slate of a decided one.
    pub(super) fn hold(&mut self, number: Number, track: &TrackName, media: Media) -> bool {
        if self.next().is_none_or(|next| number >= next) || self.past() == Some(number) {
            self.early.entry(number).or_default().entry(track.clone()).or_insert(media);
            return false;
        }
        let Some(slot) = self.decided.get_mut(&number) else { return false };
        let slate = slot.tracks.get(track).is_some_and(|m| m.made == Made::Slate);
        if slate && media.made != Made::Slate {
            Arc::make_mut(slot).tracks.insert(track.clone(), media);
            self.news = true;
            return true;
        }
        false
    }

    /// The number before the oldest decided one.
    pub(super) fn past(&self) -> Option<Number> {
        let oldest = *self.decided.first_key_value()?.0;
        oldest.0.checked_sub(1).map(Number)
    }

    /// Keeps the media that are held of [`Timeline::past`] as if it had been decided in its time.
    pub(super) fn keep_past(&mut self) {
        let Some(number) = self.past() else { return };
        if let Some(tracks) = self.early.remove(&number) {
            self.decided.insert(number, Arc::new(Slot { number, tracks }));
            self.news = true;
        }
    }

    pub(super) fn holds(&self, number: Number, track: &TrackName) -> bool {
        self.early.get(&number).is_some_and(|tracks| tracks.contains_key(track))
    }

    /// Decides the next number with the media that are held. The lineage, if another than before.
    pub(super) fn decide(&mut self) -> Option<Lineage> {
        let position = self.position.as_mut()?;
        let number = position.next;
        position.next = number.next();
        self.news = true;
        let tracks = self.early.remove(&number).unwrap_or_default();
        let made = tracks.values().find_map(|m| match &m.made {
            Made::By(lineage) => Some(lineage.clone()),
            Made::Slate => None,
        });
        self.decided.insert(number, Arc::new(Slot { number, tracks }));
        let lead = made.filter(|made| self.lead.as_ref() != Some(made))?;
        self.lead = Some(lead.clone());
        Some(lead)
    }

    /// Decided numbers from `head` on that show slate.
    pub(super) fn filled(&self, head: Number) -> Vec<(Number, TrackName)> {
        let slate = |slot: &Arc<Slot>| {
            let tracks = slot.tracks.iter().filter(|(_, m)| m.made == Made::Slate);
            tracks.map(|(track, _)| (slot.number, track.clone())).collect::<Vec<_>>()
        };
        self.decided.range(head..).flat_map(|(_, slot)| slate(slot)).collect()
    }

    /// The decided slots from `from` on; older ones are let go.
    pub(super) fn publish(&mut self, from: Number) -> Vec<Arc<Slot>> {
        self.news = false;
        self.decided = self.decided.split_off(&from);
        self.early = self.early.split_off(&from);
        self.decided.values().cloned().collect()
    }
}
