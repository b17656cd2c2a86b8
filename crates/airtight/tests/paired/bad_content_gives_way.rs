//! The input of one encoder turns black, stands still or falls silent while that of the other is good: viewers
//! have the bad one for the time of the detector and one segment at most, then the other, and no frame is lost
//! when the first leads again.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, SystemTime},
};

use crate::support::{
    Role, finished,
    hls::Playlist,
    media::{self, FRAME_RATE},
    record::Recording,
    stillness, text, within,
};

/// The default segment duration.
const SEGMENT_SECONDS: u64 = 2;
/// The detectors call content bad that was so for a whole segment.
const DETECTED: Duration = Duration::from_secs(SEGMENT_SECONDS);
/// The inputs are shown over and over.
const LENGTH_SECONDS: u64 = 60;
const LENGTH: u64 = LENGTH_SECONDS * FRAME_RATE;
/// From the making of the inputs to the bad stretch: encoders are started and the window is full meanwhile.
const AHEAD_SECONDS: u64 = 20;
const BAD_SECONDS: u64 = 7;
/// After the bad stretch: the first encoder leads again.
const AFTER: u64 = 8;

/// A stretch of time, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: u64,
    last: u64,
}

impl Stretch {
    /// One that is ahead and begins within a segment.
    fn ahead() -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let first = (now + AHEAD_SECONDS) / SEGMENT_SECONDS * SEGMENT_SECONDS + 1;
        Self { first, last: first + BAD_SECONDS }
    }

    /// True of a moment `t` of the input, as ffmpeg writes it.
    fn expression(self) -> String {
        let from = self.first % LENGTH_SECONDS;
        format!("lt(mod(t+{}-{from},{LENGTH_SECONDS}),{BAD_SECONDS})", 2 * LENGTH_SECONDS)
    }

    fn holds(self, second: u64) -> bool {
        (self.first..self.last).contains(&second)
    }
}

/// Makes an input with frame codes and a tone: `picture` and `sound` are filters that come last.
fn input(path: &Path, picture: &str, sound: &str) {
    let graph = format!(
        "testsrc2=s=320x180:r={FRAME_RATE},format=yuv420p[moving];\
         nullsrc=s=16x2:r={FRAME_RATE},format=yuv444p,geq=lum='16+219*mod(floor(N/pow(2,X)),2)':cb=128:cr=128,\
         scale=320:15:flags=neighbor,format=yuv420p[code];[moving][code]overlay=y=165{picture}[v];\
         sine=440:r=48000{sound}[a]"
    );
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-filter_complex", &graph, "-map", "[v]", "-map", "[a]"]);
    ffmpeg.args([
        "-t",
        &LENGTH_SECONDS.to_string(),
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-c:a",
        "pcm_s16le",
    ]);
    media::make(ffmpeg.arg(path));
}

/// A packager, an origin, and two encoders of which `a` has the bad input.
struct System {
    origin: Role,
    workers: [Role; 2],
    _packager: Role,
    _folder: tempfile::TempDir,
}

impl System {
    fn start(picture: &str, sound: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let inputs = [path("a.mkv"), path("b.mkv")];
        input(&inputs[0], picture, sound);
        input(&inputs[1], "", "");
        let root = path("spool");
        std::fs::create_dir(&root).unwrap();
        let packager = Role::start(&["packager", "--root", text(&root), "--spool", "true", "--listen", "0"]);
        let url = packager.url();
        let workers = [("a", &inputs[0]), ("b", &inputs[1])].map(|(name, input)| {
            Role::start(&["worker", "--name", name, "--input", text(input), "--packagers", &url])
        });
        let origin = Role::start(&["origin", "--listen", "0", "--packagers", &url]);
        Self { origin, workers, _packager: packager, _folder: folder }
    }

    /// What viewers of `track` saw from before `bad` until well after it.
    fn watch(&self, track: &str, bad: Stretch) -> Recording {
        let url = format!("{}/live01/{track}/playlist.m3u8", self.origin.url());
        let edge = || Playlist::get(&url)?.edge();
        within(Duration::from_secs(AHEAD_SECONDS), "the origin serves", edge);
        let last = bad.last / SEGMENT_SECONDS + AFTER;
        let limit = Duration::from_secs(AHEAD_SECONDS + BAD_SECONDS + (AFTER + 5) * SEGMENT_SECONDS);
        let over = || within(limit, "the trouble is over", || edge().filter(|edge| *edge >= last));
        Recording::of(&url, over).1
    }

    /// What is wrong with what was said of it.
    fn log_faults(&self, what: &str, stream: &str) -> Vec<String> {
        let said = |role: &Role, words: &[&str]| {
            role.log().iter().filter(|line| words.iter().all(|word| line.contains(word))).count()
        };
        let [a, b] = &self.workers;
        let expected = [
            ("a, bad", said(a, &[&format!("has {what} {stream} from number")]), 1),
            ("a, good again", said(a, &[&format!("has good {stream} again from number")]), 1),
            ("b", said(b, &["look at its input"]), 0),
            ("bad", said(&self.origin, &["the content of lineage a-", &format!("is {what}")]), 1),
            ("good again", said(&self.origin, &["the content of lineage a-", "is healthy"]), 1),
        ];
        let wrong = expected.into_iter().filter(|(_, count, expected)| count != expected);
        let mut faults: Vec<_> =
            wrong.map(|(line, n, of)| format!("'{line}' is said {n} times, not {of}")).collect();
        let log = self.origin.log();
        let leads = log.iter().filter_map(|line| line.split_once("the media of lineage ")?.1.chars().next());
        let leads: String = leads.collect();
        // Either may have been the first that was heard. The word of a and the change to b may come in either order.
        if !["aba", "baba"].contains(&leads.as_str()) {
            faults.push(format!("these lead: {leads}"));
        }
        faults
    }
}

/// Whatever is the matter with numbers, inits and bytes of a recording.
fn form_faults(recording: &Recording, file: &Path) -> Vec<String> {
    let mut faults = recording.faults.clone();
    let numbers: Vec<_> = recording.segments.keys().collect();
    if numbers.windows(2).any(|pair| *pair[1] != pair[0] + 1) {
        faults.push(format!("the numbers are {numbers:?}"));
    }
    let complaints = media::complaints(file);
    if !complaints.is_empty() {
        faults.push(format!("ffmpeg says: {complaints}"));
    }
    faults.extend(media::gap(&media::times(file)).map(|gap| format!("a gap or an overlap: {gap:?}")));
    if !recording.slate().is_empty() {
        faults.push(format!("slate was served for {:?}", recording.slate()));
    }
    faults
}

/// Moments of `bad` ones, in milliseconds since 1970 and each `step` long, are within the stretch, and no more
/// than may be.
fn bad_faults(bad: &[u64], step: u64, stretch: Stretch) -> Vec<String> {
    let mut faults = Vec::new();
    let outside: Vec<_> = bad.iter().filter(|at| !stretch.holds(**at / 1000)).collect();
    if !outside.is_empty() {
        faults.push(format!("bad outside of {stretch:?}: {outside:?}"));
    }
    let lasted = Duration::from_millis(bad.len() as u64 * step);
    println!("viewers had the bad one for {lasted:?}");
    if lasted.is_zero() {
        faults.push("a did not lead, so nothing was seen of its trouble".to_owned());
    }
    if lasted > DETECTED + Duration::from_secs(SEGMENT_SECONDS) {
        faults.push(format!("viewers had the bad one for {lasted:?}"));
    }
    faults
}

/// What is wrong with what viewers see of a picture that turns bad by these filters.
fn faults_of_a_picture(what: &str, filters: fn(&str) -> String) -> Vec<String> {
    let bad = Stretch::ahead();
    let system = System::start(&filters(&bad.expression()), "");
    let recording = system.watch("180p", bad);
    let file = media::file(&recording.init, recording.segments.values().map(|s| s.bytes.as_slice()));
    let mut faults = form_faults(&recording, file.path());
    let codes = media::codes(file.path());
    let frames = recording.segments.keys().flat_map(|number| {
        let first = number * SEGMENT_SECONDS * FRAME_RATE;
        first..first + SEGMENT_SECONDS * FRAME_RATE
    });
    let frames: Vec<_> = frames.collect();
    if frames.len() != codes.len() {
        faults.push(format!("{} frames in place of {}", codes.len(), frames.len()));
    }
    let other = frames.iter().zip(&codes).filter(|(frame, code)| **code != Some(*frame % LENGTH));
    let other: Vec<_> = other.map(|(frame, _)| frame * 1000 / FRAME_RATE).collect();
    faults.extend(bad_faults(&other, 1000 / FRAME_RATE, bad));
    faults.extend(system.log_faults(what, "pictures"));
    faults
}

/// Of each tenth of a second of a file whether nothing is heard.
fn silent(file: &Path) -> Vec<bool> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-i"]).arg(file).args(["-ac", "1", "-f", "s16le", "-"]);
    let bytes = finished(&mut ffmpeg).stdout;
    let quiet =
        |tenth: &[u8]| tenth.chunks_exact(2).all(|b| i16::from_le_bytes([b[0], b[1]]).unsigned_abs() < 64);
    bytes.chunks_exact(9600).map(quiet).collect()
}

/// What is wrong with what viewers hear of a sound that falls silent.
fn faults_of_a_sound() -> Vec<String> {
    let bad = Stretch::ahead();
    let system = System::start("", &format!(",volume=0:enable='{}'", bad.expression()));
    let recording = system.watch("audio", bad);
    let file = media::file(&recording.init, recording.segments.values().map(|s| s.bytes.as_slice()));
    let mut faults = form_faults(&recording, file.path());
    let first = recording.segments.keys().next().copied().unwrap_or_default() * SEGMENT_SECONDS * 1000;
    let quiet = (0..).zip(silent(file.path())).filter(|(_, quiet)| *quiet);
    let quiet: Vec<_> = quiet.map(|(tenth, _)| first + tenth * 100).collect();
    faults.extend(bad_faults(&quiet, 100, bad));
    faults.extend(system.log_faults("silent", "sound"));
    faults
}

#[test]
fn bad_content_gives_way() {
    // Three systems of small pictures have room beside each other.
    stillness::judge("bad content", || {
        let faults = thread::scope(|scope| {
            let black = |when: &str| format!(",drawbox=c=black:t=fill:enable='{when}'");
            let frozen = |when: &str| format!(",drawbox=c=0x808080:t=fill:enable='{when}'");
            let cases = [
                ("black", scope.spawn(move || faults_of_a_picture("black", black))),
                ("frozen", scope.spawn(move || faults_of_a_picture("frozen", frozen))),
                ("silent", scope.spawn(faults_of_a_sound)),
            ];
            let told = |(what, case): (&'static str, thread::ScopedJoinHandle<'_, Vec<String>>)| {
                case.join().unwrap().into_iter().map(move |fault| format!("{what}: {fault}"))
            };
            cases.into_iter().flat_map(told).collect()
        });
        stillness::Outcome { faults, standstill: Duration::ZERO }
    });
}
