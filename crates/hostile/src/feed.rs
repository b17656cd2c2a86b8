//! The feed of a packager that sends nonsense, and the media that it gives when it is asked.

use std::{sync::Arc, time::Duration};

use airtight_media::{
    compose::{Action, Composer, Event, Policy, SourceId},
    health::Health,
    hls,
    holding::{Entry, Line, Piece, Revision},
    mp4::Init,
    parity::Luma,
    slate::Slate,
    window::Snapshot,
};
use bytes::Bytes;

use super::{AUDIO, SLATE, grid, pictures, sound, words::a_record};

/// Fetches that are answered of one input: a source that always fails is asked again and again.
const ANSWERS: usize = 2000;

struct Viewer {
    last: Option<Arc<Snapshot>>,
}

impl Viewer {
    /// What a viewer may rely on from one snapshot to the next.
    fn sees(&mut self, next: Arc<Snapshot>) {
        assert!(next.slots.windows(2).all(|pair| pair[0].number.next() == pair[1].number), "a hole");
        assert_eq!(next.slots.last().map(|s| s.number), Some(next.edge));
        for track in next.tracks() {
            assert!(hls::media(&next.record, &track.name, next.numbers()).is_some(), "{}", track.name);
            assert!(next.segment(&track.name, next.edge).is_some_and(|m| !m.is_empty()), "{}", track.name);
        }
        if let Some(last) = &self.last {
            assert!(next.head >= last.head && next.edge >= last.edge, "the window went back");
            assert_eq!(next.record.grid, last.record.grid);
            assert_eq!(next.record.discontinuity(last.edge), last.record.discontinuity(last.edge));
        }
        self.last = Some(next);
    }
}

/// The first byte says how fetches are answered. Then, line by line, what sources say: `+` and a number is
/// time that passes in milliseconds, `-` is a source that is gone, `--` for good, all else a line of the feed.
pub(super) fn feed(bytes: &[u8]) {
    let Some((how, lines)) = bytes.split_first() else { return };
    let sources = [SourceId(0), SourceId(1)];
    let policy = Policy { window_millis: 20_000, settle: Duration::from_millis(800) };
    let mut composer = Composer::new(policy, sources, Duration::ZERO);
    let (mut viewer, mut now, mut answers) = (Viewer { last: None }, Duration::ZERO, 0);
    for (line, source) in lines.split(|byte| *byte == b'\n').zip(sources.into_iter().cycle()) {
        match line {
            [b'+', millis @ ..] => {
                let millis = std::str::from_utf8(millis).ok().and_then(|text| text.parse::<u16>().ok());
                now += Duration::from_millis(millis.unwrap_or(1).into());
                composer.tick(now);
            }
            [b'-', b'-', ..] => composer.handle(Event::Left(source), now),
            [b'-', ..] => composer.handle(Event::Down(source), now),
            json => {
                let Ok(entry) = serde_json::from_slice::<Entry>(json) else { continue };
                composer.handle(Event::Says(source, entry.line), now);
            }
        }
        let parities = composer.parities();
        assert!(parities.iter().all(|(.., parity)| (0.0..=1.0).contains(&parity.similarity)), "{parities:?}");
        while let Some(action) = composer.poll() {
            match action {
                Action::Fetch { ticket, piece, .. } => {
                    answers += 1;
                    let bytes = (answers < ANSWERS).then(|| answer(*how, answers, &piece)).flatten();
                    let event = bytes.map_or(Event::Failed(ticket), |bytes| Event::Fetched(ticket, bytes));
                    composer.handle(event, now);
                }
                Action::Publish(snapshot) => viewer.sees(snapshot),
                Action::Cancel(_) | Action::Decided(_) => {}
            }
        }
    }
}

/// The media of a piece, as `how` has it: whole, of another track, cut short, or none.
fn answer(how: u8, answers: usize, piece: &Piece) -> Option<Bytes> {
    let picture = piece.track().as_str() != "audio";
    let broken = (answers % 8 == usize::from(how & 7)).then_some(how >> 6);
    let picture = if broken == Some(1) { !picture } else { picture };
    let (file, rate) = if picture { (SLATE, pictures()) } else { (AUDIO, sound()) };
    let init = Init::parse(Bytes::from_static(file)).ok()?;
    let bytes = match piece {
        Piece::Init { .. } => init.bytes,
        Piece::Slate { .. } => Bytes::from_static(file),
        Piece::Segment { number, .. } | Piece::Filled { number, .. } => {
            Slate::parse(file, &init, rate).ok()?.stamp(&grid(), *number).concat().into()
        }
    };
    match broken {
        Some(2) => Some(bytes.slice(..bytes.len() / 2)),
        Some(3) => None,
        _ => Some(bytes),
    }
}

pub(super) fn feeds() -> Vec<Vec<u8>> {
    let record = a_record();
    let signal = || record.signal.clone();
    let lineage: airtight_media::id::Lineage = "a-7".parse().expect("a literal that is a lineage");
    let mut lines = vec![Line::Reset, Line::Record { record: record.clone() }];
    let mut holds = |piece| {
        lines.push(Line::Held {
            signal: signal(),
            piece,
            length: 1,
            age_ms: 0,
            health: Health::Healthy,
            luma: Some(Luma([7; 16])),
        });
    };
    let tracks = &record.eras[0].tracks;
    for track in tracks {
        let (lineage, name) = (lineage.clone(), track.name.clone());
        holds(Piece::Init { lineage: lineage.clone(), track: name.clone(), init: track.init });
        holds(Piece::Slate { lineage, track: name });
    }
    for ahead in 0..3 {
        for track in tracks {
            let (lineage, track) = (lineage.clone(), track.name.clone());
            holds(Piece::Segment {
                lineage,
                track,
                number: airtight_media::grid::Number(record.first.0 + ahead),
            });
        }
    }
    lines.push(Line::Tick);
    let gone = Line::Gone { signal: signal(), lineage, track: None, before: record.first.next() };
    let mut text = vec![0x00];
    for (sequence, line) in (0..).zip(lines.into_iter().chain([gone])) {
        let entry = Entry { rev: Revision { run: 1, sequence }, line };
        let json = serde_json::to_vec(&entry).expect("a line is JSON");
        // Either source says it.
        for part in [&json[..], b"\n", &json, b"\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"+900\n+2000\n+2000\n-\n-\n+3000\n+3000\n");
    let answers = |how| [&[how], &text[1..]].concat();
    [0x00, 0x41, 0x82, 0xc3].map(answers).into()
}
