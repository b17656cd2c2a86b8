//! The decisions of the control plane: who is there, who holds what, when to try again.
//!
//! Pure: time, randomness and what was heard are inputs; decisions and changes are outputs. Nothing here
//! opens a socket or a file, reads a clock or starts a task. The roles of the binary feed these types and
//! carry out what they say.
//!
//! Moments are [`Duration`](core::time::Duration)s since one fixed moment of the caller's choice, on a clock that never goes back.

pub mod health;
pub mod ingest;
pub mod interest;
pub mod load;
pub mod registry;
pub mod restart;
pub mod roster;
pub mod select;
pub mod steering;
pub mod watchdog;
