//! Things as people and programs are shown them: one shape for the API and for `--json`.

pub mod gateway;
pub mod key;

/// So many of a thing whose plural takes an s.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}
