//! The instruments: they look at a running system as its viewers do and judge it by what it serves.
//!
//! [`playlist`] and [`rules`] are pure: what was seen, and when, comes in, opinions come out. Nothing here is
//! shared with what is judged: playlists are read with a library, and no crate of the system is known.

pub mod frames;
pub mod media;
pub mod player;
pub mod playlist;
pub mod rules;
