//! Inits and slates: what a track needs before its first number can be shown.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use thiserror::Error;

use crate::{
    grid::{Grid, Number, Rate},
    id::InitHash,
    mp4::{Init, Mp4Error},
    record::{Era, Track},
    slate::{Slate, SlateError},
    window::Opening,
};

#[derive(Debug, Error)]
pub(super) enum OpeningError {
    #[error(transparent)]
    Mp4(#[from] Mp4Error),
    #[error(transparent)]
    Slate(#[from] SlateError),
    #[error("its content hash is {0}")]
    Hash(InitHash),
    #[error("its init is not here")]
    NoInit,
}

#[derive(Debug)]
struct Held {
    init: Init,
    slate: Option<HeldSlate>,
}

#[derive(Debug)]
struct HeldSlate {
    bytes: Bytes,
    named: InitHash,
    parsed: Slate,
}

#[derive(Debug, Default)]
pub(super) struct Openings {
    held: BTreeMap<InitHash, Held>,
    published: Arc<BTreeMap<InitHash, Opening>>,
}

impl Openings {
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let slate = |held: &Held| held.slate.as_ref().map_or(0, |s| s.bytes.len());
        self.held.values().map(|held| held.init.bytes.len() + slate(held)).sum()
    }

    /// Takes an init that is said to be `hash`.
    pub(super) fn init(&mut self, hash: InitHash, bytes: &Bytes) -> Result<(), OpeningError> {
        let init = Init::parse(bytes.clone())?;
        if init.hash != hash {
            return Err(OpeningError::Hash(init.hash));
        }
        self.held.entry(hash).or_insert(Held { init, slate: None });
        Ok(())
    }

    /// Takes a slate for the tracks that begin with `init`.
    pub(super) fn slate(&mut self, init: InitHash, bytes: &Bytes, rate: Rate) -> Result<(), OpeningError> {
        let held = self.held.get_mut(&init).ok_or(OpeningError::NoInit)?;
        let slate = Slate::parse(bytes, &held.init, rate)?;
        held.slate = Some(HeldSlate { bytes: bytes.clone(), named: InitHash::of(bytes), parsed: slate });
        let whole = |(hash, held): (&InitHash, &Held)| {
            let slate = held.slate.as_ref()?;
            let (init, named) = (held.init.bytes.clone(), slate.named);
            Some((*hash, Opening { init, slate: slate.bytes.clone(), named }))
        };
        self.published = Arc::new(self.held.iter().filter_map(whole).collect());
        Ok(())
    }

    pub(super) fn parsed(&self, hash: InitHash) -> Option<&Init> {
        self.held.get(&hash).map(|h| &h.init)
    }

    /// True if `track` can be shown, with and without media.
    pub(super) fn admits(&self, track: &Track) -> bool {
        self.published.contains_key(&track.init)
    }

    /// True if every track of `era` can be shown.
    pub(super) fn admit(&self, era: &Era) -> bool {
        era.tracks.iter().all(|t| self.admits(t))
    }

    /// The slate of `track` as segment `number`.
    pub(super) fn stamp(&self, track: &Track, grid: &Grid, number: Number) -> Option<Vec<Bytes>> {
        let slate = self.held.get(&track.init)?.slate.as_ref()?;
        Some(slate.parsed.stamp(grid, number))
    }

    pub(super) fn published(&self) -> Arc<BTreeMap<InitHash, Opening>> {
        self.published.clone()
    }
}
