//! The viewer of one server: finds the renditions and reloads their playlists as a player does.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use super::{
    Clock, Options, Reporter, Url,
    desk::What,
    fetch::{Answer, Client},
    load::Loader,
};
use crate::{
    player::Policy,
    playlist::{Media, Multivariant, Playlist, Segment},
    rules::{
        KEPT_AFTER_REMOVAL, LISTED_IS_THERE, READABLE,
        answer::{self, Kind},
        coded,
        kept::{Due, Kept},
    },
};

/// Segments that wait to be loaded; then the next reload waits.
const QUEUE: usize = 256;
/// Reloads of a playlist, of which one is followed by a request for the same in gzip.
const RELOADS: u64 = 4;
/// What an unchanged playlist is given beyond the half target duration that a player waits: what is late by less may
/// be the way. As pauses begin with an answer, the second look at one is the first that can find it overdue.
const LENIENCE: Duration = Duration::from_millis(50);
/// Before the last moment that a removed segment must be there: what asking takes.
const MARGIN: Duration = Duration::from_millis(200);

/// What every task of a viewer has.
#[derive(Debug, Clone)]
pub(super) struct Viewer {
    pub client: Client,
    pub options: Options,
    pub clock: Clock,
    pub reporter: Reporter,
    /// Turns true when the watch is over.
    pub ended: watch::Receiver<bool>,
}

impl Viewer {
    /// Watches a server until it has no more to show, or the watch is over.
    pub(super) async fn watch(self, url: Url) {
        let mut tasks = JoinSet::new();
        let mut ended = self.ended.clone();
        tokio::select! {
            _ = ended.wait_for(|ended| *ended) => return,
            () = self.begin(&url, &mut tasks) => {}
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn begin(&self, url: &Url, tasks: &mut JoinSet<()>) {
        let Some(answer) = self.fetch(url, Kind::Playlist).await else { return };
        self.compare(url, &answer).await;
        let renditions = match self.read(url, &answer).await {
            None => return,
            Some(Playlist::Media(_)) => vec![(url.name_of(url), url.clone())],
            Some(Playlist::Multivariant(offer)) => {
                self.reporter.say(answer.seen, url.as_str(), What::Offer(offer.clone())).await;
                let offer = here(url, &offer);
                let uris = offer.variants.iter().map(|variant| variant.uri.as_str());
                let uris =
                    uris.chain(offer.renditions.iter().filter_map(|rendition| rendition.uri.as_deref()));
                let mut renditions: Vec<(String, Url)> = Vec::new();
                for uri in uris {
                    match url.join(uri) {
                        Ok(rendition) => {
                            let name = url.name_of(&rendition);
                            if renditions.iter().all(|(known, _)| *known != name) {
                                renditions.push((name, rendition));
                            }
                        }
                        Err(error) => self.find(url, READABLE.broken(error.to_string())).await,
                    }
                }
                renditions
            }
        };
        let names = renditions.iter().map(|(name, _)| name.clone()).collect();
        self.reporter.say(answer.seen, url.as_str(), What::Renditions(names)).await;
        for (name, url) in renditions {
            let name: Arc<str> = name.into();
            let (queue, segments) = mpsc::channel(QUEUE);
            tasks.spawn(Loader::new(self.clone(), name.clone(), url.clone()).run(segments));
            tasks.spawn(
                Follower { viewer: self.clone(), name, url, queue, kept: Kept::default(), looks: 0 }.run(),
            );
        }
    }

    pub(super) async fn find(&self, place: &Url, finding: crate::rules::Finding) {
        self.reporter.say(self.clock.now(), place.as_str(), What::Finding(finding)).await;
    }

    async fn read(&self, url: &Url, answer: &Answer) -> Option<Playlist> {
        let text = std::str::from_utf8(&answer.body).map_err(|error| error.to_string());
        match text.and_then(|text| Playlist::read(text).map_err(|error| error.to_string())) {
            Ok(playlist) => Some(playlist),
            Err(reason) => {
                self.find(url, READABLE.broken(reason)).await;
                None
            }
        }
    }

    /// Asks for a playlist in gzip, too, as browsers do. A fault of this request is none that a player has.
    async fn compare(&self, url: &Url, plain: &Answer) {
        let coded = self.client.get_coded(url, &self.options.player.playlist).await;
        let Some(coded) = coded.ok().filter(|coded| coded.head.status == 200) else { return };
        if let Some(finding) = coded::finding(&plain.body, coded.coding.as_deref(), &coded.body) {
            self.find(url, finding).await;
        }
    }

    /// Gets what is listed, with the patience of the player; none if it gave up.
    pub(super) async fn fetch(&self, url: &Url, kind: Kind) -> Option<Answer> {
        let patience = match kind {
            Kind::Playlist => &self.options.player.playlist,
            Kind::Init | Kind::Segment => &self.options.player.segment,
        };
        let mut failed = 0;
        loop {
            let fault = match self.client.get(url, kind, patience).await {
                Ok(answer) => {
                    let bytes = answer.body.len();
                    self.reporter.say(answer.seen, url.as_str(), What::Answer { bytes }).await;
                    for finding in answer::findings(kind, &answer.head) {
                        self.find(url, finding).await;
                    }
                    match answer.head.status {
                        200 => return Some(answer),
                        status => crate::player::Fault::Status(status),
                    }
                }
                Err(fault) => fault,
            };
            failed += 1;
            let pause = patience.pause(&fault, failed);
            let (at, fatal) = (self.clock.now(), pause.is_none());
            let reason = fault.to_string();
            self.reporter.say(at, url.as_str(), What::Fault { fault, fatal }).await;
            let Some(pause) = pause else {
                self.find(url, LISTED_IS_THERE.broken(format!("after {failed} requests: {reason}"))).await;
                return None;
            };
            sleep(pause).await;
        }
    }
}

/// What this server offers of itself: a player is on one pathway at a time, and it is this server that is judged. Where
/// no pathway leads to it, as behind a proxy, the first is as good as any.
fn here(url: &Url, offer: &Multivariant) -> Multivariant {
    let leads_here = |pathway: &str| {
        let mut variants = offer.variants.iter().filter(|v| v.pathway.as_deref() == Some(pathway));
        variants.any(|variant| url.join(&variant.uri).is_ok_and(|other| url.is_beside(&other)))
    };
    let pathways = offer.pathways();
    let ours = pathways.iter().copied().find(|pathway| leads_here(pathway));
    offer.on(ours.or_else(|| pathways.first().copied()))
}

/// Reloads one media playlist.
struct Follower {
    viewer: Viewer,
    name: Arc<str>,
    url: Url,
    queue: mpsc::Sender<Segment>,
    kept: Kept,
    looks: u64,
}

impl Follower {
    async fn run(mut self) {
        let mut ended = self.viewer.ended.clone();
        let mut probes = JoinSet::new();
        tokio::select! {
            _ = ended.wait_for(|ended| *ended) => {}
            () = self.follow(&mut probes) => {}
        }
    }

    async fn follow(&mut self, probes: &mut JoinSet<()>) {
        let mut next = None;
        let mut last: Option<Arc<Media>> = None;
        loop {
            let asked = self.viewer.clock.now();
            let mut next_look = asked + last.as_ref().map_or(Duration::from_secs(1), |last| last.target);
            if let Some((at, playlist)) = self.look(&mut next).await {
                let unchanged = last.as_ref() == Some(&playlist);
                let pause = if unchanged { playlist.target / 2 + LENIENCE } else { playlist.target };
                next_look = self.viewer.clock.now() + pause;
                for due in self.kept.saw(at, &playlist) {
                    probes.spawn(probe(self.viewer.clone(), self.url.clone(), due));
                }
                if playlist.ended {
                    return self
                        .viewer
                        .reporter
                        .say(at, self.url.as_str(), What::End(self.name.clone()))
                        .await;
                }
                last = Some(playlist);
            }
            while probes.try_join_next().is_some() {}
            let next_look = self.viewer.options.every.map_or(next_look, |every| asked + every);
            sleep(next_look.saturating_sub(self.viewer.clock.now())).await;
        }
    }

    /// Gets the playlist, reports it and queues what is new; gives it with the time of the request.
    async fn look(&mut self, next: &mut Option<u64>) -> Option<(Duration, Arc<Media>)> {
        let answer = self.viewer.fetch(&self.url, Kind::Playlist).await?;
        if self.looks.is_multiple_of(RELOADS) {
            self.viewer.compare(&self.url, &answer).await;
        }
        self.looks += 1;
        let Some(Playlist::Media(playlist)) = self.viewer.read(&self.url, &answer).await else { return None };
        let (asked, playlist) = (answer.asked, Arc::new(playlist));
        let what = What::Playlist { name: self.name.clone(), asked, playlist: playlist.clone() };
        self.viewer.reporter.say(answer.seen, self.url.as_str(), what).await;
        let from = next.or_else(|| self.viewer.options.player.first(&playlist));
        for segment in
            playlist.segments.iter().filter(|segment| from.is_some_and(|from| segment.number >= from))
        {
            *next = segment.number.checked_add(1);
            // The loader goes away only with this task.
            let _ = self.queue.send(segment.clone()).await;
        }
        Some((asked, playlist))
    }
}

/// Asks for a removed segment just before it may be gone.
async fn probe(viewer: Viewer, playlist: Url, due: Due) {
    let Some(moment) = due.until.checked_sub(MARGIN) else { return };
    sleep(moment.saturating_sub(viewer.clock.now())).await;
    let Ok(url) = playlist.join(&due.uri) else { return };
    let patience: &Policy = &viewer.options.player.segment;
    let Ok(answer) = viewer.client.get(&url, Kind::Segment, patience).await else { return };
    if answer.seen >= due.until {
        return;
    }
    viewer.reporter.say(answer.seen, url.as_str(), What::Removed).await;
    if answer.head.status != 200 {
        let (number, status) = (due.number, answer.head.status);
        viewer.find(&url, KEPT_AFTER_REMOVAL.broken(format!("number {number}: status {status}"))).await;
    }
}
