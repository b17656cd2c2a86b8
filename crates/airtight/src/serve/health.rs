//! Whether a part lives: every loop that serves or decides has beaten of late.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use super::pulse::Pulse;

/// A loop that has not beaten for so long is frozen; each beats ten times a second.
const FROZEN: Duration = Duration::from_secs(1);

/// The loops of a part, by name. Clones watch the same loops.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Vec<(&'static str, Pulse)>>>);

impl Health {
    /// Watches one more loop.
    pub fn watch(&self, name: &'static str, pulse: Pulse) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((name, pulse));
    }

    /// The sentence of `GET /healthz`: `Err` if a loop is frozen.
    ///
    /// # Errors
    /// Which loop.
    pub fn alive(&self) -> Result<(), String> {
        self.alive_within(FROZEN)
    }

    /// That every loop has beaten within `limit`.
    ///
    /// # Errors
    /// Which loop has not.
    pub fn alive_within(&self, limit: Duration) -> Result<(), String> {
        let loops = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match loops.iter().find(|(_, pulse)| pulse.age() > limit) {
            Some((name, pulse)) => Err(format!("the {name} has been frozen for {:?}", pulse.age())),
            None => Ok(()),
        }
    }
}

/// A state as an answer: `ok`, or what is wrong in a sentence.
pub fn state(outcome: Result<(), String>) -> Response {
    match outcome {
        Ok(()) => "ok\n".into_response(),
        Err(sentence) => (StatusCode::SERVICE_UNAVAILABLE, format!("{sentence}\n")).into_response(),
    }
}
