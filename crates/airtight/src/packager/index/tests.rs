use std::{collections::BTreeMap, time::Duration};

use airtight_media::{
    grid::Rate,
    record::{Content, Era, Track},
};
use proptest::prelude::*;

use super::{sizes::Sizes, *};

const LIMITS: Limits = Limits {
    window: Duration::from_secs(6),
    retention: Duration::from_secs(40),
    bytes: u64::MAX,
    news: 1000,
};

fn signal(name: &str) -> SignalName {
    name.parse().unwrap()
}

fn record(name: &str, tracks: &[&str]) -> Record {
    let rate = Rate::new(25_000, 1000);
    let track = |name: &&str| Track {
        name: name.parse().unwrap(),
        content: Content::Audio { channels: 1 },
        rate,
        codecs: "mp4a.40.2".to_owned(),
        bandwidth: 1,
        init: InitHash::of(name.as_bytes()),
    };
    Record {
        signal: signal(name),
        grid: Grid::new(2000, 4),
        first: Number(1),
        eras: vec![Era { first: Number(1), tracks: tracks.iter().map(track).collect() }],
        end: None,
    }
}

fn segment(lineage: &str, track: &str, number: u64) -> Piece {
    let (lineage, track) = (lineage.parse().unwrap(), track.parse().unwrap());
    Piece::Segment { lineage, track, number: Number(number) }
}

fn init(lineage: &str, track: &str) -> Piece {
    let (lineage, track) = (lineage.parse().unwrap(), track.parse().unwrap());
    Piece::Init { lineage, track, init: InitHash::of(b"init") }
}

fn pieces(index: &Index, signal: &SignalName) -> Vec<Piece> {
    index.pieces_after(signal, None, usize::MAX)
}

fn held(since: u64) -> Held {
    Held { length: 10, since: Moment(since), health: Health::Healthy, luma: None }
}

/// One that follows the feed and keeps the set that it tells of.
#[derive(Default)]
struct Follower {
    position: Option<Revision>,
    records: BTreeMap<SignalName, Record>,
    held: BTreeMap<(SignalName, Piece), u64>,
}

impl Follower {
    /// Reads `most` lines and breaks off.
    fn follow(&mut self, index: &Index, most: usize) {
        for news in index.since(self.position).iter().take(most) {
            let entry = news.entry(Moment(0));
            self.position = Some(entry.rev);
            self.take(entry.line);
        }
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Reset => {
                self.records.clear();
                self.held.clear();
            }
            Line::Tick => {}
            Line::Record { record } => drop(self.records.insert(record.signal.clone(), record)),
            Line::Held { signal, piece, length, .. } => drop(self.held.insert((signal, piece), length)),
            Line::Gone { signal, lineage, track, before } => self.held.retain(|(s, piece), _| {
                let (l, t, n) = match piece {
                    Piece::Segment { lineage, track, number } => (lineage, track, Some(*number)),
                    Piece::Init { lineage, track, .. } | Piece::Slate { lineage, track } => {
                        (lineage, track, None)
                    }
                    Piece::Filled { .. } => unreachable!("a packager holds none"),
                };
                let is_told = match &track {
                    Some(track) => t == track && n.is_some_and(|n| n < before),
                    None => n.is_none_or(|n| n < before),
                };
                !(*s == signal && *l == lineage && is_told)
            }),
        }
    }

    fn set(&self) -> (Vec<&Record>, Vec<&(SignalName, Piece)>) {
        (self.records.values().collect(), self.held.keys().collect())
    }
}

#[derive(Debug, Clone)]
enum Step {
    Join(u8),
    Hold(u8, u8, u64),
    Init(u8, u8),
    Lose(u8, u8, u64),
    LoseInit(u8, u8),
    Expire(u64),
    Forget(u8),
    Follow(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (s, l, n) = (0u8..2, 0u8..2, 1u64..40);
    prop::collection::vec(
        prop_oneof![
            1 => s.clone().prop_map(Step::Join),
            8 => (s.clone(), l.clone(), n.clone()).prop_map(|(s, l, n)| Step::Hold(s, l, n)),
            2 => (s.clone(), l.clone()).prop_map(|(s, l)| Step::Init(s, l)),
            2 => (s.clone(), l.clone(), n).prop_map(|(s, l, n)| Step::Lose(s, l, n)),
            1 => (s.clone(), l).prop_map(|(s, l)| Step::LoseInit(s, l)),
            1 => (0u64..200_000).prop_map(Step::Expire),
            1 => s.prop_map(Step::Forget),
            4 => (0usize..30).prop_map(Step::Follow),
        ],
        0..120,
    )
}

fn apply(index: &mut Index, step: &Step) {
    let s = |s: u8| signal(["live01", "live02"][usize::from(s)]);
    let l = |l: u8| ["a-1", "b-2"][usize::from(l)];
    match *step {
        Step::Join(at) => drop(index.join(&record(s(at).as_str(), &["720p"]))),
        Step::Hold(at, lineage, n) => drop(index.hold(&s(at), &segment(l(lineage), "720p", n), held(n))),
        Step::Init(at, lineage) => drop(index.hold(&s(at), &init(l(lineage), "720p"), held(0))),
        Step::Lose(at, lineage, n) => index.lose(&s(at), &[segment(l(lineage), "720p", n)]),
        Step::LoseInit(at, lineage) => index.lose(&s(at), &[init(l(lineage), "720p")]),
        Step::Expire(now) => drop(index.expire(Moment(now))),
        Step::Forget(at) => index.forget(&s(at)),
        Step::Follow(_) => {}
    }
}

proptest! {
    /// However often a follower breaks off and resumes, it ends with what a full listing tells.
    #[test]
    fn a_follower_that_resumes_ends_with_the_full_set(steps in steps()) {
        let mut index = Index::new(7, LIMITS);
        let mut follower = Follower::default();
        for step in &steps {
            apply(&mut index, step);
            if let Step::Follow(most) = step {
                follower.follow(&index, *most);
            }
        }
        follower.follow(&index, usize::MAX);
        let mut fresh = Follower::default();
        fresh.follow(&index, usize::MAX);
        prop_assert_eq!(follower.set(), fresh.set());
        let pieces: Vec<_> = index.signals().flat_map(|s| pieces(&index, s).into_iter().map(|p| (s.clone(), p))).collect();
        prop_assert_eq!(pieces.iter().collect::<BTreeSet<_>>(), fresh.held.keys().collect());
    }

    /// What is kept beside the pieces is what one would find who walks through all of them.
    #[test]
    fn sizes_and_slices_are_those_of_all_that_is_held(steps in steps(), most in 1usize..9) {
        let mut index = Index::new(7, LIMITS);
        for step in &steps {
            apply(&mut index, step);
        }
        let mut sizes = (0, 0);
        for signal in index.signals() {
            let all = pieces(&index, signal);
            let mut sliced: Vec<Piece> = Vec::new();
            while sliced.len() < all.len() {
                sliced.extend(index.pieces_after(signal, sliced.clone().last(), most));
            }
            prop_assert_eq!(&sliced, &all);
            let mut walked = Sizes::default();
            for piece in &all {
                walked.add(piece, index.held(signal, piece).unwrap().length);
            }
            prop_assert_eq!(&index.signals[signal].sizes, &walked);
            sizes = (sizes.0 + walked.all().0, sizes.1 + walked.all().1);
        }
        prop_assert_eq!(index.size(), sizes);
    }
}

/// Two lineages of two tracks with `numbers` segments each, of an event that is over.
fn of_an_ended_event(numbers: u64) -> Index {
    let day = Limits { retention: Duration::from_secs(86_400), ..LIMITS };
    let (mut index, live01) = (Index::new(7, day), signal("live01"));
    let record = Record { end: Some(Number(numbers)), ..record("live01", &["720p", "audio"]) };
    index.join(&record).unwrap();
    for (lineage, track) in [("a-1", "720p"), ("a-1", "audio"), ("b-2", "720p"), ("b-2", "audio")] {
        index.hold(&live01, &init(lineage, track), held(0));
        for n in 1..=numbers {
            index.hold(&live01, &segment(lineage, track, n), held(n));
        }
    }
    index
}

/// How long it takes what is done each second under the lock that every request takes.
fn each_second(index: &mut Index, numbers: u64) -> Duration {
    let (live01, after) = (signal("live01"), segment("b-2", "audio", numbers - 20));
    let begun = std::time::Instant::now();
    let (expired, over) = (index.expire(Moment(50_000)), index.let_go(Moment(50_000)));
    let newest = index.freshness(Moment(50_000))[0].newest;
    let (slice, size) = (index.pieces_after(&live01, Some(&after), 10), index.size());
    let took = begun.elapsed();
    assert_eq!((expired, over, newest), (vec![], vec![], Some(Number(numbers))));
    assert_eq!((slice.len(), size.1), (10, 4 * (numbers + 1)));
    took
}

#[test]
fn a_day_of_media_holds_nobody_up() {
    let (hour, day) = (1_250, 42_500);
    let (mut little, mut much) = (of_an_ended_event(hour), of_an_ended_event(day));
    // In turns: the least of many is what it takes while no other test has the core.
    let turns = (0..200).map(|_| (each_second(&mut little, hour), each_second(&mut much, day)));
    let least = turns.reduce(|least, turn| (least.0.min(turn.0), least.1.min(turn.1)));
    let (little, much) = least.expect("there are turns");
    // 34 times as much is held: a walk through it would take that much longer.
    assert!(much < little * 8, "{much:?} for a day, {little:?} for an hour");
}

#[test]
fn a_revision_of_another_run_gets_everything() {
    let mut index = Index::new(7, LIMITS);
    index.join(&record("live01", &["720p"])).unwrap();
    for revision in [Revision { run: 6, sequence: 1 }, Revision { run: 7, sequence: 2 }] {
        assert!(index.since(Some(revision))[0].is_reset(), "{revision}");
    }
    assert_eq!(index.since(Some(index.revision())), []);
}

#[test]
fn a_follower_that_was_overtaken_gets_everything() {
    let mut index = Index::new(7, LIMITS);
    index.join(&record("live01", &["720p"])).unwrap();
    let mut follower = Follower::default();
    follower.follow(&index, usize::MAX);
    for _ in 0..LIMITS.news / 2 {
        index.hold(&signal("live01"), &init("a-1", "720p"), held(0));
        index.lose(&signal("live01"), &[init("a-1", "720p")]);
    }
    assert_eq!(index.since(follower.position).len(), LIMITS.news, "all that it missed is kept");
    index.hold(&signal("live01"), &init("a-1", "720p"), held(0));
    assert!(index.since(follower.position)[0].is_reset());
    follower.follow(&index, usize::MAX);
    assert_eq!(follower.held.len(), 1);
}

#[test]
fn ages_are_those_of_the_writing() {
    let mut index = Index::new(7, LIMITS);
    index.join(&record("live01", &["720p"])).unwrap();
    index.hold(&signal("live01"), &segment("a-1", "720p", 1), held(1000));
    let news = index.since(None);
    let line = news[2].entry(Moment(1700)).line;
    assert!(matches!(line, Line::Held { age_ms: 700, .. }), "{line:?}");
}

#[test]
fn what_has_expired_is_named_and_does_not_come_back_as_horizon() {
    let mut index = Index::new(7, LIMITS);
    index.join(&record("live01", &["720p"])).unwrap();
    let live01 = signal("live01");
    index.hold(&live01, &init("a-1", "720p"), held(0));
    for n in [1, 2] {
        index.hold(&live01, &segment("a-1", "720p", n), held(0));
    }
    index.hold(&live01, &segment("b-2", "720p", 22), held(50_000));
    assert_eq!(index.horizon(&live01), Number(3), "40 s are 20 numbers");
    let expired = index.expire(Moment(40_000));
    let expected = [1, 2].map(|n| Expired::Segment(live01.clone(), segment("a-1", "720p", n)));
    assert_eq!(expired, expected);
    assert_eq!(index.expire(Moment(40_000)), [], "its init is not older than the retention");
    let lineage = "a-1".parse().unwrap();
    assert_eq!(index.expire(Moment(40_001)), [Expired::Lineage(live01.clone(), lineage)]);
    assert_eq!(pieces(&index, &live01), [segment("b-2", "720p", 22)]);
}

#[test]
fn newest_is_the_newest_number_that_is_whole_in_one_lineage() {
    let mut index = Index::new(7, LIMITS);
    index.join(&record("live01", &["720p", "audio"])).unwrap();
    let mut hold = |lineage, track, n, since| {
        index.hold(&signal("live01"), &segment(lineage, track, n), held(since));
    };
    hold("a-1", "720p", 5, 100);
    hold("a-1", "audio", 5, 300);
    hold("a-1", "720p", 6, 400);
    hold("b-2", "audio", 6, 500);
    hold("b-2", "720p", 5, 150);
    let silent = Held { health: Health::Silent, ..held(200) };
    index.hold(&signal("live01"), &segment("b-2", "audio", 5), silent);
    let json = serde_json::to_value(index.freshness(Moment(1000))).unwrap();
    assert_eq!(json[0]["signal"], "live01");
    assert_eq!(json[0]["record"]["d"], 2000);
    assert_eq!((&json[0]["newest"], &json[0]["age_ms"]), (&5.into(), &800.into()));
    let a = serde_json::json!({ "lineage": "a-1", "newest": 5, "age_ms": 700, "health": "healthy" });
    let b = serde_json::json!({ "lineage": "b-2", "newest": 5, "age_ms": 800, "health": "silent" });
    assert_eq!(json[0]["lineages"], serde_json::json!([a, b]));
}

#[test]
fn a_lineage_is_whole_where_all_tracks_of_the_era_are() {
    let (mut index, live01) = (Index::new(7, LIMITS), signal("live01"));
    let first = record("live01", &["720p"]);
    let second = Era { first: Number(8), ..record("live01", &["720p", "audio"]).eras.remove(0) };
    index.join(&Record { eras: vec![first.eras[0].clone(), second], ..first }).unwrap();
    let newest = |index: &Index| index.freshness(Moment(0))[0].newest;
    let hold = |index: &mut Index, track, n| index.hold(&live01, &segment("a-1", track, n), held(0));
    for n in [3, 5, 6, 8, 9, 11] {
        assert!(hold(&mut index, "720p", n));
    }
    assert_eq!(newest(&index), Some(Number(6)), "of the second era a track lacks altogether");
    assert!(hold(&mut index, "audio", 10));
    assert_eq!(newest(&index), Some(Number(6)), "10 has no pictures, 9 has no sound");
    assert!(hold(&mut index, "audio", 9));
    assert_eq!(newest(&index), Some(Number(9)));
}

#[test]
fn nothing_is_held_without_a_record_or_twice() {
    let mut index = Index::new(7, LIMITS);
    let piece = segment("a-1", "720p", 1);
    assert!(!index.hold(&signal("live01"), &piece, held(0)));
    index.join(&record("live01", &["720p"])).unwrap();
    assert!(index.hold(&signal("live01"), &piece, held(5)));
    assert!(!index.hold(&signal("live01"), &piece, held(9)));
    assert_eq!(index.held(&signal("live01"), &piece), Some(held(5)));
}

#[test]
fn a_signal_whose_event_is_long_over_makes_room_for_another() {
    let (mut index, live01) = (Index::new(7, LIMITS), signal("live01"));
    index.join(&record("live01", &["720p"])).unwrap();
    index.hold(&live01, &segment("a-1", "720p", 1), held(1_000));
    index.expire(Moment(90_000));
    assert_eq!(index.let_go(Moment(90_000)), [], "who has not ended may come back");
    index.join(&Record { end: Some(Number(1)), ..record("live01", &["720p"]) }).unwrap();
    assert_eq!(index.let_go(Moment(100_000)), [], "its end has just become known");
    assert_eq!(index.let_go(Moment(140_000)), []);
    let position = index.revision();
    assert_eq!(index.let_go(Moment(140_001)), std::slice::from_ref(&live01));
    assert!(index.record(&live01).is_none() && index.is_empty(&live01));
    assert!(index.since(Some(position))[0].is_reset(), "every follower is told");
}

#[test]
fn short_events_one_after_the_other_are_never_more_than_a_few() {
    let (mut index, mut follower) = (Index::new(7, LIMITS), Follower::default());
    // More than a packager serves at a time.
    for event in 0..300 {
        let (now, live) = (Moment(event * 20_000), signal(&format!("match{event}")));
        index.join(&Record { end: Some(Number(1)), ..record(live.as_str(), &["720p"]) }).unwrap();
        index.hold(&live, &init("a-1", "720p"), held(now.0));
        index.hold(&live, &segment("a-1", "720p", 1), held(now.0));
        index.expire(now);
        index.let_go(now);
        follower.follow(&index, usize::MAX);
        assert!(index.signals().any(|known| *known == live), "{live} is there");
        // The retention is 40 s.
        assert!(index.signals().count() <= 3 && follower.records.len() <= 3, "{live}");
    }
}
