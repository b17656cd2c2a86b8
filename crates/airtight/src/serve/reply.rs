//! The body of every answer of a part that serves viewers.

use std::{
    ops::RangeInclusive,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

/// A body: bytes that are in memory, or what the router streams.
#[derive(Debug)]
pub enum Reply {
    /// One piece, or nothing.
    Whole(Option<Bytes>),
    /// The parts of a segment, from `next` on.
    Parts {
        /// The parts.
        parts: Arc<[Bytes]>,
        /// The first one that has not been sent.
        next: usize,
    },
    /// From the router.
    Routed(Body),
}

impl Reply {
    /// No body.
    pub fn empty() -> Self {
        Self::Whole(None)
    }

    /// One piece.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()).filter(|b: &Bytes| !b.is_empty()))
    }

    /// A segment.
    pub fn parts(parts: Arc<[Bytes]>) -> Self {
        Self::Parts { parts, next: 0 }
    }

    /// The bytes of `range`, which lies inside of a body that has not been read yet; nothing is copied.
    /// What the router streams stays whole.
    pub fn slice(self, range: RangeInclusive<u64>) -> Self {
        let (first, end) = (index(*range.start()), index(*range.end()).saturating_add(1));
        match self {
            Self::Whole(bytes) => Self::Whole(bytes.map(|b| b.slice(first.min(b.len())..end.min(b.len())))),
            Self::Parts { parts, .. } => {
                let mut begin = 0;
                let selected = parts.iter().filter_map(|part| {
                    let (from, to) = (first.max(begin), end.min(begin + part.len()));
                    let piece = (from < to).then(|| part.slice(from - begin..to - begin));
                    begin += part.len();
                    piece
                });
                Self::parts(selected.collect())
            }
            routed @ Self::Routed(_) => routed,
        }
    }
}

/// A place in memory; one beyond it is beyond every body.
fn index(place: u64) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

impl From<&'static str> for Reply {
    fn from(text: &'static str) -> Self {
        Self::bytes(text)
    }
}

impl HttpBody for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Parts { parts, next } => {
                let part = parts.get(*next).cloned();
                *next += 1;
                Poll::Ready(part.map(|b| Ok(Frame::data(b))))
            }
            Self::Routed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Parts { parts, next } => *next >= parts.len(),
            Self::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let exact = |length: usize| SizeHint::with_exact(length as u64);
        match self {
            Self::Whole(bytes) => exact(bytes.as_ref().map_or(0, Bytes::len)),
            Self::Parts { parts, next } => exact(parts.iter().skip(*next).map(Bytes::len).sum()),
            Self::Routed(body) => body.size_hint(),
        }
    }
}
