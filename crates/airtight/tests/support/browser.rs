//! Viewers in a real browser: the page of a part, played by hls.js in headless Chromium.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use serde::Deserialize;

use super::stillness::Outcome;

const PLAYER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/browser/play.mjs");

/// What one viewer saw: the report of `tools/browser/report.mjs`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub url: String,
    pub seconds: f64,
    pub advanced: f64,
    pub stalls: u32,
    pub stall_ms: u64,
    pub jumps: Vec<serde_json::Value>,
    pub errors: Vec<serde_json::Value>,
    pub console: Vec<String>,
    pub frame_faults: Vec<serde_json::Value>,
    pub codes: u64,
    pub gap_ms: u64,
}

impl Report {
    /// What no viewer may notice, in words.
    pub fn faults(&self) -> Vec<String> {
        self.told(&self.errors, "error").chain(self.standstills()).collect()
    }

    /// The same of a player that may meet errors, if it deals with them by itself.
    pub fn faults_shown(&self) -> Vec<String> {
        let fatal: Vec<_> = self.errors.iter().filter(|error| error["fatal"] != false).cloned().collect();
        self.told(&fatal, "fatal error").chain(self.standstills()).collect()
    }

    fn standstills(&self) -> impl Iterator<Item = String> {
        let stalls =
            (self.stalls > 0).then(|| format!("{}: {} stalls, {} ms", self.url, self.stalls, self.stall_ms));
        stalls.into_iter().chain(self.told(&self.jumps, "jump"))
    }

    fn told(&self, found: &[serde_json::Value], kind: &str) -> impl Iterator<Item = String> + use<> {
        let told: Vec<_> = found.iter().map(|one| format!("{}: {kind} {one}", self.url)).collect();
        told.into_iter()
    }

    /// Whether the media clock kept up with the wall, within a second; in words if not.
    pub fn pace_fault(&self) -> Option<String> {
        let differs = (self.advanced - self.seconds).abs() > 1.0;
        differs.then(|| format!("{}: moved {} s in {} s", self.url, self.advanced, self.seconds))
    }
}

/// One browser with a page per URL.
pub struct Browser {
    node: Child,
    orders: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
    pages: usize,
}

impl Browser {
    /// Opens the pages and waits until each plays.
    pub fn play(urls: &[String]) -> Self {
        let mut node = Command::new("node");
        node.args([PLAYER, "--interactive", "--start-timeout", "60"]).args(urls);
        let mut node = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(node.stdout.take().unwrap());
        let mut browser = Self { orders: node.stdin.take(), node, lines, pages: urls.len() };
        for _ in urls {
            browser.line();
        }
        browser
    }

    /// Ends all pages; what each viewer saw.
    pub fn stop(mut self) -> Vec<Report> {
        self.orders.as_mut().unwrap().write_all(b"stop\n").unwrap();
        (0..self.pages).map(|_| serde_json::from_str(&self.line()).unwrap()).collect()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the browser ended; its stderr says why");
        line
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its stdin ends it.
        self.orders = None;
        let _ = self.node.wait();
    }
}

/// What several viewers saw, as one outcome.
pub fn outcome(reports: &[Report]) -> Outcome {
    let standstill = reports.iter().map(|report| report.gap_ms).max().unwrap_or_default();
    Outcome {
        faults: reports.iter().flat_map(Report::faults).collect(),
        standstill: Duration::from_millis(standstill),
    }
}
