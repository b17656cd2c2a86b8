//! A server that is asked for more than it can do refuses those who come, a few at a time, and none of those whom it has;
//! soon after they have had enough all are welcome again. It prints what those whom it has get of its best.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use crate::programme;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::support::{self, Role, eventually, http, stillness, text, within};
use airtight_media::grid::Number;

/// Connections of viewers who have a playlist and ask for it again.
const OLD: usize = 4;
/// Viewers who come, each anew as soon as it is answered: so many ask at a time that they would have most of the server.
const NEW: usize = 64;
/// Requests that a connection sends at a time: asking must cost less than answering, so that the server is what is full.
const AT_ONCE: usize = 64;
/// How long it is measured at a time, in turn without those who come and with them, so that a machine that is slower
/// for a while is so for both.
const MEASURED: Duration = Duration::from_millis(1500);
const ROUNDS: u32 = 5;
/// Of those who come so many are answered in a second at the most, be it with a refusal: more than the pace of the server
/// lets in, as those who were accepted before it was full count, too.
const MOST: f64 = 300.0;

/// Threads that ask until this is dropped.
struct Crowd {
    answers: Arc<AtomicU64>,
    refusals: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn of(size: usize, ask: impl Fn(&Self) + Clone + Send + 'static) -> Self {
        let mut crowd = Self::empty();
        for _ in 0..size {
            let (ask, shared) = (ask.clone(), Self { threads: Vec::new(), ..crowd.shared() });
            crowd.threads.push(thread::spawn(move || {
                while !shared.stop.load(Relaxed) {
                    ask(&shared);
                }
            }));
        }
        crowd
    }

    fn empty() -> Self {
        Self { answers: Arc::default(), refusals: Arc::default(), stop: Arc::default(), threads: Vec::new() }
    }

    fn shared(&self) -> Self {
        let (answers, refusals, stop) = (self.answers.clone(), self.refusals.clone(), self.stop.clone());
        Self { answers, refusals, stop, threads: Vec::new() }
    }

    /// Answers in a second.
    fn rate(&self) -> f64 {
        let (before, began) = (self.answers.load(Relaxed), Instant::now());
        thread::sleep(MEASURED);
        let answers = self.answers.load(Relaxed) - before;
        #[expect(clippy::cast_precision_loss, reason = "a count of seconds")]
        let answers = answers as f64;
        answers / began.elapsed().as_secs_f64()
    }

    fn end(mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// Asks for a media playlist again and again over one connection; each answer must be the whole one.
fn watch(host: &str, body: usize, crowd: &Crowd) {
    let request = format!("GET /live01/720p/playlist.m3u8 HTTP/1.1\r\nHost: {host}\r\n\r\n").repeat(AT_ONCE);
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let mut buffer = vec![0; 1 << 16];
    let mut length = None;
    while !crowd.stop.load(Relaxed) {
        stream.write_all(request.as_bytes()).unwrap();
        let mut left = length.map_or(usize::MAX, |length: usize| length * AT_ONCE);
        while left > 0 {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "a viewer who watches is never cut off");
            if length.is_none() {
                let head = buffer[..read].windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
                assert!(buffer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&buffer[..head]));
                length = Some(head + body);
                left = length.unwrap() * AT_ONCE;
            }
            left -= read;
        }
        crowd.answers.fetch_add(AT_ONCE as u64, Relaxed);
    }
}

/// Asks for the multivariant playlist over a connection of its own, as whoever begins to watch.
fn come(url: &str, crowd: &Crowd) {
    match http::get(url).map(|answer| answer.status) {
        Some(200) => &crowd.answers,
        _ => &crowd.refusals,
    }
    .fetch_add(1, Relaxed);
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// A packager with an event that has ended: its playlists stay the same.
fn packager(root: &std::path::Path) -> Role {
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

#[test]
fn those_who_watch_are_served_and_those_who_come_refused() {
    stillness::judge("overload", || {
        let root = tempfile::tempdir().unwrap();
        let server = packager(root.path());
        let url = format!("{}/live01/playlist.m3u8", server.url());
        let body = eventually("the event is on offer", || {
            http::get(&url).filter(|answer| answer.status == 200)?;
            http::get(&url.replace("/playlist", "/720p/playlist")).map(|answer| answer.body.len())
        });
        let host = server.url().replace("http://", "");
        let old = Crowd::of(OLD, move |crowd| watch(&host, body, crowd));
        within(Duration::from_secs(10), "it is full", || {
            http::get(&url).filter(|answer| answer.status == 503)
        });
        let (mut peaks, mut rates, mut served, mut refused) = (Vec::new(), Vec::new(), 0, 0);
        for _ in 0..ROUNDS {
            peaks.push(old.rate());
            let asked = url.clone();
            let new = Crowd::of(NEW, move |crowd| come(&asked, crowd));
            rates.push(old.rate());
            served += new.answers.load(Relaxed);
            refused += new.refusals.load(Relaxed);
            new.end();
        }
        let (peak, rate) = (median(peaks), median(rates));
        old.end();
        let ended = Instant::now();
        within(Duration::from_secs(10), "all are welcome again", || {
            http::get(&url).filter(|answer| answer.status == 200)
        });
        let recovered = ended.elapsed();
        println!(
            "{peak:.0} answers/s at its best, {rate:.0} with {refused} refused; recovered in {recovered:?}"
        );
        let mut faults = Vec::new();
        let pace = f64::from(u32::try_from(refused).unwrap()) / (MEASURED * ROUNDS).as_secs_f64();
        if pace > MOST {
            faults.push(format!("{pace:.0} of those who come are answered in a second"));
        }
        if served > 0 || refused == 0 {
            faults.push(format!("of those who come {served} are served and {refused} refused"));
        }
        if recovered > Duration::from_secs(5) {
            faults.push(format!("recovery takes {recovered:?}"));
        }
        stillness::Outcome { faults, standstill: Duration::ZERO }
    });
}
