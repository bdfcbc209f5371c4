//! From the authority to the table: which VM polls, when, how it reads a page, and where the
//! entries go.

pub mod page;
pub mod poller;
mod holder;
pub mod lease;
pub mod abandoned;
