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
    scan: Option<JoinHandle<io::Result<Look>>>,
    said: Option<Trouble>,
}

/// What a look at the folder found.
#[derive(Debug, Default)]
struct Look {
    signals: BTreeSet<SignalName>,
    trouble: Option<Trouble>,
}

/// What keeps signals of the folder from being found; each is said once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// There is no such folder yet: parts start in any order.
    Missing,
    /// There are further signals.
    Full,
    /// It can't be read.
    Unreadable,
}

impl Disk {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, known: BTreeSet::new(), scan: None, said: None }
    }

    /// The signals of the folder, as of now or as of the last time that it could be read.
    pub(super) async fn signals(&mut self) -> &BTreeSet<SignalName> {
        let root = &self.root;
        let scan = self.scan.get_or_insert_with(|| {
            let root = root.clone();
            spawn_blocking(move || scan(&root, SIGNALS_MAX))
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

    fn take(&mut self, outcome: io::Result<Look>) {
        let trouble = outcome.as_ref().map_or(Some(Trouble::Unreadable), |look| look.trouble);
        if trouble != std::mem::replace(&mut self.said, trouble) {
            self.say(trouble, outcome.as_ref().err());
        }
        if let Ok(look) = outcome {
            self.known = look.signals;
        }
    }

    fn say(&self, trouble: Option<Trouble>, error: Option<&io::Error>) {
        let root = self.root.display();
        match (trouble, error) {
            (None, _) => info!("All signals of the folder '{root}' can be found now"),
            (Some(Trouble::Missing), _) => {
                warn!("There is no folder '{root}' yet: if no worker is about to make it, correct --output");
            }
            (Some(Trouble::Full), _) => {
                warn!("The folder '{root}' has more than {SIGNALS_MAX} signals: the others are left out");
            }
            (Some(Trouble::Unreadable), error) => {
                let reason = error.map_or_else(String::new, |error| format!(": {error}"));
                warn!("The folder '{root}' can't be read{reason}; what it held before stands");
            }
        }
    }
}

/// The signals below `root`, `most` of them at the most, whatever else lies there.
fn scan(root: &Path, most: usize) -> io::Result<Look> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Look { trouble: Some(Trouble::Missing), ..Look::default() });
        }
        entries => entries?,
    };
    let mut look = Look::default();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_str().and_then(|name| name.parse::<SignalName>().ok());
        let Some(name) = name.filter(|_| is_signal(&entry.path())) else { continue };
        if look.signals.len() >= most {
            look.trouble = Some(Trouble::Full);
            break;
        }
        look.signals.insert(name);
    }
    Ok(look)
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
        let look = scan(root.path(), SIGNALS_MAX).unwrap();
        let signals: Vec<String> = look.signals.iter().map(ToString::to_string).collect();
        assert_eq!((&signals[..], look.trouble), (&["live01".to_owned(), "live02".to_owned()][..], None));
    }

    #[test]
    fn only_signals_count_towards_the_most() {
        let root = tempfile::tempdir().unwrap();
        for other in 0..200 {
            touch(root.path(), &format!("other-{other}"));
        }
        touch(root.path(), "live01/signal.json");
        let look = scan(root.path(), 1).unwrap();
        assert_eq!((look.signals.len(), look.trouble), (1, None));
        touch(root.path(), "live02/signal.json");
        let look = scan(root.path(), 1).unwrap();
        assert_eq!((look.signals.len(), look.trouble), (1, Some(Trouble::Full)));
    }

    #[tokio::test]
    async fn a_folder_not_there_yet_is_empty_and_one_that_breaks_keeps_its_last_answer() {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("output");
        let mut disk = Disk::new(root.clone());
        assert!(disk.signals().await.is_empty());
        assert_eq!(disk.said, Some(Trouble::Missing));
        touch(&root, "live01/signal.json");
        assert_eq!(disk.signals().await.len(), 1);
        assert_eq!(disk.said, None);
        fs::remove_dir_all(&root).unwrap();
        fs::write(&root, "no folder").unwrap();
        assert_eq!(disk.signals().await.len(), 1);
        assert_eq!(disk.said, Some(Trouble::Unreadable));
    }
}
