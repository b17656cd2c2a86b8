//! A plain client that takes every segment of a track once and keeps what it was given.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use super::{hls::Playlist, http, media};

/// Between two looks at the playlist.
const LOOK: Duration = Duration::from_millis(50);

/// A segment as it was served.
#[derive(Debug)]
pub struct Served {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it may not be stored: the mark of slate.
    pub slate: bool,
    /// When it was first listed.
    pub listed: Instant,
}

/// What a client saw of a track.
#[derive(Debug, Default)]
pub struct Recording {
    /// The init that all segments share.
    pub init: Vec<u8>,
    /// By number.
    pub segments: BTreeMap<u64, Served>,
    /// What must not happen to any client, in words.
    pub faults: Vec<String>,
    /// The inits that were in force, as `EXT-X-MAP` lines.
    pub maps: BTreeSet<String>,
    last: Option<Playlist>,
}

impl Recording {
    /// Records the track of a media playlist while `during` runs.
    pub fn of<T>(url: &str, during: impl FnOnce() -> T) -> (T, Self) {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let client = scope.spawn(|| {
                let mut recording = Self::default();
                while !done.load(Ordering::Relaxed) {
                    recording.look(url);
                    thread::sleep(LOOK);
                }
                recording
            });
            // The client is told to stop even if `during` fails.
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(during));
            done.store(true, Ordering::Relaxed);
            let recording = client.join().expect("the client does not fail");
            (outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), recording)
        })
    }

    /// What is wrong with the numbers and the media, in words: of video that is not slate every frame has
    /// the code of its time.
    pub fn media_faults(&self, segment_seconds: u64) -> Vec<String> {
        let mut faults = self.faults.clone();
        let numbers: Vec<_> = self.segments.keys().copied().collect();
        if numbers.len() < 5 || numbers.windows(2).any(|pair| pair[1] != pair[0] + 1) {
            faults.push(format!("the numbers are {numbers:?}"));
        }
        if self.maps.len() != 1 {
            faults.push(format!("the inits are {:?}", self.maps));
        }
        let file = media::file(&self.init, self.segments.values().map(|served| served.bytes.as_slice()));
        let complaints = media::complaints(file.path());
        if !complaints.is_empty() {
            faults.push(format!("ffmpeg says: {complaints}"));
        }
        if let Some(gap) = media::gap(&media::times(file.path())) {
            faults.push(format!("the timestamps have a gap or an overlap: {gap:?}"));
        }
        let codes = media::codes(file.path());
        let mut codes = codes.iter();
        for (number, served) in &self.segments {
            for expected in media::codes_of(*number, segment_seconds) {
                match codes.next() {
                    None => faults.push(format!("number {number} is not complete")),
                    Some(code) if !served.slate && *code != Some(expected) => {
                        faults.push(format!("number {number} has frame {code:?} in place of {expected}"));
                    }
                    Some(_) => {}
                }
            }
        }
        if codes.next().is_some() {
            faults.push("there are more frames than the grid has".to_owned());
        }
        faults
    }

    /// The numbers that were slate when they were first listed.
    pub fn slate(&self) -> Vec<u64> {
        self.segments.iter().filter(|(_, served)| served.slate).map(|(number, _)| *number).collect()
    }

    /// The longest time between two numbers that were listed one after the other.
    pub fn longest_wait(&self) -> Duration {
        let listed: Vec<_> = self.segments.values().map(|served| served.listed).collect();
        listed.windows(2).map(|pair| pair[1].duration_since(pair[0])).max().unwrap_or_default()
    }

    fn look(&mut self, url: &str) {
        let Some(playlist) = Playlist::get(url) else {
            return self.faults.push(format!("{url} does not answer with a playlist"));
        };
        if playlist.is_broken() {
            self.faults.push(format!("a discontinuity or a gap:\n{}", playlist.text));
        }
        if let Some(last) = &self.last {
            self.faults.extend(contradictions(last, &playlist));
        }
        let base = url.rsplit_once('/').map_or(url, |(base, _)| base).to_owned();
        // It begins with the newest: what is older may leave the window before it is fetched.
        let from = self.segments.keys().next_back().map_or(playlist.edge(), |last| Some(last + 1));
        if let (true, Some(init)) = (self.init.is_empty(), playlist.init()) {
            self.init = self.take(&format!("{base}/{init}")).map(|answer| answer.body).unwrap_or_default();
        }
        for number in newer(from, playlist.edge()) {
            let Some(uri) = playlist.uri(number) else {
                self.faults.push(format!("number {number} left the window before it was seen"));
                continue;
            };
            let listed = Instant::now();
            let Some(answer) = self.take(&format!("{base}/{uri}")) else { return };
            let slate = answer.header("cache-control").is_some_and(|value| value.contains("no-store"));
            self.segments.insert(number, Served { bytes: answer.body, slate, listed });
        }
        self.maps.extend(playlist.segments.values().filter_map(|lines| lines.first().cloned()));
        self.last = Some(playlist);
    }

    fn take(&mut self, url: &str) -> Option<http::Answer> {
        let answer = http::get(url).filter(|answer| answer.status == 200);
        if answer.is_none() {
            self.faults.push(format!("{url} is listed and not served"));
        }
        answer
    }
}

/// What a playlist takes back of an earlier one.
pub fn contradictions(before: &Playlist, after: &Playlist) -> Vec<String> {
    let mut found = Vec::new();
    if after.first < before.first || after.edge() < before.edge() {
        let (from, to) = ((before.first, before.edge()), (after.first, after.edge()));
        found.push(format!("the window went back from {from:?} to {to:?}"));
    }
    for (number, lines) in &after.segments {
        if let Some(was) = before.segments.get(number).filter(|was| *was != lines) {
            found.push(format!("number {number} was {was:?} and is {lines:?}"));
        }
    }
    found
}

fn newer(from: Option<u64>, edge: Option<u64>) -> impl Iterator<Item = u64> {
    from.zip(edge).into_iter().flat_map(|(from, edge)| from..=edge)
}
