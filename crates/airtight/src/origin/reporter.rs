//! Asks the reporter, and remembers its last good answer: what it says is a hint.

use std::time::Duration;

use airtight_control::ingest::{Ingest, PartUrl};
use anyhow::ensure;
use tracing::{info, warn};

use crate::{
    http::{Budget, Client},
    state::StateFile,
};

/// For one answer.
const BUDGET: Budget = Budget { time: Duration::from_millis(800), bytes: 4 << 20 };

/// Asks one reporter.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) client: Client,
    pub(super) reporter: PartUrl,
    /// Where the last good answer is kept.
    pub(super) saved: Option<StateFile<Vec<Ingest>>>,
}

impl Ask {
    /// The answer that an earlier run kept.
    pub(super) fn remembered(&self) -> Vec<Ingest> {
        let answer = self.saved.as_ref().map(StateFile::load).unwrap_or_default();
        if !answer.is_empty() {
            info!("Begins from the saved answer of the reporter: {} signals", answer.len());
        }
        answer
    }

    /// The answer now.
    ///
    /// # Errors
    /// No answer, or one that can't be read.
    pub(super) async fn now(&self) -> anyhow::Result<Vec<Ingest>> {
        let answer = self.client.get(&format!("{}/ingests", self.reporter), BUDGET).await?;
        ensure!(answer.status.is_success(), "it answers {}: {}", answer.status, answer.sentence());
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Keeps an answer for the next run.
    pub(super) fn keep(&self, answer: &[Ingest]) {
        if let Some(Err(error)) = self.saved.as_ref().map(|saved| saved.save(&answer.to_vec())) {
            warn!("{error:#}");
        }
    }
}
