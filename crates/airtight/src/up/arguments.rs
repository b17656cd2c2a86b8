//! The arguments with which a part is started, and what those of a running part tell. Pure.
//!
//! Never here: a socket, a process, a file.

use std::fmt;
use std::net::SocketAddr;

use super::plan::{Part, Ports, System, spool, state, url};
use crate::{child, config::WINDOW_SECONDS};

/// A setting that orders something of the first process of a part: one that is started again must not change the
/// tracks of the event once more.
pub const ORDER: &str = "new-era";

/// The arguments with which a part is started, the command first; `reads(command, key)` says which
/// settings a command has.
pub fn of(system: &System, ports: &Ports, part: Part, reads: impl Fn(&str, &str) -> bool) -> Vec<String> {
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

/// The arguments of the part itself in a line of `/proc/<pid>/cmdline`.
pub fn of_process(line: &[u8]) -> Vec<String> {
    let line = String::from_utf8_lossy(line);
    let running: Vec<&str> = line.trim_end_matches('\0').split('\0').skip(1).collect();
    of_program(&running).iter().map(|argument| (*argument).to_owned()).collect()
}

/// The arguments of the part itself, also while its process is still being prepared by `airtight child`.
fn of_program<'a>(running: &'a [&'a str]) -> &'a [&'a str] {
    let program = running.iter().position(|argument| *argument == "--").filter(|_| running[0] == child::NAME);
    program.map_or(running, |dashes| running.get(dashes + 2..).unwrap_or_default())
}

/// The first setting of a running part that is not asked for, or that it lacks.
pub fn difference(running: &[String], asked: &[String]) -> Option<String> {
    let lacks = |list: &[String], argument: &str| !is_order(argument) && !list.iter().any(|a| a == argument);
    let other = running.iter().find(|argument| lacks(asked, argument));
    let lacking = || asked.iter().find(|argument| lacks(running, argument));
    other.cloned().or_else(|| Some(format!("no {}", lacking()?)))
}

/// The value of a flag.
fn value<'a>(arguments: &'a [String], key: &str) -> Option<&'a str> {
    arguments.iter().find_map(|argument| value_of(argument, key))
}

/// The value that an argument gives a flag, if it is of this flag.
fn value_of<'a>(argument: &'a str, key: &str) -> Option<&'a str> {
    argument.strip_prefix("--")?.strip_prefix(key)?.strip_prefix('=')
}

/// Whether an argument is that order.
pub fn is_order(argument: &str) -> bool {
    value_of(argument, ORDER).is_some()
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::up::plan::whole;

    fn check(part: Part, expected: &str) {
        let (system, ports) = whole();
        let reads = |command: &str, key: &str| match command {
            "worker" => key == "segment",
            "packager" | "origin" => key == "window",
            _ => false,
        };
        assert_eq!(of(&system, &ports, part, reads).join(" "), expected);
    }

    #[test]
    fn where_a_part_listens_is_among_its_arguments() {
        let (system, ports) = whole();
        for part in Part::ALL {
            let address = ports.get(&part).map(|&port| SocketAddr::new(system.host, port));
            assert_eq!(listens(&of(&system, &ports, part, |_, _| true)), address, "{part}");
        }
    }

    #[test]
    fn what_an_event_is_bound_to_stays() {
        let (system, ports) = whole();
        let reads = |_: &str, key: &str| key == "window";
        let check = |part, change: &dyn Fn(&mut System)| {
            let mut other = system.clone();
            change(&mut other);
            let arguments = |system| of(system, &ports, part, reads);
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
        let (mut system, ports) = whole();
        system.via = Ports::from([(Part::Server2, 9)]);
        let args = |part| of(&system, &ports, part, |_, _| false).join(" ");
        assert!(
            args(Part::Discovery).contains("--packagers=http://localhost:8080,http://localhost:9 "),
            "{}",
            args(Part::Discovery)
        );
        assert!(args(Part::Server2).contains("--listen=127.0.0.1:9090 "), "{}", args(Part::Server2));
    }

    #[test]
    fn viewers_are_named_both_origins_where_they_can_reach_them() {
        let (mut system, mut ports) = whole();
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

    fn asked(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn other_settings_are_named() {
        let running = asked("origin --listen=127.0.0.1:8000");
        assert_eq!(difference(&running, &asked("origin --listen=127.0.0.1:8000")), None);
        assert_eq!(
            difference(&running, &asked("origin --listen=127.0.0.1:8500")).as_deref(),
            Some("--listen=127.0.0.1:8000")
        );
        assert_eq!(
            difference(&running, &asked("origin --listen=127.0.0.1:8000 --window=60")).as_deref(),
            Some("no --window=60")
        );
        let (ordered, plain) = (asked("worker --new-era=30"), asked("worker"));
        assert_eq!(difference(&ordered, &plain), None, "what was ordered is done");
        assert_eq!(difference(&plain, &asked("worker --new-era=60")), None, "and nothing is left to do");
    }

    #[test]
    fn a_part_that_is_still_being_prepared_is_known_by_what_it_will_be() {
        let prepared =
            ["child", "--listeners", "1", "--own-session", "--", "/bin/airtight", "origin", "--state=a"];
        assert_eq!(of_program(&prepared), ["origin", "--state=a"]);
        assert_eq!(of_process(b"airtight\0origin\0--state=a\0"), ["origin", "--state=a"]);
        assert_eq!(of_program(&["origin", "--state=a"]), ["origin", "--state=a"]);
        assert_eq!(of_program(&["child", "--"]), [""; 0]);
        assert_eq!(of_program(&[]), [""; 0]);
    }
}
