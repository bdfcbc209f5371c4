//! Things as people and programs are shown them: one shape for the API and for `--json`.

pub mod gateway;
pub mod key;
