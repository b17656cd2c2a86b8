//! A programme on the air leaves ffmpeg picture by picture, when each is due.

use std::{
    fs,
    process::Child,
    time::{Duration, Instant},
};

use super::*;

/// Far longer than anything that is looked for.
const SEGMENT: u32 = 6000;
/// How long a programme is watched: two segments begin in it.
const WATCHED: Duration = Duration::from_secs(13);
/// Between two looks. After a longer time nobody looked, and nothing is said of it.
const LOOK: Duration = Duration::from_millis(20);

/// Is not left behind by a test that fails.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The longest time for which an output of ffmpeg did not grow, once all did.
fn longest_pauses(feed: &Feed, source: &Source, start: &Start) -> Vec<(String, Duration)> {
    let (folder, grid) = (tempfile::tempdir().unwrap(), Grid::new(SEGMENT, 4));
    let renditions = ladder::renditions(source, VIDEO);
    let outputs = files(folder.path(), &renditions);
    let args = command::encode(feed, &renditions, &grid, start, Pace::Live, &outputs);
    let mut ffmpeg = Ends(Command::new("ffmpeg").args(args).stdout(Stdio::null()).spawn().unwrap());
    let paths = [&outputs.tracks[..], &[outputs.luma]].concat();
    let lengths =
        || paths.iter().map(|path| fs::metadata(path).map_or(0, |file| file.len())).collect::<Vec<_>>();
    let begun = Instant::now();
    while lengths().contains(&0) && begun.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(LOOK);
    }
    let (mut before, mut looked) = (lengths(), Instant::now());
    let (mut paused, mut seen) = (vec![(Duration::ZERO, Duration::ZERO); paths.len()], Duration::ZERO);
    let watched = Instant::now();
    while watched.elapsed() < WATCHED {
        std::thread::sleep(LOOK);
        let (now, passed) = (lengths(), looked.elapsed());
        looked = Instant::now();
        let is_seen = passed < 10 * LOOK;
        seen += if is_seen { passed } else { Duration::ZERO };
        for ((now, before), (pause, longest)) in now.iter().zip(&before).zip(&mut paused) {
            *pause = if is_seen && now == before { *pause + passed } else { Duration::ZERO };
            *longest = (*longest).max(*pause);
        }
        before = now;
    }
    assert!(seen > WATCHED / 2, "somebody looked: {seen:?}");
    let ended = ffmpeg.0.try_wait().unwrap();
    assert!(ended.is_none(), "it goes on: {ended:?}");
    paths.into_iter().zip(paused).map(|(path, (_, longest))| (path, longest)).collect()
}

#[test]
fn no_output_waits_for_a_segment() {
    let source = generated::source(SOUND);
    let start = Start::at(clock::millis(), &source);
    for (path, pause) in longest_pauses(&generated::feed(&start, false, SOUND), &source, &start) {
        // One that is fed once in a segment holds up all others for six seconds.
        assert!(pause < Duration::from_secs(3), "{path} waited for {pause:?}");
    }
}
