use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use airtight_media::{grid::Number, holding::Piece, id::Lineage};
use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinHandle};

use super::*;

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

#[tokio::test]
async fn what_is_refused_as_it_is_made_shows_a_wrong_clock_and_what_waited_does_not() {
    let shelf = Arc::new(Shelf::new(30));
    (1..=9).for_each(|number| shelf.push(segment(number)));
    let scripted = Scripted { answers: Arc::default(), given: mpsc::unbounded_channel().0 };
    let mut told = record();
    told.end = Some(Number(8));
    let records = watch::Sender::new(Some(record()));
    let sink = Sink::new(scripted, shelf, records.subscribe());
    let suspicious = |sink: &Sink<_>| -> Vec<u64> {
        (1..=9).filter(|number| sink.is_clock_wrong(&segment(*number))).collect()
    };
    assert_eq!(suspicious(&sink), [8, 9]);
    records.send_replace(Some(told));
    assert_eq!(suspicious(&sink), [8], "after the end of the event nothing is taken by any clock");
    assert!(!sink.is_clock_wrong(&head()));
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
