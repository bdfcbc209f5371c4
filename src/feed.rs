//! The way of a page: which VM asks the authority, and when; how its answer is read; where it goes in the table.

pub mod page;
pub mod poller;
mod holder;
pub mod lease;
pub mod abandoned;
