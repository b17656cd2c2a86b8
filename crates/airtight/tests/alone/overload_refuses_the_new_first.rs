//! A server that is asked for twice what it can do refuses those who come, so many in a second at most, and gives those
//! whom it has nine tenths of its best; soon after they have had enough all are welcome again.
//!
//! The server has one core and all who ask it have another, so that what is measured is the server's. They look for
//! answers now and then only: to wake a reader for each would be the server's work, by far the most of it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use airtight_media::grid::Number;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net, runtime,
    task::JoinSet,
    time::{interval, timeout},
};

use crate::{
    programme,
    support::{PATIENCE, Role, cores, eventually, http, stillness, text, within},
};

/// Connections of viewers who have a playlist and ask for it again.
const OLD: usize = 8;
/// Requests that a connection sends at a time: asking must cost less than answering, so that the server is what is full.
const AT_ONCE: usize = 64;
/// Between two looks for their answers.
const LOOK: Duration = Duration::from_millis(1);
/// How long it is measured at a time, in turn without those who come and with them, so that a machine that is slower
/// for a while is so for both.
const MEASURED: Duration = Duration::from_millis(1200);
const ROUNDS: usize = 5;
/// What those who watch get at least, as a part of what they get if nobody comes.
const KEPT: f64 = 0.9;
/// From the end of it until all are welcome again.
const RECOVERY: Duration = Duration::from_secs(5);
/// Of those who come so many are answered in a second at the most: the pace of the server, and what it had accepted
/// before it was full.
const MOST: f64 = 700.0;
/// Viewers at a time who find out how many the server could take in a second if it had no others, and for how long:
/// not long enough for it to be full.
const FIRST: usize = 32;
const TRIED: Duration = Duration::from_millis(800);
/// Those who come are let in by the machine within this time, or its queue is full and they go elsewhere.
const DOOR: Duration = Duration::from_millis(100);
/// Whom the machine let in the server has told where it stands within this time.
const WORD: Duration = Duration::from_secs(3);
/// Between two groups of those who come evenly.
const STEP: Duration = Duration::from_millis(2);

/// What became of those who asked.
#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    answered: AtomicU64,
    refused: AtomicU64,
    elsewhere: AtomicU64,
    left_alone: AtomicU64,
}

/// Threads that ask until they are told to stop.
struct Crowd {
    counts: Arc<Counts>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn of(size: usize, ask: impl Fn(&Arc<Counts>) + Clone + Send + 'static) -> Self {
        let counts: Arc<Counts> = Arc::default();
        let thread = |_| {
            let (ask, counts) = (ask.clone(), counts.clone());
            thread::spawn(move || ask(&counts))
        };
        Self { threads: (0..size).map(thread).collect(), counts }
    }

    /// Answers in a second.
    fn rate(&self, time: Duration) -> f64 {
        let (before, began) = (self.counts.answered.load(Relaxed), Instant::now());
        thread::sleep(time);
        per_second(self.counts.answered.load(Relaxed) - before, began.elapsed())
    }

    /// Waits until everybody has gone; what became of them.
    fn end(self) -> Arc<Counts> {
        self.counts.stop.store(true, Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.counts
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of seconds")]
fn per_second(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Asks for a media playlist again and again over one connection; each answer must be the whole one.
fn watch(host: &str, body: usize, counts: &Counts) {
    let request = format!("GET /live01/720p/playlist.m3u8 HTTP/1.1\r\nHost: {host}\r\n\r\n").repeat(AT_ONCE);
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 1 << 18];
    let mut length = None;
    while !counts.stop.load(Relaxed) {
        // All that was asked before is answered, so there is room for this.
        stream.write_all(request.as_bytes()).unwrap();
        let (asked, mut got) = (Instant::now(), 0);
        while length.is_none_or(|length| got < length * AT_ONCE) {
            thread::sleep(LOOK);
            assert!(asked.elapsed() < PATIENCE, "a viewer who watches is always answered");
            let read = match stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                read => read.unwrap(),
            };
            assert!(read > 0, "a viewer who watches is never cut off");
            length.get_or_insert_with(|| head(&buffer[..read]) + body);
            got += read;
        }
        counts.answered.fetch_add(AT_ONCE as u64, Relaxed);
    }
}

/// The length of the head of an answer, which must be a good one.
fn head(answer: &[u8]) -> usize {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..head]));
    head
}

/// Asks for the multivariant playlist over a connection of its own, as whoever begins to watch.
async fn visit(host: Arc<str>, counts: Arc<Counts>) {
    let asking = async {
        let mut stream = net::TcpStream::connect(&*host).await.ok()?;
        let request = "GET /live01/playlist.m3u8 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.ok()?;
        Some(stream)
    };
    let Ok(Some(mut stream)) = timeout(DOOR, asking).await else {
        counts.elsewhere.fetch_add(1, Relaxed);
        return;
    };
    let mut answer = Vec::new();
    let read = timeout(WORD, stream.read_to_end(&mut answer)).await;
    let fate = match answer.strip_prefix(b"HTTP/1.1 ") {
        Some(answer) if matches!(read, Ok(Ok(_))) && answer.starts_with(b"200 ") => &counts.answered,
        Some(answer) if matches!(read, Ok(Ok(_))) && answer.starts_with(b"503 ") => &counts.refused,
        _ => &counts.left_alone,
    };
    fate.fetch_add(1, Relaxed);
}

/// Lets as many come in a second, evenly, however those before them fare.
fn come(host: &Arc<str>, rate: f64, counts: &Arc<Counts>) {
    asynchronously(async {
        let (mut steps, mut visits) = (interval(STEP), JoinSet::new());
        let (began, mut came) = (Instant::now(), 0);
        while !counts.stop.load(Relaxed) {
            steps.tick().await;
            while per_second(came, began.elapsed()) < rate {
                visits.spawn(visit(host.clone(), counts.clone()));
                came += 1;
            }
            while visits.try_join_next().is_some() {}
        }
        visits.join_all().await;
    });
}

/// Lets so many come at a time, each anew as soon as it has its answer.
fn come_in_turn(host: &Arc<str>, counts: &Arc<Counts>) {
    asynchronously(async {
        let mut visits = JoinSet::new();
        for _ in 0..FIRST {
            visits.spawn(visit(host.clone(), counts.clone()));
        }
        while let Some(visited) = visits.join_next().await {
            visited.unwrap();
            if !counts.stop.load(Relaxed) {
                visits.spawn(visit(host.clone(), counts.clone()));
            }
        }
    });
}

fn asynchronously(work: impl Future<Output = ()>) {
    runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Those who come have more connections at a time than a test usually may.
fn allow_connections() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

/// A packager with an event that has ended: its playlists stay the same.
fn packager(root: &Path) -> Role {
    let (first, last) = (programme::now() - 16, programme::now() - 2);
    let lineage = programme::lineage();
    for (path, bytes) in programme::files("live01", &lineage, first..=last) {
        programme::write(root, &path, &bytes);
    }
    let mut record = programme::record("live01", first);
    record.end = Some(Number(last));
    programme::write(root, "live01/signal.json", &programme::json(&record));
    Role::start(&["packager", "--root", text(root), "--listen", "0"])
}

/// What those who watch are answered in a second, without those who come and with them.
struct Round {
    peak: f64,
    rate: f64,
    /// What is wrong with what those who come are told.
    fault: Option<String>,
}

impl Round {
    fn of(old: &Crowd, host: &Arc<str>, capacity: f64) -> Self {
        let (peak, host) = (old.rate(MEASURED), host.clone());
        let new = Crowd::of(1, move |counts| come(&host, capacity, counts));
        let rate = old.rate(MEASURED);
        let pace = per_second(new.counts.refused.load(Relaxed), MEASURED);
        let new = new.end();
        let counts = [&new.answered, &new.refused, &new.elsewhere, &new.left_alone];
        let [served, refused, elsewhere, left_alone] = counts.map(|count| count.load(Relaxed));
        let said = format!(
            "of those who come {served} are served, {refused} refused, {pace:.0} in a second, {left_alone} left \
             alone, and {elsewhere} not let in"
        );
        println!("{peak:.0} answers/s, then {rate:.0}; {said}");
        let good = served == 0 && refused > 0 && left_alone == 0 && pace <= MOST;
        Self { peak, rate, fault: (!good).then_some(said) }
    }
}

/// A server with an event on a core of its own, and where it is; this thread is left with the core of all who ask.
fn server(root: &Path) -> (Role, Arc<str>) {
    let [servers, askers] = cores::two();
    cores::pin(&servers);
    let server = packager(root);
    let host = server.url().replace("http://", "").into();
    cores::pin(&askers);
    (server, host)
}

/// Those who come when nobody else is there: how many are served in a second.
fn capacity(host: &Arc<str>) -> f64 {
    let host = host.clone();
    let first = Crowd::of(1, move |counts| come_in_turn(&host, counts));
    let capacity = first.rate(TRIED);
    first.end();
    capacity
}

/// What must not be.
fn measure() -> Vec<String> {
    let root = tempfile::tempdir().unwrap();
    let (_server, host) = server(root.path());
    let url = format!("http://{host}/live01/playlist.m3u8");
    let body = eventually("the event is on offer", || {
        http::get(&url).filter(|answer| answer.status == 200)?;
        http::get(&url.replace("/playlist", "/720p/playlist")).map(|answer| answer.body.len())
    });
    let capacity = capacity(&host);
    let asked = host.clone();
    let old = Crowd::of(OLD, move |counts| watch(&asked, body, counts));
    let asks = |status| http::get(&url).filter(|answer| answer.status == status);
    within(Duration::from_secs(10), "it is full", || asks(503));
    let rounds: Vec<_> = (0..ROUNDS).map(|_| Round::of(&old, &host, capacity)).collect();
    old.end();
    let ended = Instant::now();
    within(Duration::from_secs(10), "all are welcome again", || asks(200));
    let recovered = ended.elapsed();
    let peak = median(rounds.iter().map(|round| round.peak).collect());
    let rate = median(rounds.iter().map(|round| round.rate).collect());
    println!(
        "{peak:.0} answers/s at its best, {rate:.0} while {capacity:.0} come in a second, as many as it could serve \
         alone; recovered in {recovered:?}"
    );
    let mut faults: Vec<_> = rounds.into_iter().filter_map(|round| round.fault).collect();
    if rate < peak * KEPT {
        faults.push(format!("those who watch get {rate:.0} answers/s of {peak:.0}"));
    }
    if recovered > RECOVERY {
        faults.push(format!("recovery takes {recovered:?}"));
    }
    faults
}

#[test]
fn those_who_watch_are_served_and_those_who_come_refused() {
    allow_connections();
    stillness::judge("overload", || {
        // A thread of its own: what it is pinned to is nobody else's.
        let faults = thread::spawn(measure).join().unwrap();
        stillness::Outcome { faults, standstill: Duration::ZERO }
    });
}
