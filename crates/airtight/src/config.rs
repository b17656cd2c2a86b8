//! Settings: one table of keys, looked up in five places, checked before any side effect.
//!
//! A value comes from the flag, else the `AIRTIGHT_…` variable, else the variable that the seed
//! system used, else `airtight.toml`, else the default. Of a system that runs, flags and variables of before count as
//! well ([`Lasting`]). A wrong one ends the program with exit
//! code 2 and a sentence that names the key, where it came from, the value and what would be right.
//! Roles turn [`Settings`] into a config struct of their own; nothing else reads the environment.

mod keys;

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::keys::{KEYS, Key};
use self::keys::{is_key, nearest};

/// Seconds of media that a playlist offers, where nothing else is given.
pub const WINDOW_SECONDS: u64 = 30;

/// The settings file, if no other one is named.
pub const DEFAULT_FILE: &str = "airtight.toml";

/// The settings file that a flag or the environment names.
pub fn place<'a>(
    flags: &'a BTreeMap<&'static str, String>,
    environment: &'a BTreeMap<String, String>,
) -> Option<&'a str> {
    let variable = || environment.get("AIRTIGHT_CONFIG").filter(|v| !v.is_empty());
    flags.get("config").or_else(variable).map(String::as_str)
}

/// A setting that can't be used. The program ends with exit code 2.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct SettingError(String);

impl SettingError {
    /// A setting error with this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// The settings of one command, not yet typed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    command: String,
    flags: BTreeMap<&'static str, String>,
    environment: BTreeMap<String, String>,
    file: toml::Table,
    /// Where the file lies.
    place: String,
    /// What was given before.
    before: Lasting,
}

/// Flags and variables that last until they are given anew. What a settings file says lasts by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lasting {
    /// By their keys. They count as if they were given again.
    pub flags: BTreeMap<String, String>,
    /// By their names. They count where nothing else is said.
    pub variables: BTreeMap<String, String>,
}

/// A value and where it comes from.
#[derive(Clone, Debug)]
struct Found {
    /// As it was given.
    text: String,
    /// In words.
    from: String,
}

impl Settings {
    /// Settings of `command` from its flags, the environment and the text of the settings file.
    ///
    /// # Errors
    /// A file that is no TOML, or a key or `AIRTIGHT_…` variable that does not exist.
    pub fn new(
        command: &str,
        flags: BTreeMap<&'static str, String>,
        environment: BTreeMap<String, String>,
        file: &str,
    ) -> Result<Self, SettingError> {
        let place = place(&flags, &environment).unwrap_or(DEFAULT_FILE).to_owned();
        let (command, before) = (command.to_owned(), Lasting::default());
        Self { command, flags, environment, file: toml::Table::new(), place, before }.with_file(file)
    }

    fn with_file(self, text: &str) -> Result<Self, SettingError> {
        let file = text.parse::<toml::Table>().map_err(|e| {
            let line = e.span().map_or(1, |s| text[..s.start.min(text.len())].lines().count().max(1));
            SettingError(format!("{}, line {line}: {}", self.place, e.message()))
        })?;
        let settings = Self { file, ..self };
        settings.check_names()?;
        Ok(settings)
    }

    /// These, after what was given before; `read` gives the text of the settings file that they name together.
    ///
    /// # Errors
    /// Those of `read`, and as [`Settings::new`].
    pub fn after(
        &self,
        before: Lasting,
        read: impl FnOnce(Option<&str>) -> Result<String, SettingError>,
    ) -> Result<Self, SettingError> {
        let alone = Self { before, file: toml::Table::new(), ..self.clone() };
        let named = alone.find("config", None).map(|found| found.text);
        let file = read(named.as_deref())?;
        Self { place: named.unwrap_or_else(|| DEFAULT_FILE.to_owned()), ..alone }.with_file(&file)
    }

    /// The flags and variables, also those of before, but for the keys in `passing`; `seeds` are variables that the seed
    /// system used.
    pub fn lasting(&self, seeds: &[&str], passing: &[&str]) -> Lasting {
        let mut lasting = self.before.clone();
        let flags = self.flags.iter().filter(|(key, _)| !passing.contains(key));
        lasting.flags.extend(flags.map(|(key, text)| ((*key).to_owned(), text.clone())));
        let lasts = |name: &str| {
            let key = key_of(name);
            key.is_some_and(|key| crate::cli::reads(&self.command, &key) && !passing.contains(&&*key))
        };
        let variables = self
            .environment
            .iter()
            .filter(|(name, text)| !text.is_empty() && (seeds.contains(&name.as_str()) || lasts(name)));
        lasting.variables.extend(variables.map(|(name, text)| (name.clone(), text.clone())));
        lasting
    }

    /// These with other texts of flags and variables, which `text` gives by their keys and names; none leaves one out.
    #[must_use]
    pub fn with_texts(&self, text: impl Fn(&str, &str) -> Option<String>) -> Self {
        let flags = self.flags.iter().filter_map(|(key, old)| Some((*key, text(key, old)?))).collect();
        let of_variable = |name: &String, old: &String| text(key_of(name).as_deref().unwrap_or(name), old);
        let variables = self.environment.iter();
        let environment =
            variables.filter_map(|(name, old)| Some((name.clone(), of_variable(name, old)?))).collect();
        Self { flags, environment, ..self.clone() }
    }

    fn check_names(&self) -> Result<(), SettingError> {
        for (name, value) in &self.file {
            let section = value.as_table();
            if section.is_some() && !crate::cli::is_command(name) {
                return Err(SettingError(format!(
                    "{} has an unknown section '[{name}]': a section has the name of a command, such as [origin]",
                    self.place
                )));
            }
            let names: Vec<&str> =
                section.map_or_else(|| vec![name.as_str()], |t| t.keys().map(String::as_str).collect());
            if let Some(unknown) = names.iter().find(|n| !is_key(n)) {
                return Err(SettingError(format!(
                    "{} has an unknown key '{unknown}': {}",
                    self.place,
                    nearest(unknown)
                )));
            }
        }
        for name in self.environment.keys() {
            if let Some(key) = key_of(name).filter(|key| !is_key(key)) {
                return Err(SettingError(format!("{name} is no setting: {}", nearest(&key))));
            }
        }
        Ok(())
    }

    fn find(&self, key: &'static str, seed: Option<&str>) -> Option<Found> {
        debug_assert!(is_key(key), "{key} is in the table");
        let flag = || self.flags.get(key).map(|v| Found { text: v.clone(), from: format!("--{key}") });
        let again = || {
            let text = self.before.flags.get(key)?.clone();
            Some(Found { text, from: format!("--{key}, as it was given before,") })
        };
        let variable = |variables: &BTreeMap<String, String>| {
            let own = format!("AIRTIGHT_{}", key.to_ascii_uppercase().replace('-', "_"));
            // A variable that is set to nothing counts as not set, as compose files leave them.
            let set = |name: &str| {
                let text = variables.get(name).filter(|v| !v.is_empty())?.clone();
                Some(Found { text, from: name.to_owned() })
            };
            set(&own).or_else(|| set(seed?))
        };
        let file = || {
            let section = self.file.get(&self.command).and_then(|t| t.get(key));
            let value = section.or_else(|| self.file.get(key))?;
            let one = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let list = value.as_array().map(|all| all.iter().map(one).collect::<Vec<_>>().join(","));
            let text = list.unwrap_or_else(|| one(value));
            Some(Found { text, from: format!("{}, {key}", self.place) })
        };
        let now = flag().or_else(again).or_else(|| variable(&self.environment)).or_else(file);
        now.or_else(|| variable(&self.before.variables))
    }

    /// The value of `key` (or of the seed variable `seed`), if one is set.
    ///
    /// # Errors
    /// A value that does not parse, with the reason that its type gives.
    pub fn opt<T>(&self, key: &'static str, seed: Option<&str>) -> Result<Option<T>, SettingError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let Some(found) = self.find(key, seed) else { return Ok(None) };
        match found.text.trim().parse() {
            Ok(value) => Ok(Some(value)),
            Err(reason) => {
                Err(SettingError(format!("{} = '{}' can't be used: {reason}", found.from, found.text.trim())))
            }
        }
    }

    /// The value of `key`, or `default`.
    ///
    /// # Errors
    /// As [`Settings::opt`].
    pub fn get<T>(&self, key: &'static str, seed: Option<&str>, default: T) -> Result<T, SettingError>
    where
        T: FromStr,
        T::Err: Display,
    {
        Ok(self.opt(key, seed)?.unwrap_or(default))
    }

    /// A whole number between `range.0` and `range.1`, both allowed.
    ///
    /// # Errors
    /// No whole number, or one outside the range.
    pub fn within(&self, key: &'static str, range: (u64, u64), default: u64) -> Result<u64, SettingError> {
        let Some(found) = self.find(key, None) else { return Ok(default) };
        match found.text.trim().parse::<u64>() {
            Ok(value) if (range.0..=range.1).contains(&value) => Ok(value),
            _ => Err(SettingError(format!(
                "{} = '{}' can't be used: expected a whole number from {} to {}",
                found.from, found.text, range.0, range.1
            ))),
        }
    }

    /// The values of a list that is separated by commas; `default` is one, too.
    ///
    /// # Errors
    /// An element that does not parse.
    pub fn list<T>(&self, key: &'static str, default: &str) -> Result<Vec<T>, SettingError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let found = self
            .find(key, None)
            .unwrap_or_else(|| Found { text: default.to_owned(), from: "default".to_owned() });
        let elements = found.text.split(',').map(str::trim).filter(|e| !e.is_empty());
        elements
            .map(|e| {
                e.parse().map_err(|reason| {
                    SettingError(format!("{} has '{e}', which can't be used: {reason}", found.from))
                })
            })
            .collect()
    }
}

/// The key that a variable sets by its own name, be there such a key or not.
fn key_of(variable: &str) -> Option<String> {
    let key = variable.strip_prefix("AIRTIGHT_").filter(|key| !["HANDOVER", "SUCCEEDS"].contains(key))?;
    Some(key.to_ascii_lowercase().replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(
        flags: &[(&'static str, &str)],
        environment: &[(&str, &str)],
        file: &str,
    ) -> Result<Settings, SettingError> {
        let flags = flags.iter().map(|(k, v)| (*k, (*v).to_owned())).collect();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::new("origin", flags, environment, file)
    }

    #[test]
    fn flag_beats_own_variable_beats_seed_variable_beats_file_beats_default() {
        let seed = Some("ORIGIN_PORT");
        let file = "listen = '5'\n[origin]\nlisten = 4";
        let layers = [("AIRTIGHT_LISTEN", "2"), ("ORIGIN_PORT", "3")];
        let get = |s: Settings| s.get::<u16>("listen", seed, 6).unwrap();
        assert_eq!(get(settings(&[("listen", "1")], &layers, file).unwrap()), 1);
        assert_eq!(get(settings(&[], &layers, file).unwrap()), 2);
        assert_eq!(get(settings(&[], &layers[1..], file).unwrap()), 3);
        assert_eq!(get(settings(&[], &[], file).unwrap()), 4);
        assert_eq!(get(settings(&[], &[], "listen = '5'").unwrap()), 5);
        assert_eq!(get(settings(&[], &[("AIRTIGHT_LISTEN", "")], "").unwrap()), 6);
    }

    #[test]
    fn what_was_given_before_counts_as_if_it_were_given_again() {
        let before = settings(
            &[("listen", "1"), ("window", "60")],
            &[("AIRTIGHT_LISTEN", "2"), ("AIRTIGHT_RETENTION", "100"), ("ORIGIN_PORT", "3"), ("HOME", "/")],
            "retention = 50",
        );
        let lasting = before.unwrap().lasting(&["ORIGIN_PORT"], &["window"]);
        assert_eq!(lasting.flags.keys().collect::<Vec<_>>(), ["listen"]);
        // An origin reads no retention.
        assert_eq!(lasting.variables.keys().collect::<Vec<_>>(), ["AIRTIGHT_LISTEN", "ORIGIN_PORT"]);
        let listen = |flags: &[(&'static str, &str)], lasting: &Lasting, file: &str| {
            let now = settings(flags, &[("AIRTIGHT_LISTEN", "4")], "").unwrap();
            let now = now.with_texts(|key, text| (key != "listen" || text != "4").then(|| text.to_owned()));
            let now = now
                .after(lasting.clone(), |named| Ok(format!("{file}{}", named.unwrap_or_default())))
                .unwrap();
            assert_eq!(now.lasting(&[], &[]).variables, lasting.variables, "they last on");
            now.get::<u16>("listen", Some("ORIGIN_PORT"), 9).unwrap()
        };
        assert_eq!(listen(&[("listen", "5")], &lasting, ""), 5);
        assert_eq!(listen(&[], &lasting, "listen = 6"), 1);
        let variables = Lasting { flags: BTreeMap::new(), ..lasting };
        assert_eq!(listen(&[], &variables, "listen = 6"), 6);
        assert_eq!(listen(&[], &variables, ""), 2);
        let elsewhere = Lasting { flags: [("config".to_owned(), "b.toml".to_owned())].into(), ..variables };
        let now = settings(&[], &[], "listen = 6")
            .unwrap()
            .after(elsewhere, |named| Ok(format!("listen = '{}'", named.unwrap())));
        let error = now.unwrap().get::<u16>("listen", None, 9).unwrap_err().to_string();
        assert!(error.starts_with("b.toml, listen = 'b.toml' can't be used"), "{error}");
    }

    #[test]
    fn an_error_names_the_key_the_value_and_what_would_be_right() {
        let wrong = settings(&[], &[("AIRTIGHT_SEGMENT", "2s")], "").unwrap();
        let error = wrong.within("segment", (1000, 6000), 2000).unwrap_err().to_string();
        assert_eq!(error, "AIRTIGHT_SEGMENT = '2s' can't be used: expected a whole number from 1000 to 6000");
        let wrong = settings(&[], &[("AIRTIGHT_CONFIG", "b/a.toml")], "segment = 7").unwrap();
        let error = wrong.within("segment", (1000, 6000), 2000).unwrap_err().to_string();
        assert!(error.starts_with("b/a.toml, segment = '7' can't be used: "), "{error}");
    }

    #[test]
    fn unknown_names_are_refused() {
        let unknown = settings(&[], &[("AIRTIGHT_SEGMNT", "1")], "").unwrap_err().to_string();
        assert_eq!(unknown, "AIRTIGHT_SEGMNT is no setting: did you mean 'segment'?");
        let unknown = settings(&[], &[], "[origin]\nlisten_on = 1").unwrap_err().to_string();
        assert_eq!(unknown, "airtight.toml has an unknown key 'listen_on': did you mean 'listen'?");
        let unknown = settings(&[], &[], "[orgin]\nlisten = 1").unwrap_err().to_string();
        assert_eq!(
            unknown,
            "airtight.toml has an unknown section '[orgin]': a section has the name of a command, such as [origin]"
        );
        let unknown = settings(&[("config", "a.toml")], &[], "listen_on = 1").unwrap_err().to_string();
        assert_eq!(unknown, "a.toml has an unknown key 'listen_on': did you mean 'listen'?");
        assert!(settings(&[], &[], "a\nb = 1").unwrap_err().to_string().starts_with("airtight.toml, line 1"));
    }

    #[test]
    fn lists_are_separated_by_commas_or_lists_of_the_file() {
        let list = settings(&[("peers", "1, 2,")], &[], "").unwrap();
        assert_eq!(list.list::<u8>("peers", "").unwrap(), [1, 2]);
        let lists =
            ["retention = '30,40'", "retention = [30, '40']"].map(|file| settings(&[], &[], file).unwrap());
        assert!(lists.iter().all(|s| s.list::<u64>("retention", "").unwrap() == [30, 40]));
        assert_eq!(list.list::<u8>("packagers", "7").unwrap(), [7]);
    }
}
