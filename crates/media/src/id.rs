//! Names: of signals, tracks, workers and lineages, and the content hash that names an init.
//!
//! Every name is checked when it is made and safe in a path and in a URL. Nothing here knows a
//! folder or a route.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The longest name of a signal, track or worker, in bytes.
pub const NAME_MAX: usize = 64;

/// A text that is no name of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{text}' is no {kind}: {rule}")]
pub struct NameError {
    kind: &'static str,
    text: String,
    rule: &'static str,
}

impl NameError {
    fn new(kind: &'static str, text: &str, rule: &'static str) -> Self {
        // A name from outside may be megabytes long or hold control characters.
        let text = text.chars().take(NAME_MAX).flat_map(char::escape_debug).collect();
        Self { kind, text, rule }
    }
}

const NAME_RULE: &str = "expected 1 to 64 of a-z, A-Z, 0-9, '_' and '-', the first a letter or digit";

fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                match is_name(text) {
                    true => Ok(Self(text.into())),
                    false => Err(NameError::new($kind, text, NAME_RULE)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        string_serde!($name);
    };
}

macro_rules! string_serde {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = <$name as FromStr>::Err;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.to_string()
            }
        }
    };
}

name! {
    /// One live programme, e.g. `live01`.
    SignalName, "signal name"
}
name! {
    /// One encoded rendition of a signal, e.g. `720p`, `360p`, `audio`.
    TrackName, "track name"
}
name! {
    /// One encoder of a signal, e.g. `a`.
    WorkerName, "worker name"
}

/// One run of one encoder, written `<worker>-<start second>`, e.g. `a-1795477632`.
///
/// Ordered by worker, then by start: the order that the choice of a lead goes by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lineage {
    worker: WorkerName,
    start: u64,
}

impl Lineage {
    /// The run that `worker` began in second `start` of the UNIX epoch.
    pub fn new(worker: WorkerName, start: u64) -> Self {
        Self { worker, start }
    }

    /// The encoder whose run this is.
    pub fn worker(&self) -> &WorkerName {
        &self.worker
    }

    /// The second of the UNIX epoch in which the run began.
    pub fn start(&self) -> u64 {
        self.start
    }
}

impl FromStr for Lineage {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let parsed = text.rsplit_once('-').and_then(|(worker, start)| {
            let lineage = Self { worker: worker.parse().ok()?, start: start.parse().ok()? };
            // One spelling only: no leading zero, no plus sign.
            (start == lineage.start.to_string()).then_some(lineage)
        });
        parsed.ok_or_else(|| {
            NameError::new("lineage", text, "expected <worker>-<start second>, such as a-1795477632")
        })
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.worker, self.start)
    }
}

string_serde!(Lineage);

/// The content hash that names an init segment: the first 8 bytes of its SHA-256, in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InitHash(u64);

impl InitHash {
    /// The name of these init bytes.
    pub fn of(init: &[u8]) -> Self {
        let digest = Sha256::digest(init);
        let first: [u8; 8] = std::array::from_fn(|i| digest[i]);
        Self(u64::from_be_bytes(first))
    }
}

impl FromStr for InitHash {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let lower_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match u64::from_str_radix(text, 16) {
            Ok(hash) if text.len() == 16 && lower_hex => Ok(Self(hash)),
            _ => Err(NameError::new("init hash", text, "expected 16 hexadecimal digits in lower case")),
        }
    }
}

impl fmt::Display for InitHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

string_serde!(InitHash);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_paths_and_urls() {
        for good in ["live01", "a", "720p", "Court-2_main"] {
            assert_eq!(good.parse::<SignalName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a b", "-a", "_a", "a\0", "%2e", "ü", &"x".repeat(65)] {
            assert!(bad.parse::<SignalName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_names_the_text_and_the_rule() {
        let error = "../etc".parse::<TrackName>().unwrap_err().to_string();
        assert!(error.starts_with("'../etc' is no track name: expected 1 to 64"), "{error}");
    }

    #[test]
    fn a_lineage_is_worker_and_start() {
        let lineage: Lineage = "enc-b-1795477632".parse().unwrap();
        assert_eq!(lineage.worker().as_str(), "enc-b");
        assert_eq!(lineage.start(), 1_795_477_632);
        assert_eq!(lineage.to_string(), "enc-b-1795477632");
        for bad in ["a", "a-", "a-01", "a-+1", "-1", "a-1x", "a-99999999999999999999"] {
            assert!(bad.parse::<Lineage>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_init_is_named_by_its_bytes() {
        let hash = InitHash::of(b"moov");
        assert_eq!(hash, hash.to_string().parse().unwrap());
        assert_ne!(hash, InitHash::of(b"moot"));
        assert!("ABCDEF0123456789".parse::<InitHash>().is_err());
    }
}
