//! Origins: their links, their composers, their fetches.

use std::time::Duration;

use bytes::Bytes;

use super::{
    D, Happening, Lie, Link, PACKAGERS, Rules, SETTLE, WINDOW, World, index_of, openings, source_id,
};
use crate::{
    compose::{Action, Composer, Decision, Event, Policy, SourceId, Ticket},
    holding::{Line, Piece},
    window::Made,
};

impl World {
    /// Lines reach an origin in their order. When the last one does.
    pub(super) fn send(&mut self, o: usize, from: usize, lines: Vec<Line>) -> u64 {
        let at = (self.now + self.dice.roll(1..=20)).max(self.origins[o].links[from].last);
        self.origins[o].links[from].last = at;
        let (life, turn) = (self.origins[o].life, self.origins[o].links[from].turn);
        for line in lines {
            self.later(at, Happening::Heard { origin: o, life, from, turn, line });
        }
        at
    }

    pub(super) fn heard(&mut self, o: usize, life: u64, from: usize, turn: u64, line: Line) {
        let origin = &mut self.origins[o];
        if origin.life != life || origin.links[from].turn != turn || !origin.alive {
            return;
        }
        if origin.composer.is_none() && matches!(line, Line::Record { .. }) {
            let policy = Policy { window_millis: WINDOW * D, settle: Duration::from_millis(SETTLE) };
            let expected = (0..origin.links.len()).filter(|i| *i != PACKAGERS + o).map(source_id);
            let now = Duration::from_millis(self.now + origin.offset);
            origin.composer = Some(Composer::new(policy, expected, now));
        }
        let turn_up = origin.links[from].up;
        self.origins[o].links[from].missed = false;
        let beats = line == Line::Tick;
        let source = source_id(from);
        self.drive(o, |composer, now| composer.handle(Event::Says(source, line), now));
        if let Some(beat) = self.setup.heartbeat.filter(|_| beats) {
            let at = self.now + beat;
            if turn_up {
                self.later(at, Happening::Heard { origin: o, life, from, turn, line: Line::Tick });
            }
        }
    }

    pub(super) fn reach_later(&mut self, o: usize, from: usize) {
        let (at, life) = (self.now + self.dice.roll(50..=400), self.origins[o].life);
        self.later(at, Happening::Reach { origin: o, life, from });
    }

    pub(super) fn is_well(&self, from: usize) -> bool {
        match from.checked_sub(PACKAGERS) {
            None => self.packagers[from].answers(),
            Some(peer) => self.origins[peer].alive,
        }
    }

    pub(super) fn reach(&mut self, o: usize, from: usize) {
        if !self.origins[o].alive || self.origins[o].links[from].up {
            return;
        }
        let (well, life) = (self.is_well(from), self.origins[o].life);
        let link = &mut self.origins[o].links[from];
        if link.cut || !well {
            let turn = link.turn;
            return self.later(self.now + 100, Happening::Missed { origin: o, life, from, turn });
        }
        link.up = true;
        link.turn += 1;
        (link.edge, link.opened, link.listed) = (None, false, Some(self.now));
        match from.checked_sub(PACKAGERS) {
            None => self.tell(o, from),
            Some(peer) => {
                self.send(o, from, vec![Line::Reset]);
                self.tell_peer(peer, o);
            }
        }
    }

    /// A connection breaks at once; the origin learns of it after `silence`.
    pub(super) fn break_link(&mut self, o: usize, from: usize, silence: u64) {
        let link = &mut self.origins[o].links[from];
        if !std::mem::replace(&mut link.up, false) {
            return;
        }
        link.turn += 1;
        link.listed = None;
        let turn = link.turn;
        let life = self.origins[o].life;
        self.later(self.now + silence, Happening::Missed { origin: o, life, from, turn });
    }

    pub(super) fn start_origin(&mut self, o: usize) {
        let origin = &mut self.origins[o];
        origin.life += 1;
        origin.alive = true;
        origin.composer = None;
        origin.flying.clear();
        origin.fetches = (0, 0);
        let count = PACKAGERS + self.setup.origins;
        let cut: Vec<bool> = (0..count).map(|i| origin.links.get(i).is_some_and(|l| l.cut)).collect();
        origin.links = cut.into_iter().map(|cut| Link { cut, ..Link::default() }).collect();
        let life = origin.life;
        for from in (0..count).filter(|from| *from != PACKAGERS + o) {
            let at = self.now + self.dice.roll(5..=50);
            self.later(at, Happening::Reach { origin: o, life, from });
        }
    }

    pub(super) fn kill_origin(&mut self, o: usize) {
        let origin = &mut self.origins[o];
        (origin.alive, origin.composer, origin.snapshot) = (false, None, None);
        origin.life += 1;
        for other in (0..self.origins.len()).filter(|other| *other != o) {
            self.break_link(other, PACKAGERS + o, 5);
        }
        let sources_live =
            (0..PACKAGERS).any(|p| self.packagers[p].answers() && !self.origins[o].links[p].cut);
        self.rules.restarted(o, sources_live);
    }

    /// What an origin tells a peer of its snapshot.
    pub(super) fn tell_peer(&mut self, o: usize, to: usize) {
        let link = &self.origins[to].links[PACKAGERS + o];
        if !link.up {
            return;
        }
        let (edge, opened) = (link.edge, link.opened);
        let mut lines = Vec::new();
        if let Some(snapshot) = self.origins[o].snapshot.clone() {
            lines.push(Line::Record { record: (*snapshot.record).clone() });
            if !opened {
                lines.extend(openings(&snapshot.record, &"origin-0".parse().unwrap(), snapshot.head));
            }
            for slot in snapshot.slots.iter().filter(|s| edge.is_none_or(|e| s.number > e)) {
                for (track, media) in &slot.tracks {
                    let (track, number) = (track.clone(), slot.number);
                    let piece = match &media.made {
                        Made::By(lineage) => Piece::Segment { lineage: lineage.clone(), track, number },
                        Made::Slate => Piece::Filled { track, number },
                    };
                    lines.push(self.held(piece, (snapshot.edge.0 - number.0) * D));
                }
            }
            let link = &mut self.origins[to].links[PACKAGERS + o];
            (link.edge, link.opened) = (Some(snapshot.edge), true);
        }
        lines.push(Line::Tick);
        self.send(to, PACKAGERS + o, lines);
    }

    /// Does something to a composer and carries out what it wants.
    pub(super) fn drive(&mut self, o: usize, act: impl FnOnce(&mut Composer, Duration)) {
        let origin = &mut self.origins[o];
        let Some(composer) = origin.composer.as_mut().filter(|_| origin.alive) else { return };
        act(composer, Duration::from_millis(self.now + origin.offset));
        let actions: Vec<_> = std::iter::from_fn(|| composer.poll()).collect();
        for action in actions {
            match action {
                Action::Fetch { ticket, from, piece, budget } => self.fetch(o, ticket, from, piece, budget),
                Action::Cancel(ticket) => {
                    assert!(self.origins[o].flying.remove(&ticket), "{ticket:?} is not under way");
                }
                Action::Publish(snapshot) => {
                    let mut rules = std::mem::replace(&mut self.rules, Rules::new(0));
                    rules.published(self, o, &snapshot);
                    self.rules = rules;
                    self.origins[o].snapshot = Some(snapshot);
                    for to in (0..self.origins.len()).filter(|to| *to != o) {
                        self.tell_peer(o, to);
                    }
                }
                Action::Decided(decision) => {
                    let (fetches, hedges) = &mut self.origins[o].fetches;
                    *hedges += usize::from(matches!(decision, Decision::Hedged { .. }));
                    assert!(*hedges * 20 <= *fetches, "{hedges} hedges in {fetches} fetches");
                    self.rules.decided(self.now, o, &decision);
                }
            }
        }
    }

    pub(super) fn fetch(&mut self, o: usize, ticket: Ticket, from: SourceId, piece: Piece, budget: Duration) {
        let (from, life) = (index_of(from), self.origins[o].life);
        assert!(!self.origins[o].links[from].missed, "{piece:?} is asked of a source that is down");
        let origin = &mut self.origins[o];
        origin.flying.insert(ticket);
        origin.fetches.0 += 1;
        self.most_flying = self.most_flying.max(origin.flying.len());
        let hangs = match from.checked_sub(PACKAGERS) {
            None => {
                self.origins[o].links[from].cut || self.packagers[from].frozen || self.lies(from, Lie::Hangs)
            }
            Some(_) => false,
        };
        let budget = u64::try_from(budget.as_millis()).unwrap();
        let takes = if hangs { u64::MAX } else { self.dice.roll(2..=60) };
        if takes > budget {
            self.later(self.now + budget, Happening::Fails { origin: o, life, ticket });
        } else {
            self.later(self.now + takes, Happening::Answer { origin: o, life, from, ticket, piece });
        }
    }

    pub(super) fn bytes(&self, from: usize, piece: &Piece) -> Option<Bytes> {
        let tracks = || self.record.eras.iter().flat_map(|e| &e.tracks);
        match piece {
            Piece::Init { init, .. } => Some(self.studio.init(*init)),
            Piece::Slate { lineage, track } => {
                let own = usize::try_from(lineage.start()).unwrap();
                let known = if from < PACKAGERS {
                    self.record.eras.last()?.tracks.iter().chain(tracks()).find(|t| t.name == *track)
                } else {
                    tracks().nth(own)
                };
                Some(self.studio.slate(known?.init))
            }
            Piece::Segment { lineage, track, number } => {
                let at = self.record.era(*number)?.tracks.iter().position(|t| t.name == *track)?;
                let spoilt = if from < PACKAGERS {
                    self.packagers[from].store.get(&(*number, at, lineage.clone()))?.spoilt
                } else {
                    let held = self.origins[from - PACKAGERS].snapshot.as_ref()?.segment(track, *number)?;
                    if held.made != Made::By(lineage.clone()) {
                        return None;
                    }
                    false
                };
                let bytes = self.studio.segment(lineage, &self.record.era(*number)?.tracks[at], *number);
                Some(if spoilt { bytes.slice(..bytes.len() - 7) } else { bytes })
            }
            Piece::Filled { .. } => None,
        }
    }

    pub(super) fn answer(&mut self, o: usize, life: u64, ticket: Ticket, bytes: Option<Bytes>) {
        // One that was broken off has no answer.
        if self.origins[o].life != life || !self.origins[o].flying.remove(&ticket) {
            return;
        }
        let event = bytes.map_or(Event::Failed(ticket), |bytes| Event::Fetched(ticket, bytes));
        self.drive(o, |composer, now| composer.handle(event, now));
    }
}
