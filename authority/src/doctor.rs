//! `flint doctor`: looks at a deployment. Each finding says what was seen and, if that is not well,
//! what to do.

pub mod database; // the database, the journal, the gateways, the keys
pub mod finding; // one thing that was looked at
pub mod network; // an authority from outside
