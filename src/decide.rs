//! From a request to its answer: reading the request, finding its key's record, deciding, and
//! replying.

pub mod request;
pub mod credential;
pub mod lookup;
pub mod decision;
mod access_token;
pub mod reply;
