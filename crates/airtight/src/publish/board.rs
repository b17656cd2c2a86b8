//! The board: what every signal offers now, read by whoever serves, without a lock.

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use airtight_media::{
    hls,
    id::{SignalName, TrackName},
    pathway::Pathways,
    window::Snapshot,
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::Figures;

/// What is offered of a signal.
#[derive(Debug, Clone)]
pub enum Offer {
    /// The signal is known, but there are no media yet.
    Declared(Wanted),
    /// This.
    On(Arc<Published>),
}

impl Offer {
    fn wanted(&self) -> &Wanted {
        match self {
            Self::Declared(wanted) => wanted,
            Self::On(published) => &published.wanted,
        }
    }
}

/// Whether anybody has asked for a signal since that was last looked at.
#[derive(Debug, Clone, Default)]
pub struct Wanted(Arc<AtomicBool>);

impl Wanted {
    fn mark(&self) {
        // Viewers' threads share the line as long as nobody writes to it.
        if !self.0.load(Ordering::Relaxed) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// Signals, and what is offered of each.
pub type Signals = BTreeMap<SignalName, Offer>;

/// All signals.
#[derive(Debug)]
pub struct Board {
    signals: ArcSwap<Signals>,
    changed: watch::Sender<u64>,
    /// What the composers decided.
    pub figures: Figures,
    /// Where else viewers find the same.
    pathways: Pathways,
    /// In which order viewers are to try the pathways.
    order: ArcSwap<Vec<usize>>,
}

impl Default for Board {
    fn default() -> Self {
        Self::with_pathways(Pathways::default())
    }
}

impl Board {
    /// No signal yet, in a system that has these pathways.
    pub fn with_pathways(pathways: Pathways) -> Self {
        let (signals, changed) = (ArcSwap::default(), watch::Sender::new(0));
        let order = ArcSwap::from_pointee(pathways.iter().enumerate().map(|(at, _)| at).collect());
        Self { signals, changed, figures: Figures::default(), pathways, order }
    }

    /// Viewers are to try the pathways in this order from now on.
    pub fn steer(&self, order: Vec<usize>) {
        self.order.store(Arc::new(order));
    }

    /// The steering manifest of `signal`; none if there is nothing to choose from.
    pub fn steering(&self, signal: &SignalName) -> Option<String> {
        (!self.pathways.is_empty()).then(|| self.pathways.steering(signal, &self.order.load()))
    }

    /// What `signal` offers; none if it is unknown.
    pub fn offer(&self, signal: &SignalName) -> Option<Offer> {
        self.signals.load().get(signal).cloned()
    }

    /// What `signal` offers to somebody who wants it.
    pub fn ask(&self, signal: &SignalName) -> Option<Offer> {
        let offer = self.offer(signal);
        if let Some(offer) = &offer {
            offer.wanted().mark();
        }
        offer
    }

    /// Whether anybody has asked for `signal`, or declared it, since the last look.
    pub(super) fn was_wanted(&self, signal: &SignalName) -> bool {
        self.offer(signal).is_some_and(|offer| offer.wanted().0.swap(false, Ordering::Relaxed))
    }

    /// All signals.
    pub fn signals(&self) -> Arc<Signals> {
        self.signals.load_full()
    }

    /// Told of each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Waits until `enough` is true of what all signals offer.
    pub async fn wait_until(&self, enough: impl Fn(&Signals) -> bool) {
        let mut changes = self.changes();
        // The sender lives as long as the board.
        while !enough(&self.signals()) && changes.changed().await.is_ok() {}
    }

    /// Makes `signal` known, if it is not.
    pub fn declare(&self, signal: &SignalName) {
        if self.ask(signal).is_none() {
            self.change(signal, |offer| offer.unwrap_or(Offer::Declared(Wanted::default())));
        }
    }

    /// Knows nothing of `signal` any more.
    pub(super) fn remove(&self, signal: &SignalName) {
        self.signals.rcu(|signals| {
            let mut signals = Signals::clone(signals);
            signals.remove(signal);
            signals
        });
        self.changed.send_modify(|version| *version += 1);
    }

    /// Offers `snapshot` from now on.
    pub fn publish(&self, signal: &SignalName, snapshot: Arc<Snapshot>) {
        self.change(signal, move |offer| {
            let wanted = offer.map(|offer| offer.wanted().clone()).unwrap_or_default();
            Offer::On(Arc::new(Published::new(snapshot.clone(), self.pathways.clone(), wanted)))
        });
    }

    fn change(&self, signal: &SignalName, make: impl Fn(Option<Offer>) -> Offer) {
        self.signals.rcu(|signals| {
            let mut signals = Signals::clone(signals);
            let offer = make(signals.remove(signal));
            signals.insert(signal.clone(), offer);
            signals
        });
        self.changed.send_modify(|version| *version += 1);
    }
}

/// Which text is asked for.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// The multivariant playlist.
    Multivariant,
    /// The media playlist of a track.
    Media(&'a TrackName),
}

/// How a text is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// gzip.
    Gzip,
}

/// A text, ready to be sent.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The body.
    pub body: Bytes,
    /// Its strong entity tag, in quotes.
    pub etag: String,
}

type Codings = [OnceLock<Ready>; 2];

/// A snapshot, and its texts, each made by its first reader and then shared.
#[derive(Debug)]
pub struct Published {
    /// The snapshot.
    pub snapshot: Arc<Snapshot>,
    pathways: Pathways,
    wanted: Wanted,
    multivariant: Codings,
    media: BTreeMap<TrackName, Codings>,
}

impl Published {
    fn new(snapshot: Arc<Snapshot>, pathways: Pathways, wanted: Wanted) -> Self {
        let names = snapshot.record.names(snapshot.edge);
        let media = names.into_iter().map(|name| (name.clone(), Codings::default())).collect();
        Self { snapshot, pathways, wanted, multivariant: Codings::default(), media }
    }

    /// A text in a coding; none if there is no such track.
    pub fn text(&self, view: View<'_>, coding: Coding) -> Option<&Ready> {
        let cells = match view {
            View::Multivariant => &self.multivariant,
            View::Media(track) => self.media.get(track)?,
        };
        let make = || {
            let snapshot = &self.snapshot;
            let text = match view {
                View::Multivariant => {
                    hls::multivariant(&snapshot.record.signal, snapshot.tracks(), &self.pathways)
                }
                // A track without a playlist is not among the cells.
                View::Media(track) => {
                    hls::media(&snapshot.record, track, snapshot.numbers()).unwrap_or_default()
                }
            };
            Ready::new(text, coding)
        };
        Some(match coding {
            Coding::Identity => cells[0].get_or_init(make),
            Coding::Gzip => cells[1].get_or_init(make),
        })
    }
}

impl Ready {
    fn new(text: String, coding: Coding) -> Self {
        let digest = Sha256::digest(&text);
        let tag = u64::from_be_bytes(std::array::from_fn(|i| digest[i]));
        match coding {
            Coding::Identity => Self { body: text.into(), etag: format!("\"{tag:016x}\"") },
            Coding::Gzip => Self { body: gzip(text.as_bytes()), etag: format!("\"{tag:016x}-gzip\"") },
        }
    }
}

fn gzip(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let coded = encoder.write_all(text).and_then(|()| encoder.finish());
    coded.expect("a Vec takes every byte").into()
}

#[cfg(test)]
mod tests {
    use airtight_media::grid::Number;

    use super::*;
    use crate::publish::fixture;

    fn snapshot(edge: u64) -> Arc<Snapshot> {
        Arc::new(fixture::snapshot(1..=edge, 1, &[]))
    }

    #[test]
    fn a_signal_is_unknown_then_declared_then_on_the_air_and_never_goes_back() {
        let (board, signal) = (Board::default(), "live01".parse().unwrap());
        let mut changes = board.changes();
        assert!(board.offer(&signal).is_none());
        board.declare(&signal);
        assert!(matches!(board.offer(&signal), Some(Offer::Declared(_))));
        board.publish(&signal, snapshot(3));
        board.declare(&signal);
        let Some(Offer::On(published)) = board.offer(&signal) else { panic!("it is on the air") };
        assert_eq!(published.snapshot.edge, Number(3));
        assert!(changes.has_changed().unwrap());
        assert!(*changes.borrow_and_update() >= 2);
    }

    #[test]
    fn a_text_is_made_once_and_told_apart_by_its_tag() {
        let published = Published::new(snapshot(3), Pathways::default(), Wanted::default());
        let track: TrackName = "720p".parse().unwrap();
        let text = |view| published.text(view, Coding::Identity).unwrap();
        let media = text(View::Media(&track));
        assert!(std::ptr::eq(media, text(View::Media(&track))));
        let coded = published.text(View::Media(&track), Coding::Gzip).unwrap();
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&coded.body[..]), &mut plain).unwrap();
        assert_eq!(plain, media.body);
        assert_ne!(coded.etag, media.etag);
        // Replicas at one edge give one tag; another edge gives another.
        assert_eq!(
            Published::new(snapshot(3), Pathways::default(), Wanted::default())
                .text(View::Media(&track), Coding::Identity)
                .unwrap()
                .etag,
            media.etag
        );
        assert_ne!(
            Published::new(snapshot(4), Pathways::default(), Wanted::default())
                .text(View::Media(&track), Coding::Identity)
                .unwrap()
                .etag,
            media.etag
        );
        assert!(published.text(View::Media(&"audio".parse().unwrap()), Coding::Identity).is_none());
    }
}
