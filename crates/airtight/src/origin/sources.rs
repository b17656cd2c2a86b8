//! Follows sources: those that were told, those that the reporter names, the peers. Which, says `control::roster`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use airtight_control::{
    ingest::{Ingest, PartUrl},
    roster::{MOST, Named, Roster},
};
use airtight_media::compose::SourceId;
use arc_swap::ArcSwap;
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};

use super::reporter::Ask;
use crate::{
    http::Client,
    publish::{Board, News},
    serve::pulse::Pulse,
    upstream::{Directory, follow},
};

/// Between two questions to the reporter.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Source {
    id: SourceId,
    /// Beats with each line of its feed.
    pulse: Pulse,
    task: AbortHandle,
}

/// The pulses of all sources that are followed: each beats with every line of its feed.
pub(super) type Reach = Arc<ArcSwap<Vec<Pulse>>>;

/// The sources of an origin.
pub(super) struct Sources {
    client: Client,
    news: mpsc::Sender<(SourceId, News)>,
    directory: Directory,
    expected: watch::Sender<BTreeSet<SourceId>>,
    reach: Reach,
    roster: Roster,
    began: Instant,
    followed: BTreeMap<PartUrl, Source>,
    next: u32,
}

impl Sources {
    pub(super) fn new(
        client: Client,
        news: mpsc::Sender<(SourceId, News)>,
        directory: Directory,
        expected: watch::Sender<BTreeSet<SourceId>>,
    ) -> Self {
        let (roster, followed) = (Roster::default(), BTreeMap::new());
        let reach = Reach::default();
        Self { client, news, directory, expected, reach, roster, began: Instant::now(), followed, next: 0 }
    }

    /// Who is heard, from now on.
    pub(super) fn reach(&self) -> Reach {
        self.reach.clone()
    }

    /// Follows what was told on the command line.
    pub(super) fn follow_always(&mut self, packagers: &BTreeSet<PartUrl>, peers: &BTreeSet<PartUrl>) {
        for url in packagers {
            let named = self.roster.tell(url);
            self.follow(url, named);
        }
        let packagers_end = std::mem::replace(&mut self.next, SourceId::FIRST_PEER.0);
        for url in peers {
            let named = self.roster.tell(url);
            self.follow(url, named);
        }
        self.next = packagers_end;
        self.publish();
    }

    fn follow(&mut self, url: &PartUrl, named: Named) {
        match named {
            Named::New => {}
            Named::Known => return,
            Named::NoPlace => return warn!("{url} is not followed: {MOST} sources are the most"),
        }
        let id = SourceId(self.next);
        self.next += 1;
        info!("{} {url} is followed", if id.is_peer() { "Peer" } else { "Packager" });
        let pulse = Pulse::new();
        let feed = follow(self.client.clone(), url.clone(), id, self.news.clone(), pulse.clone());
        let task = tokio::spawn(feed).abort_handle();
        self.followed.insert(url.clone(), Source { id, pulse, task });
    }

    /// Asks the reporter again and again; `last` is the last good answer that is known.
    pub(super) async fn run(mut self, ask: Ask, mut last: Vec<Ingest>, board: Arc<Board>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reachable = true;
        loop {
            ticks.tick().await;
            match ask.now().await {
                Ok(answer) => {
                    if !std::mem::replace(&mut reachable, true) {
                        info!("The reporter {} answers again", ask.reporter);
                    }
                    self.take(&answer, &board);
                    if !answer.is_empty() && !same(&answer, &last) {
                        ask.keep(&answer);
                        last = answer;
                    }
                }
                Err(error) if std::mem::replace(&mut reachable, false) => {
                    let (reporter, meanwhile) = (&ask.reporter, meanwhile(&last));
                    warn!("The reporter {reporter} gives no answer, {meanwhile}: {error:#}");
                }
                Err(_) => {}
            }
            self.forget();
        }
    }

    /// Makes the signals of an answer known and follows their packagers.
    pub(super) fn take(&mut self, answer: &[Ingest], board: &Board) {
        for ingest in answer {
            board.declare(&ingest.signal);
            for url in &ingest.packagers {
                let named = self.roster.name(url, self.began.elapsed());
                self.follow(url, named);
            }
        }
        self.publish();
    }

    /// Lets go of what nobody has named, and what has said nothing, for a while.
    fn forget(&mut self) {
        let silent =
            |url: &PartUrl| self.followed.get(url).map_or(Duration::MAX, |source| source.pulse.age());
        for url in self.roster.forget(self.began.elapsed(), silent) {
            info!("{url} is no longer followed: it is silent and not named any more");
            if let Some(source) = self.followed.remove(&url) {
                source.task.abort();
            }
        }
        self.publish();
    }

    fn publish(&self) {
        let ids: BTreeMap<_, _> = self.followed.iter().map(|(url, s)| (s.id, url.clone())).collect();
        self.expected.send_if_modified(|expected| {
            let changed = !expected.iter().eq(ids.keys());
            *expected = ids.keys().copied().collect();
            changed
        });
        self.reach.store(Arc::new(self.followed.values().map(|source| source.pulse.clone()).collect()));
        self.directory.store(Arc::new(ids));
    }
}

/// What holds while there is no answer.
fn meanwhile(last: &[Ingest]) -> &'static str {
    match last.is_empty() {
        true => "and none is kept: only --packagers and --peers are followed",
        false => "its last good one holds",
    }
}

/// True if both answers name the same packagers for the same signals.
fn same(one: &[Ingest], other: &[Ingest]) -> bool {
    let facts = |answer: &[Ingest]| -> Vec<_> {
        answer.iter().map(|i| (i.signal.clone(), i.packagers.clone())).collect()
    };
    facts(one) == facts(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(port: u16) -> PartUrl {
        format!("http://127.0.0.1:{port}").parse().unwrap()
    }

    fn sources() -> (Sources, mpsc::Receiver<(SourceId, News)>) {
        let (news, heard) = mpsc::channel(8);
        let directory = Directory::default();
        (Sources::new(Client::new(), news, directory, watch::Sender::new(BTreeSet::new())), heard)
    }

    fn answer(ports: &[u16]) -> Vec<Ingest> {
        let packagers: Vec<_> = ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let last = "Fri, 05 Apr 2024 11:23:45 -03";
        let json = serde_json::json!([{ "signal": "live01", "packagers": packagers, "last_reported": last }]);
        serde_json::from_value(json).unwrap()
    }

    #[tokio::test]
    async fn peers_are_asked_after_all_packagers() {
        let (mut sources, _heard) = sources();
        sources.follow_always(&BTreeSet::from([url(1), url(2)]), &BTreeSet::from([url(3)]));
        sources.take(&answer(&[2, 4]), &Board::default());
        let directory = sources.directory.load();
        let order: Vec<_> = directory.values().cloned().collect();
        assert_eq!(order, [url(1), url(2), url(4), url(3)]);
        assert!(sources.expected.borrow().iter().eq(directory.keys()));
    }

    #[tokio::test]
    async fn an_empty_answer_lets_no_source_go() {
        let (mut sources, _heard) = sources();
        let board = Board::default();
        sources.take(&answer(&[1]), &board);
        assert!(board.offer(&"live01".parse().unwrap()).is_some());
        sources.take(&[], &board);
        sources.forget();
        assert_eq!(sources.followed.keys().collect::<Vec<_>>(), [&url(1)]);
    }

    #[test]
    fn an_answer_holds_only_if_there_was_one() {
        assert_eq!(meanwhile(&[]), "and none is kept: only --packagers and --peers are followed");
        assert_eq!(meanwhile(&answer(&[1])), "its last good one holds");
    }
}
