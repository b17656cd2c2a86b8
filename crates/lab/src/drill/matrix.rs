//! The cells: a fault, and what it strikes.

use std::{fmt, str::FromStr, time::Duration};

use crate::proxy::weather::Weather;

/// What happens to a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// It dies at once (SIGKILL).
    Kill,
    /// It is asked to end (SIGTERM).
    Terminate,
    /// It stands still (SIGSTOP), and goes on later if nobody killed it.
    Freeze,
    /// Its encoder stands still (SIGSTOP of its ffmpeg), and goes on later if nobody killed it.
    Stall,
    /// Nothing passes between it and the others.
    Partition,
    /// What others answer it, and it answers them, comes 300 ms later.
    Latency,
    /// A fifth of its requests, and of those to it, is reset.
    Resets,
    /// One byte a second passes between it and the others.
    Slow,
    /// Whoever asks it gets an answer without an end.
    Endless,
    /// Nothing that it writes gets onto the disk.
    DiskFull,
    /// It dies, and its newest media on disk are garbage when it comes back.
    Corrupt,
    /// It is replaced by one of the present program, and so is every part that it starts.
    Upgrade,
    /// The picture of its input turns black.
    Black,
    /// The picture of its input stands still.
    Frozen,
    /// Nothing is heard of its input.
    Silent,
    /// Its wall clock is ahead.
    Ahead,
    /// Its wall clock is behind.
    Behind,
}

/// What is struck: a part, both of a pair, or the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The first encoder.
    WorkerA,
    /// The second encoder.
    WorkerB,
    /// Both encoders.
    Workers,
    /// The first packager.
    Server1,
    /// The second packager.
    Server2,
    /// Both packagers.
    Servers,
    /// Who tells the reporter what is ingested.
    Discovery,
    /// Who answers which signals there are.
    Reporter,
    /// The first origin.
    Origin1,
    /// The second origin.
    Origin2,
    /// Who starts the parts again.
    Supervisor,
}

/// One fault in one component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// What happens.
    pub fault: Fault,
    /// To what.
    pub component: Component,
}

/// The name by which the supervisor is struck; it is no part that another supervises.
pub const SUPERVISOR: &str = "supervisor";

impl Fault {
    /// All there are, in the order in which they are tried.
    pub const ALL: [Self; 17] = [
        Self::Kill,
        Self::Terminate,
        Self::Freeze,
        Self::Stall,
        Self::Partition,
        Self::Latency,
        Self::Resets,
        Self::Slow,
        Self::Endless,
        Self::DiskFull,
        Self::Corrupt,
        Self::Upgrade,
        Self::Black,
        Self::Frozen,
        Self::Silent,
        Self::Ahead,
        Self::Behind,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Terminate => "terminate",
            Self::Freeze => "freeze",
            Self::Stall => "stall",
            Self::Partition => "partition",
            Self::Latency => "latency",
            Self::Resets => "resets",
            Self::Slow => "slow",
            Self::Endless => "endless",
            Self::DiskFull => "disk-full",
            Self::Corrupt => "corrupt",
            Self::Upgrade => "upgrade",
            Self::Black => "black",
            Self::Frozen => "frozen",
            Self::Silent => "silent",
            Self::Ahead => "ahead",
            Self::Behind => "behind",
        }
    }

    /// How it is made, in a few words.
    pub const fn means(self) -> &'static str {
        match self {
            Self::Kill => "SIGKILL",
            Self::Terminate => "SIGTERM",
            Self::Freeze => "SIGSTOP, and SIGCONT 5 s later if it still lives",
            Self::Stall => "SIGSTOP of its ffmpeg, and SIGCONT 5 s later if it still lives",
            Self::Partition => "nothing passes between it and the other parts for 5 s",
            Self::Latency => "every answer between it and the other parts comes 300 ms later, for 5 s",
            Self::Resets => "20% of the requests between it and the other parts are reset, for 5 s",
            Self::Slow => "a byte a second passes each way between it and the other parts, for 5 s",
            Self::Endless => "whoever asks it gets an answer without an end, for 5 s",
            Self::DiskFull => "every write to a file fails, for 5 s",
            Self::Corrupt => "the files of its last three numbers are overwritten, then SIGKILL",
            Self::Upgrade => {
                "`airtight up --upgrade` takes its place and replaces every part, one after the other"
            }
            Self::Black => "the picture of its input is black for 5 s",
            Self::Frozen => "the picture of its input stands still for 5 s",
            Self::Silent => "nothing is heard of its input for 5 s",
            Self::Ahead => {
                "its clock is set a second ahead, and right 5 s later; a single part is killed after each, to begin by it"
            }
            Self::Behind => {
                "its clock is set back by a second, and right 5 s later; a single part is killed after each, to begin by it"
            }
        }
    }

    /// What the connections of a part meet meanwhile; none if the fault is not one of the network.
    pub const fn weather(self) -> Option<Weather> {
        match self {
            Self::Kill | Self::Terminate | Self::Freeze | Self::Stall => None,
            Self::DiskFull | Self::Corrupt | Self::Upgrade => None,
            Self::Black | Self::Frozen | Self::Silent | Self::Ahead | Self::Behind => None,
            Self::Partition => Some(Weather::Cut),
            Self::Latency => Some(Weather::Late(Duration::from_millis(300))),
            Self::Resets => Some(Weather::Resets(20)),
            Self::Slow => Some(Weather::Slow(1)),
            Self::Endless => Some(Weather::Endless),
        }
    }

    /// Whether what is struck goes on doing what it is for, if less easily.
    pub const fn leaves_a_path(self) -> bool {
        match self {
            Self::Latency | Self::Resets | Self::DiskFull | Self::Upgrade => true,
            Self::Kill | Self::Terminate | Self::Freeze | Self::Stall | Self::Corrupt => false,
            Self::Partition | Self::Slow | Self::Endless => false,
            _ => self.spoils() || self.sets_clock(),
        }
    }

    /// Whether the input of an encoder is bad.
    pub const fn spoils(self) -> bool {
        matches!(self, Self::Black | Self::Frozen | Self::Silent)
    }

    /// Whether a part has another wall clock than the machine.
    pub const fn sets_clock(self) -> bool {
        matches!(self, Self::Ahead | Self::Behind)
    }

    /// Whether it comes unasked and others may come meanwhile: two encoders with bad input would be the programme.
    pub const fn is_of_storms(self) -> bool {
        !matches!(self, Self::Upgrade) && !self.spoils() && !self.sets_clock()
    }
}

impl Component {
    /// All there are, along the way of a frame.
    pub const ALL: [Self; 11] = [
        Self::WorkerA,
        Self::WorkerB,
        Self::Workers,
        Self::Server1,
        Self::Server2,
        Self::Servers,
        Self::Discovery,
        Self::Reporter,
        Self::Origin1,
        Self::Origin2,
        Self::Supervisor,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WorkerA => "worker-a",
            Self::WorkerB => "worker-b",
            Self::Workers => "workers",
            Self::Server1 => "server1",
            Self::Server2 => "server2",
            Self::Servers => "servers",
            Self::Discovery => "discovery",
            Self::Reporter => "reporter",
            Self::Origin1 => "origin1",
            Self::Origin2 => "origin2",
            Self::Supervisor => SUPERVISOR,
        }
    }

    /// The parts that are struck, all in one moment.
    pub const fn parts(self) -> &'static [&'static str] {
        match self {
            Self::WorkerA => &["worker-a"],
            Self::WorkerB => &["worker-b"],
            Self::Workers => &["worker-a", "worker-b"],
            Self::Server1 => &["server1"],
            Self::Server2 => &["server2"],
            Self::Servers => &["server1", "server2"],
            Self::Discovery => &["discovery"],
            Self::Reporter => &["reporter"],
            Self::Origin1 => &["origin1"],
            Self::Origin2 => &["origin2"],
            Self::Supervisor => &[SUPERVISOR],
        }
    }

    /// Whether it has encoders.
    pub const fn encodes(self) -> bool {
        matches!(self, Self::WorkerA | Self::WorkerB | Self::Workers)
    }

    /// Whether it keeps media on a disk.
    pub const fn keeps_media(self) -> bool {
        matches!(self, Self::Server1 | Self::Server2 | Self::Servers)
    }

    /// Whether others ask it for something.
    pub const fn answers(self) -> bool {
        !matches!(self, Self::WorkerA | Self::WorkerB | Self::Workers | Self::Discovery | Self::Supervisor)
    }

    /// Whether all of a kind are struck, so that no path from an encoder to a viewer is left.
    pub const fn is_pair(self) -> bool {
        matches!(self, Self::Workers | Self::Servers)
    }
}

/// How long a fault lasts that ends by itself, and how long a supervisor stays away.
const LASTING: Duration = Duration::from_secs(5);

impl Cell {
    /// Every cell, those that make no sense included.
    pub fn all() -> impl Iterator<Item = Self> {
        let with = |fault| move |component| Self { fault, component };
        Fault::ALL.into_iter().flat_map(move |fault| Component::ALL.into_iter().map(with(fault)))
    }

    /// The cells that tell most in five minutes; each component is met.
    pub fn quick() -> impl Iterator<Item = Self> {
        let cells = [
            (Fault::Kill, Component::Origin1),
            (Fault::Kill, Component::Workers),
            (Fault::Kill, Component::Supervisor),
            (Fault::Terminate, Component::Discovery),
            (Fault::Freeze, Component::Origin2),
            (Fault::Stall, Component::WorkerA),
            (Fault::Partition, Component::Server1),
            (Fault::Latency, Component::Servers),
            (Fault::Resets, Component::WorkerB),
            (Fault::Slow, Component::Reporter),
            (Fault::DiskFull, Component::Server2),
        ];
        cells.into_iter().map(|(fault, component)| Self { fault, component })
    }

    /// Why this cell makes no sense; none if it does.
    pub const fn senseless(self) -> Option<&'static str> {
        match (self.fault, self.component) {
            (Fault::Terminate, Component::Supervisor) => Some("it is the order to end the whole system"),
            (Fault::Upgrade, component) if !matches!(component, Component::Supervisor) => {
                Some("the supervisor replaces it")
            }
            (fault, component) if fault.spoils() && !component.encodes() => Some("it has no input"),
            (fault, Component::Workers) if fault.spoils() => Some("it would be the programme"),
            (fault, Component::Supervisor) if fault.sets_clock() => {
                Some("it asks its clock for nothing but whether an ended event is over")
            }
            (Fault::Stall, component) if !component.encodes() => Some("it has no encoder"),
            (fault, Component::Supervisor) if fault.weather().is_some() => Some("it has no connections"),
            (Fault::Endless, component) if !component.answers() => Some("nobody asks it"),
            (Fault::DiskFull, component) if component.encodes() => Some("it writes no files"),
            (Fault::DiskFull, Component::Discovery) => Some("it writes no files"),
            (Fault::Corrupt, component) if !component.keeps_media() => Some("it keeps no media on a disk"),
            _ => None,
        }
    }

    /// Whether nothing of the programme reaches what is struck any more, or is left there.
    pub const fn starves(self) -> bool {
        match self.fault {
            Fault::Partition | Fault::Slow | Fault::Corrupt => true,
            // Encoders ask packagers to take their media.
            Fault::Endless => self.component.keeps_media(),
            _ => false,
        }
    }

    /// Whether the copies that lead do not come any more, so that others are to be decided for.
    pub const fn loses_copies(self) -> bool {
        matches!(self.component, Component::WorkerA) && !self.fault.leaves_a_path()
    }

    /// How long the fault lasts: until what was frozen goes on, or another supervisor comes; nothing if it ends by itself.
    pub const fn lasts(self) -> Duration {
        match (self.fault, self.component) {
            (Fault::Kill, Component::Supervisor) => LASTING,
            (Fault::Kill | Fault::Terminate | Fault::Corrupt | Fault::Upgrade, _) => Duration::ZERO,
            _ => LASTING,
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}@{}", self.fault.name(), self.component.name()))
    }
}

/// Some cells, as one may ask for them: `kill@worker-a`, `kill@*`, `*@origin1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    fault: Option<Fault>,
    component: Option<Component>,
}

impl Pattern {
    /// Whether a cell is one of them.
    pub fn has(&self, cell: Cell) -> bool {
        self.fault.is_none_or(|fault| fault == cell.fault)
            && self.component.is_none_or(|component| component == cell.component)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((fault, component)) = text.split_once('@') else {
            return Err("expected fault@component, such as kill@worker-a or kill@*".to_owned());
        };
        let fault = one_of(fault, "fault", Fault::ALL.map(|fault| (fault.name(), fault)))?;
        let known = Component::ALL.map(|component| (component.name(), component));
        Ok(Self { fault, component: one_of(component, "component", known)? })
    }
}

/// What is called `name`; none of it stands for all.
fn one_of<T: Copy, const N: usize>(
    name: &str,
    kind: &str,
    known: [(&str, T); N],
) -> Result<Option<T>, String> {
    if name == "*" {
        return Ok(None);
    }
    let found = known.iter().find(|(known, _)| *known == name);
    let names = || known.map(|(name, _)| name).join(", ");
    found
        .map(|(_, value)| Some(*value))
        .ok_or_else(|| format!("there is no such {kind}, expected one of {} or *", names()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(pattern: &str) -> Vec<String> {
        let pattern: Pattern = pattern.parse().unwrap();
        Cell::all().filter(|cell| pattern.has(*cell)).map(|cell| cell.to_string()).collect()
    }

    #[test]
    fn cells_are_asked_for_by_name() {
        assert_eq!(matching("kill@worker-a"), ["kill@worker-a"]);
        assert_eq!(matching("*@origin1").len(), Fault::ALL.len());
        assert_eq!(matching("freeze@*").len(), Component::ALL.len());
        assert_eq!(matching("*@*").len(), Cell::all().count());
    }

    #[test]
    fn an_unknown_cell_is_refused_with_what_there_is() {
        let refused = |text: &str| text.parse::<Pattern>().unwrap_err();
        assert_eq!(refused("kill"), "expected fault@component, such as kill@worker-a or kill@*");
        assert!(refused("kil@worker-a").starts_with("there is no such fault, expected one of kill, "));
        assert!(
            refused("kill@origin3").starts_with("there is no such component, expected one of worker-a, ")
        );
    }

    #[test]
    fn the_quick_cells_make_sense_and_leave_no_component_out() {
        let quick: Vec<_> = Cell::quick().collect();
        assert!(quick.iter().all(|cell| cell.senseless().is_none()));
        assert!(Component::ALL.iter().all(|one| quick.iter().any(|cell| cell.component == *one)));
    }

    #[test]
    fn only_what_cannot_be_is_left_out() {
        let senseless = |fault| {
            let cells = Cell::all().filter(|cell| cell.fault == fault && cell.senseless().is_some());
            cells.map(|cell| cell.component.name()).collect::<Vec<_>>()
        };
        for fault in [Fault::Kill, Fault::Freeze] {
            assert!(senseless(fault).is_empty());
        }
        for fault in [Fault::Terminate, Fault::Partition, Fault::Latency, Fault::Resets, Fault::Slow] {
            assert_eq!(senseless(fault), [SUPERVISOR]);
        }
        assert_eq!(senseless(Fault::Stall).len(), Component::ALL.len() - 3);
        assert_eq!(senseless(Fault::DiskFull), ["worker-a", "worker-b", "workers", "discovery"]);
        assert_eq!(senseless(Fault::Corrupt).len(), Component::ALL.len() - 3);
        for fault in [Fault::Black, Fault::Frozen, Fault::Silent] {
            assert_eq!(senseless(fault).len(), Component::ALL.len() - 2);
        }
        for fault in [Fault::Ahead, Fault::Behind] {
            assert_eq!(senseless(fault), [SUPERVISOR]);
        }
        assert_eq!(senseless(Fault::Upgrade).len(), Component::ALL.len() - 1);
        assert_eq!(senseless(Fault::Endless), ["worker-a", "worker-b", "workers", "discovery", SUPERVISOR]);
    }
}
