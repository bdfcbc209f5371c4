//! How much a client may take of the server's time and room.
//!
//! None of these ends a held call of a gateway, nor the quiet time between two calls on a
//! connection that is kept: closing such a connection just when it is used again would make a call
//! fail now and then, so that time is long.

use std::time::Duration;

/// What the server bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many connections are open at once; for more, idle ones are closed (`crowd`).
    pub connections: usize,
    /// How long the head of a request may take from its first byte on, the first request from the
    /// connection on, and so the TLS handshake.
    pub head: Duration,
    /// How long a body may bring nothing.
    pub body_pause: Duration,
    /// How long a whole body may take.
    pub body: Duration,
    /// For how long a client may take nothing of what is written to it.
    pub write: Duration,
    /// How long it may take to take an answer as a whole.
    pub answer: Duration,
    /// How long a connection is kept on which nothing is asked.
    pub idle: Duration,
    /// How long to wait after the system could not give another connection, as where there are too
    /// many open files.
    pub accept_pause: Duration,
    /// How long requests may take to end after the program was told to stop.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head: Duration::from_secs(10),
            body_pause: Duration::from_secs(20),
            body: Duration::from_secs(300),
            write: Duration::from_secs(30),
            answer: Duration::from_secs(300),
            idle: Duration::from_secs(600),
            accept_pause: Duration::from_secs(1),
            grace: Duration::from_secs(10),
        }
    }
}
