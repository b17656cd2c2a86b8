//! What discovery tells the reporter, and what the reporter answers: the shapes on the wire.
//!
//! A report is checked as a whole before any of it counts. Nothing here keeps anything.

use core::{fmt, net::Ipv6Addr, str::FromStr};
use std::collections::BTreeSet;

use airtight_media::id::{NameError, SignalName};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest URL of a part, in bytes.
pub const URL_MAX: usize = 256;
/// The most packagers that one signal can have.
pub const PACKAGERS_MAX: usize = 64;

/// Where a part listens (a packager, an origin, the reporter): `http://host` or `http://host:port`, no path.
///
/// Equal addresses have one spelling: lower case, no slash at the end. Ordered by host, then port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartUrl {
    host: Box<str>,
    port: Option<u16>,
}

/// A text that is no URL of a part.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{text}' is no URL of a part: {rule}, such as http://localhost:8080")]
pub struct UrlError {
    text: String,
    rule: &'static str,
}

impl PartUrl {
    /// Host name or address; an IPv6 address stands in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port, 80 unless the URL names another.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(80)
    }
}

impl FromStr for PartUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        parse_url(text).map_err(|rule| UrlError {
            text: text.chars().take(URL_MAX).flat_map(char::escape_debug).collect(),
            rule,
        })
    }
}

fn parse_url(text: &str) -> Result<PartUrl, &'static str> {
    if text.len() > URL_MAX {
        return Err("it is longer than 256 bytes");
    }
    let lower = text.to_ascii_lowercase();
    let rest = lower.strip_prefix("http://").ok_or("it has to start with http://")?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#', '@']) {
        return Err("it has to be a host and a port, without path, query or user");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if !is_host(host) {
        return Err("its host has to be a name or an address, an IPv6 address in brackets");
    }
    let port = port.map(parse_port).transpose()?;
    Ok(PartUrl { host: host.into(), port: port.filter(|&port| port != 80) })
}

fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_label),
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn parse_port(port: &str) -> Result<u16, &'static str> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(port @ 1..) if digits => Ok(port),
        _ => Err("its port has to be a number from 1 to 65535"),
    }
}

impl fmt::Display for PartUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl TryFrom<String> for PartUrl {
    type Error = UrlError;
    fn try_from(text: String) -> Result<Self, UrlError> {
        text.parse()
    }
}

impl From<PartUrl> for String {
    fn from(url: PartUrl) -> Self {
        url.to_string()
    }
}

/// One entry of a report as it came over the wire, not checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawReport {
    /// Should be a signal name.
    pub signal: String,
    /// Should be URLs of packagers.
    pub packagers: Vec<String>,
}

/// Who holds a signal now, as one discovery sees it. No packager: the signal is known, nobody holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The signal.
    pub signal: SignalName,
    /// The packagers that are healthy and hold fresh media of it.
    pub packagers: BTreeSet<PartUrl>,
}

/// Why a report counts for nothing. Positions in it are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReportError {
    /// An entry names no signal.
    #[error("entry {position} of the report: {error}")]
    Signal {
        /// Of the entry in the report.
        position: usize,
        /// What is wrong with the name.
        error: NameError,
    },
    /// An entry names something that is no packager.
    #[error("entry {position} of the report, a packager of signal '{signal}': {error}")]
    Packager {
        /// Of the entry in the report.
        position: usize,
        /// Its signal.
        signal: SignalName,
        /// What is wrong with the URL.
        error: UrlError,
    },
    /// An entry names more packagers than a signal can have.
    #[error(
        "entry {position} of the report, signal '{signal}': {count} packagers are more than {PACKAGERS_MAX}"
    )]
    TooMany {
        /// Of the entry in the report.
        position: usize,
        /// Its signal.
        signal: SignalName,
        /// How many it names.
        count: usize,
    },
}

/// Checks a whole report.
///
/// # Errors
/// The first entry that is wrong; then nothing of the report counts.
pub fn check(raw: Vec<RawReport>) -> Result<Vec<Report>, ReportError> {
    raw.into_iter().zip(1..).map(check_entry).collect()
}

fn check_entry((raw, position): (RawReport, usize)) -> Result<Report, ReportError> {
    let signal: SignalName = raw.signal.parse().map_err(|error| ReportError::Signal { position, error })?;
    let count = raw.packagers.len();
    if count > PACKAGERS_MAX {
        return Err(ReportError::TooMany { position, signal, count });
    }
    let packagers: Result<_, _> = raw.packagers.iter().map(|url| url.parse()).collect();
    match packagers {
        Ok(packagers) => Ok(Report { signal, packagers }),
        Err(error) => Err(ReportError::Packager { position, signal, error }),
    }
}

/// One entry of the answer to `GET /ingests`: a signal that can be drawn from somewhere now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ingest {
    /// The signal.
    pub signal: SignalName,
    /// Its active packagers, at least one, in order.
    pub packagers: Vec<PartUrl>,
    /// When it was last reported: see [`rfc1123`].
    pub last_reported: String,
}

/// A moment as Go's `time.RFC1123` writes it in this zone: `Fri, 05 Apr 2024 11:23:45 -03`. The zone is its
/// abbreviation at that moment, or the offset where a zone has none.
pub fn rfc1123(moment: Timestamp, zone: &TimeZone) -> String {
    moment.to_zoned_datetime(zone.clone()).strftime("%a, %d %b %Y %H:%M:%S %Z").to_string()
}

#[cfg(test)]
mod tests;
