//! What the one at the terminal sees: `up`'s own words and the logs of the parts.
//!
//! Supervision never waits for the terminal, which may stand still: lines go through an [`Outlet`].

use std::fmt;

use jiff::tz::TimeZone;

use crate::log;
use crate::outlet::{Outlet, Stream};

/// A way to the terminal, to be cloned freely.
#[derive(Clone, Debug)]
pub struct Console {
    outlet: Outlet,
    json: bool,
    zone: TimeZone,
}

impl Console {
    /// Starts it; with `json` each line on standard error is an object.
    ///
    /// # Errors
    /// If there can be no further thread.
    pub fn start(json: bool) -> std::io::Result<Self> {
        let lost = |count| format!("[up] {count} lines were not shown here, the logs have them");
        Ok(Self { outlet: Outlet::start(lost)?, json, zone: log::zone() })
    }

    /// The answer to the command, on standard output.
    pub fn print(&self, text: impl Into<String>) {
        self.outlet.say(Stream::Out, text);
    }

    /// Something that happened to a part, or to `up` itself.
    pub fn say(&self, who: impl fmt::Display, what: impl fmt::Display) {
        let now = jiff::Timestamp::now();
        let line = if self.json {
            let (who, what) = (who.to_string(), what.to_string());
            serde_json::json!({"timestamp": now.to_string(), "part": who, "message": what}).to_string()
        } else {
            let time = now.to_zoned_datetime(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
            format!("[up] {time} {who} {what}")
        };
        self.outlet.say(Stream::Error, line);
    }

    /// A line of a part's log.
    pub fn pass_on(&self, part: impl fmt::Display, line: &str) {
        self.outlet.say(Stream::Error, if self.json { line.to_owned() } else { format!("[{part}] {line}") });
    }

    /// Waits until all is shown, at most a second: the logs hold what a terminal was not shown.
    pub fn finish(&self) {
        self.outlet.finish();
    }
}
