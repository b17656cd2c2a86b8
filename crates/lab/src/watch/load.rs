//! Loads what a playlist lists, in order, as a player does.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Url, decode::Decoders, desk::What, viewer::Viewer};
use crate::{
    media::Init,
    playlist::Segment,
    rules::{BOXES, READABLE, answer::Kind},
};

/// The init in force.
struct Map {
    uri: String,
    init: Init,
    bytes: Bytes,
}

/// Loads the segments of one rendition.
pub(super) struct Loader {
    viewer: Viewer,
    name: Arc<str>,
    playlist: Url,
    map: Option<Map>,
    decoders: Option<Decoders>,
}

impl Loader {
    pub(super) fn new(viewer: Viewer, name: Arc<str>, playlist: Url) -> Self {
        let decoders = viewer.options.decoder.clone().map(Decoders::new);
        Self { viewer, name, playlist, map: None, decoders }
    }

    /// Loads until nothing is listed any more, or the watch is over; then hears what the decoder found.
    pub(super) async fn run(mut self, mut segments: mpsc::Receiver<Segment>) {
        let mut ended = self.viewer.ended.clone();
        let load = async {
            while let Some(segment) = segments.recv().await {
                self.load(segment).await;
            }
        };
        tokio::select! {
            _ = ended.wait_for(|ended| *ended) => {}
            () = load => {}
        }
        let Some(decoders) = self.decoders.take() else { return };
        let (decoded, findings) = decoders.finish().await;
        for finding in findings {
            self.viewer.find(&self.playlist, finding).await;
        }
        let (at, place) = (self.viewer.clock.now(), self.playlist.as_str());
        self.viewer.reporter.say(at, place, What::Decoded(decoded)).await;
    }

    async fn load(&mut self, listed: Segment) {
        // Players leave a gap alone.
        if listed.gap {
            return;
        }
        let Some(url) = self.resolve(&listed.uri).await else { return };
        self.take_map(&listed).await;
        let Some(answer) = self.viewer.fetch(&url, Kind::Segment).await else { return };
        let (slate, bytes) = (answer.passing, answer.body.len());
        let mut media = None;
        if let Some(map) = &self.map {
            match map.init.timing(&answer.body) {
                Err(flaw) => self.viewer.find(&url, BOXES.broken(flaw.to_string())).await,
                Ok(timing) => {
                    media = Some((map.init.clone(), timing));
                    if let Some(decoders) = self.decoders.as_mut() {
                        decoders.push(&map.bytes, map.init.pictures, answer.body, timing, slate);
                    }
                }
            }
        }
        let what = What::Segment { name: self.name.clone(), listed, bytes, slate, media };
        self.viewer.reporter.say(answer.seen, self.playlist.as_str(), what).await;
    }

    async fn resolve(&self, uri: &str) -> Option<Url> {
        match self.playlist.join(uri) {
            Ok(url) => Some(url),
            Err(error) => {
                self.viewer.find(&self.playlist, READABLE.broken(error.to_string())).await;
                None
            }
        }
    }

    /// Loads the init of a segment, unless it is in force already.
    async fn take_map(&mut self, listed: &Segment) {
        let Some(uri) = &listed.map else {
            let detail = format!("number {} has no EXT-X-MAP", listed.number);
            self.map = None;
            return self.viewer.find(&self.playlist, BOXES.broken(detail)).await;
        };
        if self.map.as_ref().is_some_and(|map| map.uri == *uri) {
            return;
        }
        self.map = None;
        let Some(url) = self.resolve(uri).await else { return };
        let Some(answer) = self.viewer.fetch(&url, Kind::Init).await else { return };
        match Init::read(&answer.body) {
            Ok(init) => self.map = Some(Map { uri: uri.clone(), init, bytes: answer.body }),
            Err(flaw) => self.viewer.find(&url, BOXES.broken(flaw.to_string())).await,
        }
    }
}
