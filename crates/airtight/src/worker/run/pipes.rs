//! What comes out of ffmpeg's pipes: media, what its detectors find, how it gets on, what it complains of.
//!
//! Each reader drains one pipe to its end.

use std::{convert::Infallible, os::fd::OwnedFd, sync::Arc};

use airtight_media::{
    grid::Rate,
    health::Sign,
    segmenter::{Cut, Segmenter},
    track::TrackError,
};
use anyhow::Context as _;
use bytes::BytesMut;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    net::unix::pipe::Receiver,
    sync::{mpsc, oneshot},
};
use tracing::debug;

use crate::worker::{complaints::Complaints, signs};

/// Room in a pipe, so that ffmpeg does not wait while we are not scheduled.
const PIPE: usize = 1 << 20;

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
pub(super) async fn find(pipe: Receiver, rate: Rate, origin: u64, sender: mpsc::Sender<Sign>) {
    let mut reader = signs::Reader::default();
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Some(said) = reader.line(&line) else { continue };
        let at_ms = rate.ticks(origin.saturating_add(said.frame)).millis();
        if sender.send(Sign { what: said.what, begins: said.begins, at_ms }).await.is_err() {
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

/// Takes what ffmpeg complains of, which may quote bytes of the input that are no text; `ended` is dropped at the end.
pub(super) async fn errors(
    pipe: impl AsyncRead + Unpin,
    complaints: Arc<Complaints>,
    _ended: oneshot::Sender<Infallible>,
) {
    let mut lines = BufReader::new(pipe).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        complaints.take(&String::from_utf8_lossy(&line));
    }
}
