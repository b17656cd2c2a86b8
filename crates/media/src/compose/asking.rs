//! What is asked of whom, and when: the lead's copies first, whatever there is once they are late.

use super::{
    Action, Composer, Decision, Monotonic, SourceId, Ticket,
    due::{budget, lead_patience},
};
use crate::{
    grid::Number,
    holding::Piece,
    id::{Lineage, TrackName},
    record::{Record, Track},
};

impl Composer {
    /// Inits and slates of every era, from whoever has them.
    pub(super) fn fetch_openings(&mut self) {
        let Some(told) = self.told.clone() else { return };
        for track in told.eras.iter().flat_map(|e| &e.tracks) {
            if self.openings.parsed(track.init).is_none() {
                self.fetch_first(&told, self.sources.inits(track.init));
            } else if !self.openings.admits(track) {
                self.fetch_first(&told, self.sources.slates(track.init));
            }
        }
    }

    /// Fetches the first copy that may be tried, unless one of them is under way from somebody who, but for chance,
    /// is no worse.
    fn fetch_first(&mut self, record: &Record, copies: Vec<(SourceId, Piece)>) {
        let now = self.now;
        let under_way = copies.iter().filter_map(|(_, piece)| self.fetches.doubt(piece, now)).min();
        let untried = copies.into_iter().filter(|(from, piece)| self.fetches.may_try(*from, piece, now));
        // The first of several minima: the order stays, but for sources that may hang.
        let untried = untried.min_by_key(|(from, _)| self.fetches.suspicion(*from, now));
        if let Some((from, piece)) = untried
            && under_way.is_none_or(|doubt| self.fetches.suspicion(from, now) + 1 < doubt)
        {
            let ticket = self.fetches.start(from, piece.clone(), now);
            self.ask(record, ticket, from, piece);
        }
    }

    fn ask(&mut self, record: &Record, ticket: Ticket, from: SourceId, piece: Piece) {
        if let (Some(after), Piece::Segment { track, number, .. }) =
            (self.switches.asked(from, &piece, self.now), &piece)
        {
            self.decided(Decision::Switched { number: *number, track: track.clone(), after });
        }
        self.actions.push_back(Action::Fetch { ticket, from, piece, budget: budget(record) });
    }

    /// What takes longer than usual is asked of another holder, too; the first answer wins.
    pub(super) fn hedge(&mut self, record: &Record) {
        for slow in self.fetches.slow(self.now) {
            let Some((piece, troubled, since)) =
                self.fetches.flight(slow).map(|f| (f.piece.clone(), f.from, f.since))
            else {
                continue;
            };
            let now = self.now;
            let may_ask = |from: &SourceId| {
                !self.fetches.in_flight_from(*from, &piece) && self.fetches.may_try(*from, &piece, now)
            };
            let holders = self.sources.holders(&piece).into_iter().filter(may_ask);
            let Some(from) = holders.min_by_key(|from| self.fetches.suspicion(*from, now)) else { continue };
            let Some(ticket) = self.fetches.hedge(slow, from, now) else { return };
            self.lost(troubled, &piece, since);
            self.decided(Decision::Hedged { from, path: piece.path().unwrap_or_default() });
            self.ask(record, ticket, from, piece);
        }
    }

    /// The lineages whose media of `number` may be used, best first: none that makes the tracks of another era.
    pub(super) fn lineages(&self, record: &Record, number: Number) -> Vec<Lineage> {
        let mut ranked = self.arrivals.ranked(record, number, self.millis());
        ranked.retain(|lineage| record.era(number).is_none_or(|era| self.sources.may_make(lineage, era)));
        ranked
    }

    /// Asks for the media of `number` that may be used now and are not here: the lead's alone
    /// while its copy may still come in its usual time, then whatever there is.
    pub(super) fn fetch_media(&mut self, record: &Record, number: Number) {
        let Some(era) = record.era(number) else { return };
        let mut lineages = self.lineages(record, number);
        let lead_until = self.lead_until(record, number);
        let any = lead_until.is_some_and(|until| until <= self.millis());
        if !any {
            lineages.truncate(1);
        }
        for track in &era.tracks {
            if self.openings.admits(track) && !self.timeline.holds(number, &track.name) {
                let ranked = |lineage| self.sources.who_has(lineage, track, number);
                let mut copies: Vec<_> = lineages.iter().flat_map(ranked).collect();
                if any {
                    self.note_late(record, &lineages, track, number);
                    copies.extend(self.sources.copies(track, number));
                }
                self.fetch_first(record, copies);
            }
        }
    }

    /// Where nobody has the lead's copy of a number on air: it should be here by now.
    fn note_late(&mut self, record: &Record, lineages: &[Lineage], track: &Track, number: Number) {
        let (Some(lead), Some(_)) = (lineages.first(), self.moved) else { return };
        let due = self.arrivals.due_from(record, lead, number, 0).and_then(|at| u64::try_from(at).ok());
        let due = due.map(|due| Monotonic::from_millis(due).max(self.missed_from(record, number)));
        if let Some(due) = due.filter(|due| *due <= self.now)
            && self.sources.who_has(lead, track, number).is_empty()
        {
            self.switches.late(lead, &track.name, number, due);
        }
    }

    /// Goes back from where this run began: its viewers may come with a playlist of the run before, or of a
    /// peer, and ask for what has just left the window. Never into the window, whose head does not go back.
    pub(super) fn fetch_past(&mut self, record: &Record) {
        let Some(edge) = self.timeline.edge() else { return };
        let numbers = self.kept(record, edge)..self.head(record, edge);
        while let Some(past) = self.timeline.past().filter(|past| numbers.contains(past)) {
            let Some(era) = record.era(past) else { return };
            if era.tracks.iter().any(|t| !self.timeline.holds(past, &t.name)) {
                for track in &era.tracks {
                    if self.openings.admits(track) && !self.timeline.holds(past, &track.name) {
                        self.fetch_first(record, self.sources.copies(track, past));
                    }
                }
                return;
            }
            self.timeline.keep_past();
        }
    }

    /// Late media are asked for as long as their number is in the window.
    pub(super) fn fetch_late(&mut self, record: &Record) {
        let Some(edge) = self.timeline.edge() else { return };
        for (number, track) in self.timeline.filled(self.head(record, edge)) {
            let Some(track) = record.track(&track, number) else { continue };
            self.fetch_first(record, self.sources.copies(track, number));
        }
    }

    /// What was asked for at `since` came not, or not yet.
    pub(super) fn lost(&mut self, from: SourceId, piece: &Piece, since: Monotonic) {
        let (Piece::Segment { number, .. }, Some(record)) = (piece, &self.record) else { return };
        self.switches.lost(from, piece, since.max(self.missed_from(record, *number)));
    }

    /// Where a copy in use is of no use: whether anybody has another one by now that is not known to be corrupt.
    pub(super) fn look_for_others(&mut self, record: &Record) {
        let (sources, fetches) = (&self.sources, &self.fetches);
        let copies = |name: &TrackName, number| {
            let copies = record.track(name, number).map(|track| sources.copies(track, number));
            let sound =
                copies.into_iter().flatten().filter(|(from, piece)| !fetches.is_corrupt(*from, piece));
            sound.filter_map(|(from, piece)| Some((from, piece.lineage()?.clone()))).collect()
        };
        self.switches.look(self.now, copies);
    }

    /// What is told of a number ahead of its time is not missed before about that time.
    fn missed_from(&self, record: &Record, number: Number) -> Monotonic {
        let about = self.arrivals.due(record, number, -lead_patience(record));
        about.and_then(|at| u64::try_from(at).ok()).map(Monotonic::from_millis).unwrap_or_default()
    }

    /// What was asked of a source that is away is asked of others.
    pub(super) fn abandon(&mut self, source: SourceId) {
        for (ticket, flight) in self.fetches.abandon(source, self.now) {
            self.lost(source, &flight.piece, flight.since);
            self.actions.push_back(Action::Cancel(ticket));
        }
    }
}
