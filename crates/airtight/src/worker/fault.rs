//! Why a run of the encoder is of no use.

use std::{io, process::ExitStatus};

use airtight_media::{
    id::{InitHash, TrackName},
    track::TrackError,
};
use thiserror::Error;

/// Why a run ended before its time, or was not begun.
#[derive(Debug, Error)]
pub enum Fault {
    /// The machine has no room for what ffmpeg reads.
    #[error("the lists that ffmpeg reads can't be written: {0}")]
    Lists(io::Error),
    /// There is no process.
    #[error("ffmpeg can't be started: {0:#}")]
    Start(anyhow::Error),
    /// It ended by itself.
    #[error("ffmpeg ended: {0}")]
    Exit(ExitStatus),
    /// It ended, and nobody knows how.
    #[error("ffmpeg ended: {0}")]
    Lost(io::Error),
    /// It makes nothing any more and stays.
    #[error("ffmpeg has closed its outputs and does not end")]
    Stays,
    /// It stands still.
    #[error("no media has come for {silent:.1} s on track {track}")]
    Silent {
        /// The track.
        track: TrackName,
        /// For how many seconds.
        silent: f64,
    },
    /// It can't keep up, or the clock was set: milliseconds.
    #[error("it is {0} ms behind the clock")]
    Behind(u64),
    /// The clock was set: milliseconds.
    #[error("it is {0} ms ahead of the clock")]
    Ahead(u64),
    /// What it makes is no stream of media.
    #[error("track {track} can't be followed: {error}")]
    Unreadable {
        /// The track.
        track: TrackName,
        /// What is wrong with it.
        error: TrackError,
    },
    /// Its media don't play under the init that was published.
    #[error("track {track} has init {init}, its slate {slate}; they were made by different programs")]
    Init {
        /// The track.
        track: TrackName,
        /// The init of its media.
        init: InitHash,
        /// The init of its slate.
        slate: InitHash,
    },
}
