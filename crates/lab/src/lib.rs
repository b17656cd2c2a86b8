//! The instruments: they look at a running system as its viewers do and judge it by what it serves.
//!
//! [`rules`], [`player`], [`media`], [`frames`] and [`sound`] are pure: what was seen, and when, comes in, opinions come out.
//! [`watch`] is the shell that asks servers; [`proxy`]
//! stands between parts and is their bad network; [`drill`] plans the breaking of a system and judges what viewers saw of
//! it; [`stillness`] tells a machine that stood still from a system that did. Nothing here is shared with what is judged: playlists and boxes are
//! read with libraries, and no crate of the system is known.

mod draw;
pub mod drill;
pub mod frames;
pub mod media;
pub mod player;
pub mod playlist;
pub mod proxy;
pub mod rules;
pub mod sound;
pub mod stillness;
pub mod watch;
