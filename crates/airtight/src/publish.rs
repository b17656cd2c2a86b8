//! Drives the composers: lines of sources and fetched bytes in, published snapshots out.
//!
//! One loop translates between the pure [`Composer`]s and the world. It decides nothing: who
//! is asked, when, and what is published comes from the composers. The same in packager and origin.

mod board;
mod contents;
mod fetching;
mod figures;
#[cfg(test)]
pub mod fixture;
mod followed;
mod leaving;
mod parities;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use airtight_media::{
    compose::{Action, Composer, Event, Policy, SourceId, Ticket},
    holding::{Line, Piece},
    id::SignalName,
};
pub use board::{Board, Coding, Offer, Published, Signals, View};
use bytes::Bytes;
use fetching::Fetching;
pub use figures::Figures;
use followed::Followed;
use futures_util::future::BoxFuture;
use leaving::Leaving;
use parities::Verdicts;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::serve::pulse::Pulse;

/// Signals composed at a time; further ones are refused, once, in the log.
const MOST_SIGNALS: usize = 256;
/// The loop shows that it lives at least this often.
const BEAT: Duration = Duration::from_millis(100);
/// What the contents of lineages are, and how far they agree, is said this often.
const CONTENTS: Duration = Duration::from_millis(500);

/// What a source has to say.
#[derive(Debug)]
pub enum News {
    /// A line of its feed.
    Line(Line),
    /// It can't be heard any more.
    Down,
}

/// Where media are fetched from.
pub trait Fetch: Send + Sync + 'static {
    /// Brings the bytes of a piece from a source. Never retries: the composer decides. Whoever awaits
    /// them bounds the time.
    fn fetch(
        &self,
        from: SourceId,
        signal: &SignalName,
        piece: &Piece,
    ) -> BoxFuture<'static, anyhow::Result<Bytes>>;

    /// What people call a source.
    fn name(&self, source: SourceId) -> String;
}

/// Everything that the loop needs.
pub struct Desk {
    /// What holds for all signals.
    pub policy: Policy,
    /// The sources that a composer may hear from, as they are known now.
    pub expected: watch::Receiver<BTreeSet<SourceId>>,
    /// What sources say.
    pub news: mpsc::Receiver<(SourceId, News)>,
    /// Where media come from.
    pub media: Arc<dyn Fetch>,
    /// Where snapshots go.
    pub board: Arc<Board>,
    /// Shows that the loop lives.
    pub pulse: Pulse,
}

struct Loop {
    desk: Desk,
    began: Instant,
    composers: BTreeMap<SignalName, Composer>,
    fetches: Fetching,
    followed: Followed,
    leaving: Leaving,
    verdicts: Verdicts,
    refused: bool,
    /// When the contents were said.
    said: Instant,
}

impl Desk {
    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let (began, composers, fetches) = (Instant::now(), BTreeMap::new(), Fetching::default());
        let followed = Followed::new(self.expected.borrow_and_update().clone());
        let leaving = Leaving::default();
        let (verdicts, refused, said) = (Verdicts::default(), false, began);
        let mut this =
            Loop { desk: self, began, composers, fetches, followed, leaving, verdicts, refused, said };
        while !stop.is_cancelled() {
            this.step(&stop).await;
            this.desk.pulse.beat();
        }
    }
}

impl Loop {
    async fn step(&mut self, stop: &CancellationToken) {
        let wake = self.wake_at();
        tokio::select! {
            () = stop.cancelled() => {}
            Some((source, news)) = self.desk.news.recv() => self.heard(source, news),
            Some((signal, ticket, outcome)) = self.fetches.next() => self.fetched(&signal, ticket, outcome),
            () = sleep_until(wake) => self.each(Composer::tick),
        }
        self.let_sources_go();
        self.let_go();
        if self.said.elapsed() >= CONTENTS {
            self.say_contents();
        }
    }

    fn say_contents(&mut self) {
        let contents = self.composers.iter().flat_map(|(signal, composer)| {
            let contents = composer.contents().into_iter();
            contents.map(|(lineage, health)| (signal.clone(), lineage.clone(), health))
        });
        self.desk.board.figures.contents.are(contents.collect());
        let parities = self.composers.iter().flat_map(|(signal, composer)| {
            let parities = composer.parities().into_iter();
            parities.map(|(one, with, parity)| ((signal.clone(), one.clone(), with.clone()), parity))
        });
        let parities: Vec<_> = parities.collect();
        self.verdicts.judge(&parities);
        self.desk.board.figures.parities.are(parities);
        self.said = Instant::now();
    }

    fn wake_at(&self) -> Instant {
        let due = self.composers.values().filter_map(Composer::wake_at).min();
        let beat = Instant::now() + BEAT;
        due.map_or(beat, |due| beat.min(self.began + due))
    }

    fn heard(&mut self, source: SourceId, news: News) {
        match news {
            // What was still on its way.
            _ if self.followed.has_left(source) => {}
            News::Down => self.each(|composer, now| composer.handle(Event::Down(source), now)),
            News::Line(line) => self.says(source, line),
        }
    }

    fn says(&mut self, source: SourceId, line: Line) {
        let signal = signal_of(&line).cloned();
        if let (Some(signal), Line::Record { .. }) = (&signal, &line) {
            self.declare(signal);
        }
        self.leaving.heard(source, &line, self.began.elapsed());
        match signal {
            None => self.each(|composer, now| composer.handle(Event::Says(source, line.clone()), now)),
            Some(signal) => self.tell(&signal, Event::Says(source, line)),
        }
    }

    /// Forgets sources that are not followed any more.
    fn let_sources_go(&mut self) {
        // Without a sender those that are followed stay.
        if self.desk.expected.has_changed().unwrap_or(false) {
            let now = self.desk.expected.borrow_and_update().clone();
            for source in self.followed.are(now) {
                self.each(|composer, now| composer.handle(Event::Left(source), now));
            }
        }
    }

    /// Forgets signals that nobody has to do with any more.
    fn let_go(&mut self) {
        let followed = self.desk.expected.borrow().clone();
        for signal in self.leaving.look(&self.desk.board, &followed, self.began.elapsed()) {
            info!("Signal '{signal}' leaves: nobody holds it, tells of it or asks for it");
            self.composers.remove(&signal);
            self.desk.board.remove(&signal);
            self.refused = false;
        }
    }

    /// A record makes a signal known: its viewers are told to wait until media come.
    fn declare(&mut self, signal: &SignalName) {
        if self.composers.contains_key(signal) {
            return;
        }
        if self.composers.len() >= MOST_SIGNALS {
            if !std::mem::replace(&mut self.refused, true) {
                warn!("Signal '{signal}' is not served: {MOST_SIGNALS} signals are the most");
            }
            return;
        }
        info!("Signal '{signal}' is known");
        let expected = self.desk.expected.borrow().clone();
        let composer = Composer::new(self.desk.policy, expected, self.began.elapsed());
        self.composers.insert(signal.clone(), composer);
        self.leaving.known(signal, self.began.elapsed());
        self.desk.board.declare(signal);
    }

    fn fetched(&mut self, signal: &SignalName, ticket: Ticket, outcome: anyhow::Result<Bytes>) {
        let event = match outcome {
            Ok(bytes) => Event::Fetched(ticket, bytes),
            Err(error) => {
                self.desk.board.figures.fetches_failed.inc();
                tracing::debug!("A fetch failed: {error:#}");
                Event::Failed(ticket)
            }
        };
        self.tell(signal, event);
    }

    fn tell(&mut self, signal: &SignalName, event: Event) {
        let now = self.began.elapsed();
        if let Some(composer) = self.composers.get_mut(signal) {
            composer.handle(event, now);
            carry_out(signal, composer, &self.desk, &mut self.fetches);
        }
    }

    fn each(&mut self, mut act: impl FnMut(&mut Composer, Duration)) {
        let now = self.began.elapsed();
        for (signal, composer) in &mut self.composers {
            act(composer, now);
            carry_out(signal, composer, &self.desk, &mut self.fetches);
        }
    }
}

fn carry_out(signal: &SignalName, composer: &mut Composer, desk: &Desk, fetches: &mut Fetching) {
    while let Some(action) = composer.poll() {
        match action {
            Action::Fetch { ticket, from, piece, budget } => {
                fetches.start(signal, ticket, desk.media.fetch(from, signal, &piece), budget);
            }
            Action::Cancel(ticket) => fetches.cancel(signal, ticket),
            Action::Publish(snapshot) => desk.board.publish(signal, snapshot),
            Action::Decided(decision) => {
                let name = |source| desk.media.name(source);
                desk.board.figures.decided(signal, &decision, name);
            }
        }
    }
}

fn signal_of(line: &Line) -> Option<&SignalName> {
    match line {
        Line::Reset | Line::Tick => None,
        Line::Record { record } => Some(&record.signal),
        Line::Held { signal, .. } | Line::Gone { signal, .. } => Some(signal),
    }
}
