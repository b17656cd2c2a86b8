//! What comes out of ffmpeg's pipes: media, what its detectors find, how it gets on, what it complains of.
//!
//! Each reader drains one pipe to its end.

use std::{os::fd::OwnedFd, sync::Arc, time::Duration};

use airtight_media::{
    grid::{Grid, Rate},
    health::Sign,
    parity::{Luma, SIDE},
    segmenter::{Cut, Segmenter},
    track::TrackError,
};
use anyhow::Context as _;
use bytes::BytesMut;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    net::unix::pipe::Receiver,
    sync::{mpsc, watch},
    time::{Instant, timeout},
};
use tracing::debug;

use super::watch::Found;
use crate::worker::{complaints::Complaints, signs};

/// Room in a pipe, so that ffmpeg does not wait while we are not scheduled.
const PIPE: usize = 1 << 20;
/// For what ffmpeg wrote before its end to be read.
const LAST_LINE: Duration = Duration::from_millis(500);

/// A pipe: the end that we read, the end that the child writes.
pub(super) fn pipe() -> anyhow::Result<(Receiver, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).context("no further pipe")?;
    // Only costs smoothness if the system's limit is lower.
    let _ = fcntl_setpipe_size(&writer, PIPE);
    Ok((Receiver::from_owned_fd(reader)?, writer))
}

/// Cuts what comes out of a pipe until its end.
pub(super) async fn cut(
    index: usize,
    mut pipe: Receiver,
    mut segmenter: Segmenter,
    sender: mpsc::Sender<(usize, Result<Cut, TrackError>)>,
) {
    let mut buffer = BytesMut::with_capacity(1 << 16);
    loop {
        buffer.clear();
        let more = matches!(pipe.read_buf(&mut buffer).await, Ok(1..));
        let error = if more { segmenter.push(&buffer).err() } else { None };
        if !more {
            segmenter.finish();
        }
        while let Some(cut) = segmenter.poll() {
            if sender.send((index, Ok(cut))).await.is_err() {
                return;
            }
        }
        if let Some(error) = error {
            // The run is over; whether anybody still hears why is all the same.
            let _ = sender.send((index, Err(error))).await;
            return;
        }
        if !more {
            return;
        }
    }
}

/// Reads what the detectors find in a stream whose first frame is frame `origin` since 1970, until its end.
pub(super) async fn find(pipe: Receiver, rate: Rate, origin: u64, sender: mpsc::Sender<Found>) {
    let mut reader = signs::Reader::default();
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(said) = reader.line(&line) else { continue };
        let at_ms = rate.ticks(origin.saturating_add(said.frame)).millis();
        let sign = Sign { what: said.what, begins: said.begins, at_ms };
        if sender.send(Found::Sign(sign)).await.is_err() {
            return;
        }
    }
}

/// Looks at all pictures, the first of which is picture `origin` since 1970, until their end, and tells what those look
/// like with which a segment begins.
pub(super) async fn look(
    mut pipe: impl AsyncRead + Unpin,
    grid: Grid,
    rate: Rate,
    origin: u64,
    sender: mpsc::Sender<Found>,
) {
    let mut pixels = Box::new([0; SIDE * SIDE]);
    for picture in origin.. {
        if pipe.read_exact(&mut pixels[..]).await.is_err() {
            return;
        }
        let number = grid.number_of(picture, &rate);
        let begins = picture == 0 || grid.number_of(picture - 1, &rate) < number;
        if begins && sender.send(Found::First(number, Luma::of(&pixels))).await.is_err() {
            return;
        }
    }
}

/// Logs how ffmpeg gets on, from its `-progress` lines.
pub(super) async fn progress(pipe: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(pipe).lines();
    let mut report = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some((key, value)) = line.split_once('=') else { continue };
        match key {
            "frame" | "fps" | "drop_frames" | "speed" => report += &format!(" {key}={}", value.trim()),
            "progress" => {
                debug!("ffmpeg:{report}");
                report.clear();
            }
            _ => {}
        }
    }
}

/// The last line that a run's ffmpeg wrote.
pub(super) struct LastLine(watch::Receiver<Option<String>>);

impl LastLine {
    /// None yet, and who tells of each.
    pub(super) fn new() -> (watch::Sender<Option<String>>, Self) {
        let (sender, receiver) = watch::channel(None);
        (sender, Self(receiver))
    }

    /// The last line of an ffmpeg that has ended: its pipe has, too, once it is read.
    pub(super) async fn of_ended(mut self) -> Option<String> {
        // A process that ffmpeg left behind may hold the pipe open.
        let _ = timeout(LAST_LINE, async { while self.0.changed().await.is_ok() {} }).await;
        self.0.borrow().clone()
    }
}

/// Takes what ffmpeg complains of, which may quote bytes of the input that are no text, until its end.
pub(super) async fn errors(
    pipe: impl AsyncRead + Unpin,
    complaints: Arc<Complaints>,
    last: watch::Sender<Option<String>>,
) {
    let mut lines = BufReader::new(pipe).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        complaints.line(&line, Instant::now());
        if !line.trim().is_empty() {
            last.send_replace(Some(line.trim().to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn of_all_pictures_those_are_told_with_which_a_segment_begins() {
        let (grid, rate) = (Grid::new(2000, 4), Rate::new(25_000, 1000));
        let pictures: Vec<u8> = (0..120).flat_map(|shade| [shade; SIDE * SIDE]).collect();
        let (sender, mut told) = mpsc::channel(8);
        look(&pictures[..pictures.len() - 1], grid, rate, 1030, sender).await;
        let mut found = Vec::new();
        while let Ok(Found::First(number, luma)) = told.try_recv() {
            found.push((number.0, luma.0[0] / 256));
        }
        // Pictures 1050 and 1100.
        assert_eq!(found, [(21, 20), (22, 70)]);
    }

    #[tokio::test]
    async fn the_last_line_is_that_of_the_same_run() {
        let complaints = Arc::new(Complaints::new("x.mp4".to_owned()));
        for (wrote, expected) in [("first\n last \n\n", Some("last")), ("", None)] {
            let (sender, last) = LastLine::new();
            errors(wrote.as_bytes(), complaints.clone(), sender).await;
            assert_eq!(last.of_ended().await.as_deref(), expected);
        }
    }
}
