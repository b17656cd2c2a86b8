//! Encoders and packagers: what is made, kept and told.

use super::{Copy, EPOCH, Happening, PACKAGERS, World, end_of, number_at, openings};
use crate::{
    grid::Number,
    health::Health,
    holding::{Line, Piece},
    id::Lineage,
    record::Record,
};

impl World {
    pub(super) fn start_worker(&mut self, w: usize) {
        let worker = &mut self.workers[w];
        worker.life += 1;
        let name = ["a", "b"][w].parse().unwrap();
        worker.lineage = Some(Lineage::new(name, (EPOCH + self.now) / 1000 + worker.life));
        worker.first = number_at(self.now.saturating_sub(worker.skew)).next();
        let (life, first) = (worker.life, worker.first);
        self.cut_later(w, life, first);
    }

    pub(super) fn cut_later(&mut self, w: usize, life: u64, number: Number) {
        let at = end_of(number) + self.workers[w].skew + 150 + self.dice.roll(0..=40);
        self.later(at, Happening::Cut(w, life, number));
    }

    pub(super) fn cut(&mut self, w: usize, life: u64, number: Number) {
        let worker = &self.workers[w];
        let Some(lineage) = worker.lineage.clone().filter(|_| worker.life == life) else { return };
        if self.record.has_ended_by(number.minus(1)) {
            return;
        }
        // The encoder of an era does not know the tracks of the next one: another takes its place.
        let begins = self.record.eras.iter().skip(1).any(|era| era.first == number);
        if begins && worker.first < number {
            self.workers[w].first = number;
            self.workers[w].life += 1;
            let after = Lineage::new(lineage.worker().clone(), lineage.start() + 1);
            self.workers[w].lineage = Some(after);
            let life = self.workers[w].life;
            return self.cut(w, life, number);
        }
        let tracks = self.record.era(number).unwrap().tracks.len();
        for p in 0..PACKAGERS {
            for track in 0..tracks {
                let at = self.now + self.dice.roll(1..=30);
                self.later(at, Happening::Put(p, lineage.clone(), track, number));
            }
        }
        self.cut_later(w, life, number.next());
    }

    pub(super) fn put(&mut self, p: usize, lineage: Lineage, track: usize, number: Number) {
        let packager = &mut self.packagers[p];
        if !packager.answers() {
            packager.waiting.push((lineage, track, number));
            if packager.waiting.len() > 60 {
                packager.waiting.remove(0);
            }
            return;
        }
        if packager.record.is_none() {
            packager.record = Some(self.record.clone());
            packager.log.push(Line::Record { record: self.record.clone() });
        }
        if !packager.lineages.iter().any(|(known, _)| *known == lineage) {
            packager.lineages.push((lineage.clone(), number));
            let lines = openings(&self.record, &lineage, number);
            self.packagers[p].log.extend(lines);
        }
        let packager = &mut self.packagers[p];
        let copy = Copy { at: self.now, spoilt: packager.corrupt };
        packager.store.insert((number, track, lineage.clone()), copy);
        let before = number.minus(40);
        while packager.store.first_key_value().is_some_and(|((n, ..), _)| *n < before) {
            packager.store.pop_first();
        }
        self.expire(p, before);
        let name = self.record.era(number).unwrap().tracks[track].name.clone();
        let piece = Piece::Segment { lineage, track: name, number };
        let line = self.held(piece, 0);
        self.packagers[p].log.push(line);
        self.tell_all(p);
    }

    /// Of a lineage without segments nothing is kept.
    fn expire(&mut self, p: usize, before: Number) {
        let packager = &mut self.packagers[p];
        let kept = |lineage: &Lineage| packager.store.keys().any(|(.., l)| l == lineage);
        let is_gone = |(lineage, _): &mut (Lineage, Number)| !kept(lineage);
        let gone: Vec<_> = packager.lineages.extract_if(.., is_gone).collect();
        for (lineage, _) in gone {
            let signal = self.record.signal.clone();
            packager.log.push(Line::Gone { signal, lineage, track: None, before });
        }
    }

    pub(super) fn held(&self, piece: Piece, age_ms: u64) -> Line {
        Line::Held {
            signal: self.record.signal.clone(),
            piece,
            length: 1,
            age_ms,
            health: Health::Healthy,
            luma: None,
        }
    }

    pub(super) fn learn(&mut self, record: Record) {
        self.record = record;
        for p in 0..PACKAGERS {
            let packager = &mut self.packagers[p];
            packager.record = Some(self.record.clone());
            packager.log.push(Line::Record { record: self.record.clone() });
            self.tell_all(p);
        }
    }

    pub(super) fn listing(&self, p: usize) -> Vec<Line> {
        let packager = &self.packagers[p];
        let mut lines = vec![Line::Reset];
        let Some(record) = &packager.record else { return vec![Line::Reset, Line::Tick] };
        lines.push(Line::Record { record: record.clone() });
        lines.extend(packager.lineages.iter().flat_map(|(l, first)| openings(record, l, *first)));
        for ((number, track, lineage), copy) in &packager.store {
            let track = record.era(*number).unwrap().tracks[*track].name.clone();
            let piece = Piece::Segment { lineage: lineage.clone(), track, number: *number };
            lines.push(self.held(piece, self.now - copy.at));
        }
        lines.push(Line::Tick);
        lines
    }

    pub(super) fn tell_all(&mut self, p: usize) {
        for o in 0..self.origins.len() {
            self.tell(o, p);
        }
    }

    /// Sends what an origin has not been told.
    pub(super) fn tell(&mut self, o: usize, p: usize) {
        let link = &self.origins[o].links[p];
        if !link.up || link.cut || !self.packagers[p].answers() {
            return;
        }
        let told = link.told;
        let lines = match told {
            None => self.listing(p),
            Some(told) => self.packagers[p].log[told..].to_vec(),
        };
        let lines = self.twisted(p, lines);
        let fresh = told.is_none();
        self.origins[o].links[p].told = Some(self.packagers[p].log.len());
        let at = self.send(o, p, lines);
        if fresh {
            self.origins[o].links[p].listed = Some(at);
        }
    }
}
