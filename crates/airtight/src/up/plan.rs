//! What `up` runs: the parts, where they keep what outlives them, and what there is to open. Pure.
//!
//! Never here: a socket, a process, a file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use airtight_media::id::SignalName;

use crate::worker::GENERATED;

/// One process of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The first encoder.
    WorkerA,
    /// The second encoder, which makes the same media.
    WorkerB,
    /// Tells the reporter what is ingested.
    Discovery,
    /// Answers which signals there are.
    Reporter,
    /// The first packager.
    Server1,
    /// The second packager, which holds the same media.
    Server2,
    /// The first that serves viewers.
    Origin1,
    /// The second that serves viewers, equal to the first.
    Origin2,
}

impl Part {
    /// All there are, in the order in which they end.
    pub const ALL: [Self; 8] = [
        Self::WorkerA,
        Self::WorkerB,
        Self::Discovery,
        Self::Reporter,
        Self::Server1,
        Self::Server2,
        Self::Origin1,
        Self::Origin2,
    ];

    /// Its name in logs, settings and the run folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WorkerA => "worker-a",
            Self::WorkerB => "worker-b",
            Self::Discovery => "discovery",
            Self::Reporter => "reporter",
            Self::Server1 => "server1",
            Self::Server2 => "server2",
            Self::Origin1 => "origin1",
            Self::Origin2 => "origin2",
        }
    }

    /// When it ends: parts of a lower stage are gone before those of a higher one are asked to go.
    ///
    /// The flow stops at its source, and what viewers are connected to ends last.
    pub const fn stage(self) -> usize {
        match self {
            Self::WorkerA | Self::WorkerB => 0,
            Self::Discovery | Self::Reporter => 1,
            Self::Server1 | Self::Server2 => 2,
            Self::Origin1 | Self::Origin2 => 3,
        }
    }

    /// The other one of its pair.
    pub const fn partner(self) -> Option<Self> {
        Some(match self {
            Self::WorkerA => Self::WorkerB,
            Self::WorkerB => Self::WorkerA,
            Self::Server1 => Self::Server2,
            Self::Server2 => Self::Server1,
            Self::Origin1 => Self::Origin2,
            Self::Origin2 => Self::Origin1,
            Self::Discovery | Self::Reporter => return None,
        })
    }

    /// Whether it makes the media, so that its work is done when the event is over.
    pub const fn encodes(self) -> bool {
        matches!(self, Self::WorkerA | Self::WorkerB)
    }

    /// The setting of the port that it listens on, its seed variable and the default; none if it
    /// does not listen.
    pub const fn port(self) -> Option<PortSetting> {
        let (key, seed, default) = match self {
            Self::WorkerA | Self::WorkerB | Self::Discovery => return None,
            Self::Reporter => ("reporter-port", "REPORTER_PORT", 2000),
            Self::Server1 => ("server-one-port", "SERVER_ONE_PORT", 8080),
            Self::Server2 => ("server-two-port", "SERVER_TWO_PORT", 9090),
            Self::Origin1 => ("origin-port", "ORIGIN_PORT", 8000),
            Self::Origin2 => ("origin-two-port", "ORIGIN_TWO_PORT", 8001),
        };
        Some(PortSetting { key, seed, default })
    }

    /// The command of this binary that runs it.
    pub const fn role(self) -> &'static str {
        match self {
            Self::WorkerA | Self::WorkerB => "worker",
            Self::Discovery => "discovery",
            Self::Reporter => "reporter",
            Self::Server1 | Self::Server2 => "packager",
            Self::Origin1 | Self::Origin2 => "origin",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|part| part.name() == text).ok_or_else(|| {
            format!("there is no such part, expected some of {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

/// Where the port of a part is set.
#[derive(Clone, Copy, Debug)]
pub struct PortSetting {
    /// The key of the setting.
    pub key: &'static str,
    /// The variable of the seed system.
    pub seed: &'static str,
    /// The port, if neither is set.
    pub default: u16,
}

/// The system that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// The programme.
    pub signal: SignalName,
    /// What the workers encode: a path, or `testsrc`.
    pub input: String,
    /// The folder of state, logs and spools.
    pub folder: PathBuf,
    /// The address that all listeners bind.
    pub host: IpAddr,
    /// The parts to run.
    pub parts: Vec<Part>,
    /// The target duration, by which it is judged who is frozen.
    pub segment: Duration,
    /// Settings that go to every part that reads them, as flags.
    pub forwarded: BTreeMap<&'static str, String>,
    /// Where parts look for others that they are not to find where those listen: at a proxy.
    pub via: Ports,
}

/// The ports that the parts listen on.
pub type Ports = BTreeMap<Part, u16>;

/// The folder that a packager owns.
pub fn spool(folder: &Path, part: Part) -> PathBuf {
    folder.join(if part == Part::Server2 { "spool-2" } else { "spool-1" })
}

/// The folder in which a part keeps what outlives it.
pub fn state(folder: &Path, part: Part) -> PathBuf {
    folder.join(format!("state-{part}"))
}

/// The folders in which the parts keep media and state.
pub fn folders(system: &System) -> impl Iterator<Item = PathBuf> {
    system.parts.iter().filter_map(|&part| match part {
        Part::Server1 | Part::Server2 => Some(spool(&system.folder, part)),
        Part::Reporter | Part::Origin1 | Part::Origin2 => Some(state(&system.folder, part)),
        Part::WorkerA | Part::WorkerB | Part::Discovery => None,
    })
}

/// How to reach a port of a system from the same machine; what the origins tell viewers begins so, too.
pub fn url(host: IpAddr, port: u16) -> String {
    // A name that the machine may know as 127.0.0.1 alone reaches nobody at ::1.
    if host.is_unspecified() || host == Ipv4Addr::LOCALHOST {
        format!("http://localhost:{port}")
    } else {
        format!("http://{}", SocketAddr::new(host, port))
    }
}

/// What to open and what to try, for the one who typed `airtight up`.
pub fn welcome(system: &System, ports: &Ports) -> String {
    let System { signal, host, folder, parts, input, .. } = system;
    let mut lines = Vec::new();
    let pages = [
        (Part::Origin1, "origin 1, for viewers"),
        (Part::Origin2, "origin 2, the same"),
        (Part::Server1, "packager 1"),
        (Part::Server2, "packager 2"),
    ];
    for (part, what) in pages {
        if let Some(&port) = ports.get(&part) {
            lines.push(format!("  {}/{signal}/  {what}", url(*host, port)));
        }
    }
    if lines.is_empty() {
        let parts: Vec<_> = parts.iter().map(|part| part.name()).collect();
        lines.push(format!("Started: {}. Nothing of it shows {signal} to viewers.", parts.join(", ")));
    } else {
        let what = if input.starts_with(GENERATED) { " with the generated programme" } else { "" };
        lines.splice(0..0, [format!("{signal} goes on the air{what}. Open one of these:"), String::new()]);
    }
    lines.push(String::new());
    if let Some(&port) = ports.get(&Part::Origin1) {
        lines.push(format!("  curl {}/{signal}/playlist.m3u8", url(*host, port)));
    }
    if let Some(&port) = ports.get(&Part::Reporter) {
        lines.push(format!("  curl {}/ingests", url(*host, port)));
    }
    lines.push(format!("  tail -f {}/log/*.log", folder.display()));
    lines.push(String::new());
    lines.push("Kill any one of the parts and see nothing happen. Ctrl-C ends all of them.".to_owned());
    lines.join("\n")
}

/// All parts on the ports of the seed system.
#[cfg(test)]
pub(super) fn whole() -> (System, Ports) {
    let system = System {
        signal: "live01".parse().unwrap(),
        input: "testsrc".to_owned(),
        folder: "run".into(),
        host: IpAddr::from([127, 0, 0, 1]),
        parts: Part::ALL.to_vec(),
        segment: Duration::from_secs(4),
        forwarded: BTreeMap::from([("window", "60".to_owned()), ("segment", "4000".to_owned())]),
        via: Ports::new(),
    };
    let ports = Part::ALL.into_iter().filter_map(|part| Some((part, part.port()?.default))).collect();
    (system, ports)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn names_are_read_back() {
        for part in Part::ALL {
            assert_eq!(part.name().parse(), Ok(part));
        }
        assert!("origin3".parse::<Part>().unwrap_err().ends_with("server2, origin1, origin2"));
    }

    #[test]
    fn parts_end_in_the_order_of_their_stages() {
        assert!(Part::ALL.is_sorted_by_key(|part| part.stage()));
    }

    #[test]
    fn what_is_printed_can_be_opened() {
        let (mut system, ports) = whole();
        assert!(welcome(&system, &ports).contains("  http://localhost:8000/live01/  "));
        let generated = "live01 goes on the air with the generated programme. Open one of these:\n\n  http";
        assert!(welcome(&system, &ports).starts_with(generated));
        system.input = "a film.mp4".to_owned();
        assert!(welcome(&system, &ports).starts_with("live01 goes on the air. Open one of these:\n\n  http"));
        system.host = IpAddr::from([192, 0, 2, 1]);
        assert!(welcome(&system, &ports).contains("curl http://192.0.2.1:2000/ingests\n"));
        system.host = Ipv6Addr::LOCALHOST.into();
        assert!(welcome(&system, &ports).contains("curl http://[::1]:2000/ingests\n"));
        system.host = Ipv6Addr::UNSPECIFIED.into();
        assert!(welcome(&system, &ports).contains("curl http://localhost:2000/ingests\n"));
        system.parts = vec![Part::Discovery, Part::Reporter];
        let few = welcome(&system, &Ports::from([(Part::Reporter, 2000)]));
        assert!(
            few.starts_with(
                "Started: discovery, reporter. Nothing of it shows live01 to viewers.\n\n  curl "
            ),
            "{few}"
        );
    }
}
