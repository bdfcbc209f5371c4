//! The server: it takes connections and gives each request to a router. It knows about no pages and
//! no database.
//!
//! `listener` takes connections, `crowd` says which ends if there is no room for another,
//! `connection` serves one, `progress` says when it takes too long (`stream` and `body` tell it
//! what happens), `limits` has the numbers, `tls` the certificate. `origin` says where a request
//! comes from.

mod body;
mod connection;
mod crowd;
mod limits;
mod listener;
mod origin;
mod progress;
mod stream;
mod tls;

pub(crate) use self::body::{Unread, until_taken};
pub(crate) use self::connection::Serving;
pub(crate) use self::crowd::Guest;
pub use self::limits::Limits;
pub(crate) use self::listener::run;
pub use self::origin::{NotAProxy, Proxy};
pub(crate) use self::origin::{address, is_over_tls, is_text};
pub use self::tls::{Tls, TlsError, TlsFiles};
