//! Whatever is sent to a packager or an origin is answered with a status and a sentence, harms nobody else, and
//! takes no more than its share of memory.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::programme::{self, files, init, json, lineage, now, record, segment, slate};
use crate::support::{
    self, Role, document, eventually,
    hls::Playlist,
    http::{self, Answer},
    memory, refusing, text, within,
};
use airtight_media::{
    grid::Number,
    record::{Era, Record},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How soon others are answered, whatever somebody sends.
const SOON: Duration = Duration::from_secs(1);

/// Something that is sent, and what is answered.
struct Case {
    /// In the operator's words.
    sent: &'static str,
    request: Request,
    status: u16,
    /// With `…` for what differs from case to case; empty: an answer without a sentence.
    says: &'static str,
}

enum Request {
    /// To a place below `/ingest/`.
    Put(String, Vec<u8>),
    Get(&'static str),
    /// As it is.
    Raw(Vec<u8>),
}

impl Request {
    fn send(&self, url: &str) -> Answer {
        let answer = match self {
            Self::Put(path, body) => http::request("PUT", &format!("{url}/ingest/{path}"), body),
            Self::Get(path) => http::get(&format!("{url}{path}")),
            Self::Raw(bytes) => http::raw(url, bytes),
        };
        answer.expect("it is answered")
    }
}

fn put(sent: &'static str, path: &str, body: impl AsRef<[u8]>, status: u16, says: &'static str) -> Case {
    Case { sent, request: Request::Put(path.to_owned(), body.as_ref().to_vec()), status, says }
}

fn look(sent: &'static str, path: &'static str, status: u16, says: &'static str) -> Case {
    Case { sent, request: Request::Get(path), status, says }
}

fn raw(sent: &'static str, request: impl AsRef<[u8]>, status: u16, says: &'static str) -> Case {
    Case { sent, request: Request::Raw(request.as_ref().to_vec()), status, says }
}

fn packager(root: &Path) -> (Role, String) {
    let role = Role::start(&["packager", "--root", text(root), "--spool", "true", "--listen", "0"]);
    let url = role.url();
    (role, url)
}

/// Sends one case after the other, and lists them as the document has them.
fn answered(url: &str, cases: &[Case]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for Case { sent, request, status, says } in cases {
        let answer = request.send(url);
        let sentence = answer.text();
        assert!(
            answer.status == *status && document::says(&sentence, says),
            "{sent}: {status} '{says}' is due, not {} '{sentence}'",
            answer.status
        );
        rows.push(vec![(*sent).to_owned(), status.to_string(), document::quoted(says)]);
    }
    rows
}

#[test]
fn each_thing_sent_has_its_status_and_its_sentence() {
    let root = tempfile::tempdir().unwrap();
    let (_role, url) = packager(root.path());
    let place = Place { lineage: lineage().to_string(), number: now() };
    let mut rows = Vec::new();
    for cases in
        [records(&place), openings(&place), segments(&place), afterwards(&place), paths(), requests()]
    {
        rows.extend(answered(&url, &cases));
    }
    document::assert_table("operate.md", "what is sent", &["sent", "status", "answer"], &rows);
}

/// Where the cases happen.
struct Place {
    lineage: String,
    /// The number that the wall clock is in.
    number: u64,
}

impl Place {
    fn of(&self, file: &str) -> String {
        format!("live01/{}/720p/{file}", self.lineage)
    }

    fn init(&self) -> String {
        self.of(&format!("init-{}.mp4", init("720p").hash))
    }

    fn segment(&self, number: u64) -> String {
        self.of(&format!("{number}.m4s"))
    }

    fn record(&self) -> Record {
        record("live01", self.number - 5)
    }
}

fn records(place: &Place) -> Vec<Case> {
    let whole = place.record();
    let mut other_era = whole.clone();
    other_era.eras[0].tracks[0].bandwidth += 1;
    let mut other_grid = whole.clone();
    other_grid.grid.parts = std::num::NonZeroU32::MIN;
    let signal = "live01/signal.json";
    vec![
        put(
            "an init before its record",
            &place.init(),
            init("720p").bytes,
            412,
            "signal 'live01' has no record yet: send signal.json first",
        ),
        put("a record that is no JSON", signal, "{", 400, "the body is no record: …"),
        put(
            "a record under the name of another signal",
            "live02/signal.json",
            json(&whole),
            400,
            "this is the record of signal 'live01', not of 'live02'",
        ),
        put("a record", signal, json(&whole), 201, ""),
        put("the same again", signal, json(&whole), 200, ""),
        put(
            "a record that contradicts the known one",
            signal,
            json(&other_era),
            409,
            "signal live01 has two different sets of tracks from number … on: track 720p has … against … bits \
             per second",
        ),
        put(
            "a record with other segments",
            signal,
            json(&other_grid),
            409,
            "signal live01 has segments of 2000 ms in 4 parts, not of 2000 ms in 1",
        ),
    ]
}

fn openings(place: &Place) -> Vec<Case> {
    let (init, slate, at) = (init("720p").bytes, slate("720p"), place.init());
    let playlist = place.of("playlist.m3u8");
    let says_first = "init … of signal 'live01' is not held: send it first";
    vec![
        put(
            "a segment before its init",
            &place.segment(place.number),
            segment("720p", place.number),
            412,
            says_first,
        ),
        put(
            "a slate before its init",
            &place.of("slate.mp4"),
            &slate,
            412,
            "no init of track '720p' is held: send it before the slate",
        ),
        put(
            "a playlist before an init",
            &playlist,
            "#EXTM3U",
            412,
            "no init of lineage '…' is held: send it first",
        ),
        put(
            "an init that the record does not name",
            &place.of("init-0000000000000000.mp4"),
            &init,
            412,
            "the record of signal 'live01' has no init 0000000000000000 of track '720p': send signal.json with it \
             first",
        ),
        put(
            "other bytes under the name of an init",
            &at,
            "other",
            400,
            "the init's hash is …, its name says …",
        ),
        put("an init", &at, &init, 201, ""),
        put("the same again", &at, &init, 200, ""),
        put("garbage as a slate", &place.of("slate.mp4"), "garbage", 400, "the slate is empty"),
        put("a slate", &place.of("slate.mp4"), &slate, 201, ""),
        put(
            "garbage as a playlist",
            &playlist,
            "garbage",
            400,
            "the body is no playlist: its first line is to be #EXTM3U",
        ),
        put("a playlist that is no text", &playlist, b"#EXTM3U\n\xff", 400, "the playlist is no UTF-8: …"),
    ]
}

fn segments(place: &Place) -> Vec<Case> {
    let n = place.number;
    let (whole, at) = (segment("720p", n), place.segment(n));
    // A box that players skip.
    let padding = [&(1_u32 << 20).to_be_bytes()[..], b"free", &[0; (1 << 20) - 8]].concat();
    let outside = "number … is outside … to …, what is kept and what is due";
    vec![
        put(
            "garbage as a segment",
            &at,
            [0xa5; 4096],
            400,
            "box '…' at byte 0 has size …, allowed are 8 to … bytes",
        ),
        put("nothing as a segment", &at, "", 400, "the bytes end inside a box at byte 0"),
        put(
            "a segment that lacks its last byte",
            &at,
            &whole[..whole.len() - 1],
            400,
            "the bytes end inside a box …",
        ),
        put(
            "a segment of another number",
            &at,
            segment("720p", n - 1),
            400,
            "part 0 begins at … ticks, the grid says …",
        ),
        put(
            "a segment that is far longer than the bandwidth of its track allows",
            &at,
            [&padding[..], &whole].concat(),
            400,
            "the segment has … bytes, at the bandwidth of its track … are the most",
        ),
        put(
            "a segment of another track",
            &at,
            segment("audio", n),
            400,
            "part 0 has … samples, the grid says …",
        ),
        put(
            "a segment of a track that the record lacks",
            &format!("live01/{}/4k/{n}.m4s", place.lineage),
            &whole,
            412,
            "the record of signal 'live01' has no track '4k' at number …",
        ),
        put("a segment from the far future", &place.segment(n + 9), segment("720p", n + 9), 422, outside),
        put("a segment that has expired", &place.segment(n - 160), segment("720p", n - 160), 422, outside),
    ]
}

/// What comes once a number is held.
fn afterwards(place: &Place) -> Vec<Case> {
    let n = place.number;
    let (whole, at) = (segment("720p", n), place.segment(n));
    let mut other = whole.to_vec();
    *other.last_mut().unwrap() ^= 1;
    let ended = Record { end: Some(Number(n)), ..place.record() };
    let mut late = place.record();
    let mut era = Era { first: Number(n), ..late.eras[0].clone() };
    era.tracks[0].bandwidth += 1;
    late.eras.push(era);
    let mut dropped = place.record();
    let tracks = dropped.eras[0].tracks.iter().filter(|track| track.is_video()).cloned().collect();
    dropped.eras.push(Era { first: Number(n + 9), tracks });
    vec![
        put("a segment", &at, &whole, 201, ""),
        put("the same again", &at, &whole, 200, ""),
        put("another copy of it: the first one stays", &at, &other, 200, ""),
        put(
            "a record that changes the tracks of a number that is held",
            "live01/signal.json",
            json(&late),
            409,
            "the tracks of signal live01 can't change at number … any more, up to … its numbers are known: track 720p \
             has … against … bits per second; announce the change anew with --new-era",
        ),
        put(
            "a record whose change of tracks leaves out all sound",
            "live01/signal.json",
            json(&dropped),
            409,
            "the tracks of signal live01 can't change at number …: viewers of track audio would have none of its kind any \
             more; keep pictures and sound, or give another --signal",
        ),
        put("a record with the end of the event", "live01/signal.json", json(&ended), 201, ""),
        put(
            "a segment after the end",
            &place.segment(n + 1),
            segment("720p", n + 1),
            410,
            "number … is after the end of the event, …",
        ),
    ]
}

fn paths() -> Vec<Case> {
    let plain = "the path holds '…': names are plain letters, digits, '_' and '-', never encoded";
    let leaves = "a path here has no empty element, no '.', no '..' and no escaped character";
    let unknown = "no such place: expected <signal>/signal.json, <signal>/<worker>-<second>/playlist.m3u8 or \
                   <signal>/<worker>-<second>/<track>/ and playlist.m3u8, init-<hash>.mp4, slate.mp4 or <number>.m4s";
    vec![
        put("`..` in a path", "live01/../../signal.json", "{}", 400, plain),
        put("`%2e%2e` in a path", "live01/%2e%2e/signal.json", "{}", 400, plain),
        put("`%00` in a path", "live01%00/signal.json", "{}", 400, plain),
        put("an empty element in a path", "live01//signal.json", "{}", 400, leaves),
        put("a name that is none of the layout", "live01/a-1/720p/.put-1", "{}", 404, unknown),
        look("`..` asked for", "/v1/media/../../etc/passwd", 400, plain),
        look("`%2e%2e` asked for", "/live01/%2e%2e/playlist.m3u8", 400, plain),
        look(
            "media that is not held",
            "/v1/media/live01/z-1/720p/1.m4s",
            404,
            "live01/z-1/720p/1.m4s is not held",
        ),
        look(
            "holdings since no revision",
            "/v1/holdings?since=x",
            400,
            "since: expected a revision as a line of the feed \
              has it: <run>-<sequence>",
        ),
    ]
}

fn requests() -> Vec<Case> {
    let head = |line: &str, headers: &str| {
        format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")
    };
    let sent = |headers: &str| head("PUT /ingest/live01/signal.json", headers);
    let many: String = (0..200).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = format!("x: {}\r\n", "y".repeat(64 << 10));
    vec![
        raw(
            "a body of more than 64 MiB",
            sent("Content-Length: 67108865\r\n"),
            413,
            "the body is longer than 67108864 bytes",
        ),
        raw("a length that is no number", sent("Content-Length: many\r\n"), 400, ""),
        raw("two lengths", sent("Content-Length: 1\r\nContent-Length: 2\r\n"), 400, ""),
        raw("a zero byte in a path", head("GET /live\0/", ""), 400, ""),
        raw("200 headers", head("GET /", &many), 431, ""),
        raw("a header of 64 KiB", head("GET /", &long), 431, ""),
        raw("a path of 64 KiB", head(&format!("GET /{}", "x".repeat(64 << 10)), ""), 431, ""),
        raw("what is no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, ""),
        raw(
            "a body that does not come",
            sent("Content-Length: 100\r\n"),
            408,
            "the body did not arrive within 10s",
        ),
        raw(
            "a POST where a PUT is due",
            head("POST /ingest/live01/signal.json", "Content-Length: 0\r\n"),
            405,
            "'/ingest/live01/signal.json' takes no POST, use a method of the Allow header",
        ),
    ]
}

fn put_all(url: &str, files: &[(String, bytes::Bytes)]) {
    for (path, bytes) in files {
        let answer = http::request("PUT", &format!("{url}/ingest/{path}"), bytes).expect("it is answered");
        assert_eq!(answer.status, 201, "{path}: {}", answer.text());
    }
}

#[test]
fn bodies_that_come_slowly_or_never_hold_up_nobody() {
    let root = tempfile::tempdir().unwrap();
    let (role, url) = packager(root.path());
    let authority = url.trim_start_matches("http://");
    let head = "PUT /ingest/live01/signal.json HTTP/1.1\r\nHost: x\r\nContent-Length: 67108864\r\n\r\n";
    let before = memory::resident_kib(role.pid());
    let mut slow: Vec<_> =
        (0..500).map(|_| http::send(authority, head.as_bytes()).expect("it connects")).collect();
    let began = Instant::now();
    let mut rest = files("live01", &lineage(), now() - 5..=now()).into_iter();
    // A byte each, again and again, until they are cut.
    while began.elapsed() < Duration::from_secs(8) {
        slow.iter_mut().for_each(|slow| slow.get_mut().write_all(b" ").expect("it is not cut yet"));
        let sent = Instant::now();
        put_all(&url, &rest.by_ref().take(2).collect::<Vec<_>>());
        assert!(sent.elapsed() < SOON, "others wait {:?}", sent.elapsed());
        thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(rest.next(), None, "all the others were taken");
    let grown = memory::resident_kib(role.pid()).saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB for what has not come");
    for mut slow in slow {
        assert_eq!(http::answer_of(&mut slow).expect("it is answered").status, 408);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// An origin that has nobody but these packagers.
fn origin(packagers: &[&str]) -> (Role, String) {
    let (_refusing, reporter) = refusing();
    let packagers = packagers.join(",");
    let origin =
        Role::start(&["origin", "--packagers", &packagers, "--reporter", &reporter, "--listen", "0"]);
    let url = origin.url();
    (origin, url)
}

/// Raises the limit on descriptors as far as this user may; gives it.
fn descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("a limit may be raised to its maximum");
    limit.maximum.unwrap_or(u64::MAX)
}

#[test]
fn ten_thousand_idle_connections_hold_up_no_viewer() {
    let root = tempfile::tempdir().unwrap();
    let (_packager, source) = packager(root.path());
    put_all(&source, &files("live01", &lineage(), now() - 16..=now()));
    let (role, url) = origin(&[&source]);
    let playlist = format!("{url}/live01/720p/playlist.m3u8");
    eventually("the signal is on the air", || Playlist::get(&playlist));

    // The origin keeps some descriptors for itself, this test has others open.
    let count = descriptors().saturating_sub(1000).min(10_000);
    if count < 10_000 {
        eprintln!("this user may open {count} connections only");
    }
    let authority = url.trim_start_matches("http://");
    let before = memory::resident_kib(role.pid());
    let open = |n: u64| {
        let begun: &[u8] = if n.is_multiple_of(2) { b"" } else { b"GET /live01/ HTTP/1.1\r\nHost: x\r\nx: " };
        http::send(authority, begun).expect("it connects")
    };
    let idle: Vec<_> = (0..count).map(open).collect();
    let sockets =
        || std::fs::read_dir(format!("/proc/{}/fd", role.pid().as_raw_pid())).unwrap().count() as u64;
    within(Duration::from_secs(10), "all are accepted", || (sockets() > count).then_some(()));
    for _ in 0..10 {
        let asked = Instant::now();
        assert!(Playlist::get(&playlist).is_some());
        assert!(asked.elapsed() < SOON, "a viewer waits {:?}", asked.elapsed());
    }
    let grown = memory::resident_kib(role.pid()).saturating_sub(before);
    println!("{count} idle connections take {grown} KiB");
    // A buffer for a head, and what a connection costs besides.
    assert!(grown < 20 * count, "{grown} KiB for {count} idle connections");
    drop(idle);
}

/// A packager that tells and gives nothing but nonsense.
///
/// Every second feed that is opened breaks a rule; the others go on for ever: they tell of the numbers of the
/// programme in a lineage that would lead, whose media are garbage, and of what can't be.
fn liar() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let url = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
    thread::spawn(move || {
        for (at, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            // It ends with the test or when whoever asks has gone.
            thread::spawn(move || lie(stream, at));
        }
    });
    url
}

fn lie(mut stream: TcpStream, at: usize) -> std::io::Result<()> {
    let mut asked = String::new();
    BufReader::new(stream.try_clone()?).read_line(&mut asked)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
    if !asked.contains("/v1/holdings") {
        return stream.write_all(&[0xa5; 100_000]);
    }
    let broken: [&[u8]; 4] =
        [b"\0\x16garbage\n", b"{}\n[1]\n", b"{\"rev\":\"1-1\",\"kind\":\"held\"}\n", &[b'x'; 2 << 20]];
    if at.is_multiple_of(2) {
        return stream.write_all(broken[at / 2 % broken.len()]);
    }
    stream.write_all(impossible().as_bytes())?;
    for number in now() - 16.. {
        while number > now() {
            thread::sleep(Duration::from_millis(100));
            stream.write_all(b"{\"rev\":\"7-7\",\"kind\":\"tick\"}\n")?;
        }
        let tracks = programme::TRACKS.map(|track| held("a-1", track, &number.to_string(), "1"));
        stream.write_all(tracks.concat().as_bytes())?;
    }
    Ok(())
}

fn held(lineage: &str, track: &str, number: &str, age_ms: &str) -> String {
    format!(
        r#"{{"rev":"7-7","kind":"held","signal":"live01","piece":"segment","lineage":"{lineage}","track":"{track}",
           "number":{number},"length":{},"age_ms":{age_ms}}}"#,
        u64::MAX
    )
    .replace('\n', "")
        + "\n"
}

/// Lines that are lines, and can't be true.
fn impossible() -> String {
    let line = |record: &Record| {
        format!(
            "{{\"rev\":\"7-7\",\"kind\":\"record\",\"record\":{}}}\n",
            String::from_utf8_lossy(&json(record))
        )
    };
    let most = u64::MAX.to_string();
    let mut contradicts = record("live01", now() - 20);
    contradicts.eras[0].first = Number(now() + 30);
    contradicts.eras[0].tracks[0].codecs = "avc1\"\n#EXT-X-ENDLIST".to_owned();
    let mut lines = vec![line(&contradicts)];
    contradicts.grid.parts = std::num::NonZeroU32::MAX;
    lines.push(line(&contradicts));
    lines.extend((0..300).map(|n| line(&record(&format!("other{n}"), 1))));
    for track in ["720p", "none"] {
        lines.extend([
            held("a-2", track, &most, "0"),
            held("a-2", track, "0", &most),
            held("a-2", track, &most, &most),
        ]);
    }
    lines.extend((0..50_000).map(|n| held(&format!("b-{n}"), "720p", &(now() + n).to_string(), "0")));
    lines.push(format!(
        "{{\"rev\":\"7-7\",\"kind\":\"gone\",\"signal\":\"live01\",\"lineage\":\"m-1\",\"track\":null,\"before\":{most}}}\n"
    ));
    lines.concat()
}

#[test]
fn a_packager_that_tells_nonsense_costs_viewers_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (_packager, good) = packager(root.path());
    // Its name comes after the liar's: the liar would lead.
    let (mut next, lineage) = (now(), format!("m-{}", now() * 2).parse().unwrap());
    put_all(&good, &files("live01", &lineage, next - 20..=next - 1));
    let (role, url) = origin(&[&good, &liar(), &liar()]);
    let playlist = format!("{url}/live01/720p/playlist.m3u8");
    let before = eventually("the signal is on the air", || Playlist::get(&playlist)).edge().unwrap();
    let resident = memory::resident_kib(role.pid());
    let mut seen = before;
    while seen < before + 6 {
        if now() > next {
            let media =
                programme::TRACKS.map(|t| (format!("live01/{lineage}/{t}/{next}.m4s"), segment(t, next)));
            put_all(&good, &media);
            next += 1;
        }
        let edge = Playlist::get(&playlist).expect("it is answered").edge().unwrap();
        for number in seen + 1..=edge {
            let media = http::get(&format!("{url}/live01/720p/{number}.m4s")).expect("it is answered");
            assert!(media.body == segment("720p", number), "number {number} is the programme");
        }
        assert!(edge < now() + 2, "the timeline is not carried away: {edge}");
        seen = edge.max(seen);
        thread::sleep(support::POLL);
    }
    let text = Playlist::get(&playlist).expect("it is answered").text;
    assert!(!text.contains("ENDLIST") && !text.contains("DISCONTINUITY\n"), "{text}");
    let grown = memory::resident_kib(role.pid()).saturating_sub(resident);
    assert!(grown < 64 << 10, "{grown} KiB more for nonsense");
    role.line("is not heard: ");
}
