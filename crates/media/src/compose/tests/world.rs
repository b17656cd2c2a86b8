//! A world of encoders, packagers and origins in virtual time, with everything that can go wrong
//! between them. Origins are driven by events and by their composers' `wake_at` alone.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    rules::Rules,
    studio::{Dice, Ladder, Studio},
};
use crate::{
    compose::{Action, Composer, Event, Policy, SourceId, Ticket},
    grid::Number,
    holding::{Line, Piece},
    id::Lineage,
    record::Record,
    window::{Made, Snapshot},
};

pub const D: u64 = 2000;
/// Numbers that playlists list.
pub const WINDOW: u64 = 10;
pub const SETTLE: u64 = 800;
/// A feed without a word for so long is down.
const SILENCE: u64 = 1000;
/// UNIX time at virtual time 0, in milliseconds, in the middle of a segment.
const EPOCH: u64 = 1_795_477_632_000 + 700;
const PACKAGERS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An encoder is killed; it comes back as another lineage.
    Worker(usize),
    /// A packager is killed; it comes back with what it had, and tells it anew.
    Packager(usize),
    /// A packager stands still: nothing is refused, nothing is answered.
    Freeze(usize),
    /// The way between an origin and a packager.
    Link(usize, usize),
    /// An origin is killed.
    Origin(usize),
    /// What reaches a packager is damaged.
    Corrupt(usize),
    /// A packager says that it holds numbers of the far future.
    Lie(usize),
    /// A packager forgets what it has told: it tells everything anew.
    Reset(usize),
}

/// What happens, at which time, for how long.
#[derive(Debug, Clone, Copy)]
pub struct Incident {
    pub at: u64,
    pub lasts: u64,
    pub fault: Fault,
}

#[derive(Debug, Clone)]
enum Happening {
    Begins(Fault, u64),
    Ends(Fault),
    /// An encoder has finished a number.
    Cut(usize, u64, Number),
    /// A packager takes a segment of one track.
    Put(usize, Lineage, usize, Number),
    /// A line reaches an origin.
    Heard {
        origin: usize,
        life: u64,
        from: usize,
        turn: u64,
        line: Line,
    },
    /// An origin misses a source.
    Missed {
        origin: usize,
        life: u64,
        from: usize,
        turn: u64,
    },
    /// An origin tries to reach a source.
    Reach {
        origin: usize,
        life: u64,
        from: usize,
    },
    /// A fetch has its answer, if the source is well.
    Answer {
        origin: usize,
        life: u64,
        from: usize,
        ticket: Ticket,
        piece: Piece,
    },
    /// A fetch has no answer.
    Fails {
        origin: usize,
        life: u64,
        ticket: Ticket,
    },
    Record(Record),
}

#[derive(Debug)]
struct Worker {
    lineage: Option<Lineage>,
    life: u64,
    /// The first number of this life.
    first: Number,
    /// How late its clock is.
    skew: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Copy {
    pub at: u64,
    pub spoilt: bool,
}

#[derive(Debug, Default)]
pub struct Packager {
    dead: bool,
    frozen: bool,
    corrupt: bool,
    /// It has been well since.
    pub well: Option<u64>,
    record: Option<Record>,
    pub store: BTreeMap<(Number, usize, Lineage), Copy>,
    lineages: Vec<Lineage>,
    log: Vec<Line>,
    /// What comes while it is away: its senders try again.
    waiting: Vec<(Lineage, usize, Number)>,
}

impl Packager {
    fn answers(&self) -> bool {
        !self.dead && !self.frozen
    }
}

#[derive(Debug, Default)]
struct Link {
    cut: bool,
    /// Counts connections; what belongs to an earlier one is void.
    turn: u64,
    up: bool,
    /// Everything has been told since.
    listed: Option<u64>,
    /// How much of a packager's log has been told; none after a loss.
    told: Option<usize>,
    /// When the last line arrives: lines don't overtake each other.
    last: u64,
    /// What a peer has told.
    edge: Option<Number>,
    opened: bool,
}

#[derive(Debug, Default)]
pub struct Origin {
    life: u64,
    alive: bool,
    composer: Option<Composer>,
    /// What its monotonic clock says less virtual time.
    offset: u64,
    links: Vec<Link>,
    snapshot: Option<Arc<Snapshot>>,
    pub flying: usize,
}

/// How a run is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    pub seed: u64,
    pub ladder: Ladder,
    /// By how much the second encoder's clock is late.
    pub skew: u64,
    /// Without one, only events and `wake_at` drive the composers.
    pub heartbeat: Option<u64>,
    pub origins: usize,
}

#[derive(Debug)]
pub struct World {
    pub now: u64,
    setup: Setup,
    count: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    dice: Dice,
    pub studio: Studio,
    pub record: Record,
    workers: Vec<Worker>,
    pub packagers: Vec<Packager>,
    pub origins: Vec<Origin>,
    pub rules: Rules,
    /// The longest list of slots and fetches seen.
    pub most_flying: usize,
}

pub fn number_at(now: u64) -> Number {
    Number((EPOCH + now) / D)
}

/// When the media of `number` end, in virtual time.
pub fn end_of(number: Number) -> u64 {
    (number.0 + 1) * D - EPOCH
}

impl World {
    pub fn new(setup: Setup, incidents: &[Incident]) -> Self {
        let mut studio = Studio::new();
        let record = studio.record(number_at(0).next(), setup.ladder);
        let worker = |skew| Worker { lineage: None, life: 0, first: Number(0), skew };
        let origin = |i: usize| Origin { offset: 12_345 * i as u64, ..Origin::default() };
        let mut this = Self {
            now: 0,
            setup,
            count: 0,
            queue: BTreeMap::new(),
            dice: Dice(setup.seed),
            studio,
            record,
            workers: vec![worker(0), worker(setup.skew)],
            packagers: (0..PACKAGERS).map(|_| Packager::default()).collect(),
            origins: (0..setup.origins).map(origin).collect(),
            rules: Rules::new(setup.origins),
            most_flying: 0,
        };
        for packager in &mut this.packagers {
            packager.well = Some(0);
        }
        (0..2).for_each(|w| this.start_worker(w));
        (0..setup.origins).for_each(|o| this.start_origin(o));
        for incident in incidents {
            this.later(incident.at, Happening::Begins(incident.fault, incident.lasts));
        }
        this
    }

    fn later(&mut self, at: u64, what: Happening) {
        self.count += 1;
        self.queue.insert((at.max(self.now), self.count), what);
    }

    /// Lets time pass until `end`: events and wake-ups in their order, nothing else.
    pub fn run(&mut self, end: u64) {
        loop {
            let event = self.queue.first_key_value().map(|((at, _), _)| *at);
            let wake = (0..self.origins.len()).filter_map(|o| Some((self.wake_of(o)?, o))).min();
            let next = [event, wake.map(|w| w.0)].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= end) else { break };
            self.now = at;
            if event.is_some_and(|event| event <= at) {
                let (_, what) = self.queue.pop_first().unwrap();
                self.happens(what);
            } else if let Some((_, o)) = wake {
                self.drive(o, Composer::tick);
            }
        }
        self.now = end;
        self.rules.still_moving(self);
    }

    fn wake_of(&self, o: usize) -> Option<u64> {
        let origin = &self.origins[o];
        let wake = origin.composer.as_ref()?.wake_at()?;
        // Virtual time has whole milliseconds.
        let wake = u64::try_from(wake.as_micros().div_ceil(1000)).unwrap();
        Some((wake - origin.offset).max(self.now))
    }

    pub fn wake_at(&self, o: usize) -> Option<Duration> {
        self.origins[o].composer.as_ref().and_then(Composer::wake_at)
    }

    pub fn composer(&self, o: usize) -> &Composer {
        self.origins[o].composer.as_ref().unwrap()
    }

    pub fn snapshot(&self, o: usize) -> Option<&Arc<Snapshot>> {
        self.origins[o].snapshot.as_ref()
    }

    /// The record changes, and all who live learn of it.
    pub fn announce(&mut self, record: Record) {
        self.later(self.now, Happening::Record(record));
    }

    fn happens(&mut self, what: Happening) {
        match what {
            Happening::Begins(fault, lasts) => {
                self.later(self.now + lasts, Happening::Ends(fault));
                self.begins(fault, lasts);
            }
            Happening::Ends(fault) => self.ends(fault),
            Happening::Cut(worker, life, number) => self.cut(worker, life, number),
            Happening::Put(p, lineage, track, number) => self.put(p, lineage, track, number),
            Happening::Heard { origin, life, from, turn, line } => self.heard(origin, life, from, turn, line),
            Happening::Missed { origin, life, from, turn } => {
                let link = &self.origins[origin].links[from];
                if self.origins[origin].life == life && link.turn == turn {
                    let source = source_id(from);
                    self.drive(origin, |composer, now| composer.handle(Event::Down(source), now));
                    self.reach_later(origin, from);
                }
            }
            Happening::Reach { origin, life, from } if self.origins[origin].life == life => {
                self.reach(origin, from);
            }
            Happening::Reach { .. } => {}
            Happening::Answer { origin, life, from, ticket, piece } => {
                let bytes = self.bytes(origin, from, &piece);
                self.answer(origin, life, ticket, bytes);
            }
            Happening::Fails { origin, life, ticket } => self.answer(origin, life, ticket, None),
            Happening::Record(record) => self.learn(record),
        }
    }

    // Encoders.

    fn start_worker(&mut self, w: usize) {
        let worker = &mut self.workers[w];
        worker.life += 1;
        let name = ["a", "b"][w].parse().unwrap();
        worker.lineage = Some(Lineage::new(name, (EPOCH + self.now) / 1000 + worker.life));
        worker.first = number_at(self.now.saturating_sub(worker.skew)).next();
        let (life, first) = (worker.life, worker.first);
        self.cut_later(w, life, first);
    }

    fn cut_later(&mut self, w: usize, life: u64, number: Number) {
        let at = end_of(number) + self.workers[w].skew + 150 + self.dice.roll(0..=40);
        self.later(at, Happening::Cut(w, life, number));
    }

    fn cut(&mut self, w: usize, life: u64, number: Number) {
        let worker = &self.workers[w];
        let Some(lineage) = worker.lineage.clone().filter(|_| worker.life == life) else { return };
        if self.record.has_ended_by(number.minus(1)) {
            return;
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

    // Packagers.

    fn put(&mut self, p: usize, lineage: Lineage, track: usize, number: Number) {
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
        if !packager.lineages.contains(&lineage) {
            packager.lineages.push(lineage.clone());
            let lines = openings(&self.record, &lineage);
            self.packagers[p].log.extend(lines);
        }
        let packager = &mut self.packagers[p];
        let copy = Copy { at: self.now, spoilt: packager.corrupt };
        packager.store.insert((number, track, lineage.clone()), copy);
        while packager.store.first_key_value().is_some_and(|((n, ..), _)| n.0 + 40 < number.0) {
            packager.store.pop_first();
        }
        let name = self.record.era(number).unwrap().tracks[track].name.clone();
        let piece = Piece::Segment { lineage, track: name, number };
        let line = self.held(piece, 0);
        self.packagers[p].log.push(line);
        self.tell_all(p);
    }

    fn held(&self, piece: Piece, age_ms: u64) -> Line {
        Line::Held { signal: self.record.signal.clone(), piece, length: 1, age_ms }
    }

    fn learn(&mut self, record: Record) {
        self.record = record;
        for p in 0..PACKAGERS {
            let packager = &mut self.packagers[p];
            packager.record = Some(self.record.clone());
            packager.log.push(Line::Record { record: self.record.clone() });
            let known: Vec<_> = packager.lineages.iter().flat_map(|l| openings(&self.record, l)).collect();
            packager.log.extend(known);
            self.tell_all(p);
        }
    }

    fn listing(&self, p: usize) -> Vec<Line> {
        let packager = &self.packagers[p];
        let mut lines = vec![Line::Reset];
        let Some(record) = &packager.record else { return vec![Line::Reset, Line::Tick] };
        lines.push(Line::Record { record: record.clone() });
        lines.extend(packager.lineages.iter().flat_map(|l| openings(record, l)));
        for ((number, track, lineage), copy) in &packager.store {
            let track = record.era(*number).unwrap().tracks[*track].name.clone();
            let piece = Piece::Segment { lineage: lineage.clone(), track, number: *number };
            lines.push(self.held(piece, self.now - copy.at));
        }
        lines.push(Line::Tick);
        lines
    }

    fn tell_all(&mut self, p: usize) {
        for o in 0..self.origins.len() {
            self.tell(o, p);
        }
    }

    /// Sends what an origin has not been told.
    fn tell(&mut self, o: usize, p: usize) {
        let link = &self.origins[o].links[p];
        if !link.up || link.cut || !self.packagers[p].answers() {
            return;
        }
        let told = link.told;
        let lines = match told {
            None => self.listing(p),
            Some(told) => self.packagers[p].log[told..].to_vec(),
        };
        let fresh = told.is_none();
        self.origins[o].links[p].told = Some(self.packagers[p].log.len());
        let at = self.send(o, p, lines);
        if fresh {
            self.origins[o].links[p].listed = Some(at);
        }
    }

    /// Lines reach an origin in their order. When the last one does.
    fn send(&mut self, o: usize, from: usize, lines: Vec<Line>) -> u64 {
        let at = (self.now + self.dice.roll(1..=20)).max(self.origins[o].links[from].last);
        self.origins[o].links[from].last = at;
        let (life, turn) = (self.origins[o].life, self.origins[o].links[from].turn);
        for line in lines {
            self.later(at, Happening::Heard { origin: o, life, from, turn, line });
        }
        at
    }

    fn heard(&mut self, o: usize, life: u64, from: usize, turn: u64, line: Line) {
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

    // Links.

    fn reach_later(&mut self, o: usize, from: usize) {
        let (at, life) = (self.now + self.dice.roll(50..=400), self.origins[o].life);
        self.later(at, Happening::Reach { origin: o, life, from });
    }

    fn is_well(&self, from: usize) -> bool {
        match from.checked_sub(PACKAGERS) {
            None => self.packagers[from].answers(),
            Some(peer) => self.origins[peer].alive,
        }
    }

    fn reach(&mut self, o: usize, from: usize) {
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
    fn break_link(&mut self, o: usize, from: usize, silence: u64) {
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

    // Origins.

    fn start_origin(&mut self, o: usize) {
        let origin = &mut self.origins[o];
        origin.life += 1;
        origin.alive = true;
        origin.composer = None;
        origin.flying = 0;
        let count = PACKAGERS + self.setup.origins;
        let cut: Vec<bool> = (0..count).map(|i| origin.links.get(i).is_some_and(|l| l.cut)).collect();
        origin.links = cut.into_iter().map(|cut| Link { cut, ..Link::default() }).collect();
        let life = origin.life;
        for from in (0..count).filter(|from| *from != PACKAGERS + o) {
            let at = self.now + self.dice.roll(5..=50);
            self.later(at, Happening::Reach { origin: o, life, from });
        }
    }

    fn kill_origin(&mut self, o: usize) {
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
    fn tell_peer(&mut self, o: usize, to: usize) {
        let link = &self.origins[to].links[PACKAGERS + o];
        if !link.up {
            return;
        }
        let (edge, opened) = (link.edge, link.opened);
        let mut lines = Vec::new();
        if let Some(snapshot) = self.origins[o].snapshot.clone() {
            lines.push(Line::Record { record: (*snapshot.record).clone() });
            if !opened {
                lines.extend(openings(&snapshot.record, &"origin-0".parse().unwrap()));
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
    fn drive(&mut self, o: usize, act: impl FnOnce(&mut Composer, Duration)) {
        let origin = &mut self.origins[o];
        let Some(composer) = origin.composer.as_mut().filter(|_| origin.alive) else { return };
        act(composer, Duration::from_millis(self.now + origin.offset));
        let actions: Vec<_> = std::iter::from_fn(|| composer.poll()).collect();
        for action in actions {
            match action {
                Action::Fetch { ticket, from, piece, budget } => self.fetch(o, ticket, from, piece, budget),
                Action::Publish(snapshot) => {
                    let mut rules = std::mem::replace(&mut self.rules, Rules::new(0));
                    rules.published(self, o, &snapshot);
                    self.rules = rules;
                    self.origins[o].snapshot = Some(snapshot);
                    for to in (0..self.origins.len()).filter(|to| *to != o) {
                        self.tell_peer(o, to);
                    }
                }
                Action::Decided(decision) => self.rules.decided(self.now, o, &decision),
            }
        }
    }

    fn fetch(&mut self, o: usize, ticket: Ticket, from: SourceId, piece: Piece, budget: Duration) {
        let (from, life) = (index_of(from), self.origins[o].life);
        self.origins[o].flying += 1;
        self.most_flying = self.most_flying.max(self.origins[o].flying);
        let hangs = match from.checked_sub(PACKAGERS) {
            None => self.origins[o].links[from].cut || self.packagers[from].frozen,
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

    fn bytes(&self, o: usize, from: usize, piece: &Piece) -> Option<Bytes> {
        if !self.is_well(from) || self.origins[o].links[from].cut {
            return None;
        }
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

    fn answer(&mut self, o: usize, life: u64, ticket: Ticket, bytes: Option<Bytes>) {
        if self.origins[o].life != life {
            return;
        }
        self.origins[o].flying -= 1;
        let event = bytes.map_or(Event::Failed(ticket), |bytes| Event::Fetched(ticket, bytes));
        self.drive(o, |composer, now| composer.handle(event, now));
    }

    // Faults.

    fn begins(&mut self, fault: Fault, _lasts: u64) {
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
            Fault::Lie(p) => self.lie(p),
            Fault::Reset(p) => {
                for o in 0..self.origins.len() {
                    self.origins[o].links[p].told = None;
                    self.tell(o, p);
                }
            }
        }
    }

    fn lie(&mut self, p: usize) {
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

    fn ends(&mut self, fault: Fault) {
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
            _ => {}
        }
    }

    fn back(&mut self, p: usize) {
        if !self.packagers[p].answers() {
            return;
        }
        self.packagers[p].well = Some(self.now);
        for (at, (lineage, track, number)) in (1..).zip(std::mem::take(&mut self.packagers[p].waiting)) {
            self.later(self.now + at * 10, Happening::Put(p, lineage, track, number));
        }
    }

    /// Since when origin `o` could have had media of this track of `number` from a packager that
    /// is well, over a link that is whole.
    pub fn had(&self, o: usize, track: usize, number: Number) -> Option<u64> {
        let of = |p: usize| {
            let packager = &self.packagers[p];
            let since = packager.well?.max(self.origins[o].links[p].listed?);
            let copies =
                packager.store.iter().filter(|((n, t, _), c)| *n == number && *t == track && !c.spoilt);
            Some(copies.map(|(_, c)| c.at).min()?.max(since))
        };
        (0..PACKAGERS).filter_map(of).min()
    }
}

/// The inits and slates of a lineage; an origin's lie under one name per track.
fn openings(record: &Record, lineage: &Lineage) -> Vec<Line> {
    let mut lines = Vec::new();
    let origin = lineage.worker().as_str() == "origin";
    let eras = if origin { &record.eras[..] } else { record.eras.last().map(std::slice::from_ref).unwrap() };
    for (at, track) in (0..).zip(eras.iter().flat_map(|e| &e.tracks)) {
        let lineage = if origin { Lineage::new("origin".parse().unwrap(), at) } else { lineage.clone() };
        let init = Piece::Init { lineage: lineage.clone(), track: track.name.clone(), init: track.init };
        let slate = Piece::Slate { lineage, track: track.name.clone() };
        for piece in [init, slate] {
            lines.push(Line::Held { signal: record.signal.clone(), piece, length: 1, age_ms: 0 });
        }
    }
    lines
}

/// Peers come after all packagers.
fn source_id(index: usize) -> SourceId {
    let index = u32::try_from(index).unwrap();
    SourceId(if (index as usize) < PACKAGERS { index } else { index + (1 << 16) })
}

fn index_of(SourceId(id): SourceId) -> usize {
    (id & 0xffff) as usize
}
