//! Where the reporter's knowledge lives: the one seam between its answers and what keeps them.

use std::sync::Arc;

use airtight_control::{
    ingest::Report,
    registry::{Full, Snapshot},
};
use tokio::sync::watch;

/// Keeps what is reported until it expires.
pub(super) trait Store: Clone + Send + Sync + 'static {
    /// Takes a whole report, or nothing of it.
    fn report(&self, reports: Vec<Report>) -> impl Future<Output = Result<(), Full>> + Send;

    /// All that is known, now and after each change. A reader that is slow misses states, never the last one.
    fn watch(&self) -> watch::Receiver<Arc<Snapshot>>;
}
