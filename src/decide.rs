//! The way of a request: what is read of it, where its key's record is found, what is decided, and the answer.

pub mod request;
pub mod credential;
pub mod lookup;
pub mod decision;
mod access_token;
pub mod reply;
