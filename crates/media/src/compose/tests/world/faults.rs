//! What goes wrong, and comes right again.

use super::{Fault, Happening, SILENCE, World, number_at};
use crate::{holding::Piece, id::Lineage};

impl World {
    pub(super) fn begins(&mut self, fault: Fault, lasts: u64) {
        match fault {
            Fault::Worker(w) => {
                self.workers[w].life += 1;
                self.workers[w].lineage = None;
            }
            Fault::Packager(p) => {
                self.packagers[p].dead = true;
                self.packagers[p].well = None;
                (0..self.origins.len()).for_each(|o| self.break_link(o, p, 5));
            }
            Fault::Freeze(p) => {
                self.packagers[p].frozen = true;
                self.packagers[p].well = None;
                (0..self.origins.len()).for_each(|o| self.break_link(o, p, SILENCE));
            }
            Fault::Link(o, p) => {
                self.origins[o].links[p].cut = true;
                self.break_link(o, p, SILENCE);
            }
            Fault::Origin(o) if self.origins[o].alive => self.kill_origin(o),
            Fault::Origin(_) => {}
            Fault::Corrupt(p) => self.packagers[p].corrupt = true,
            Fault::Far(p) => self.tell_of_the_far_future(p),
            Fault::Lie(p, lie) => self.begin_lie(p, lie),
            Fault::Clock(w, late) => self.clock_later(w, late, lasts),
            Fault::Reset(p) => self.tell_anew(p),
        }
    }

    fn tell_of_the_far_future(&mut self, p: usize) {
        let (now, mut lines) = (number_at(self.now), Vec::new());
        for far in [3_000_000, u64::MAX - now.0, 50_000] {
            for track in &self.record.era(now).unwrap().tracks {
                let number = now.plus(far);
                let lineage = Lineage::new("c".parse().unwrap(), 7);
                let piece = Piece::Segment { lineage, track: track.name.clone(), number };
                lines.push(self.held(piece, if far == 50_000 { u64::MAX } else { 0 }));
            }
        }
        for o in 0..self.origins.len() {
            if self.origins[o].links[p].up {
                self.send(o, p, lines.clone());
            }
        }
    }

    pub(super) fn ends(&mut self, fault: Fault) {
        match fault {
            Fault::Worker(w) if self.workers[w].lineage.is_none() => self.start_worker(w),
            Fault::Packager(p) => {
                self.packagers[p].dead = false;
                for o in 0..self.origins.len() {
                    self.origins[o].links[p].told = None;
                }
                self.back(p);
            }
            Fault::Freeze(p) => {
                self.packagers[p].frozen = false;
                self.back(p);
            }
            Fault::Link(o, p) => self.origins[o].links[p].cut = false,
            Fault::Origin(o) if !self.origins[o].alive => self.start_origin(o),
            Fault::Corrupt(p) => self.packagers[p].corrupt = false,
            Fault::Lie(p, lie) => self.end_lie(p, lie),
            _ => {}
        }
    }

    pub(super) fn back(&mut self, p: usize) {
        if !self.packagers[p].answers() {
            return;
        }
        self.recovered(p);
        for (at, (lineage, track, number)) in (1..).zip(std::mem::take(&mut self.packagers[p].waiting)) {
            self.later(self.now + at * 10, Happening::Put(p, lineage, track, number));
        }
    }
}
