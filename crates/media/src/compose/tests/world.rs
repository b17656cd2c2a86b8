//! A world of encoders, packagers and origins in virtual time, with everything that can go wrong
//! between them. Origins are driven by events and by their composers' `wake_at` alone.

mod faults;
mod lies;
mod origins;
mod sources;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

pub use self::lies::Lie;
use super::{
    rules::Rules,
    studio::{Dice, Ladder, Studio},
};
use crate::{
    compose::{Composer, Event, SourceId, Ticket},
    grid::Number,
    health::Health,
    holding::{Line, Piece},
    id::Lineage,
    record::Record,
    window::Snapshot,
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
    Far(usize),
    /// A packager lies.
    Lie(usize, Lie),
    /// The clock of an encoder turns to be so many milliseconds late.
    Clock(usize, u64),
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
    /// An encoder's clock is so late.
    Clock(usize, u64),
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
    lies: Vec<Lie>,
    /// It has been well since.
    pub well: Option<u64>,
    record: Option<Record>,
    pub store: BTreeMap<(Number, usize, Lineage), Copy>,
    /// With the first number that came of each.
    lineages: Vec<(Lineage, Number)>,
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
    /// The origin knows that it is down.
    missed: bool,
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
    /// Fetches under way.
    flying: BTreeSet<Ticket>,
    /// Fetches made in this life, and how many of them were hedges.
    fetches: (usize, usize),
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
    /// How late the latest clock of an encoder has been.
    pub latest: u64,
    /// At some time no packager was well, or an origin was cut off from those that were.
    pub was_dark: bool,
    /// At some time a packager lied.
    pub has_lied: bool,
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
            latest: setup.skew,
            was_dark: false,
            has_lied: false,
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

    pub fn composer(&self, o: usize) -> Option<&Composer> {
        self.origins[o].composer.as_ref()
    }

    pub fn snapshot(&self, o: usize) -> Option<&Arc<Snapshot>> {
        self.origins[o].snapshot.as_ref()
    }

    /// A packager says something to an origin that it would not say of itself.
    pub fn say(&mut self, o: usize, p: usize, lines: Vec<Line>) {
        self.send(o, p, lines);
    }

    /// The record changes, and all who live learn of it.
    pub fn announce(&mut self, record: Record) {
        self.later(self.now, Happening::Record(record));
    }

    /// True if a packager that is well can be reached.
    fn hears_the_truth(&self, o: usize) -> bool {
        let is_well = |p: usize| self.packagers[p].well.is_some() && !self.packagers[p].corrupt;
        (0..PACKAGERS).any(|p| is_well(p) && !self.origins[o].links[p].cut)
    }

    fn happens(&mut self, what: Happening) {
        match what {
            Happening::Begins(fault, lasts) => {
                self.later(self.now + lasts, Happening::Ends(fault));
                self.begins(fault, lasts);
                self.was_dark |= (0..self.origins.len()).any(|o| !self.hears_the_truth(o));
            }
            Happening::Ends(fault) => self.ends(fault),
            Happening::Cut(worker, life, number) => self.cut(worker, life, number),
            Happening::Put(p, lineage, track, number) => self.put(p, lineage, track, number),
            Happening::Heard { origin, life, from, turn, line } => self.heard(origin, life, from, turn, line),
            Happening::Missed { origin, life, from, turn } => {
                let link = &self.origins[origin].links[from];
                if self.origins[origin].life == life && link.turn == turn {
                    let source = source_id(from);
                    self.origins[origin].links[from].missed = true;
                    self.drive(origin, |composer, now| composer.handle(Event::Down(source), now));
                    self.reach_later(origin, from);
                }
            }
            Happening::Reach { origin, life, from } if self.origins[origin].life == life => {
                self.reach(origin, from);
            }
            Happening::Reach { .. } => {}
            Happening::Answer { origin, life, from, ticket, piece } => {
                let reached = self.is_well(from) && !self.origins[origin].links[from].cut;
                let mut bytes = self.bytes(from, &piece).filter(|_| reached);
                if from < PACKAGERS && reached {
                    bytes = self.given(from, &piece, bytes);
                }
                self.answer(origin, life, ticket, bytes);
            }
            Happening::Fails { origin, life, ticket } => self.answer(origin, life, ticket, None),
            Happening::Record(record) => self.learn(record),
            Happening::Clock(worker, late) => {
                self.turn_clock(worker, late);
            }
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

/// The inits and slates of a lineage that begins with `first`; an origin's, of all eras, lie under one name per
/// track.
pub fn openings(record: &Record, lineage: &Lineage, first: Number) -> Vec<Line> {
    let mut lines = Vec::new();
    let origin = lineage.worker().as_str() == "origin";
    let eras = if origin { &record.eras[..] } else { std::slice::from_ref(record.era(first).unwrap()) };
    for (at, track) in (0..).zip(eras.iter().flat_map(|e| &e.tracks)) {
        let lineage = if origin { Lineage::new("origin".parse().unwrap(), at) } else { lineage.clone() };
        let init = Piece::Init { lineage: lineage.clone(), track: track.name.clone(), init: track.init };
        let slate = Piece::Slate { lineage, track: track.name.clone() };
        for piece in [init, slate] {
            lines.push(Line::Held {
                signal: record.signal.clone(),
                piece,
                length: 1,
                age_ms: 0,
                health: Health::Healthy,
                luma: None,
            });
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
