//! What one number costs an origin: two packagers tell of two lineages with two tracks each, the composer
//! has one copy of each track fetched, checks and publishes it, and the playlist is written.

use std::{collections::BTreeMap, time::Duration};

use airtight_media::{
    compose::{Action, Composer, Event, Policy, SourceId},
    grid::{Number, Rate},
    health::Health,
    hls,
    holding::{Line, Piece},
    id::{Lineage, TrackName},
    mp4::Init,
    record::{Era, Record, Track},
    slate::Slate,
    window::Snapshot,
};
use bytes::Bytes;
use divan::Bencher;

use super::{FIRST, grid, rate};

const VIDEO: &[u8] = include_bytes!("../../tests/data/slate.mp4");
const AUDIO: &[u8] = include_bytes!("../../tests/data/audio.mp4");
const SOURCES: [SourceId; 2] = [SourceId(0), SourceId(1)];
/// Two windows of 30 s: what an origin holds when it has run for a minute.
const WARM: u64 = 30;

struct Reel {
    track: Track,
    init: Bytes,
    file: Bytes,
    slate: Slate,
}

fn reel(name: &str, file: &'static [u8], rate: Rate) -> Reel {
    let file = Bytes::from_static(file);
    let init = Init::parse(file.clone()).unwrap();
    let slate = Slate::parse(&file, &init, rate).unwrap();
    let (content, codecs, hash) = (init.kind.into(), init.codecs.clone(), init.hash);
    let name = name.parse().unwrap();
    let track = Track { name, content, rate, codecs, bandwidth: 1_000_000, init: hash };
    Reel { track, init: init.bytes, file, slate }
}

/// An origin, and the two packagers that it hears.
struct Origin {
    composer: Composer,
    record: Record,
    reels: BTreeMap<TrackName, Reel>,
    lineages: [Lineage; 2],
    next: u64,
}

impl Origin {
    fn new() -> Self {
        let reels = [reel("720p", VIDEO, rate(25_000, 1000)), reel("audio", AUDIO, rate(48_000, 1024))];
        let tracks = reels.iter().map(|r| r.track.clone()).collect();
        let (first, eras) = (Number(FIRST), vec![Era { first: Number(FIRST), tracks }]);
        let record = Record { signal: "live01".parse().unwrap(), grid: grid(), first, eras, end: None };
        let policy = Policy { window_millis: 30_000, settle: Duration::from_millis(800) };
        let composer = Composer::new(policy, SOURCES, Duration::ZERO);
        let reels = reels.into_iter().map(|r| (r.track.name.clone(), r)).collect();
        let lineages = ["a-7".parse().unwrap(), "b-7".parse().unwrap()];
        let mut origin = Self { composer, record, reels, lineages, next: FIRST };
        for source in SOURCES {
            origin.say(source, Line::Reset);
            origin.say(source, Line::Record { record: origin.record.clone() });
            origin.openings(source);
            origin.say(source, Line::Tick);
        }
        for _ in 0..WARM {
            origin.number();
        }
        origin
    }

    fn now(&self) -> Duration {
        Duration::from_secs((self.next - FIRST + 1) * 2)
    }

    fn say(&mut self, source: SourceId, line: Line) {
        let now = self.now();
        self.composer.handle(Event::Says(source, line), now);
    }

    fn holds(&mut self, source: SourceId, piece: Piece) {
        let signal = self.record.signal.clone();
        self.say(
            source,
            Line::Held { signal, piece, length: 1, age_ms: 0, health: Health::Healthy, luma: None },
        );
    }

    fn openings(&mut self, source: SourceId) {
        for (lineage, track) in self.copies() {
            let init = self.reels[&track].track.init;
            self.holds(source, Piece::Init { lineage: lineage.clone(), track: track.clone(), init });
            self.holds(source, Piece::Slate { lineage, track });
        }
    }

    fn copies(&self) -> Vec<(Lineage, TrackName)> {
        let tracks = || self.reels.keys().cloned();
        self.lineages.iter().flat_map(|l| tracks().map(move |t| (l.clone(), t))).collect()
    }

    /// The next number arrives; the snapshot that lists it.
    fn number(&mut self) -> std::sync::Arc<Snapshot> {
        let number = Number(self.next);
        for source in SOURCES {
            for (lineage, track) in self.copies() {
                self.holds(source, Piece::Segment { lineage, track, number });
            }
        }
        let (mut published, now) = (None, self.now());
        while let Some(action) = self.composer.poll() {
            match action {
                Action::Fetch { ticket, piece, .. } => {
                    let bytes = self.bytes(&piece);
                    self.composer.handle(Event::Fetched(ticket, bytes), now);
                }
                Action::Publish(snapshot) => published = Some(snapshot),
                Action::Cancel(_) | Action::Decided(_) => {}
            }
        }
        self.next += 1;
        let published = published.unwrap();
        assert_eq!(published.edge, number);
        published
    }

    fn bytes(&self, piece: &Piece) -> Bytes {
        let reel = &self.reels[piece.track()];
        match piece {
            Piece::Init { .. } => reel.init.clone(),
            Piece::Slate { .. } => reel.file.clone(),
            Piece::Segment { number, .. } | Piece::Filled { number, .. } => {
                reel.slate.stamp(&self.record.grid, *number).concat().into()
            }
        }
    }
}

/// With the making of the media that a network would bring.
#[divan::bench]
fn a_number_is_composed(bencher: Bencher<'_, '_>) {
    let mut origin = Origin::new();
    bencher.bench_local(|| origin.number());
}

#[divan::bench]
fn a_media_playlist_is_written(bencher: Bencher<'_, '_>) {
    let (snapshot, track) = (Origin::new().number(), "720p".parse().unwrap());
    bencher.bench(|| hls::media(&snapshot.record, &track, snapshot.numbers()));
}
