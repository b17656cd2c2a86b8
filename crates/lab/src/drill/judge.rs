//! What viewers saw, held against the bars.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::Serialize;

use super::matrix::{Cell, Component, Fault};
use crate::{
    player::whole_millis,
    watch::{Report, Server},
};

/// What viewers may notice. All that is not mentioned here they may not notice at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowed {
    /// Slate instead of the programme.
    pub slate: Duration,
    /// Slate instead of the programme at a server that is struck: nobody can reach it, or its media are lost.
    pub own_slate: Duration,
    /// Servers whose own viewers have to ask again: a connection belongs to the server it leads to.
    pub struck: BTreeSet<String>,
    /// Frames without a code, of a viewer.
    pub no_code: u64,
    /// Seconds without a beep, of a viewer.
    pub no_beep: u64,
}

/// Target durations of slate beyond the time without a path: the segment that was cut, the one in which the
/// programme comes back, and one for an encoder to start.
const AROUND: u32 = 3;
/// Target durations of bad content: until the detector is sure of it, and the segment that is under way.
const DETECTED: u32 = 2;
/// Frames a second of the programme that is drilled.
const FRAMES: u64 = 25;
/// Its beeps a second.
const BEEPS: u64 = 1;

impl Allowed {
    /// What a cell allows; `target` is the target duration.
    pub fn of(cell: Cell, target: Duration) -> Self {
        let Cell { fault, component } = cell;
        let lasts = (!fault.leaves_a_path()).then(|| cell.lasts());
        let pathless = lasts.filter(|_| component.is_pair());
        let starved = lasts.filter(|_| cell.starves());
        let struck = component.parts().iter().map(|part| (*part).to_owned()).collect();
        Self {
            slate: slate(pathless, target),
            own_slate: slate(starved.max(pathless), target),
            struck,
            no_code: bad(cell, &[Fault::Black, Fault::Frozen], FRAMES, target),
            no_beep: bad(cell, &[Fault::Silent], BEEPS, target),
        }
    }

    /// What a storm allows, in which no path is left for some time at all, and some parts are struck.
    pub fn of_storm<'a>(
        pathless: Option<Duration>,
        starved: Option<Duration>,
        struck: impl IntoIterator<Item = &'a str>,
        target: Duration,
    ) -> Self {
        let own = pathless.max(starved.map(|time| time + pathless.unwrap_or_default()));
        let struck = struck.into_iter().map(str::to_owned).collect();
        Self { slate: slate(pathless, target), own_slate: slate(own, target), struck, ..Self::default() }
    }
}

/// The slate that may be seen if there is no path for this time.
fn slate(pathless: Option<Duration>, target: Duration) -> Duration {
    pathless.map_or(Duration::ZERO, |time| time + AROUND * target)
}

/// How much of the programme may be bad for a viewer if one of `faults` is to blame, of which there are `rate` a second.
///
/// Of two healthy encoders the first leads: its trouble is seen, and that of the other is not.
fn bad(cell: Cell, faults: &[Fault], rate: u64, target: Duration) -> u64 {
    if cell.component != Component::WorkerA || !faults.contains(&cell.fault) {
        return 0;
    }
    rate * (DETECTED * target).as_secs()
}

/// Where a figure may lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bar {
    /// Not above.
    AtMost(u64),
    /// Not below.
    AtLeast(u64),
    /// Anywhere: it is told, not judged.
    Open,
}

/// One figure of a trial, with its bar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// What is counted, and its unit; [`LEGEND`] says it in full.
    pub what: &'static str,
    /// Of the viewer who had it worst, or of all, as the legend says.
    pub is: u64,
    /// Where it may lie.
    pub bar: Bar,
}

impl Figure {
    /// Whether it lies where it may.
    pub const fn holds(&self) -> bool {
        match self.bar {
            Bar::AtMost(most) => self.is <= most,
            Bar::AtLeast(least) => self.is >= least,
            Bar::Open => true,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.is)?;
        match self.bar {
            Bar::AtMost(most) => write!(f, ", at most {most}"),
            Bar::AtLeast(least) => write!(f, ", at least {least}"),
            Bar::Open => Ok(()),
        }
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::Open => Ok(()),
        }
    }
}

/// The figures, and what they count.
pub const LEGEND: [(&str, &str); 16] = [
    ("stall ms", "how long the picture stood still, of the viewer who had it worst"),
    ("fatal", "requests that the player gave up, of all viewers"),
    ("asked again", "requests that failed, of the viewers whose own server was not struck"),
    ("own server", "requests that failed, of those whose own server was; players ask again"),
    ("missing ms", "media that was stepped over, of the viewer who had it worst"),
    ("lost", "frames of the programme that were not shown, of all viewers"),
    ("repeated", "frames of the programme that were shown again, of all viewers"),
    ("no code", "frames that were to show the programme and did not, of the viewer who had it worst"),
    ("no beep", "seconds of the programme without their beep, of the viewer who had it worst"),
    ("discont.", "discontinuities that were played, of all viewers"),
    ("slate ms", "slate in place of the programme, of the viewers whose own server was not struck"),
    ("own slate", "slate in place of the programme, of those whose own server was, in milliseconds"),
    ("rules", "rules of HLS that were broken, of all servers judged as one"),
    ("buffer ms", "the smallest buffer of any viewer"),
    ("drift ms", "by how much the latency changed, of the viewer who had it worst"),
    ("unseen", "viewers that saw nothing at all"),
];

/// The figures that tell of slate.
pub const SLATE: [&str; 2] = ["slate ms", "own slate"];

/// The figures of a watch of servers, which are named in the order of the report.
pub fn figures(report: &Report, names: &[&str], allowed: &Allowed) -> Vec<Figure> {
    let servers = &report.servers;
    let worst = |of: fn(&Server) -> u64| servers.iter().map(of).max().unwrap_or(0);
    let sum = |of: fn(&Server) -> u64| servers.iter().map(of).sum::<u64>();
    let (own, others): (Vec<_>, Vec<_>) =
        servers.iter().zip(names).partition(|(_, name)| allowed.struck.contains(**name));
    let asked = |of: &[(&Server, &&str)]| of.iter().map(|(server, _)| server.faults).sum();
    let slate = |of: &[(&Server, &&str)]| of.iter().map(|(server, _)| server.slate_ms).max().unwrap_or(0);
    let smallest = servers.iter().map(|server| server.noticed.smallest_buffer_ms.unwrap_or(0)).min();
    let none = |what, is| Figure { what, is, bar: Bar::AtMost(0) };
    vec![
        none("stall ms", worst(|server| server.noticed.stall_ms)),
        none("fatal", sum(|server| server.fatal)),
        none("asked again", asked(&others)),
        Figure { what: "own server", is: asked(&own), bar: Bar::Open },
        none("missing ms", worst(|server| server.noticed.skipped_ms)),
        none("lost", sum(|server| server.frames.map_or(0, |frames| frames.lost))),
        none("repeated", sum(|server| server.frames.map_or(0, |frames| frames.repeated))),
        Figure {
            what: "no code",
            is: worst(|server| server.frames.map_or(0, |frames| frames.unreadable)),
            bar: Bar::AtMost(allowed.no_code),
        },
        Figure {
            what: "no beep",
            is: worst(|server| server.sound.map_or(0, |sound| sound.silent)),
            bar: Bar::AtMost(allowed.no_beep),
        },
        none("discont.", sum(|server| server.discontinuities as u64)),
        Figure { what: SLATE[0], is: slate(&others), bar: Bar::AtMost(whole_millis(allowed.slate)) },
        Figure { what: SLATE[1], is: slate(&own), bar: Bar::AtMost(whole_millis(allowed.own_slate)) },
        none("rules", report.violations.values().sum()),
        Figure { what: "buffer ms", is: smallest.unwrap_or(0), bar: Bar::AtLeast(1) },
        none("drift ms", worst(|server| server.noticed.drift_ms.unwrap_or(0).unsigned_abs())),
        none("unseen", sum(|server| u64::from(server.segments == 0 || server.noticed.played_ms == 0))),
    ]
}

/// The servers of a system that viewers are pointed at.
pub const SERVERS: [&str; 4] = ["server1", "server2", "origin1", "origin2"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{frames::Shown, player::Noticed, sound::Heard};

    const TARGET: Duration = Duration::from_secs(2);

    fn sound() -> Report {
        let noticed = Noticed {
            start_ms: Some(100),
            played_ms: 12_000,
            smallest_buffer_ms: Some(3000),
            drift_ms: Some(0),
            ..Noticed::default()
        };
        let frames = Some(Shown { frames: 300, ..Shown::default() });
        let sound = Some(Heard { seconds: 12, silent: 0 });
        let server = Server { segments: 9, noticed, frames, sound, ..Server::default() };
        Report { watched_ms: 16_000, servers: vec![server; 4], violations: BTreeMap::new() }
    }

    /// What does not hold in a cell, after `change` of a sound report.
    fn missed(fault: Fault, component: Component, change: impl FnOnce(&mut Report)) -> Vec<&'static str> {
        let mut report = sound();
        change(&mut report);
        let allowed = Allowed::of(Cell { fault, component }, TARGET);
        let figures = figures(&report, &SERVERS, &allowed);
        figures.iter().filter(|figure| !figure.holds()).map(|figure| figure.what).collect()
    }

    #[test]
    fn each_thing_that_a_viewer_notices_misses_a_bar() {
        type Change = fn(&mut Server);
        let cases: [(Change, &[&str]); 14] = [
            (|_| {}, &[]),
            (|server| server.noticed.stall_ms = 1, &["stall ms"]),
            (|server| server.fatal = 1, &["fatal"]),
            (|server| server.faults = 1, &["asked again"]),
            (|server| server.noticed.skipped_ms = 1, &["missing ms"]),
            (|server| server.frames.as_mut().unwrap().lost = 1, &["lost"]),
            (|server| server.frames.as_mut().unwrap().repeated = 1, &["repeated"]),
            (|server| server.frames.as_mut().unwrap().unreadable = 1, &["no code"]),
            (|server| server.sound.as_mut().unwrap().silent = 1, &["no beep"]),
            (|server| server.discontinuities = 1, &["discont."]),
            (|server| server.slate_ms = 1, &["slate ms"]),
            (|server| server.noticed.smallest_buffer_ms = Some(0), &["buffer ms"]),
            (|server| server.noticed.drift_ms = Some(-1), &["drift ms"]),
            (|server| server.noticed.played_ms = 0, &["unseen"]),
        ];
        for (change, expected) in cases {
            let found = missed(Fault::Kill, Component::WorkerA, |report| change(&mut report.servers[2]));
            assert_eq!(found, expected);
        }
        let broken = |report: &mut Report| _ = report.violations.insert("segment-fixed", 1);
        assert_eq!(missed(Fault::Kill, Component::Reporter, broken), ["rules"]);
    }

    #[test]
    fn every_figure_has_its_legend() {
        let figures = figures(&sound(), &SERVERS, &Allowed::default());
        assert!(figures.iter().map(|figure| figure.what).eq(LEGEND.map(|(what, _)| what)));
    }

    #[test]
    fn viewers_of_the_server_that_is_struck_may_ask_it_again_and_no_others() {
        let asks = |server: usize| move |report: &mut Report| report.servers[server].faults = 3;
        assert!(missed(Fault::Kill, Component::Origin1, asks(2)).is_empty());
        assert_eq!(missed(Fault::Kill, Component::Origin1, asks(3)), ["asked again"]);
        assert!(missed(Fault::Kill, Component::Servers, asks(0)).is_empty());
    }

    #[test]
    fn without_a_path_the_slate_lasts_as_long_as_the_fault_and_three_segments() {
        let slate = |millis: u64| move |report: &mut Report| report.servers[2].slate_ms = millis;
        assert!(missed(Fault::Kill, Component::Workers, slate(6000)).is_empty());
        assert_eq!(missed(Fault::Kill, Component::Workers, slate(6001)), ["slate ms"]);
        assert!(missed(Fault::Freeze, Component::Servers, slate(11_000)).is_empty());
        assert_eq!(missed(Fault::Latency, Component::Servers, slate(1)), ["slate ms"]);
        assert_eq!(missed(Fault::Freeze, Component::Servers, slate(11_001)), ["slate ms"]);
    }

    #[test]
    fn bad_content_of_the_encoder_that_leads_is_seen_for_two_segments_and_that_of_the_other_not_at_all() {
        let unread = |count: u64| {
            move |report: &mut Report| report.servers[1].frames.as_mut().unwrap().unreadable = count
        };
        for fault in [Fault::Black, Fault::Frozen] {
            assert!(missed(fault, Component::WorkerA, unread(100)).is_empty());
            assert_eq!(missed(fault, Component::WorkerA, unread(101)), ["no code"]);
            assert_eq!(missed(fault, Component::WorkerB, unread(1)), ["no code"]);
        }
        let silent =
            |count: u64| move |report: &mut Report| report.servers[1].sound.as_mut().unwrap().silent = count;
        assert!(missed(Fault::Silent, Component::WorkerA, silent(4)).is_empty());
        assert_eq!(missed(Fault::Silent, Component::WorkerA, silent(5)), ["no beep"]);
        assert_eq!(missed(Fault::Black, Component::WorkerA, silent(1)), ["no beep"]);
    }

    #[test]
    fn bad_content_lasts_for_longer_than_any_viewer_may_see_it() {
        for (fault, rate) in [(Fault::Black, FRAMES), (Fault::Frozen, FRAMES), (Fault::Silent, BEEPS)] {
            let cell = Cell { fault, component: Component::WorkerA };
            let allowed = Allowed::of(cell, TARGET);
            assert!(rate * cell.lasts().as_secs() > allowed.no_code.max(allowed.no_beep), "{cell}");
        }
    }

    #[test]
    fn bad_content_that_all_viewers_see_for_a_while_is_not_added_up() {
        let all = |report: &mut Report| {
            report.servers.iter_mut().for_each(|server| server.frames.as_mut().unwrap().unreadable = 90);
        };
        assert!(missed(Fault::Black, Component::WorkerA, all).is_empty());
    }

    #[test]
    fn a_server_that_is_starved_shows_slate_to_its_own_viewers_only() {
        let slate = |server: usize| move |report: &mut Report| report.servers[server].slate_ms = 2000;
        assert!(missed(Fault::Partition, Component::Origin1, slate(2)).is_empty());
        assert_eq!(missed(Fault::Partition, Component::Origin1, slate(3)), ["slate ms"]);
        assert_eq!(missed(Fault::Kill, Component::Origin1, slate(2)), ["own slate"]);
        assert_eq!(missed(Fault::Endless, Component::Origin1, slate(2)), ["own slate"]);
        assert!(missed(Fault::Endless, Component::Server1, slate(0)).is_empty());
    }
}
