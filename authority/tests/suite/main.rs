//! The authority from the outside: over HTTP, on the command line, and through the ends of its
//! processes.
//!
//! A test that is about the database runs on SQLite and on PostgreSQL: see `on_both!`.

mod client;
mod harness;
mod postgres;
mod program;

mod activity; // what keys were used for
mod api; // keys, gateways, tokens and the rest over HTTP
mod bounds; // what one request may cost
mod cli; // the verbs of `flint`, by running it
mod colour; // when the command line has colour
mod doctor; // what `flint doctor --url` sees of a server
mod durability; // what a 2xx is worth when the process is killed
mod files; // the database in the hands of other programs
mod forms; // forms that are sent once, and how old a sign-in is
mod listing; // searched, sorted, and turned page by page
mod notices; // keys that end are told to a webhook, once
mod oauth; // the authorization server
mod people; // operators, their sessions, and API tokens
mod recovery; // backups, and what a restored one must not bring back
mod network; // proxies, slow clients, floods, and requests that are not as they should be
mod key_table; // the feed: pages, cursors, held calls
mod throttle; // guessing passwords, and keeping nobody out
mod shell; // exit codes, and completion in a shell
mod tls; // a certificate of our own
mod pending; // usage reports that wait: how much may, and what becomes of too much
mod tools; // what the tools say if something is missing
mod usage; // reports: once, whatever happens
