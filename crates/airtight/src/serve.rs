//! What every part that listens shares: sockets, the loops that serve them, and the way they end.

pub mod condition;
pub mod connection;
pub mod ending;
pub mod health;
pub mod index;
pub mod listen;
pub mod metrics;
pub mod overload;
pub mod page;
pub mod pulse;
pub mod reply;
pub mod run;
pub mod shards;
pub mod viewer;
