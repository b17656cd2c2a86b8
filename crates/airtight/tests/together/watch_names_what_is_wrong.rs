//! `airtight watch` names each rule that a server breaks, and its exit status is 1; against a server that tells
//! the truth it is 0. All servers of this test run at once.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use crate::programme;
use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::Output,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use crate::support::{self, airtight, finished, outcome};
use flate2::{Compression, write::GzEncoder};

/// Segments of two seconds in a playlist.
const WINDOW: u64 = 6;
/// A server lies from this moment on, so that viewers know the truth.
const HONEST: Duration = Duration::from_secs(3);
/// Longer than a segment stays after its listing: the whole window, and its own duration.
const WATCHED: &str = "18";

/// 1.8 target durations.
const PAUSE: Duration = Duration::from_millis(3600);
/// For the answers of a server that pauses to arrive: what a viewer sees is so old.
const WAY: Duration = Duration::from_millis(30);

/// How a server departs from the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    Nothing,
    GoesBack,
    Lags,
    Renames,
    ChangesTarget,
    Stops,
    Pauses,
    Shrinks,
    RecountsDiscontinuities,
    MisdatesOne,
    LosesSegments,
    CutsSegments,
    SwapsSegments,
    Forgets,
    Redirects,
    HidesAverage,
    SendsText,
    Babbles,
    ClosesDoors,
    CodesAnother,
}

struct Server {
    lie: Lie,
    began: Instant,
    /// The number of that moment.
    first: u64,
    /// The edge that a server which pauses stays at, and since when.
    pause: OnceLock<(u64, Instant)>,
}

/// Status, media type, body.
type Answer = (u16, &'static str, Vec<u8>);

const PLAYLIST: &str = "application/vnd.apple.mpegurl";

impl Server {
    /// Serves on a free port of loopback for as long as the test runs; gives the URL of its playlist.
    fn start(lie: Lie) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/live01/playlist.m3u8", listener.local_addr().unwrap());
        let (began, first, pause) = (Instant::now(), programme::now(), OnceLock::new());
        let server = Self { lie, began, first, pause };
        thread::spawn(move || listener.incoming().for_each(|stream| server.serve(stream.unwrap())));
        url
    }

    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut request = String::new();
        reader.read_line(&mut request).unwrap();
        let (mut line, mut takes_gzip) = (String::new(), false);
        while reader.read_line(&mut line).unwrap_or(0) > 2 {
            takes_gzip |= line.eq_ignore_ascii_case("accept-encoding: gzip\r\n");
            line.clear();
        }
        let name = request.split(' ').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        let is_multivariant = request.contains("/live01/playlist.m3u8");
        let (status, media_type, body) = self.answer(name, is_multivariant);
        let (coding, body) = if takes_gzip { self.coded(&body) } else { ("", body) };
        let readers = if self.lies(Lie::ClosesDoors) { "" } else { "Access-Control-Allow-Origin: *\r\n" };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Answer\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\
             {coding}{readers}Location: /elsewhere\r\nConnection: close\r\n\r\n"
        );
        if self.lie == Lie::Pauses {
            thread::sleep(WAY);
        }
        // A watch that is over does not listen any more.
        let _ = reader.get_mut().write_all(&[head.as_bytes(), &body].concat());
    }

    /// A body in gzip, and the header that says so.
    fn coded(&self, body: &[u8]) -> (&'static str, Vec<u8>) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(body).unwrap();
        if self.lies(Lie::CodesAnother) {
            encoder.write_all(b"# and more\n").unwrap();
        }
        ("Content-Encoding: gzip\r\n", encoder.finish().unwrap())
    }

    fn lies(&self, lie: Lie) -> bool {
        self.lie == lie && self.began.elapsed() > HONEST
    }

    fn answer(&self, name: &str, is_multivariant: bool) -> Answer {
        match name {
            "playlist.m3u8" if is_multivariant => (200, PLAYLIST, self.multivariant().into()),
            "playlist.m3u8" if self.lies(Lie::SendsText) => (200, "text/plain", self.playlist().into()),
            "playlist.m3u8" if self.lies(Lie::Babbles) => (200, PLAYLIST, "Once upon a time".into()),
            "playlist.m3u8" => (200, PLAYLIST, self.playlist().into()),
            "init.mp4" => (200, "video/mp4", programme::init("720p").bytes.to_vec()),
            segment => {
                self.segment(segment.trim_start_matches('x').trim_end_matches(".m4s").parse().unwrap())
            }
        }
    }

    fn multivariant(&self) -> String {
        let average = if self.lie == Lie::HidesAverage { "" } else { "AVERAGE-BANDWIDTH=900000," };
        format!(
            "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-STREAM-INF:BANDWIDTH=900000,{average}\
             CODECS=\"avc1.640009\",RESOLUTION=64x36,FRAME-RATE=25.000\n720p/playlist.m3u8\n"
        )
    }

    /// The first number that is not listed yet.
    fn edge(&self) -> u64 {
        let now = programme::now();
        match self.lie {
            Lie::Lags => now - 2,
            Lie::GoesBack if self.lies(Lie::GoesBack) => now - 2,
            Lie::Stops => now.min(self.first + 1),
            Lie::Pauses => match self.pause.get() {
                Some((edge, since)) if since.elapsed() < PAUSE => *edge,
                _ => now,
            },
            _ => now,
        }
    }

    fn playlist(&self) -> String {
        let window = if self.lies(Lie::Shrinks) { 2 } else { WINDOW };
        let edge = self.edge();
        if self.lie == Lie::Pauses && edge > self.first + 1 {
            // From when a viewer sees a new segment.
            self.pause.get_or_init(|| (edge, Instant::now()));
        }
        let head = edge - window;
        let target = if self.lies(Lie::ChangesTarget) { 3 } else { 2 };
        let sequence = u8::from(self.lies(Lie::RecountsDiscontinuities));
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:{head}\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:{sequence}\n#EXT-X-MAP:URI=\"init.mp4\"\n"
        );
        for number in head..edge {
            let prefix = if self.lies(Lie::Renames) { "x" } else { "" };
            let off = i64::from(self.lie == Lie::MisdatesOne && number % 4 == 0) * 500;
            let millis = i64::try_from(number).unwrap() * 2000 + off;
            let date = jiff::Timestamp::from_millisecond(millis).unwrap();
            text += &format!("#EXT-X-PROGRAM-DATE-TIME:{date:.3}\n#EXTINF:2.00000,\n{prefix}{number}.m4s\n");
        }
        text
    }

    fn segment(&self, number: u64) -> Answer {
        let is_listed = number + WINDOW >= self.edge();
        if self.lies(Lie::LosesSegments) {
            return (404, "text/plain", Vec::new());
        }
        if self.lie == Lie::Forgets && !is_listed {
            return (410, "text/plain", Vec::new());
        }
        let status = if self.lies(Lie::Redirects) { 302 } else { 200 };
        let number = if self.lies(Lie::SwapsSegments) { number + 1 } else { number };
        let mut bytes = programme::segment("720p", number).to_vec();
        if self.lies(Lie::CutsSegments) {
            bytes.truncate(bytes.len() / 2);
        }
        (status, "video/iso.segment", bytes)
    }
}

/// Watches servers that depart from the truth like this.
fn watch(lies: &[Lie]) -> Output {
    let urls: Vec<_> = lies.iter().map(|lie| Server::start(*lie)).collect();
    let mut watch = airtight(&["watch", "--seconds", WATCHED, "--every", "200", "--json"]);
    finished(watch.args(urls))
}

#[test]
fn a_pause_is_seen_at_the_pace_of_a_player() {
    let watch = |lie| finished(&mut airtight(&["watch", "--seconds", "12", "--json", &Server::start(lie)]));
    thread::scope(|scope| {
        let honest = scope.spawn(|| watch(Lie::Nothing));
        let pausing = watch(Lie::Pauses);
        assert!(named(&pausing).contains("update-in-time"), "{}", String::from_utf8_lossy(&pausing.stdout));
        let honest = honest.join().unwrap();
        assert!(named(&honest).is_empty(), "{}", String::from_utf8_lossy(&honest.stdout));
    });
}

/// The rules that were named, and those of the report.
fn named(output: &Output) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter_map(|line| Some(line.get("violation")?["rule"].as_str()?.to_owned())).collect()
}

#[test]
fn every_lie_is_named() {
    let cases: &[(&[Lie], &[&str])] = &[
        (&[Lie::Nothing], &[]),
        (&[Lie::Nothing, Lie::Nothing], &[]),
        // Alone it is a server like others; a viewer who moves to it from another is sent back.
        (&[Lie::Lags], &[]),
        (&[Lie::Nothing, Lie::Lags], &["sequence-monotone", "edge-monotone"]),
        (&[Lie::GoesBack], &["sequence-monotone", "edge-monotone"]),
        (&[Lie::Renames], &["segment-fixed"]),
        (&[Lie::ChangesTarget], &["target-fixed"]),
        (&[Lie::Stops], &["update-in-time"]),
        (&[Lie::Pauses], &["update-in-time"]),
        (&[Lie::Shrinks], &["window-length", "window-segments"]),
        (&[Lie::RecountsDiscontinuities], &["discontinuity-fixed"]),
        (&[Lie::MisdatesOne], &["date-adds-up"]),
        (&[Lie::LosesSegments], &["no-client-error", "listed-is-there"]),
        (&[Lie::CutsSegments], &["boxes"]),
        (&[Lie::SwapsSegments], &["time-continuous", "date-maps-time"]),
        (&[Lie::Forgets], &["kept-after-removal"]),
        (&[Lie::Redirects], &["no-redirect"]),
        (&[Lie::HidesAverage], &["variant-average"]),
        (&[Lie::SendsText], &["media-type"]),
        (&[Lie::Babbles], &["readable"]),
        (&[Lie::ClosesDoors], &["cross-origin"]),
        (&[Lie::CodesAnother], &["same-coded"]),
    ];
    thread::scope(|scope| {
        let running: Vec<_> = cases.iter().map(|(lies, _)| scope.spawn(|| watch(lies))).collect();
        for ((lies, expected), running) in cases.iter().zip(running) {
            let output = running.join().unwrap();
            let named = named(&output);
            let text = || String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.code(), Some(i32::from(!expected.is_empty())), "{lies:?}: {}", text());
            for rule in *expected {
                assert!(named.contains(*rule), "{lies:?} is not {rule}, but {named:?}: {}", text());
            }
            assert_eq!(named.is_empty(), expected.is_empty(), "{lies:?}: {named:?}");
        }
    });
}

#[test]
fn nobody_there_is_a_fault() {
    let (_kept, url) = support::refusing();
    let (code, error) = outcome(&["watch", "--seconds", "5", &format!("{url}/live01/playlist.m3u8")]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("1 viewers that saw nothing") && error.contains("1 fatal errors"), "{error}");
}

#[test]
fn what_is_no_url_is_refused() {
    let (code, error) = outcome(&["watch", "localhost:8000"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.starts_with("airtight: 'localhost:8000' is no URL of a playlist: "), "{error}");
}
