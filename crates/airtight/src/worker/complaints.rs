//! What ffmpeg complains of, run after run. An input that is damaged makes it say the same for ever.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::rarely::Rarely;

/// Lines that are logged in a minute; the others are counted.
const LINES: u32 = 20;

/// What ffmpeg complains of.
#[derive(Debug)]
pub struct Complaints(Mutex<State>);

#[derive(Debug)]
struct State {
    rarely: Rarely,
    last: Option<String>,
}

impl Complaints {
    /// It has complained of nothing.
    pub const fn new() -> Self {
        Self(Mutex::new(State { rarely: Rarely::new(LINES), last: None }))
    }

    /// Logs a line, and keeps it as the last.
    pub fn take(&self, line: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.rarely.may_say(Instant::now()) {
            Some(unsaid) => {
                if unsaid > 0 {
                    info!("ffmpeg wrote {unsaid} more lines of errors");
                }
                warn!("ffmpeg: {line}");
            }
            None => debug!("ffmpeg: {line}"),
        }
        if !line.trim().is_empty() {
            state.last = Some(line.trim().to_owned());
        }
    }

    /// The last line of a run, which is asked for once it has ended.
    pub fn last(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last.take()
    }
}
