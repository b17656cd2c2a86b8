//! The shared folder: every file appears by rename, playlists after the media that they name, and what is
//! older than the retention goes.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use airtight_media::{
    grid::{Grid, Number},
    hls,
    holding::{Piece, Place},
    id::{Lineage, SignalName, TrackName},
    pathway::Pathways,
    record::{Era, Record, Track},
};
use bytes::Bytes;
use tokio::task::spawn_blocking;
use tracing::debug;

use super::{Destination, Outcome};
use crate::{
    shared_record::{Merge, merge},
    whole,
    worker::{clock, shelf::Item},
};

/// What is written, and for how long it stays.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The shared folder.
    pub root: PathBuf,
    /// The signal.
    pub signal: SignalName,
    /// Its grid.
    pub grid: Grid,
    /// Its tracks.
    pub tracks: Vec<Track>,
    /// How long media stays, in milliseconds.
    pub retention_ms: u64,
}

/// The shared folder.
pub struct Folder {
    contents: Arc<Contents>,
    /// The segments of each track of a run that its playlist names: the newest ones without a gap.
    listed: BTreeMap<(Lineage, TrackName), (Number, Number)>,
    /// What the playlists of a run say: its tracks, and the last number of the event, once it has ended.
    record: Record,
    /// The newest number after which old media was looked for.
    swept: Option<Number>,
}

impl Folder {
    /// The folder with these contents.
    pub fn new(contents: Contents) -> Self {
        let Contents { signal, grid, tracks, .. } = &contents;
        let (signal, eras) = (signal.clone(), vec![Era { first: Number(0), tracks: tracks.clone() }]);
        let record = Record { signal, grid: *grid, first: Number(0), eras, end: None };
        Self { contents: Arc::new(contents), listed: BTreeMap::new(), record, swept: None }
    }

    /// Notes that a segment is there; the texts of the playlists that name it, innermost first.
    fn list(&mut self, lineage: &Lineage, track: &TrackName, number: Number) -> Vec<(Place, String)> {
        let Contents { signal, grid, tracks, retention_ms, .. } = &*self.contents;
        let key = (lineage.clone(), track.clone());
        let known = self.listed.get(&key).copied();
        let first = match known {
            Some((_, newest)) if number <= newest => return Vec::new(),
            Some((first, newest)) if number == newest.next() => first,
            _ => number,
        };
        // Two fewer than are kept, so that no line names what is being removed.
        let kept = number.minus((retention_ms / u64::from(grid.millis.get())).saturating_sub(2));
        self.listed.insert(key, (first.max(kept), number));
        let Some(text) = hls::media(&self.record, track, first.max(kept)..=number) else {
            return Vec::new();
        };
        let mut texts = vec![(Place::TrackPlaylist(signal.clone(), lineage.clone(), track.clone()), text)];
        let complete = tracks.iter().all(|t| self.listed.contains_key(&(lineage.clone(), t.name.clone())));
        if known.is_none() && complete {
            let place = Place::LineagePlaylist(signal.clone(), lineage.clone());
            texts.push((place, hls::multivariant(signal, tracks, &Pathways::default())));
        }
        texts
    }

    /// Once per number: removes what is older than the retention.
    async fn sweep(&mut self, lineage: &Lineage, number: Number) {
        if self.swept >= Some(number) {
            return;
        }
        self.swept = Some(number);
        self.listed.retain(|(of, _), _| of == lineage);
        let (contents, lineage) = (self.contents.clone(), lineage.clone());
        if let Ok(Err(error)) = spawn_blocking(move || remove_old(&contents, &lineage, clock::millis())).await
        {
            debug!("Old media of {} could not be removed: {error}", self);
        }
    }

    async fn write(&self, files: Vec<(Place, Bytes)>) -> io::Result<()> {
        let contents = self.contents.clone();
        let written = spawn_blocking(move || {
            files.iter().try_for_each(|(place, bytes)| {
                whole::write_in_new_folder(&contents.root.join(place.to_string()), bytes)
            })
        });
        written.await.unwrap_or_else(|end| Err(io::Error::other(end)))
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Folder {}", self.contents.root.display())
    }
}

impl Destination for Folder {
    async fn record(&mut self, record: &Record) -> Outcome {
        self.record.end = record.end;
        let (contents, record) = (self.contents.clone(), record.clone());
        let written = spawn_blocking(move || merge(&contents.root, &record)).await;
        match written.unwrap_or_else(|end| Err(Merge::Io(io::Error::other(end)))) {
            Ok(_) => Outcome::Done,
            Err(Merge::Io(error)) => Outcome::Failed(error.to_string()),
            Err(Merge::Contradiction(reason)) => Outcome::Refused(reason.to_string()),
        }
    }

    async fn put(&mut self, item: &Item) -> Outcome {
        let place = item.place(&self.contents.signal);
        let path = self.contents.root.join(place.to_string());
        let segment = match &item.piece {
            Piece::Segment { lineage, track, number } => Some((lineage, track, *number)),
            _ => None,
        };
        // Inits make the folder of their track; a segment that finds none came after somebody removed it.
        if segment.is_some() && !path.parent().is_some_and(Path::is_dir) {
            return Outcome::Unprepared;
        }
        let mut written = self.write(vec![(place, item.bytes.clone())]).await;
        if let (Some((lineage, track, number)), Ok(())) = (segment, &written) {
            let texts = self.list(lineage, track, number);
            written = self.write(texts.into_iter().map(|(place, text)| (place, text.into())).collect()).await;
            self.sweep(lineage, number).await;
        }
        match written {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Failed(format!("{}: {error}", path.display())),
        }
    }
}

/// Removes expired segments of the run `own`, and runs that hold nothing younger than the retention.
fn remove_old(contents: &Contents, own: &Lineage, now_ms: u64) -> io::Result<()> {
    let oldest = now_ms.saturating_sub(contents.retention_ms);
    let signal = contents.root.join(contents.signal.as_str());
    for entry in fs::read_dir(&signal)?.flatten() {
        let Some(lineage) = entry.file_name().to_str().and_then(|name| name.parse::<Lineage>().ok()) else {
            continue;
        };
        if lineage == *own {
            for track in fs::read_dir(entry.path())?.flatten().filter(|track| track.path().is_dir()) {
                remove_segments(&track.path(), &contents.grid, oldest)?;
            }
        } else if lineage.start() * 1000 < oldest && newest_end(&entry.path(), &contents.grid) < oldest {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn remove_segments(track: &Path, grid: &Grid, oldest: u64) -> io::Result<()> {
    for file in fs::read_dir(track)?.flatten() {
        if number(&file.path()).is_some_and(|n| grid.end_millis(n) < oldest) {
            match fs::remove_file(file.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// When the newest segment of a run ends, in milliseconds since 1970; 0 without one.
fn newest_end(lineage: &Path, grid: &Grid) -> u64 {
    let tracks = fs::read_dir(lineage).into_iter().flatten().flatten();
    let files = tracks.flat_map(|track| fs::read_dir(track.path()).into_iter().flatten().flatten());
    files.filter_map(|file| number(&file.path())).map(|n| grid.end_millis(n)).max().unwrap_or(0)
}

fn number(path: &Path) -> Option<Number> {
    path.file_name()?.to_str()?.strip_suffix(".m4s")?.parse().ok()
}

#[cfg(test)]
mod tests;
