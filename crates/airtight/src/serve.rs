//! What every part that listens shares: sockets, the loop that serves them, and the way it ends.

pub mod listen;
pub mod metrics;
pub mod run;
