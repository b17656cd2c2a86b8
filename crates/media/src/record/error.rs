//! What keeps records from being one, or a record from being served.

use thiserror::Error;

use crate::{
    grid::Number,
    id::{SignalName, TrackName},
};

/// Two records that can't be of one event, or one that is no record.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// Records of different signals.
    #[error("a record of signal {0} can't be joined with one of {1}")]
    Signal(SignalName, SignalName),
    /// Another segment duration or other parts.
    #[error(
        "signal {signal} has segments of {ours} ms in {our_parts} parts, not of {theirs} ms in {their_parts}"
    )]
    Grid {
        /// The signal.
        signal: SignalName,
        /// Segment duration known.
        ours: u32,
        /// Parts known.
        our_parts: u32,
        /// Segment duration offered.
        theirs: u32,
        /// Parts offered.
        their_parts: u32,
    },
    /// Two eras begin at one number and differ.
    #[error("signal {signal} has two different sets of tracks from number {first} on: {difference}")]
    Era {
        /// The signal.
        signal: SignalName,
        /// Where both begin.
        first: Number,
        /// What differs.
        difference: String,
    },
    /// Another change of tracks is announced already.
    #[error("signal {signal} changes its tracks at number {first} already: {difference}")]
    Announced {
        /// The signal.
        signal: SignalName,
        /// Where the announced era begins.
        first: Number,
        /// What differs from it.
        difference: String,
    },
    /// A change of tracks that would leave viewers of one without any.
    #[error(
        "the tracks of signal {signal} can't change at number {first}: viewers of track {track} would have none of \
         its kind any more; keep pictures and sound, or give another --signal"
    )]
    Dropped {
        /// The signal.
        signal: SignalName,
        /// Where the tracks were to change.
        first: Number,
        /// The track.
        track: TrackName,
    },
    /// A change of tracks in numbers that are known already.
    #[error(
        "the tracks of signal {signal} can't change at number {first} any more, up to {known} its numbers are known: \
         {difference}; announce the change anew with --new-era"
    )]
    Late {
        /// The signal.
        signal: SignalName,
        /// Where the other tracks were to begin.
        first: Number,
        /// The newest number that is known.
        known: Number,
        /// What differs.
        difference: String,
    },
    /// Not a record that can be served.
    #[error("the record of signal {0} can't be: {1}")]
    Impossible(SignalName, &'static str),
}
