//! Bytes and time in, segments and playlists out.
//!
//! The pure core of airtight: no clock, no file, no socket, no task, no randomness. Modules follow
//! the way of a frame: [`grid`] says which segment a sample belongs to.

pub mod check;
pub mod codec;
pub mod compose;
pub mod fields;
pub mod grid;
pub mod health;
pub mod hls;
pub mod holding;
pub mod id;
pub mod mark;
pub mod mp4;
pub mod parity;
pub mod pathway;
pub mod record;
pub mod route;
pub mod segmenter;
pub mod slate;
pub mod track;
pub mod window;
