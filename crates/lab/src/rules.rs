//! What a live system may not serve: every rule with its source, and who finds that it is broken.
//!
//! [`answer`] looks at one answer, [`coded`] at a playlist in two codings, [`alone`] at one playlist, [`successor`] at two versions of it, [`offer`] at a
//! multivariant playlist, [`rates`] at the bytes behind it, [`kept`] at what has left a playlist, [`Judge`] at everything that all servers gave, in the order in which it was seen.

pub mod alone;
pub mod answer;
pub mod coded;
pub mod kept;
pub mod offer;
pub mod rates;
pub mod successor;
mod table;
mod union;

use std::{fmt, time::Duration};

use serde::Serialize;

pub use table::*;
pub use union::{Judge, Sighting};

/// One rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rule {
    /// Its name, as reports and tests use it.
    pub name: &'static str,
    /// Where it stands: `§` of draft-pantos-hls-rfc8216bis-22, or `Apple` of the HLS Authoring Specification.
    pub source: &'static str,
    /// What it demands.
    pub sentence: &'static str,
}

/// A rule that is broken, and how; where and when is for the caller to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What was found.
    pub detail: String,
}

impl Rule {
    /// A finding against this rule.
    pub fn broken(&'static self, detail: impl Into<String>) -> Finding {
        Finding { rule: self, detail: detail.into() }
    }
}

/// A finding with its place and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Name of the rule.
    pub rule: &'static str,
    /// Where the rule stands.
    pub source: &'static str,
    /// Milliseconds since the watch began.
    pub at_ms: u64,
    /// What it was found in: a URL.
    pub place: String,
    /// What was found.
    pub detail: String,
}

impl Violation {
    /// The finding, seen `at` a time since the watch began in `place`.
    pub fn new(finding: Finding, at: Duration, place: impl Into<String>) -> Self {
        let Finding { rule, detail } = finding;
        let at_ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        Self { rule: rule.name, source: rule.source, at_ms, place: place.into(), detail }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, source, at_ms, place, detail } = self;
        write!(f, "{:>5}.{:03} s  {rule} ({source})  {place}: {detail}", at_ms / 1000, at_ms % 1000)
    }
}

#[cfg(test)]
mod tests;
