//! What `up` runs: the parts, how each is started, and what there is to open. Pure.
//!
//! Never here: a socket, a process, a file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use airtight_media::id::SignalName;

use crate::{config::WINDOW_SECONDS, worker::GENERATED};

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
    const fn role(self) -> &'static str {
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

/// The arguments with which each part is started, the command first; `reads(command, key)` says which
/// settings a command has.
pub fn arguments(
    system: &System,
    ports: &Ports,
    part: Part,
    reads: impl Fn(&str, &str) -> bool,
) -> Vec<String> {
    let url = |part: Part| {
        let port = system.via.get(&part).or_else(|| ports.get(&part));
        port.map(|&port| url(system.host, port))
    };
    let urls = |parts: &[Part]| parts.iter().filter_map(|&part| url(part)).collect::<Vec<_>>().join(",");
    let packagers = urls(&[Part::Server1, Part::Server2]);
    let state = || state(&system.folder, part).display().to_string();
    let mut args = Arguments(vec![part.role().to_owned()]);
    for (key, value) in system.forwarded.iter().filter(|(key, _)| reads(part.role(), key)) {
        args.set(key, value);
    }
    if let Some(&port) = ports.get(&part) {
        args.set("listen", SocketAddr::new(system.host, port));
    }
    match part {
        Part::WorkerA | Part::WorkerB => {
            args.set("signal", &system.signal);
            args.set("name", if part == Part::WorkerA { "a" } else { "b" });
            args.set("input", &system.input);
            args.set("packagers", packagers);
        }
        Part::Discovery => {
            args.set("output", spool(&system.folder, Part::Server1).display());
            args.set("packagers", packagers);
            args.set("reporter", urls(&[Part::Reporter]));
        }
        Part::Reporter => args.set("state", state()),
        Part::Server1 | Part::Server2 => {
            args.set("name", part);
            args.set("root", spool(&system.folder, part).display());
            args.set("spool", true);
        }
        Part::Origin1 | Part::Origin2 => {
            args.set("name", part);
            args.set("reporter", urls(&[Part::Reporter]));
            args.set("peers", urls(&[if part == Part::Origin1 { Part::Origin2 } else { Part::Origin1 }]));
            args.set("state", state());
            if !system.forwarded.contains_key("pathways") {
                args.set("pathways", pathways(system, ports));
            }
        }
    }
    args.0
}

/// Where a part listens that was started with these arguments.
pub fn listens(arguments: &[String]) -> Option<SocketAddr> {
    value(arguments, "listen")?.parse().ok()
}

/// Whether the event of a running part allows it to go on as asked.
///
/// # Errors
/// A sentence that names the setting that stands against it.
pub fn check_event(running: &[String], asked: &[String]) -> Result<(), String> {
    match (value(running, "signal"), value(asked, "signal")) {
        (Some(signal), Some(other)) if signal != other => {
            return Err(format!(
                "signal = '{other}' can't be used: {signal} is on the air; end it with `airtight end {signal}` and \
                 `airtight down` first, or give another --run-dir"
            ));
        }
        _ => {}
    }
    let window = |arguments| {
        value(arguments, "window").and_then(|seconds| seconds.parse().ok()).unwrap_or(WINDOW_SECONDS)
    };
    let (window, other) = (window(running), window(asked));
    if other > window {
        return Err(format!(
            "window = '{other}' can't be used: the event on the air has one of {window} s, and what left a playlist must \
             not come back; give {window} at most, or give it to the next event"
        ));
    }
    Ok(())
}

/// The value of a flag.
fn value<'a>(arguments: &'a [String], key: &str) -> Option<&'a str> {
    arguments.iter().find_map(|argument| argument.strip_prefix("--")?.strip_prefix(key)?.strip_prefix('='))
}

/// A setting that orders something of the first process of a part: one that is started again must not change the
/// tracks of the event once more.
pub const ORDER: &str = "new-era";

/// Whether an argument is that order.
pub fn is_order(argument: &str) -> bool {
    argument
        .strip_prefix("--")
        .and_then(|argument| argument.strip_prefix(ORDER))
        .is_some_and(|rest| rest.starts_with('='))
}

/// Where viewers reach both origins, and behind `=` where these reach each other, if elsewhere. Nothing if there is one
/// origin, or if they listen on an address that stands for all: under which name viewers come is for the operator to say.
fn pathways(system: &System, ports: &Ports) -> String {
    let way = |origin: Part| {
        let port = *ports.get(&origin)?;
        let (public, via) = (url(system.host, port), system.via.get(&origin));
        Some(via.map_or_else(|| public.clone(), |via| format!("{public}={}", url(system.host, *via))))
    };
    match [Part::Origin1, Part::Origin2].map(way) {
        [Some(one), Some(two)] if !system.host.is_unspecified() => format!("{one},{two}"),
        _ => String::new(),
    }
}

/// The folder that a packager owns.
pub fn spool(folder: &Path, part: Part) -> PathBuf {
    folder.join(if part == Part::Server2 { "spool-2" } else { "spool-1" })
}

/// The folder in which a part keeps what outlives it.
fn state(folder: &Path, part: Part) -> PathBuf {
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

struct Arguments(Vec<String>);

impl Arguments {
    /// Sets a flag; one without a value is left to its default.
    fn set(&mut self, key: &str, value: impl fmt::Display) {
        let value = value.to_string();
        if !value.is_empty() {
            self.0.push(format!("--{key}={value}"));
        }
    }
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

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn system() -> (System, Ports) {
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

    fn check(part: Part, expected: &str) {
        let (system, ports) = system();
        let reads = |command: &str, key: &str| match command {
            "worker" => key == "segment",
            "packager" | "origin" => key == "window",
            _ => false,
        };
        assert_eq!(arguments(&system, &ports, part, reads).join(" "), expected);
    }

    #[test]
    fn where_a_part_listens_is_among_its_arguments() {
        let (system, ports) = system();
        for part in Part::ALL {
            let address = ports.get(&part).map(|&port| SocketAddr::new(system.host, port));
            assert_eq!(listens(&arguments(&system, &ports, part, |_, _| true)), address, "{part}");
        }
    }

    #[test]
    fn what_an_event_is_bound_to_stays() {
        let (system, ports) = system();
        let reads = |_: &str, key: &str| key == "window";
        let check = |part, change: &dyn Fn(&mut System)| {
            let mut other = system.clone();
            change(&mut other);
            let arguments = |system| arguments(system, &ports, part, reads);
            check_event(&arguments(&system), &arguments(&other))
        };
        let window = |text: &'static str| {
            move |system: &mut System| _ = system.forwarded.insert("window", text.to_owned())
        };
        for part in Part::ALL {
            assert_eq!(check(part, &window("60")), Ok(()));
            assert_eq!(check(part, &window("12")), Ok(()), "it goes on further ahead");
            assert_eq!(
                check(part, &|system| _ = system.forwarded.remove("window")),
                Ok(()),
                "30, the default"
            );
        }
        let error = check(Part::Origin2, &window("90")).unwrap_err();
        assert!(
            error.starts_with("window = '90' can't be used: the event on the air has one of 60 s, "),
            "{error}"
        );
        let signal = |system: &mut System| system.signal = "live02".parse().unwrap();
        assert_eq!(check(Part::Origin1, &signal), Ok(()), "it serves whatever there is");
        let error = check(Part::WorkerB, &signal).unwrap_err();
        assert!(error.starts_with("signal = 'live02' can't be used: live01 is on the air; "), "{error}");
    }

    #[test]
    fn both_workers_feed_both_packagers() {
        let common = "--input=testsrc --packagers=http://localhost:8080,http://localhost:9090";
        check(Part::WorkerA, &format!("worker --segment=4000 --signal=live01 --name=a {common}"));
        check(Part::WorkerB, &format!("worker --segment=4000 --signal=live01 --name=b {common}"));
    }

    #[test]
    fn a_part_behind_a_proxy_is_looked_for_there() {
        let (mut system, ports) = system();
        system.via = Ports::from([(Part::Server2, 9)]);
        let args = |part| arguments(&system, &ports, part, |_, _| false).join(" ");
        assert!(
            args(Part::Discovery).contains("--packagers=http://localhost:8080,http://localhost:9 "),
            "{}",
            args(Part::Discovery)
        );
        assert!(args(Part::Server2).contains("--listen=127.0.0.1:9090 "), "{}", args(Part::Server2));
    }

    #[test]
    fn viewers_are_named_both_origins_where_they_can_reach_them() {
        let (mut system, mut ports) = system();
        system.via = Ports::from([(Part::Origin2, 7)]);
        assert_eq!(
            pathways(&system, &ports),
            "http://localhost:8000,http://localhost:8001=http://localhost:7",
            "viewers come by no proxy"
        );
        system.host = IpAddr::from([0, 0, 0, 0]);
        assert_eq!(pathways(&system, &ports), "", "nobody can tell under which name");
        system.host = IpAddr::from([192, 0, 2, 1]);
        ports.remove(&Part::Origin1);
        assert_eq!(pathways(&system, &ports), "", "there is nothing to choose from");
    }

    #[test]
    fn each_packager_owns_a_spool() {
        check(
            Part::Server1,
            "packager --window=60 --listen=127.0.0.1:8080 --name=server1 --root=run/spool-1 --spool=true",
        );
        check(
            Part::Server2,
            "packager --window=60 --listen=127.0.0.1:9090 --name=server2 --root=run/spool-2 --spool=true",
        );
    }

    #[test]
    fn the_control_plane_knows_packagers_and_reporter() {
        check(Part::Reporter, "reporter --listen=127.0.0.1:2000 --state=run/state-reporter");
        check(
            Part::Discovery,
            "discovery --output=run/spool-1 --packagers=http://localhost:8080,http://localhost:9090 --reporter=http://localhost:2000",
        );
    }

    #[test]
    fn origins_are_each_other_s_peers() {
        check(
            Part::Origin1,
            "origin --window=60 --listen=127.0.0.1:8000 --name=origin1 --reporter=http://localhost:2000 \
             --peers=http://localhost:8001 --state=run/state-origin1 \
             --pathways=http://localhost:8000,http://localhost:8001",
        );
        check(
            Part::Origin2,
            "origin --window=60 --listen=127.0.0.1:8001 --name=origin2 --reporter=http://localhost:2000 \
             --peers=http://localhost:8000 --state=run/state-origin2 \
             --pathways=http://localhost:8000,http://localhost:8001",
        );
    }

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
        let (mut system, ports) = system();
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
