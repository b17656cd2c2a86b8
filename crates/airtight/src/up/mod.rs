//! `airtight up`: the whole system, supervised.

pub mod handover;
