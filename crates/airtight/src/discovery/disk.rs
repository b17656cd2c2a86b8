//! The signals of the shared folder: `<root>/<signal>/signal.json` and `<root>/<signal>/<lineage>/playlist.m3u8`.
//!
//! A folder that hangs, as network folders do, never holds up a round: the last answer stands until there is
//! another. It reads names only, never media.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use airtight_control::registry::SIGNALS_MAX;
use airtight_media::id::{Lineage, SignalName};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use tracing::{info, warn};

/// For a round to wait for the disk.
const PATIENCE: Duration = Duration::from_millis(500);

/// The shared folder as this discovery sees it.
pub(super) struct Disk {
    root: PathBuf,
    known: BTreeSet<SignalName>,
    scan: Option<JoinHandle<io::Result<BTreeSet<SignalName>>>>,
    failing: bool,
}

impl Disk {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, known: BTreeSet::new(), scan: None, failing: false }
    }

    /// The signals of the folder, as of now or as of the last time that it could be read.
    pub(super) async fn signals(&mut self) -> &BTreeSet<SignalName> {
        let root = &self.root;
        let scan = self.scan.get_or_insert_with(|| {
            let root = root.clone();
            spawn_blocking(move || scan(&root))
        });
        match timeout(PATIENCE, scan).await {
            Ok(outcome) => {
                self.scan = None;
                self.take(outcome.unwrap_or_else(|end| Err(io::Error::other(end))));
            }
            Err(_) => self.take(Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer"))),
        }
        &self.known
    }

    fn take(&mut self, outcome: io::Result<BTreeSet<SignalName>>) {
        let root = self.root.display();
        match &outcome {
            Ok(_) if self.failing => info!("The folder '{root}' can be read again"),
            Err(error) if !self.failing => {
                warn!("The folder '{root}' can't be read: {error}; what it held before stands");
            }
            _ => {}
        }
        self.failing = outcome.is_err();
        if let Ok(signals) = outcome {
            self.known = signals;
        }
    }
}

/// The signals below `root`; none if it is not there yet, since parts start in any order.
fn scan(root: &Path) -> io::Result<BTreeSet<SignalName>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries?,
    };
    let mut signals = BTreeSet::new();
    for entry in entries.take(SIGNALS_MAX) {
        let entry = entry?;
        let name = entry.file_name().to_str().and_then(|name| name.parse::<SignalName>().ok());
        signals.extend(name.filter(|_| is_signal(&entry.path())));
    }
    Ok(signals)
}

fn is_signal(folder: &Path) -> bool {
    if folder.join("signal.json").is_file() {
        return true;
    }
    // A folder that goes away while it is looked at is none.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut lineages = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<Lineage>().is_ok()));
    lineages.any(|lineage| lineage.path().join("playlist.m3u8").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(root: &Path, path: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }

    #[test]
    fn a_signal_has_a_record_or_a_playable_lineage() {
        let root = tempfile::tempdir().unwrap();
        for path in [
            "live01/signal.json",
            "live02/a-1795477632/playlist.m3u8",
            "live03/a-1795477632/720p/playlist.m3u8",
            "live04/notes/playlist.m3u8",
            "not a name/signal.json",
            "live05",
        ] {
            touch(root.path(), path);
        }
        let signals: Vec<String> = scan(root.path()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(signals, ["live01", "live02"]);
    }

    #[tokio::test]
    async fn a_folder_not_there_yet_is_empty_and_one_that_breaks_keeps_its_last_answer() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("output");
        let mut disk = Disk::new(root.clone());
        assert!(disk.signals().await.is_empty());
        touch(&root, "live01/signal.json");
        assert_eq!(disk.signals().await.len(), 1);
        fs::remove_dir_all(&root).unwrap();
        fs::write(&root, "no folder").unwrap();
        assert_eq!(disk.signals().await.len(), 1);
    }
}
