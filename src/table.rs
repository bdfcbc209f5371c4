//! The key table. It lives in Envoy's shared data, once for the whole process; a key is found by
//! its digest in one read.
//!
//! Why there: every worker has its own VM. A copy in each would have to be filled, changed and
//! acknowledged by each, and would be gone with the VM. In shared data there is one table; a change
//! is seen by every worker with its next request, a rebuilt VM or a new configuration finds it
//! warm, and a VM's own memory holds nothing of it.
//!
//! How: linear hashing (Litwin, 1980). Keys are spread over *shards* by the low bits of a keyed
//! hash of their digests, some two dozen keys to a shard, one shared value a shard. Growing splits
//! one shard at a time, so no step is ever long. A *run* is one complete table; its part of a shard
//! carries its number. [`Meta`] names the run that serves.
//!
//! 1. Readers ([`View`]) hold a copy of [`Meta`] that may be old. A shard that was split says so
//!    (its depth) and the reader continues to the other half; a shard without a part of the run
//!    sends the reader back to [`Meta`].
//! 2. There is one writer ([`Writer`]), by a lease. Every shard carries the number of the lease it
//!    was written under (its *fence*): a writer that lost its lease without noticing can never undo
//!    what its successor wrote.
//! 3. A page of an ordinary run is written shard by shard into the run that serves. A whole new
//!    table is written next to it, as a second part of the same shards, and replaces it with one
//!    write of [`Meta`]; then the old parts are removed, so that no reader can find anything in
//!    them. Separate shards would double the number of values, and growing Envoy's map of values is
//!    what makes workers wait.

pub mod meta;
pub mod place;
pub mod record;
pub mod shard;
pub mod store;
pub mod view;
pub mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use meta::Meta;
pub use place::Seed;
pub use record::Record;
pub use store::{Fault, Store};
pub use view::{Found, View};
pub use writer::Writer;
