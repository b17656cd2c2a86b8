//! What `up` was asked for: from settings to a [`System`].

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use airtight_media::id::SignalName;

use super::folder::Folder;
use super::plan::{ORDER, Part, Ports, System};
use crate::cli;
use crate::config::{SettingError, Settings};
use crate::worker::{GENERATED, media_in, segment};

/// Where media is looked for if nothing else is said.
const DEFAULT_INPUT: &str = "./input";

/// Settings that the parts read, too, and that a flag or the section `[up]` may have set.
const FORWARDED: [&[&str]; 4] = [cli::EVERYWHERE, cli::ENCODING, cli::KEEPING, &["pathways"]];

/// Settings of the system itself.
const OWN: [&str; 4] = ["signal", "host", "only", "via"];

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
            forwarded.insert(*key, if is_path(key, &value) { from_anywhere(value) } else { value });
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
        input: from_anywhere(source(asked_input(settings)?, Path::new(DEFAULT_INPUT), &signal)),
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

/// What an upgrade keeps if nobody asks for something else: whatever was set, and what is on the air.
pub fn lasting(settings: &Settings, system: &System) -> BTreeMap<String, String> {
    let ports = Part::ALL.into_iter().filter_map(Part::port).map(|port| (port.key, Some(port.seed)));
    let own = OWN.into_iter().map(|key| (key, None)).chain(ports);
    let own = own.filter_map(|(key, seed)| Some((key, settings.opt::<String>(key, seed).ok()??)));
    let forwarded = system.forwarded.iter().map(|(key, value)| (*key, value.clone()));
    let all = own.chain(forwarded.filter(|(key, _)| *key != ORDER)).chain([("input", system.input.clone())]);
    all.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// These for an upgrade of the system of a folder, which runs: what they do not say is as it was.
///
/// # Errors
/// An input that nobody tells.
pub fn keeping(settings: &Settings, folder: &Folder) -> Result<Settings, SettingError> {
    let place = folder.settings();
    match folder.read_settings() {
        Ok(kept) => Ok(settings.keeping(&kept, &place.display().to_string())),
        Err(_) if asked_input(settings)?.is_some() => Ok(settings.clone()),
        Err(error) => Err(SettingError::new(format!(
            "{}, which tells what is on the air, can't be read: {error}; give --input, and every other setting that the \
             running system was given",
            place.display()
        ))),
    }
}

/// Whether the value of a forwarded setting is the path of a file; an ffmpeg without a slash is looked for elsewhere.
fn is_path(key: &str, value: &str) -> bool {
    key == "config" || key == "ffmpeg" && value.contains('/')
}

/// A file or folder that is there, as it is called from any folder.
fn from_anywhere(path: String) -> String {
    let absolute = std::path::absolute(&path).ok().filter(|absolute| absolute.exists());
    absolute.map_or(path, |absolute| absolute.display().to_string())
}

fn asked_input(settings: &Settings) -> Result<Option<String>, SettingError> {
    settings.opt("input", Some("INPUT_STREAM_PATH"))
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
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::new(temporary.path());
        folder.create().unwrap();
        let film = temporary.path().join("a film.mp4").display().to_string();
        std::fs::write(&film, "").unwrap();
        let flags = [
            ("input", film.as_str()),
            ("signal", "sport"),
            ("segment", "4000"),
            ("new-era", "30"),
            ("pathways", ""),
            ("log-format", "json"),
            ("only", "worker-a,origin1"),
            ("via", "server1=9081"),
        ];
        let before = settings(&flags, &[("ORIGIN_PORT", "0"), ("AIRTIGHT_WINDOW", "60")]);
        let (system, ports) = read(&before).unwrap();
        folder.write_settings(&lasting(&before, &system)).unwrap();
        let upgrade = |flags| keeping(&settings(flags, &[]), &folder).unwrap();
        let kept = upgrade(&[]);
        let (after, same) = read(&kept).unwrap();
        assert_eq!(same, ports);
        let mut expected = system.clone();
        expected.forwarded.remove(ORDER).expect("an era is announced once");
        assert_eq!(after, expected);
        assert_eq!(lasting(&kept, &after), lasting(&before, &system), "and it is kept again");
        let (after, _) = read(&upgrade(&[("input", "testsrc"), ("segment", "3000")])).unwrap();
        assert_eq!(
            (after.input.as_str(), after.segment.as_secs(), after.signal.as_str()),
            ("testsrc", 3, "sport")
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
            let error = keeping(&settings(&[], &[]), &folder).unwrap_err().to_string();
            let told = "settings.json, which tells what is on the air, can't be read: ";
            assert!(error.contains(told) && error.contains("; give --input, and every other"), "{error}");
            keeping(&settings(&[("input", "a.mp4")], &[]), &folder).unwrap();
            keeping(&settings(&[], &[("INPUT_STREAM_PATH", "a.mp4")]), &folder).unwrap();
        }
    }

    #[test]
    fn what_is_named_from_a_folder_is_found_from_any_other() {
        let here = std::env::current_dir().unwrap().display().to_string();
        assert_eq!(from_anywhere("src".to_owned()), format!("{here}/src"));
        assert_eq!(from_anywhere("testsrc".to_owned()), "testsrc");
        assert!(is_path("config", "a.toml") && is_path("ffmpeg", "./ffmpeg") && !is_path("ffmpeg", "ffmpeg"));
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
