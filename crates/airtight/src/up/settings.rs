//! What `up` was asked for: from settings to a [`System`].

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use airtight_media::id::SignalName;
use anyhow::{Context as _, bail};

use super::arguments::ORDER;
use super::folder::{Folder, Given};
use super::plan::{Part, Ports, System};
use crate::cli;
use crate::config::{SettingError, Settings};
use crate::worker::{GENERATED, media_in, segment};

/// Where media is looked for if nothing else is said.
const DEFAULT_INPUT: &str = "./input";

/// Settings that the parts read, too, and that a flag or the section `[up]` may have set.
const FORWARDED: [&[&str]; 4] = [cli::EVERYWHERE, cli::ENCODING, cli::KEEPING, &["pathways"]];

/// Settings that an upgrade does not repeat.
const PASSING: [&str; 2] = ["upgrade", ORDER];

/// The variable of the seed system that names the input.
const INPUT: &str = "INPUT_STREAM_PATH";

/// Settings, and the one variable of the seed system, that name a file.
const PATHS: [&str; 4] = ["input", INPUT, "config", "ffmpeg"];

/// The folder of the system.
///
/// # Errors
/// A name that is none.
pub fn folder(settings: &Settings) -> Result<PathBuf, SettingError> {
    settings.get("run-dir", None, RunDir(".airtight".into())).map(|RunDir(folder)| folder)
}

struct RunDir(PathBuf);

impl FromStr for RunDir {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Err("expected a folder") } else { Ok(Self(text.into())) }
    }
}

/// Whether what runs is to be upgraded.
///
/// # Errors
/// A value that is neither true nor false.
pub fn upgrade(settings: &Settings) -> Result<bool, SettingError> {
    settings.get("upgrade", None, false)
}

/// The system and the ports it wants; port 0 leaves the choice to the machine.
///
/// # Errors
/// Settings that can't be used.
pub fn read(settings: &Settings) -> Result<(System, Ports), SettingError> {
    let signal: SignalName = settings.get("signal", None, "live01".parse().expect("a valid name"))?;
    let only = settings.list::<Part>("only", "")?;
    let parts: Vec<Part> =
        Part::ALL.into_iter().filter(|part| only.is_empty() || only.contains(part)).collect();
    let mut forwarded = BTreeMap::new();
    for key in FORWARDED.into_iter().flatten() {
        if let Some(value) = settings.opt::<String>(key, None)? {
            forwarded.insert(*key, value);
        }
    }
    let mut ports = Ports::new();
    for &part in &parts {
        if let Some(port) = part.port() {
            let Port(number) = settings.get(port.key, Some(port.seed), Port(port.default))?;
            ports.insert(part, number);
        }
    }
    let system = System {
        input: source(asked_input(settings)?, Path::new(DEFAULT_INPUT), &signal),
        folder: folder(settings)?,
        host: settings.get("host", None, IpAddr::V4(Ipv4Addr::LOCALHOST))?,
        signal,
        parts,
        segment: segment(settings)?,
        forwarded,
        via: settings.list::<Via>("via", "")?.into_iter().map(|Via(part, port)| (part, port)).collect(),
    };
    Ok((system, ports))
}

/// What lasts of the settings of a system until it is given anew.
///
/// # Errors
/// The present folder is gone.
pub fn given(settings: &Settings, system: &System) -> anyhow::Result<Given> {
    let ports = Part::ALL.into_iter().filter_map(Part::port).map(|port| port.seed);
    let mut lasting = settings.lasting(&ports.chain([INPUT]).collect::<Vec<_>>(), &PASSING);
    // What was found goes on the air again, whatever is there by then.
    if system.parts.iter().any(|part| part.encodes()) && asked_input(settings)?.is_none() {
        lasting.variables.insert(INPUT.to_owned(), system.input.clone());
    }
    let folder = std::env::current_dir().context("the present folder can't be named")?;
    Ok(Given { folder, settings: lasting })
}

/// These for an upgrade of the system of a folder: what they do not say is as it was. From here on the present folder is
/// the one in which the system was begun.
///
/// # Errors
/// An input that nobody tells.
pub fn upgrading(settings: &Settings, folder: &Folder, runs: bool) -> anyhow::Result<Settings> {
    let place = folder.settings();
    let given = match folder.read_given() {
        Ok(given) => given,
        Err(_) if !runs || asked_input(settings)?.is_some() => return Ok(settings.clone()),
        Err(error) => bail!(SettingError::new(format!(
            "{}, which tells what is on the air, can't be read: {error}; give --input, and every other setting that the \
             running system was given",
            place.display()
        ))),
    };
    let here = std::env::current_dir().context("the present folder can't be named")?;
    let settings = if given.folder == here { settings.clone() } else { from(&here, settings) };
    std::env::set_current_dir(&given.folder).map_err(|error| {
        SettingError::new(format!(
            "the folder {}, in which the system was begun, can't be entered: {error}; make it anew, or end the system \
             with `airtight down` first",
            given.folder.display()
        ))
    })?;
    Ok(settings.after(given.settings, cli::settings_file)?)
}

/// These as they are to be read in another folder than `here`; the folder of the system is named as it was before.
fn from(here: &Path, settings: &Settings) -> Settings {
    settings.with_texts(|key, text| match key {
        "run-dir" => None,
        "ffmpeg" if !text.contains('/') => Some(text.to_owned()),
        _ if PATHS.contains(&key) && here.join(text).exists() => Some(here.join(text).display().to_string()),
        _ => Some(text.to_owned()),
    })
}

fn asked_input(settings: &Settings) -> Result<Option<String>, SettingError> {
    settings.opt("input", Some(INPUT))
}

/// The number of a port; 0 leaves the choice to the machine.
struct Port(u16);

impl FromStr for Port {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "expected a whole number from 0 to 65535")
    }
}

/// The port at which others look for a part.
struct Via(Part, u16);

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (part, port) = text.split_once('=').ok_or("expected part=port, such as server1=9081")?;
        let part: Part = part.parse()?;
        let port: u16 = port.parse().map_err(|_| "expected a port from 1 to 65535".to_owned())?;
        Ok(Self(part, port))
    }
}

/// What the workers encode: what was asked for, else the media of the folder `default`, else the
/// generated programme.
fn source(asked: Option<String>, default: &Path, signal: &SignalName) -> String {
    // A folder that nobody named may be empty or missing; any other fault is for the worker to tell.
    let absent = || match media_in(default, signal) {
        Ok(found) => found.is_none(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    };
    match asked {
        Some(input) => input,
        None if absent() => GENERATED.to_owned(),
        None => default.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &[(&'static str, &str)], environment: &[(&str, &str)]) -> Settings {
        let flags = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::new("up", flags, environment, "").unwrap()
    }

    #[test]
    fn ports_come_from_the_variables_of_the_seed() {
        let seed = [("SERVER_ONE_PORT", "1"), ("ORIGIN_TWO_PORT", "2")];
        let (_, ports) = read(&settings(&[("input", "testsrc")], &seed)).unwrap();
        let expected = [
            (Part::Reporter, 2000),
            (Part::Server1, 1),
            (Part::Server2, 9090),
            (Part::Origin1, 8000),
            (Part::Origin2, 2),
        ];
        assert_eq!(ports, Ports::from(expected));
    }

    #[test]
    fn a_port_that_is_none_is_refused_with_the_range() {
        for wrong in ["abc", "65536", "-1"] {
            let seed = [("ORIGIN_PORT", wrong)];
            let error = read(&settings(&[("input", "testsrc")], &seed)).unwrap_err().to_string();
            let expected = "expected a whole number from 0 to 65535";
            assert_eq!(error, format!("ORIGIN_PORT = '{wrong}' can't be used: {expected}"));
        }
    }

    #[test]
    fn flags_reach_the_parts() {
        let flags = [("input", "testsrc"), ("segment", "4000"), ("new-era", "30")];
        let (system, _) = read(&settings(&flags, &[("AIRTIGHT_WINDOW", "60")])).unwrap();
        assert_eq!(system.forwarded["segment"], "4000");
        assert_eq!(system.forwarded["window"], "60");
        assert_eq!(system.forwarded["new-era"], "30");
        assert_eq!(system.forwarded.len(), 3);
    }

    #[test]
    fn an_upgrade_keeps_what_nobody_asks_for_anew() {
        let flags = [
            ("signal", "sport"),
            ("segment", "4000"),
            ("new-era", "30"),
            ("pathways", ""),
            ("only", "worker-a,origin1"),
            ("via", "server1=9081"),
        ];
        let before = settings(&flags, &[("ORIGIN_PORT", "0"), ("AIRTIGHT_WINDOW", "60")]);
        let (system, ports) = read(&before).unwrap();
        assert_eq!(system.input, "testsrc", "it was found");
        let given = given(&before, &system).unwrap();
        let upgrade =
            |flags| settings(flags, &[]).after(given.settings.clone(), |_| Ok(String::new())).unwrap();
        let kept = upgrade(&[]);
        let (after, same) = read(&kept).unwrap();
        assert_eq!(same, ports);
        let mut expected = system.clone();
        expected.forwarded.remove(ORDER).expect("an era is announced once");
        assert_eq!(after, expected);
        assert_eq!(super::given(&kept, &after).unwrap(), given, "and it is kept again");
        let (after, _) = read(&upgrade(&[("input", "a.mp4"), ("segment", "3000")])).unwrap();
        assert_eq!(
            (after.input.as_str(), after.segment.as_secs(), after.signal.as_str()),
            ("a.mp4", 3, "sport")
        );
    }

    #[test]
    fn an_upgrade_that_nobody_tells_the_input_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        for unreadable in [None, Some("no record")] {
            if let Some(text) = unreadable {
                std::fs::write(folder.settings(), text).unwrap();
            }
            let upgrade = |flags, variables, runs| upgrading(&settings(flags, variables), &folder, runs);
            let error = upgrade(&[], &[], true).unwrap_err().to_string();
            let told = "settings.json, which tells what is on the air, can't be read: ";
            assert!(error.contains(told) && error.contains("; give --input, and every other"), "{error}");
            upgrade(&[("input", "a.mp4")], &[], true).unwrap();
            upgrade(&[], &[("INPUT_STREAM_PATH", "a.mp4")], true).unwrap();
            upgrade(&[], &[], false).expect("nothing runs: it is a start");
        }
    }

    #[test]
    fn what_is_named_from_a_folder_is_found_from_any_other() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.mp4"), "").unwrap();
        let flags = [
            ("input", "a.mp4"),
            ("config", "a.mp4"),
            ("ffmpeg", "a.mp4"),
            ("signal", "a.mp4"),
            ("run-dir", "a.mp4"),
        ];
        let variables =
            [("INPUT_STREAM_PATH", "a.mp4"), ("AIRTIGHT_INPUT", "b.mp4"), ("AIRTIGHT_RUN_DIR", "c")];
        let lasting = from(folder.path(), &settings(&flags, &variables)).lasting(&[INPUT], &[]);
        let absolute = folder.path().join("a.mp4").display().to_string();
        let texts =
            |pairs: [(&str, &str); 4]| pairs.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
        assert_eq!(
            lasting.flags,
            texts([("input", &absolute), ("config", &absolute), ("ffmpeg", "a.mp4"), ("signal", "a.mp4")])
        );
        let variables = [(INPUT, absolute.as_str()), ("AIRTIGHT_INPUT", "b.mp4")];
        assert_eq!(
            lasting.variables,
            variables.map(|(name, text)| (name.to_owned(), text.to_owned())).into()
        );
    }

    #[test]
    fn a_folder_without_a_name_is_refused() {
        let error = read(&settings(&[("input", "testsrc"), ("run-dir", "")], &[])).unwrap_err().to_string();
        assert_eq!(error, "--run-dir = '' can't be used: expected a folder");
    }

    #[test]
    fn parts_behind_a_proxy_are_named_with_its_ports() {
        let via = |text: &str| read(&settings(&[("input", "testsrc"), ("via", text)], &[]));
        let (system, _) = via("server1=9081,reporter=2001").unwrap();
        assert_eq!(system.via, Ports::from([(Part::Server1, 9081), (Part::Reporter, 2001)]));
        for (wrong, expected) in [
            ("9081", "expected part=port, such as server1=9081"),
            ("server1=x", "expected a port from 1 to 65535"),
        ] {
            let error = via(wrong).unwrap_err().to_string();
            assert_eq!(error, format!("--via has '{wrong}', which can't be used: {expected}"));
        }
    }

    #[test]
    fn some_parts_can_be_left_out() {
        let (system, ports) = read(&settings(&[("only", "reporter,discovery")], &[])).unwrap();
        assert_eq!(system.parts, [Part::Discovery, Part::Reporter]);
        assert_eq!(ports, Ports::from([(Part::Reporter, 2000)]));
        let error = read(&settings(&[("only", "origin3")], &[])).unwrap_err().to_string();
        assert!(
            error.starts_with("--only has 'origin3', which can't be used: there is no such part"),
            "{error}"
        );
    }

    #[test]
    fn only_the_folder_that_nobody_named_gives_way_to_the_test_programme() {
        let folder = tempfile::tempdir().unwrap();
        let signal = "live01".parse().unwrap();
        let default = |path: &Path| source(None, path, &signal);
        assert_eq!(default(&folder.path().join("missing")), "testsrc");
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        assert_eq!(default(folder.path()), "testsrc");
        assert_eq!(source(Some("bare".to_owned()), folder.path(), &signal), "bare");
        std::fs::write(folder.path().join("a.MKV"), "").unwrap();
        assert_eq!(default(folder.path()), folder.path().to_str().unwrap());
    }
}
