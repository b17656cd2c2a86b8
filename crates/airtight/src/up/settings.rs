//! What `up` was asked for: from settings to a [`System`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::str::FromStr;

use airtight_media::id::SignalName;

use super::plan::{Part, Ports, System};
use crate::config::{SettingError, Settings};

/// Where media is looked for if nothing else is said.
const DEFAULT_INPUT: &str = "./input";

/// The generated test programme.
const TEST_PROGRAMME: &str = "testsrc";

/// Settings that the parts read, too, and that a flag or the section `[up]` may have set.
const FORWARDED: [&str; 9] =
    ["config", "log", "log-format", "segment", "parts", "window", "retention", "retention-bytes", "ffmpeg"];

/// Files that are taken for media.
const MEDIA: [&str; 10] = ["mp4", "mov", "m4v", "mkv", "webm", "ts", "mpg", "mpeg", "flv", "avi"];

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
    for key in FORWARDED {
        if let Some(value) = settings.opt::<String>(key, None)? {
            forwarded.insert(key, value);
        }
    }
    let mut ports = Ports::new();
    for &part in &parts {
        if let Some(port) = part.port() {
            let Port(number) = settings.get(port.key, Some(port.seed), Port(port.default))?;
            ports.insert(part, number);
        }
    }
    let input = settings.opt::<String>("input", Some("INPUT_STREAM_PATH"))?;
    let system = System {
        input: source(input.as_deref(), &signal)?,
        folder: settings.get("run-dir", None, ".airtight".into())?,
        host: settings.get("host", None, IpAddr::V4(Ipv4Addr::LOCALHOST))?,
        signal,
        parts,
        forwarded,
    };
    Ok((system, ports))
}

/// The number of a port; 0 leaves the choice to the machine.
struct Port(u16);

impl FromStr for Port {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "expected a whole number from 0 to 65535")
    }
}

/// What the workers encode: what was asked for, or the generated programme if there is no media.
fn source(asked: Option<&str>, signal: &SignalName) -> Result<String, SettingError> {
    let path = match asked {
        Some(TEST_PROGRAMME) => return Ok(TEST_PROGRAMME.to_owned()),
        Some(input) => Path::new(input),
        None => Path::new(DEFAULT_INPUT),
    };
    let missing = |error: &std::io::Error| {
        SettingError::new(format!(
            "input = '{}' can't be used: {error}; expected a media file, a folder of media files, or \
             '{TEST_PROGRAMME}'",
            path.display()
        ))
    };
    let media = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => holds_media(path, signal).map_err(|error| missing(&error))?,
        Ok(_) => true,
        Err(error) if asked.is_some() => return Err(missing(&error)),
        Err(_) => false,
    };
    Ok(if media { path.display().to_string() } else { TEST_PROGRAMME.to_owned() })
}

fn holds_media(folder: &Path, signal: &SignalName) -> std::io::Result<bool> {
    if folder.join(format!("{signal}.mp4")).is_file() {
        return Ok(true);
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        if path.is_file() && extension.is_some_and(|extension| MEDIA.contains(&extension.as_str())) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(flags: &[(&'static str, &str)], environment: &[(&str, &str)]) -> Settings {
        let flags = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::new("up", flags, environment, "").unwrap()
    }

    fn input_of(path: &Path) -> Result<String, String> {
        let flags = [("input", path.to_str().unwrap())];
        read(&settings(&flags, &[])).map(|(system, _)| system.input).map_err(|error| error.to_string())
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
        let flags = [("input", "testsrc"), ("segment", "4000")];
        let (system, _) = read(&settings(&flags, &[("AIRTIGHT_WINDOW", "60")])).unwrap();
        assert_eq!(system.forwarded["segment"], "4000");
        assert_eq!(system.forwarded["window"], "60");
        assert_eq!(system.forwarded.len(), 2);
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
    fn a_folder_without_media_gives_the_test_programme() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        assert_eq!(input_of(folder.path()).unwrap(), "testsrc");
        std::fs::write(folder.path().join("a.MKV"), "").unwrap();
        assert_eq!(input_of(folder.path()).unwrap(), folder.path().to_str().unwrap());
    }

    #[test]
    fn an_input_that_is_not_there_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = input_of(&folder.path().join("film.mp4")).unwrap_err();
        assert!(error.contains("film.mp4' can't be used: No such file"), "{error}");
    }
}
