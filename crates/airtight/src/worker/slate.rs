//! Makes the slate of each track, and with it learns the track's init before the programme starts.

use std::path::Path;

use airtight_media::{
    grid::Grid,
    mp4::{Init, split},
    record::Track,
    slate::Slate,
};
use anyhow::{Context as _, ensure};
use bytes::Bytes;

use super::{command, ladder::Rendition, probe};

/// A track as it is announced, with what is shown while no encoder delivers.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What it is encoded to.
    pub rendition: Rendition,
    /// What the signal record says of it.
    pub track: Track,
    /// Its initialisation segment.
    pub init: Init,
    /// `slate.mp4`: the init and the fragments of a slate that is longer than a segment.
    pub slate: Bytes,
}

/// Encodes the slates in `folder`, a temporary one.
///
/// # Errors
/// ffmpeg's reason, or a slate that would not play under the init of its track.
pub async fn prepare(
    ffmpeg: &str,
    renditions: &[Rendition],
    grid: &Grid,
    text: bool,
    folder: &Path,
) -> anyhow::Result<Vec<Prepared>> {
    let paths: Vec<_> = renditions.iter().map(|r| folder.join(format!("slate-{}.mp4", r.name))).collect();
    let urls: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    let said = probe::ask(ffmpeg, command::slate(renditions, grid, text, &urls)).await?;
    ensure!(said.success, "ffmpeg can't make the slate: {}", said.error);
    let read = renditions.iter().zip(&paths).map(|(rendition, path)| {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        prepared(rendition, bytes.into()).with_context(|| format!("the slate of {}", rendition.name))
    });
    read.collect()
}

/// Reads the slate that was made for a rendition.
///
/// # Errors
/// It is no slate for it.
pub fn prepared(rendition: &Rendition, bytes: Bytes) -> anyhow::Result<Prepared> {
    let init = Init::parse(bytes.clone())?;
    let mut slate = init.bytes.to_vec();
    for next in split(bytes) {
        let next = next?;
        if matches!(&next.kind, b"moof" | b"mdat") {
            slate.extend_from_slice(&next.bytes);
        }
    }
    Slate::parse(&slate, &init, rendition.rate)?;
    let track = Track {
        name: rendition.name.clone(),
        content: init.kind.into(),
        rate: rendition.rate,
        codecs: init.codecs.clone(),
        bandwidth: rendition.cap,
        init: init.hash,
    };
    Ok(Prepared { rendition: rendition.clone(), track, init, slate: slate.into() })
}
