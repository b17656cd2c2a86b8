//! The body of every answer of a part that serves viewers.

use std::{
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
