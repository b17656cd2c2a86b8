//! How a part that serves ends: from the word to stop to the last answer.
//!
//! Others may serve on the very socket that it leaves, so nobody is to be cut: SIGTERM asks it to let everybody
//! go in peace, and SIGINT not to wait for those who ask for nothing.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The steps of an end. Clones are the same end.
#[derive(Debug, Clone, Default)]
pub struct Ending {
    /// Nobody new is served, and long answers end.
    pub stop: CancellationToken,
    /// Whoever asks for nothing is not waited for.
    pub hurry: CancellationToken,
    /// Nobody is served any more: whatever brings what is served may end, too.
    pub done: CancellationToken,
}

impl Ending {
    /// One that begins with a signal. To be called within a runtime.
    ///
    /// # Errors
    /// The machine does not let signals be watched.
    pub fn by_signal() -> anyhow::Result<Self> {
        let watch = |kind| signal(kind).context("can't watch signals");
        let (mut terminate, mut interrupt) =
            (watch(SignalKind::terminate())?, watch(SignalKind::interrupt())?);
        let ending = Self::default();
        let ended = ending.clone();
        tokio::spawn(async move {
            let interrupted = tokio::select! {
                _ = terminate.recv() => false,
                _ = interrupt.recv() => true,
            };
            ended.stop.cancel();
            if !interrupted {
                interrupt.recv().await;
            }
            ended.hurry.cancel();
        });
        Ok(ending)
    }
}
