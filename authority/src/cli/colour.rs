//! Colour: what it means, and when there is any.
//!
//! 1. `--json` has none, whatever else was said: it is for programs.
//! 2. `--color always` and `--color never` are obeyed.
//! 3. Else (`auto`) a set `NO_COLOR` turns colour off, then a set `CLICOLOR_FORCE` turns it on, and
//!    where neither is set only a terminal gets it, and not one whose `TERM` is `dumb`. Standard
//!    output and standard error are looked at apart: `flint keys list > file` still has its errors
//!    in colour.
//!
//! Texts are painted always; `output::print` and the macros of `anstream` take the paint off again
//! where it is not wanted. Nothing is said by colour alone.

use std::ffi::OsString;

use anstyle::{AnsiColor, Style};
use clap::{ColorChoice, ValueEnum as _};

use crate::doctor::finding::Grade;
use crate::model::State;

/// What stands above or before other things.
pub(super) const HEADING: Style = Style::new().bold();
/// As it should be.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Somebody should look at it.
pub(super) const WARN: Style = AnsiColor::Yellow.on_default();
/// Over, refused, or not working.
pub(super) const BAD: Style = AnsiColor::Red.on_default();

/// A text in this colour.
pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// How many characters of a text are seen.
pub(super) fn width(text: &str) -> usize {
    anstream::adapter::strip_str(text).map(|part| part.chars().count()).sum()
}

/// A text with spaces after it, so that as many characters are seen.
pub(super) fn pad(text: &str, to: usize) -> String {
    format!("{text}{:1$}", "", to.saturating_sub(width(text)))
}

/// The word that begins an error.
pub(super) fn error() -> String {
    paint(BAD.bold(), "error:")
}

/// The word that begins a warning.
pub(super) fn warning() -> String {
    paint(WARN.bold(), "warning:")
}

/// The colour of a key's state.
pub(super) const fn of_state(state: State) -> Style {
    match state {
        State::Active => GOOD,
        State::Pending => WARN,
        State::Expired | State::Revoked => BAD,
    }
}

/// The colour of a finding.
pub(super) const fn of_grade(grade: Grade) -> Style {
    match grade {
        Grade::Good => GOOD,
        Grade::Warn => WARN,
        Grade::Bad => BAD,
    }
}

/// Sets for the rest of this process when there is colour.
pub(super) fn choose(choice: ColorChoice, json: bool) {
    match choice {
        _ if json => anstream::ColorChoice::Never,
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// What arguments ask for that are not read yet: help and a wrong command line end before they are.
pub(super) fn asked(arguments: impl IntoIterator<Item = OsString>) -> (ColorChoice, bool) {
    let (mut choice, mut json) = (ColorChoice::Auto, false);
    let mut arguments = arguments.into_iter().take_while(|argument| argument != "--");
    while let Some(argument) = arguments.next() {
        let argument = argument.to_string_lossy();
        json |= argument == "--json";
        let word = match argument.strip_prefix("--color") {
            Some("") => arguments.next().map(|word| word.to_string_lossy().into_owned()),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(asked) = word.and_then(|word| ColorChoice::from_str(&word, false).ok()) {
            choice = asked;
        }
    }
    (choice, json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_looked_through_before_they_are_read() {
        for (line, choice, json) in [
            ("flint keys list", ColorChoice::Auto, false),
            ("flint --color always keys", ColorChoice::Always, false),
            ("flint keys --color=never --json --nonsense", ColorChoice::Never, true),
            ("flint --color", ColorChoice::Auto, false),
            ("flint --color purple --colorful=never", ColorChoice::Auto, false),
            ("flint gateways create -- --color=always --json", ColorChoice::Auto, false),
        ] {
            assert_eq!(asked(line.split(' ').map(OsString::from)), (choice, json), "{line}");
        }
    }

    #[test]
    fn paint_takes_no_room() {
        let text = paint(GOOD, "é");
        assert_eq!((width(&text), pad(&text, 3)), (1, format!("{text}  ")));
        assert_eq!(pad("long", 3), "long");
    }
}
