//! The command line: which command was asked for, with which settings.
//!
//! Commands and their flags come from tables; a role never sees clap.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::Display,
    io::{self, Write as _},
};

use anyhow::Context as _;
use clap::{Arg, ArgAction, ArgMatches};

use crate::config::{self, DEFAULT_FILE, KEYS, Key, SettingError, Settings};

/// One command and the settings that it reads.
struct Command {
    name: &'static str,
    about: &'static str,
    /// Settings in groups: what several commands read alike is one group of theirs.
    keys: &'static [&'static [&'static str]],
}

impl Command {
    fn reads(&self, key: &str) -> bool {
        EVERYWHERE.contains(&key) || self.keys.iter().any(|group| group.contains(&key))
    }
}

/// Settings that every command reads.
pub const EVERYWHERE: &[&str] = &["config", "log-format", "log"];
/// Where the parts of a system listen.
pub const PORTS: &[&str] =
    &["server-one-port", "server-two-port", "reporter-port", "origin-port", "origin-two-port"];
/// How media are encoded, and whether a running event may change to that.
pub const ENCODING: &[&str] = &[
    "segment",
    "parts",
    "video-codec",
    "b-frames",
    "audio-codec",
    "audio-rate",
    "audio-channels",
    "new-era",
    "ffmpeg",
];
/// What is offered and kept of them.
pub const KEEPING: &[&str] = &["window", "retention", "retention-bytes"];

const COMMANDS: &[Command] = &[
    Command {
        name: "up",
        about: "Run the whole system, supervised, and print what to open",
        keys: &[
            &["signal", "input", "run-dir", "host", "only", "via", "upgrade", "pathways"],
            PORTS,
            ENCODING,
            KEEPING,
        ],
    },
    Command { name: "down", about: "End a system that `up` runs, or left behind", keys: &[&["run-dir"]] },
    Command {
        name: "worker",
        about: "Encode one signal into a shared folder and/or onto packagers",
        keys: &[&["signal", "name", "input", "output", "packagers", "retention"], ENCODING],
    },
    Command {
        name: "packager",
        about: "Publish the signals of a folder over HTTP",
        keys: &[&["name", "root", "spool", "listen"], KEEPING],
    },
    Command {
        name: "discovery",
        about: "Find the signals that are ingested and tell the reporter",
        keys: &[&["output", "packagers", "reporter", "interval", "once", "listen"]],
    },
    Command {
        name: "reporter",
        about: "Answer which signals there are: GET /ingests",
        keys: &[&["listen", "expiry", "state"]],
    },
    Command {
        name: "origin",
        about: "Serve viewers from the packagers",
        keys: &[&["name", "listen", "reporter", "packagers", "peers", "pathways", "window", "state"]],
    },
    Command { name: "end", about: "End the event of a signal", keys: &[&["packagers", "output"]] },
    Command {
        name: "watch",
        about: "Watch one or more servers as a strict viewer; any fault is the exit status",
        keys: &[&["json", "seconds", "every", "player", "frames", "ffmpeg"]],
    },
    Command {
        name: "drill",
        about: "Break a system of its own part by part; what viewers notice is the exit status",
        keys: &[
            &["only", "quick", "random", "seed", "duration", "sequences", "report", "window", "ffmpeg"],
            PORTS,
        ],
    },
];

/// What was asked for.
pub struct Invocation {
    /// Name of the command.
    pub command: String,
    /// Its settings.
    pub settings: Settings,
    /// Arguments without a flag: the signal of `end`, the URLs of `watch`.
    pub operands: Vec<String>,
}

/// Parses the command line, the environment and the settings file.
///
/// # Errors
/// Unknown or malformed settings. A command line that clap refuses ends the program with code 2.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, SettingError> {
    let matches = cli().get_matches_from(args);
    let (name, matches) = matches.subcommand().expect("clap requires a command");
    let flags = flags(matches);
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.to_string_lossy().into_owned())))
        .collect();
    let file = settings_file(config::place(&flags, &environment))?;
    let operands = matches.try_get_many::<String>("operand").ok().flatten();
    Ok(Invocation {
        command: name.to_owned(),
        settings: Settings::new(name, flags, environment, &file)?,
        operands: operands.into_iter().flatten().cloned().collect(),
    })
}

/// Prints the answer of a command; a reader that has gone away needs none.
///
/// # Errors
/// Standard output does not take it.
pub fn answer(text: impl Display) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write the answer"),
    }
}

/// Whether there is such a command.
pub fn is_command(name: &str) -> bool {
    COMMANDS.iter().any(|c| c.name == name)
}

/// Whether a command reads a setting.
pub fn reads(command: &str, key: &str) -> bool {
    COMMANDS.iter().any(|c| c.name == command && c.reads(key))
}

fn cli() -> clap::Command {
    let commands = COMMANDS.iter().map(|c| {
        let keys = KEYS.iter().filter(|k| c.reads(k.name));
        let command = clap::Command::new(c.name).about(c.about).args(keys.map(flag));
        match c.name {
            "end" => command
                .arg(Arg::new("operand").value_name("SIGNAL").help("Name of the programme").required(true)),
            "watch" => command.arg(
                Arg::new("operand")
                    .value_name("URL")
                    .help("Playlists to watch, as one presentation")
                    .num_args(1..)
                    .required(true),
            ),
            _ => command,
        }
    });
    clap::Command::new("airtight")
        .about("Live streaming without downtime")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(commands)
}

fn flag(key: &Key) -> Arg {
    let arg = Arg::new(key.name).long(key.name).help(key.help).value_name("VALUE");
    match key.name {
        "once" | "spool" | "upgrade" => {
            arg.num_args(0..=1).default_missing_value("true").action(ArgAction::Set)
        }
        // The next word may be a URL.
        "json" | "frames" | "quick" => {
            arg.num_args(0..=1).require_equals(true).default_missing_value("true").action(ArgAction::Set)
        }
        _ => arg.action(ArgAction::Set),
    }
}

fn flags(matches: &ArgMatches) -> BTreeMap<&'static str, String> {
    let given = |key: &'static str| matches.try_get_one::<String>(key).ok().flatten().cloned();
    KEYS.iter().filter_map(|k| Some((k.name, given(k.name)?))).collect()
}

/// The text of the settings file that is named, or of the usual one, which need not be there.
///
/// # Errors
/// It can't be read.
pub fn settings_file(place: Option<&str>) -> Result<String, SettingError> {
    let path = place.unwrap_or(DEFAULT_FILE);
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(e) if place.is_none() && e.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(SettingError::new(format!("the settings file '{path}' can't be read: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_keys_that_exist() {
        for command in COMMANDS {
            for key in command.keys.iter().copied().flatten() {
                assert!(KEYS.iter().any(|k| k.name == *key), "{}: {key}", command.name);
            }
        }
        cli().debug_assert();
    }
}
