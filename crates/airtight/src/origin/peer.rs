//! What an origin tells its peers: the lines of its own holdings, made from its snapshots.
//!
//! A peer that begins anew draws its window from here, and learns which numbers were published,
//! with which lineage or as slate. Only held bytes are offered: one hop, never a chain.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use airtight_media::{
    grid::Number,
    health::Health,
    holding::{Line, Piece},
    id::{InitHash, Lineage, SignalName, TrackName, WorkerName},
    mark,
    window::{Made, Snapshot},
};
use bytes::Bytes;

/// What one follower has been told of a signal.
#[derive(Debug, Default)]
struct Told {
    record: Option<Arc<airtight_media::record::Record>>,
    openings: usize,
    edge: Option<Number>,
    /// Told as slate: of interest again once media have replaced it.
    filled: BTreeSet<(Number, TrackName)>,
}

/// Turns snapshots into the lines that a follower lacks.
#[derive(Debug, Default)]
pub(super) struct Teller(BTreeMap<SignalName, Told>);

impl Teller {
    /// The lines that bring a follower from what it was told to `snapshot`.
    pub(super) fn lines(&mut self, snapshot: &Snapshot) -> Vec<Line> {
        let signal = &snapshot.record.signal;
        let told = self.0.entry(signal.clone()).or_default();
        let mut lines = Vec::new();
        if told.record.as_ref() != Some(&snapshot.record) {
            lines.push(Line::Record { record: (*snapshot.record).clone() });
            told.record = Some(snapshot.record.clone());
        }
        if told.openings != snapshot.openings.len() {
            lines.extend(openings(snapshot));
            told.openings = snapshot.openings.len();
        }
        let edge = told.edge.replace(snapshot.edge);
        for slot in &snapshot.slots {
            let is_new = edge.is_none_or(|edge| slot.number > edge);
            for (track, media) in &slot.tracks {
                let key = (slot.number, track.clone());
                let piece = match &media.made {
                    Made::By(lineage) if told.filled.remove(&key) || is_new => {
                        Piece::Segment { lineage: lineage.clone(), track: key.1, number: key.0 }
                    }
                    Made::Slate if is_new => {
                        told.filled.insert(key.clone());
                        Piece::Filled { track: key.1, number: key.0 }
                    }
                    _ => continue,
                };
                let (length, age_ms) = (media.len() as u64, age(snapshot, slot.number));
                let (health, luma) = media.parts.first().map(mark::read).unwrap_or_default();
                lines.push(Line::Held { signal: signal.clone(), piece, length, age_ms, health, luma });
            }
        }
        let kept = snapshot.slots.first().map_or(snapshot.edge, |s| s.number);
        told.filled.retain(|(number, _)| *number >= kept);
        lines
    }
}

/// How long ago `number` was the edge: one segment duration per number since.
fn age(snapshot: &Snapshot, number: Number) -> u64 {
    (snapshot.edge.0 - number.0).saturating_mul(u64::from(snapshot.record.grid.millis.get()))
}

/// Inits and slates have no lineage here: they lie under the origin's own name.
fn openings(snapshot: &Snapshot) -> Vec<Line> {
    let tracks = snapshot.record.eras.iter().flat_map(|e| &e.tracks);
    let held = tracks.filter_map(|t| Some((t, snapshot.openings.get(&t.init)?)));
    let mut lines = Vec::new();
    for (at, (track, opening)) in (0..).zip(held) {
        let (lineage, signal) = (own_name(at), snapshot.record.signal.clone());
        let init = Piece::Init { lineage: lineage.clone(), track: track.name.clone(), init: track.init };
        let slate = Piece::Slate { lineage, track: track.name.clone() };
        for (piece, bytes) in [(init, &opening.init), (slate, &opening.slate)] {
            let length = bytes.len() as u64;
            let (signal, health) = (signal.clone(), Health::Healthy);
            lines.push(Line::Held { signal, piece, length, age_ms: 0, health, luma: None });
        }
    }
    lines
}

/// One name per track of each era, as a lineage has one init per track.
fn own_name(at: u64) -> Lineage {
    let worker: WorkerName = "origin".parse().expect("it is a name");
    Lineage::new(worker, at)
}

/// The bytes of a piece that a snapshot holds.
pub(super) fn bytes(snapshot: &Snapshot, piece: &Piece) -> Option<Vec<Bytes>> {
    match piece {
        Piece::Init { track, init, .. } => Some(vec![snapshot.init(track, *init)?.clone()]),
        Piece::Slate { lineage, track } => {
            let tracks = snapshot.record.eras.iter().flat_map(|e| &e.tracks);
            let mut held = tracks.filter(|t| snapshot.openings.contains_key(&t.init));
            let known = held.nth(usize::try_from(lineage.start()).ok()?)?;
            let named = |hash: &InitHash| snapshot.openings.get(hash);
            (known.name == *track).then(|| named(&known.init).map(|o| vec![o.slate.clone()]))?
        }
        Piece::Segment { lineage, track, number } => segment(snapshot, lineage, track, *number),
        Piece::Filled { .. } => None,
    }
}

fn segment(snapshot: &Snapshot, lineage: &Lineage, track: &TrackName, number: Number) -> Option<Vec<Bytes>> {
    let media = snapshot.segment(track, number)?;
    (media.made == Made::By(lineage.clone())).then(|| media.parts.to_vec())
}

#[cfg(test)]
mod tests;
