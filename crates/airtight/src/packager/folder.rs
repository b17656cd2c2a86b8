//! Watches a shared folder: what others put there is held within milliseconds, what they delete is forgotten.
//!
//! The system's notice is quick but can be lost, and knows no folder that is made later than its parent is watched;
//! so the folder is looked through every two seconds, too, or as often as that takes a tenth of the time. It never
//! writes media.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use prometheus_client::metrics::counter::Counter;
use tracing::{debug, warn};

use super::store::Store;

/// Between two looks through all of the folder.
const LOOK: Duration = Duration::from_secs(2);
/// They are so many times as long apart as one takes, if that is more.
const APART: u32 = 9;
/// Notices that wait. Further ones are dropped: the next look finds what they told of.
const NOTICES: usize = 1024;

/// A folder that is being watched, until it is dropped.
#[derive(Debug)]
pub(super) struct Folder {
    /// Closes the queue, which ends the thread.
    notices: Option<SyncSender<Notice>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Notice {
    Paths(Vec<PathBuf>),
    Stop,
}

impl Folder {
    /// Starts watching the folder of `store`.
    ///
    /// # Errors
    /// There can be no further thread.
    pub(super) fn watch(store: Store) -> std::io::Result<Self> {
        let (notices, queue) = sync_channel(NOTICES);
        let sender = notices.clone();
        let thread = std::thread::Builder::new().name("folder".into()).spawn(move || {
            Watching { store, sender, watched: None, due: Instant::now() }.run(&queue);
        })?;
        Ok(Self { notices: Some(notices), thread: Some(thread) })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(notices) = self.notices.take() {
            // A thread that has ended needs no word.
            let _ = notices.send(Notice::Stop);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread.
struct Watching {
    store: Store,
    sender: SyncSender<Notice>,
    /// The watcher, with what tells the folder that it watches from another of its name.
    watched: Option<(RecommendedWatcher, (u64, u64))>,
    /// When the next look is due.
    due: Instant,
}

/// From a look that took so long to the next.
fn pause(took: Duration) -> Duration {
    LOOK.max(took * APART)
}

impl Watching {
    fn run(mut self, queue: &Receiver<Notice>) {
        loop {
            self.look();
            loop {
                match queue.recv_timeout(self.due.saturating_duration_since(Instant::now())) {
                    Ok(Notice::Paths(paths)) => self.notice(paths, queue),
                    Err(RecvTimeoutError::Timeout) => break,
                    Ok(Notice::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                }
                if Instant::now() >= self.due {
                    break;
                }
            }
        }
    }

    /// Looks through all of the folder, and watches it if it is not the one that is watched.
    fn look(&mut self) {
        let begun = Instant::now();
        match self.store.disk().ensure() {
            Ok(identity) if self.watched.as_ref().is_none_or(|(_, watched)| *watched != identity) => {
                self.watched = self.start().map(|watcher| (watcher, identity));
            }
            Ok(_) => {}
            Err(error) => warn!("'{}' can't be used: {error}", self.store.disk().root().display()),
        }
        self.store.reconcile();
        self.due = Instant::now() + pause(begun.elapsed());
    }

    fn start(&self) -> Option<RecommendedWatcher> {
        let (sender, dropped) = (self.sender.clone(), self.store.metrics().notices_dropped.clone());
        let watcher = notify::recommended_watcher(move |event| tell(event, &sender, &dropped));
        let root = self.store.disk().root();
        let watching = watcher.and_then(|mut watcher| {
            watcher.watch(root, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        watching
            .inspect_err(|error| {
                warn!("'{}' can't be watched: {error}; it is looked through every {LOOK:?}", root.display());
            })
            .ok()
    }

    /// Takes in the paths of a notice and of those that wait behind it.
    fn notice(&self, paths: Vec<PathBuf>, queue: &Receiver<Notice>) {
        let mut paths: BTreeSet<PathBuf> = paths.into_iter().collect();
        while paths.len() < NOTICES
            && let Ok(Notice::Paths(more)) = queue.try_recv()
        {
            paths.extend(more);
        }
        // In order of their names `init-…` comes after `897738816.m4s`: what others depend on comes first.
        let (first, then): (Vec<_>, Vec<_>) =
            paths.into_iter().partition(|path| path.extension().is_none_or(|extension| extension != "m4s"));
        for path in first.into_iter().chain(then) {
            match self.store.disk().place(&path) {
                Some(place) => {
                    self.store.adopt(&place);
                    self.store.vanished(&place);
                }
                None if path.is_dir() => self.store.adopt_folder(&path),
                None => {}
            }
        }
    }
}

/// Passes on what tells of a whole file, or of one that is gone.
fn tell(event: notify::Result<Event>, queue: &SyncSender<Notice>, dropped: &Counter) {
    let Ok(event) = event else { return };
    let matters = match event.kind {
        EventKind::Create(_) | EventKind::Remove(_) => true,
        EventKind::Modify(kind) => matches!(kind, notify::event::ModifyKind::Name(_)),
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        EventKind::Any | EventKind::Other => false,
    };
    if matters && let Err(TrySendError::Full(_)) = queue.try_send(Notice::Paths(event.paths)) {
        dropped.inc();
        debug!("A notice of the folder was dropped: the next look finds what it told of");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_takes_a_tenth_of_the_time_at_most() {
        for took in [1, 100, 300, 5000].map(Duration::from_millis) {
            assert!(pause(took) >= LOOK && took * 10 <= took + pause(took), "{took:?}");
        }
        assert_eq!(pause(Duration::from_millis(100)), LOOK);
    }

    #[test]
    fn a_notice_that_finds_no_room_is_counted() {
        let ((sender, queue), dropped) = (sync_channel(1), Counter::default());
        let event = || Ok(Event::new(EventKind::Create(notify::event::CreateKind::File)));
        tell(event(), &sender, &dropped);
        assert_eq!(dropped.get(), 0);
        tell(event(), &sender, &dropped);
        assert_eq!(dropped.get(), 1);
        assert!(matches!(queue.recv(), Ok(Notice::Paths(_))));
    }
}
