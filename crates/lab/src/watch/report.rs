//! What a watch tells: line by line, and in the end. As text for people, as JSON for programs.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    frames::Shown,
    player::{Fault, Noticed},
    rules::Violation,
    sound::Heard,
};

/// One thing that is told when it is known. As JSON, an object with one key.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// A server's viewer begins.
    Watching {
        /// What is watched.
        url: String,
        /// The renditions that are played.
        renditions: Vec<String>,
    },
    /// A rule is broken.
    Violation(Violation),
    /// A request failed.
    Fault {
        /// Milliseconds since the watch began.
        at_ms: u64,
        /// The URL.
        place: String,
        /// Why.
        fault: Fault,
        /// Whether the player gave up.
        fatal: bool,
    },
    /// All figures, in the end.
    Report(Report),
}

/// All figures of a watch.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How long was watched, in milliseconds.
    pub watched_ms: u64,
    /// By server, in the order of their URLs.
    pub servers: Vec<Server>,
    /// By rule, how often it was broken.
    pub violations: BTreeMap<&'static str, u64>,
}

/// The view of one server.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Server {
    /// What was watched.
    pub url: String,
    /// The renditions that were played.
    pub renditions: Vec<String>,
    /// Answers, and the bytes in them.
    pub answers: u64,
    /// Bytes of all answers.
    pub bytes: u64,
    /// Segments that were loaded.
    pub segments: u64,
    /// Segments that had left a playlist and were asked for once more, just before they may be gone.
    pub removed: u64,
    /// Requests that failed.
    pub faults: u64,
    /// Requests that failed once too often for the player.
    pub fatal: u64,
    /// What the player made of it.
    #[serde(flatten)]
    pub noticed: Noticed,
    /// Media that was slate, in milliseconds.
    pub slate_ms: u64,
    /// Discontinuities that were played.
    pub discontinuities: usize,
    /// Decode time that no segment covers, in milliseconds, of all renditions.
    pub gap_ms: u64,
    /// Decode time that two segments cover, in milliseconds, of all renditions.
    pub overlap_ms: u64,
    /// From the end of a segment's media until it was seen in a playlist.
    pub edge_delay_ms: Option<Delay>,
    /// The frames that were decoded, of all renditions.
    pub frames: Option<Shown>,
    /// The sound that was decoded.
    pub sound: Option<Heard>,
}

/// A range of times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Delay {
    /// The least.
    pub least: i64,
    /// The most.
    pub most: i64,
}

impl Report {
    /// Why this is not what viewers should see, in one sentence; none if it is.
    pub fn verdict(&self) -> Option<String> {
        let violations: u64 = self.violations.values().sum();
        let sum = |of: fn(&Server) -> u64| self.servers.iter().map(of).sum::<u64>();
        let frames =
            |of: fn(&Shown) -> u64| self.servers.iter().filter_map(|s| s.frames.as_ref()).map(of).sum();
        let counts = [
            (violations, "violations"),
            (sum(|server| server.fatal), "fatal errors"),
            (sum(|server| server.noticed.stalls.into()), "stalls"),
            (sum(|server| u64::from(server.noticed.skipped_ms > 0)), "viewers with missing media"),
            (sum(|server| u64::from(server.noticed.start_ms.is_none())), "viewers that saw nothing"),
            (frames(|shown| shown.lost), "lost frames"),
            (frames(|shown| shown.repeated), "repeated frames"),
            (frames(|shown| shown.unreadable), "frames without a code"),
            (
                self.servers.iter().filter_map(|s| s.sound).map(|sound| sound.silent).sum(),
                "seconds without a beep",
            ),
        ];
        let found =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let found: Vec<_> = found.collect();
        (!found.is_empty()).then(|| found.join(", "))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Watching { url, renditions } => write!(f, "{url}: {}", renditions.join(", ")),
            Self::Violation(violation) => violation.fmt(f),
            Self::Fault { at_ms, place, fault, fatal } => {
                let weight = if *fatal { "fatal" } else { "retried" };
                write!(f, "{:>5}.{:03} s  {weight}: {fault}  {place}", at_ms / 1000, at_ms % 1000)
            }
            Self::Report(report) => report.fmt(f),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for server in &self.servers {
            writeln!(f, "{server}")?;
        }
        for (rule, count) in &self.violations {
            writeln!(f, "{rule}: broken {count} times")?;
        }
        let slate_ms = self.servers.iter().map(|server| server.slate_ms).max().unwrap_or_default();
        let outcome = self.verdict().unwrap_or_else(|| match slate_ms {
            0 => "nothing is wrong".to_owned(),
            _ => format!("no rule is broken, but {slate_ms} ms were slate"),
        });
        write!(f, "{} s watched: {outcome}", self.watched_ms / 1000)
    }
}

/// A figure that there may be none of.
fn or_none(figure: Option<impl fmt::Display>) -> String {
    figure.map_or_else(|| "none".to_owned(), |figure| format!("{figure} ms"))
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, segments, removed, answers, faults, fatal, noticed, .. } = self;
        let (smallest, latency) = (or_none(noticed.smallest_buffer_ms), or_none(noticed.latency_ms));
        let Noticed { played_ms, stalls, stall_ms, skipped_ms, .. } = noticed;
        writeln!(f, "{url}")?;
        writeln!(f, "  played {played_ms} ms, {stalls} stalls of {stall_ms} ms, {skipped_ms} ms missing")?;
        writeln!(f, "  smallest buffer {smallest}, latency {latency}, drift {}", or_none(noticed.drift_ms))?;
        let delay = self.edge_delay_ms.map(|Delay { least, most }| format!("{least} to {most}"));
        writeln!(
            f,
            "  {segments} segments, {removed} after their removal, {answers} answers, {faults} faults, {fatal} fatal; listed {} after their end",
            or_none(delay)
        )?;
        let Self { slate_ms, discontinuities, gap_ms, overlap_ms, .. } = self;
        write!(
            f,
            "  slate {slate_ms} ms, {discontinuities} discontinuities, gaps {gap_ms} ms, overlaps {overlap_ms} ms"
        )?;
        let Some(Shown { frames, lost, repeated, unreadable, slate }) = self.frames else { return Ok(()) };
        write!(
            f,
            "\n  frames: {frames} shown, {lost} lost, {repeated} repeated, {unreadable} without a code, {slate} of slate"
        )?;
        let Heard { seconds, silent } = self.sound.unwrap_or_default();
        write!(f, "\n  sound: {seconds} s heard, {silent} s without a beep")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slate_is_no_fault_and_not_nothing() {
        let told = |slate_ms| {
            let noticed = Noticed { start_ms: Some(0), ..Noticed::default() };
            let server = Server { slate_ms, noticed, ..Server::default() };
            let report = Report {
                watched_ms: 9000,
                violations: BTreeMap::new(),
                servers: vec![Server { noticed, ..Server::default() }, server],
            };
            (report.verdict(), report.to_string().lines().last().map(str::to_owned))
        };
        assert_eq!(told(0), (None, Some("9 s watched: nothing is wrong".to_owned())));
        assert_eq!(
            told(2000),
            (None, Some("9 s watched: no rule is broken, but 2000 ms were slate".to_owned()))
        );
    }
}
