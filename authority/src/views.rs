//! The shape in which people and programs see each thing: the same for the API and for `--json`.

pub mod activity;
pub mod audit;
pub mod gateway;
pub mod key;
pub mod operator;
pub mod permission;
pub mod token;
pub mod oauth;

/// So many of a thing whose plural takes an s.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Who did something, from the label in the store: `operator:ada` is ada.
pub(crate) fn who(label: &str) -> String {
    match label.split_once(':') {
        Some(("cli", "command line")) => "command line".into(),
        Some(("cli", name)) => format!("{name}, command line"),
        Some(("operator" | "api_token" | "system", name)) => name.into(),
        Some(("key_holder", _)) => "a holder of the key".into(),
        _ => label.into(),
    }
}
