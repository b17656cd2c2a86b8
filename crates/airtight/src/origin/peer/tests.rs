use super::*;
use crate::publish::fixture;

/// Numbers 10 to `edge`; those in `slate` lack media.
fn snapshot(edge: u64, slate: &[u64]) -> Snapshot {
    fixture::snapshot(10..=edge, 10, slate)
}

/// Lines in short: what is held, of which number, how old.
fn told(lines: &[Line]) -> Vec<(&'static str, u64, u64)> {
    let short = |line: &Line| match line {
        Line::Record { .. } => ("record", 0, 0),
        Line::Held { piece, age_ms, .. } => match piece {
            Piece::Init { .. } => ("init", 0, *age_ms),
            Piece::Slate { .. } => ("slate", 0, *age_ms),
            Piece::Segment { number, .. } => ("segment", number.0, *age_ms),
            Piece::Filled { number, .. } => ("filled", number.0, *age_ms),
        },
        other => panic!("{other:?}"),
    };
    lines.iter().map(short).collect()
}

#[test]
fn a_follower_is_told_everything_once_and_then_the_news() {
    let mut teller = Teller::default();
    let first = teller.lines(&snapshot(12, &[11]));
    let expected =
        [("record", 0, 0), ("init", 0, 0), ("slate", 0, 0), ("segment", 10, 4000), ("filled", 11, 2000)];
    assert_eq!(told(&first), [&expected[..], &[("segment", 12, 0)]].concat());
    assert_eq!(told(&teller.lines(&snapshot(12, &[11]))), []);
    assert_eq!(told(&teller.lines(&snapshot(13, &[11, 13]))), [("filled", 13, 0)]);
}

#[test]
fn media_that_replaced_slate_are_told() {
    let mut teller = Teller::default();
    teller.lines(&snapshot(12, &[11, 12]));
    assert_eq!(told(&teller.lines(&snapshot(12, &[12]))), [("segment", 11, 2000)]);
    assert_eq!(told(&teller.lines(&snapshot(12, &[12]))), []);
}

#[test]
fn what_is_told_can_be_fetched_and_nothing_else() {
    let snapshot = snapshot(12, &[11]);
    let mut fetched = 0;
    for line in Teller::default().lines(&snapshot) {
        let Line::Held { piece, length, .. } = line else { continue };
        let held = bytes(&snapshot, &piece).map(|parts| parts.concat().len() as u64);
        let filled = matches!(piece, Piece::Filled { .. });
        assert_eq!(held, (!filled).then_some(length), "{piece:?}");
        fetched += u32::from(held.is_some());
    }
    assert_eq!(fetched, 4);
    let segment = |lineage: &str, number| Piece::Segment {
        lineage: lineage.parse().unwrap(),
        track: "720p".parse().unwrap(),
        number: Number(number),
    };
    for piece in [segment("b-7", 12), segment("a-7", 11), segment("a-7", 13), segment("a-7", 9)] {
        assert!(bytes(&snapshot, &piece).is_none(), "{piece:?}");
    }
}
