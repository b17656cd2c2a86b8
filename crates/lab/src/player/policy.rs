//! How patient a player is: what it takes for late, when it asks again, when it gives up.

use std::{str::FromStr, time::Duration};

use serde::Serialize;
use thiserror::Error;

use crate::playlist::Media;

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// No first byte, or no last one, within the time allowed.
    #[error("no answer within {0} ms")]
    Late(u64),
    /// An answer that is no success.
    #[error("status {0}")]
    Status(u16),
    /// The connection was refused or broke, or the body is shorter than it said.
    #[error("{0}")]
    Broken(String),
}

/// Patience with one kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Until the head of the answer.
    pub first_byte: Duration,
    /// Until its last byte.
    pub total: Duration,
    /// How often it asks again, at once, after an answer that is late.
    pub late_retries: u32,
    /// How often it asks again after another fault.
    pub retries: u32,
    /// Before the first of these retries; doubles with each.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Whether a connection that is refused or broken is another fault; else it is final.
    pub reconnects: bool,
}

impl Policy {
    /// How long to wait before asking again after `failed` failures, of which `fault` is the last; none if it
    /// is final.
    pub fn pause(&self, fault: &Fault, failed: u32) -> Option<Duration> {
        let before = failed.saturating_sub(1);
        let again = match fault {
            Fault::Late(_) => return (before < self.late_retries).then_some(Duration::ZERO),
            // Players take 4xx for final.
            Fault::Status(status) => !(400..500).contains(status),
            Fault::Broken(_) => self.reconnects,
        };
        let pause = self.pause.saturating_mul(1 << before.min(16)).min(self.longest_pause);
        (again && before < self.retries).then_some(pause)
    }
}

/// How a player is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many target durations behind the end of the first playlist it begins.
    pub behind: u32,
    /// Patience with playlists.
    pub playlist: Policy,
    /// Patience with segments and inits.
    pub segment: Policy,
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Settings {
    /// The defaults of hls.js 1.7.
    pub const HLS_JS: Self = {
        let playlist = Policy {
            first_byte: millis(10_000),
            total: millis(20_000),
            late_retries: 2,
            retries: 2,
            pause: millis(1000),
            longest_pause: millis(8000),
            reconnects: false,
        };
        let segment = Policy { total: millis(120_000), late_retries: 4, retries: 6, ..playlist };
        Self { behind: 3, playlist, segment }
    };

    /// The settings that docs/players.md recommends.
    pub const RECOMMENDED: Self = {
        let playlist = Policy {
            first_byte: millis(3000),
            total: millis(10_000),
            late_retries: 30,
            retries: 120,
            pause: millis(100),
            longest_pause: millis(500),
            reconnects: true,
        };
        let segment = Policy { first_byte: millis(2000), total: millis(20_000), ..playlist };
        Self { behind: 3, playlist, segment }
    };

    /// The number with which a player that is given this playlist begins.
    pub fn first(&self, playlist: &Media) -> Option<u64> {
        let (mut left, wanted) = (Duration::ZERO, playlist.target * self.behind);
        let begins = |segment: &&crate::playlist::Segment| {
            left += segment.duration;
            left >= wanted
        };
        let found = playlist.segments.iter().rev().find(begins).or(playlist.segments.first());
        found.map(|segment| segment.number)
    }
}

impl FromStr for Settings {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "hls.js" => Ok(Self::HLS_JS),
            "recommended" => Ok(Self::RECOMMENDED),
            _ => Err("expected 'hls.js' or 'recommended'"),
        }
    }
}
