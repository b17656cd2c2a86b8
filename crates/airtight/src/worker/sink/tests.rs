use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use airtight_media::{grid::Number, holding::Piece, id::Lineage};
use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::{sync::mpsc, task::JoinHandle};

use super::*;
use crate::log::tests::lines;

/// A destination that answers as it is told, `Done` when nothing is left to tell, and says what it was given.
struct Scripted {
    answers: Arc<Mutex<VecDeque<Outcome>>>,
    given: mpsc::UnboundedSender<String>,
}

impl fmt::Display for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("destination")
    }
}

impl Scripted {
    fn answer(&self, what: String) -> Outcome {
        let answer = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let _ = self.given.send(what);
        answer.unwrap_or(Outcome::Done)
    }
}

impl Destination for Scripted {
    async fn record(&mut self, _: &Record) -> Outcome {
        self.answer("record".to_owned())
    }

    async fn put(&mut self, item: &Item) -> Outcome {
        self.answer(item.number().map_or("head".to_owned(), |n| n.to_string()))
    }
}

/// A shelf with one head and the segments 1, 2 and 3, delivered to a destination that answers so.
struct Bench {
    shelf: Arc<Shelf>,
    given: mpsc::UnboundedReceiver<String>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Bench {
    fn new(answers: impl IntoIterator<Item = Outcome>) -> Self {
        let shelf = Arc::new(Shelf::new(3));
        shelf.begin(lineage(), vec![head()]);
        (1..=3).for_each(|n| shelf.push(segment(n)));
        let (sender, given) = mpsc::unbounded_channel();
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let record = watch::Sender::new(Some(record()));
        let sink = Sink::new(Scripted { answers, given: sender }, shelf.clone(), record.subscribe());
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let _record = record;
            sink.run(stopped).await;
        });
        Self { shelf, given, stop, task }
    }

    async fn next(&mut self, count: usize) -> String {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.given.recv().await.unwrap());
        }
        all.join(" ")
    }
}

fn lineage() -> Lineage {
    "a-7".parse().unwrap()
}

fn head() -> Item {
    Item { piece: Piece::Slate { lineage: lineage(), track: "720p".parse().unwrap() }, bytes: Bytes::new() }
}

fn segment(number: u64) -> Item {
    let (lineage, track) = (lineage(), "720p".parse().unwrap());
    Item { piece: Piece::Segment { lineage, track, number: Number(number) }, bytes: Bytes::new() }
}

fn record() -> Record {
    serde_json::from_str(
        r#"{"signal":"live01","d":2000,"parts":4,"first":1,"eras":[{"first":1,"tracks":[{"name":"720p",
            "kind":"video","width":2,"height":2,"scale":25000,"frame":1000,"codecs":"avc1.64001f",
            "bandwidth":1,"init":"0123456789abcdef"}]}]}"#,
    )
    .unwrap()
}

#[tokio::test]
async fn the_record_comes_first_and_all_media_in_order() {
    let mut bench = Bench::new([]);
    assert_eq!(bench.next(5).await, "record head 1 2 3");
    bench.shelf.push(segment(4));
    assert_eq!(bench.next(1).await, "4");
    bench.stop.cancel();
    bench.task.await.unwrap();
}

#[tokio::test]
async fn a_passing_fault_is_tried_again_and_a_refusal_is_not() {
    let failed = || Outcome::Failed("503".to_owned());
    let refused = Outcome::Refused("409".to_owned());
    let mut bench = Bench::new([Outcome::Done, Outcome::Done, failed(), failed(), refused]);
    assert_eq!(bench.next(7).await, "record head 1 1 1 2 3");
}

/// A sink that is driven by hand.
fn idle(record: &watch::Sender<Option<Record>>) -> Sink<Scripted> {
    let scripted = Scripted { answers: Arc::default(), given: mpsc::unbounded_channel().0 };
    Sink::new(scripted, Arc::new(Shelf::new(3)), record.subscribe())
}

#[test]
fn only_what_is_due_now_shows_a_wrong_clock_whatever_is_the_newest() {
    let records = watch::Sender::new(Some(record()));
    let sink = idle(&records);
    let due = |now_ms| (1..=99).filter(|number| sink.is_due(&segment(*number), now_ms)).collect::<Vec<_>>();
    assert_eq!(due(20_000), [6, 7, 8, 9, 10, 11, 12]);
    sink.shelf.push(segment(9));
    assert_eq!(
        due(320_000),
        [0; 0],
        "a worker that stood still for five minutes goes on with the last it made"
    );
    assert!(!sink.is_due(&head(), 20_000));
    records.send_replace(None);
    assert_eq!(due(20_000), [0; 0]);
}

#[test]
fn a_wrong_clock_is_said_once_and_an_end_that_was_not_known_is_none() {
    let mut sink = idle(&watch::Sender::new(Some(record())));
    let (now, early) = (segment(clock::millis() / 2000 + 1), segment(1));
    let said = |outcome: Outcome, item: &Item, sink: &mut Sink<_>| {
        let said = lines(|| assert_eq!(sink.settle(item, outcome).now_or_never(), Some(Ok(()))));
        said.iter().filter(|line| line.contains("set both by NTP")).count()
    };
    let outside = || Outcome::Outside("422 why".to_owned());
    assert_eq!(said(Outcome::Over("410 why".to_owned()), &now, &mut sink), 0);
    assert_eq!(said(outside(), &early, &mut sink), 0);
    assert_eq!([0; 3].map(|_| said(outside(), &now, &mut sink)), [1, 0, 0]);
    assert_eq!(sink.place, 5, "nothing is tried again");
}

#[tokio::test]
async fn what_is_outside_of_what_is_kept_is_not_tried_again() {
    let outside = Outcome::Outside("422".to_owned());
    let mut bench = Bench::new([Outcome::Done, Outcome::Done, outside]);
    assert_eq!(bench.next(5).await, "record head 1 2 3");
}

#[tokio::test]
async fn one_that_lost_all_is_filled_again() {
    let mut bench = Bench::new([]);
    assert_eq!(bench.next(5).await, "record head 1 2 3");
    let mut bench =
        Bench::new([Outcome::Done, Outcome::Done, Outcome::Done, Outcome::Done, Outcome::Unprepared]);
    assert_eq!(bench.next(8).await, "record head 1 2 3 record head 3");
    assert_eq!(bench.next(4).await, "head 1 2 3");
}

#[tokio::test]
async fn one_that_is_too_slow_goes_on_with_what_is_left() {
    let failed = || Outcome::Failed("late".to_owned());
    let mut bench = Bench::new(std::iter::once(Outcome::Done).chain((0..3).map(|_| failed())));
    assert_eq!(bench.next(3).await, "record head head");
    (4..=9).for_each(|n| bench.shelf.push(segment(n)));
    assert_eq!(bench.next(4).await, "7 7 8 9");
}

#[tokio::test]
async fn the_end_delivers_what_is_left_but_waits_for_nobody() {
    let mut bench = Bench::new([]);
    bench.stop.cancel();
    assert_eq!(bench.next(5).await, "record head 1 2 3");
    bench.task.await.unwrap();
    let bench = Bench::new((0..10_000).map(|_| Outcome::Failed("dead".to_owned())));
    bench.stop.cancel();
    let begun = Instant::now();
    bench.task.await.unwrap();
    assert!(begun.elapsed() >= DRAIN, "what is left was tried for a while");
}
