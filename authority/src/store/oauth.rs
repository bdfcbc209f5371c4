//! What OAuth has to remember. The rules are in `crate::oauth`; this module makes them hold for
//! several servers at once.
//!
//! 1. Secrets, codes and refresh tokens are kept as their SHA-256; what could be shown again is
//!    nowhere.
//! 2. Whatever is used once is marked as used by a statement that finds it unused, in the
//!    transaction that issues what comes of it. Of many at the same moment one finds it so.
//! 3. An access token is known before it is answered, and its end is in the feed before the end is
//!    answered. Ending something locks its row, and so does issuing for it, so nothing is issued in
//!    between. Locks are taken in one order: client, user, grant, family, feed.
//! 4. What ended is in the journal too: a restored backup brings nothing of it back.
//! 5. What can no longer be used is deleted.

pub mod clients; // who may ask
pub mod users; // who grants
pub mod sessions; // who is signed in
pub mod questions; // what a user is asked, and the code that comes of the answer
pub mod grants; // what was granted
pub mod together; // tokens of clients for themselves, many in one commit
pub mod tokens; // codes and refresh tokens become tokens
pub mod ends; // how tokens end
pub mod inspection; // what is known of a token
pub mod signing_keys; // public halves
pub mod restoring; // what must not come back with an older copy
pub mod forgetting; // what can be of no use any more

use crate::config::Database;

use super::{Store, StoreError};

/// A list of texts as its column has it.
fn read_list(json: &str, column: &'static str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(json).map_err(|_| StoreError::Corrupt(column))
}

fn write_list<T: AsRef<str>>(list: &[T]) -> String {
    let texts: Vec<&str> = list.iter().map(AsRef::as_ref).collect();
    serde_json::Value::from(texts).to_string()
}

impl Store {
    /// What a statement that reads ends with, so that the row stays as it is until the commit while
    /// others read it too. On SQLite a transaction that writes has begun with that.
    fn shared(&self) -> &'static str {
        match self.database {
            Database::Sqlite(_) => "",
            Database::Postgres(_) => " FOR SHARE",
        }
    }

    /// The same, for one that will change the row.
    fn alone(&self) -> &'static str {
        match self.database {
            Database::Sqlite(_) => "",
            Database::Postgres(_) => " FOR UPDATE",
        }
    }
}
