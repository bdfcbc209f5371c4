//! People who sign in, and the tokens of automation.

pub mod api_tokens; // what automation shows
pub mod forms; // forms that are sent once
pub mod operators; // who may sign in
pub mod sessions; // who is signed in
pub(super) mod throttle; // how often somebody may try to
