//! What goes into a composer and what comes out: its only ties to the world.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use thiserror::Error;

use crate::{
    grid::Number,
    health::Health,
    holding::{Line, Piece},
    id::{Lineage, TrackName},
    record::RecordError,
    window::Snapshot,
};

/// A point on the monotonic clock of whoever runs the composer, since any start.
pub type Monotonic = Duration;

/// One packager or peer, as the shell numbers them: lower ones are asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

impl SourceId {
    /// Peers are asked after all packagers.
    pub const FIRST_PEER: Self = Self(1 << 16);

    /// Whether it is a peer.
    pub fn is_peer(self) -> bool {
        self >= Self::FIRST_PEER
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "source {}", self.0)
    }
}

/// One fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What the composer is told.
#[derive(Debug, Clone)]
pub enum Event {
    /// A source says something about this signal (or, with `Reset` and `Tick`, about all).
    Says(SourceId, Line),
    /// A source can't be heard any more. What it holds counts again once it speaks.
    Down(SourceId),
    /// A source is not followed any more: it says nothing again under this id, and nothing is kept of it.
    Left(SourceId),
    /// The bytes that a ticket stood for.
    Fetched(Ticket, Bytes),
    /// A fetch that brought nothing, or took longer than its budget.
    Failed(Ticket),
}

/// What the composer wants.
#[derive(Debug, Clone)]
pub enum Action {
    /// Bring the bytes of a piece; answer with `Fetched` or `Failed`.
    Fetch {
        /// To answer with.
        ticket: Ticket,
        /// Where from.
        from: SourceId,
        /// What.
        piece: Piece,
        /// How long it may take.
        budget: Duration,
    },
    /// Break off a fetch: nothing that it brings is of use any more.
    Cancel(Ticket),
    /// Offer this to viewers from now on.
    Publish(Arc<Snapshot>),
    /// For the log and the counters.
    Decided(Decision),
}

/// Something that an operator may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Decision {
    /// No media in time.
    #[error("number {0}: no media for {1} in time, slate is shown")]
    Filled(Number, TrackName),
    /// Media came after all.
    #[error("number {0}: late media of {1} replace the slate")]
    Replaced(Number, TrackName),
    /// Another lineage than before.
    #[error("from number {0} on the media of lineage {1} are used")]
    Lead(Number, Lineage),
    /// The content of a lineage turned bad, or good again.
    #[error("from number {0} on the content of lineage {1} is {2}")]
    Turned(Number, Lineage, Health),
    /// A copy takes long: another holder is asked for it, too.
    #[error("{path} takes long, another holder is asked for it, too")]
    Hedged {
        /// Who is asked.
        from: SourceId,
        /// For what.
        path: String,
    },
    /// Another copy is taken than the one in use.
    #[error(
        "number {number}: another copy of {track} is asked for, {after:?} after the one in use failed or was due, \
         not counted while nobody had another"
    )]
    Switched {
        /// The number.
        number: Number,
        /// The track.
        track: TrackName,
        /// Since the copy in use was asked for in vain, or usually comes, without the time in which, by then, nobody
        /// had another.
        after: Duration,
    },
    /// A copy that does not pass the check.
    #[error("the copy of {path} can't be used: {reason}")]
    Corrupt {
        /// Whose copy.
        from: SourceId,
        /// Of what.
        path: String,
        /// Why not.
        reason: String,
    },
    /// An era that came late, or whose inits and slates did.
    #[error("the tracks that were to begin with number {0} are shown from number {1} on")]
    Late(Number, Number),
    /// An era whose inits and slates did not come in time.
    #[error(
        "number {0}: nobody has the inits and slates of the tracks that begin here; those of before go on with slate"
    )]
    Lacking(Number),
    /// A record that contradicts the one known.
    #[error("a source has another record: {0}")]
    Contradiction(#[from] RecordError),
}

/// What stays the same for all signals of a part.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// The window that playlists offer, in milliseconds.
    pub window_millis: u64,
    /// How long a composer that has just begun waits for sources to be heard and backfilled from
    /// before it shows slate for what is past its deadline.
    pub settle: Duration,
}
