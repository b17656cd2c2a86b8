//! Whether a system does all that it is there for, so that the next fault strikes a whole one.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    player::whole_millis,
    playlist::{Media, Playlist},
};

/// Target durations from the end of a segment's media until the next one is listed, at the most.
const BEHIND: u32 = 2;

/// What a server's media playlist lacks, asked for at `now`; its target duration if it lacks nothing.
///
/// # Errors
/// What is not there yet, in a few words.
pub fn playlist(text: &str, now: Timestamp, window: Duration) -> Result<Duration, String> {
    let Ok(Playlist::Media(playlist)) = Playlist::read(text) else {
        return Err("it is no media playlist".to_owned());
    };
    let Media { target, .. } = playlist;
    let held = playlist.duration();
    if held + target < window {
        return Err(format!("{held:?} of {window:?} are listed"));
    }
    let end = playlist.end().ok_or("no segment has a date")?;
    let behind = now.duration_since(end);
    if behind.is_positive() && behind.unsigned_abs() > BEHIND * target {
        let behind = Duration::from_millis(whole_millis(behind.unsigned_abs()));
        return Err(format!("its last segment ended {behind:?} ago"));
    }
    Ok(target)
}

/// One signal of a packager's `/signals`.
#[derive(Debug, Deserialize)]
struct Signal {
    newest: Option<u64>,
    lineages: Vec<Lineage>,
}

#[derive(Debug, Deserialize)]
struct Lineage {
    lineage: String,
    newest: Option<u64>,
}

/// What a packager's `/signals` lacks: of each worker a lineage that is as far as any, or one number behind.
///
/// # Errors
/// What is not there yet, in a few words.
pub fn packager(signals: &str, workers: &[&str]) -> Result<(), String> {
    let signals: Vec<Signal> = serde_json::from_str(signals).map_err(|error| error.to_string())?;
    let signal = signals.first().ok_or("it has no signal")?;
    let newest = signal.newest.ok_or("it has no segment")?;
    let delivers = |worker: &str| {
        let of_worker = |one: &&Lineage| one.lineage.rsplit_once('-').is_some_and(|(name, _)| name == worker);
        let mut of_worker = signal.lineages.iter().filter(of_worker);
        of_worker.any(|one| one.newest.is_some_and(|number| number + 1 >= newest))
    };
    match workers.iter().find(|worker| !delivers(worker)) {
        None => Ok(()),
        Some(worker) => Err(format!("worker {worker} does not deliver")),
    }
}

/// One signal of the reporter's `/ingests`.
#[derive(Debug, Deserialize)]
struct Ingest {
    packagers: Vec<String>,
}

/// What the reporter's `/ingests` lacks: a signal with so many packagers.
///
/// # Errors
/// What is not there yet, in a few words.
pub fn reporter(ingests: &str, packagers: usize) -> Result<(), String> {
    let ingests: Vec<Ingest> = serde_json::from_str(ingests).map_err(|error| error.to_string())?;
    let most = ingests.iter().map(|ingest| ingest.packagers.len()).max().unwrap_or(0);
    if most < packagers { Err(format!("it knows {most} packagers of {packagers}")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn listed(segments: i64, seconds_later: i64) -> Result<Duration, String> {
        listed_after(segments, SignedDuration::from_secs(seconds_later))
    }

    fn listed_after(segments: i64, later: SignedDuration) -> Result<Duration, String> {
        let segment = |n: i64| {
            let date = Timestamp::from_second(n * 2).unwrap();
            format!("#EXT-X-PROGRAM-DATE-TIME:{date}\n#EXTINF:2,\n{n}.m4s\n")
        };
        let body: String = (100..100 + segments).map(segment).collect();
        let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:100\n{body}");
        let end = Timestamp::from_second((100 + segments) * 2).unwrap();
        playlist(&text, end + later, WINDOW)
    }

    #[test]
    fn a_playlist_is_full_and_of_today() {
        assert_eq!(listed(5, 3), Ok(Duration::from_secs(2)));
        assert_eq!(listed(4, 3), Ok(Duration::from_secs(2)), "a segment may be about to leave or to come");
        assert_eq!(listed(3, 3).unwrap_err(), "6s of 10s are listed");
        assert_eq!(listed(5, 5).unwrap_err(), "its last segment ended 5s ago");
        let long = SignedDuration::new(70, 885_707_025);
        assert_eq!(listed_after(5, long).unwrap_err(), "its last segment ended 70.885s ago");
        assert!(playlist("", Timestamp::UNIX_EPOCH, WINDOW).is_err());
    }

    #[test]
    fn every_worker_delivers_to_a_packager() {
        let signals = |a: u64, b: u64| {
            format!(
                r#"[{{"signal":"live01","newest":9,"lineages":[{{"lineage":"a-1","newest":5}},
                {{"lineage":"a-2","newest":{a}}},{{"lineage":"b-1","newest":{b}}}]}}]"#
            )
        };
        assert_eq!(packager(&signals(9, 8), &["a", "b"]), Ok(()));
        assert_eq!(packager(&signals(9, 7), &["a", "b"]).unwrap_err(), "worker b does not deliver");
        assert_eq!(packager(&signals(5, 9), &["a", "b"]).unwrap_err(), "worker a does not deliver");
        assert_eq!(packager("[]", &["a"]).unwrap_err(), "it has no signal");
    }

    #[test]
    fn the_reporter_knows_every_packager() {
        let ingests = r#"[{"signal":"live01","packagers":["http://a","http://b"],"last_reported":"x"}]"#;
        assert_eq!(reporter(ingests, 2), Ok(()));
        assert_eq!(reporter("[]", 2).unwrap_err(), "it knows 0 packagers of 2");
    }
}
