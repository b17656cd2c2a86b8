use std::path::Path;

use airtight_media::holding::Line;

use super::*;

/// Segments of each track, which are several slices together.
const SEGMENTS: u64 = 3000;

/// A spool that knows the signal `live01`.
fn store(root: &Path) -> (Store, SignalName) {
    let day = Duration::from_secs(86_400);
    let limits = Limits { window: Duration::from_secs(6), retention: day, bytes: u64::MAX, news: 100_000 };
    let store = Store::new(Disk::open(root, Mode::Spool).unwrap(), Mode::Spool, limits, &Board::default());
    let signal: SignalName = "live01".parse().unwrap();
    let record = r#"{"signal":"live01","d":2000,"parts":4,"first":1,"eras":[{"first":1,"tracks":[{
        "name":"720p","kind":"video","width":64,"height":36,"scale":25000,"frame":1000,
        "codecs":"avc1.64001f","bandwidth":1,"init":"4bf5122f344554c5"}]}]}"#;
    store.put(&Place::Record(signal.clone()), record.into()).unwrap();
    (store, signal)
}

fn segment(track: &str, number: u64) -> Piece {
    let (lineage, track) = ("a-1".parse().unwrap(), track.parse().unwrap());
    Piece::Segment { lineage, track, number: Number(number) }
}

fn init(track: &str) -> Piece {
    let (lineage, track) = ("a-1".parse().unwrap(), track.parse().unwrap());
    Piece::Init { lineage, track, init: InitHash::of(b"init") }
}

fn hold(store: &Store, signal: &SignalName, piece: &Piece) {
    let held = Held { length: 5, since: Moment(1), health: Health::Healthy, luma: None };
    assert!(store.change(|state| state.index.hold(signal, piece, held)), "{piece:?}");
}

#[test]
fn what_is_written_too_late_is_removed_unless_it_was_sent_again() {
    let root = tempfile::tempdir().unwrap();
    let (store, signal) = store(root.path());
    // Memory has none of it: it was let go while it was being written.
    let late = (signal.clone(), segment("720p", 1), Bytes::from_static(b"bytes"));
    let place = Place::Piece(signal.clone(), late.1.clone());
    store.write_kept(&late).unwrap();
    assert!(!store.disk().exists(&place).unwrap(), "nobody holds it");
    hold(&store, &signal, &late.1);
    store.write_kept(&late).unwrap();
    assert!(store.disk().exists(&place).unwrap(), "it is held from the disk alone");
}

#[test]
fn a_folder_that_vanishes_is_forgotten_in_slices_and_told_gone_once() {
    let root = tempfile::tempdir().unwrap();
    let (store, signal) = store(root.path());
    for track in ["720p", "audio"] {
        hold(&store, &signal, &init(track));
        (1..=SEGMENTS).for_each(|number| hold(&store, &signal, &segment(track, number)));
    }
    let kept = Bytes::from_static(b"bytes");
    store.change(|state| state.memory.keep(&signal, &segment("720p", SEGMENTS), kept, Some(1), true));
    let before = store.state().index.revision();
    store.reconcile();
    assert!(store.state().index.is_empty(&signal));
    assert_eq!(store.size(), (0, 0, 0));
    let told: Vec<_> = store.since(Some(before)).iter().map(|news| news.entry(Moment(1)).line).collect();
    assert!(told.iter().all(|line| matches!(line, Line::Gone { .. })), "nothing is told held again");
    let turns = usize::try_from(SEGMENTS).unwrap() * 2 / 1024;
    assert!(told.len() > turns, "{told:?}: so many turns of the lock at least");
    assert!(matches!(told.last(), Some(Line::Gone { track: None, .. })), "{told:?}: the lineage comes last");
}
