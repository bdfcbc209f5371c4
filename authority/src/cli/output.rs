//! What the commands print: tables and lists for people, JSON for programs.

use std::io::{self, Read as _};

use serde::Serialize;

use super::colour::{BAD, GOOD, HEADING, WARN, of_state, pad, paint, width};
use crate::clock;
use crate::store::feed::propagation::{Propagation, Standing};
use crate::views;
use crate::views::key::KeyView;

/// Prints a value as JSON. A reader that has gone away is no error.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    raw(&text)
}

/// Prints lines for people to standard output, in colour where that is wanted.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    write(&mut anstream::stdout().lock(), text)
}

/// Prints what is for programs to standard output, as it is.
pub(super) fn raw(text: &str) -> anyhow::Result<()> {
    write(&mut io::stdout().lock(), text)
}

fn write(to: &mut impl io::Write, text: &str) -> anyhow::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// One line of standard input, without its end: how secrets come in.
pub(super) fn read_line() -> anyhow::Result<String> {
    let mut text = String::new();
    io::stdin().take(64 * 1024).read_to_string(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// How far a change has come, and who lags.
pub(super) fn propagation(told: &Propagation) -> String {
    let count = format!("{} of {}", told.applied, told.of);
    let count = paint(if told.applied == told.of { GOOD } else { WARN }, &count);
    let mut text = fact("gateways", &format!("{count} processes act on the latest change"));
    for one in told.followers.iter().filter(|one| one.standing != Standing::Applied) {
        let standing = if one.standing == Standing::Silent {
            paint(BAD, "is not seen lately")
        } else {
            paint(WARN, "has not applied it yet")
        };
        let seen = clock::to_text(one.process.seen_at);
        text.push_str(&format!(
            "{:<13} {}/{} {standing}, last seen {seen}\n",
            "", one.gateway, one.process.process_id
        ));
    }
    text
}

/// A table with a line of headings, its columns as wide as what is seen in them.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let headings = headings.map(|text| paint(HEADING, &text.to_uppercase()));
    let mut widths = headings.each_ref().map(|text| width(text));
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    let line = |cells: &[String; N]| {
        let padded: Vec<String> = cells.iter().zip(widths).map(|(cell, to)| pad(cell, to)).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&headings);
    rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}

/// A key, a fact a line.
pub(super) fn key(key: &KeyView) -> String {
    let mut facts = vec![
        ("id", key.id.clone()),
        ("name", key.name.clone()),
        ("environment", key.environment.into()),
        ("status", status(key)),
        ("permissions", list(&key.permissions)),
        ("owner", key.owner.clone().unwrap_or_else(|| "-".into())),
        ("allowed from", key.allowed_cidrs.as_deref().map_or_else(|| "any address".into(), list)),
        ("key", key.hint.clone().unwrap_or_else(|| "imported".into())),
        ("created", format!("{} by {}", clock::to_text(key.created_at), views::who(&key.created_by))),
        ("expires", time(key.expires_at, "never")),
        ("rotate by", time(key.rotate_by, "-")),
        ("last used", time(key.last_used_at, "no use reported")),
    ];
    let optional = [
        ("not before", key.not_before.map(clock::to_text)),
        ("revoked", key.revoked_at.map(clock::to_text)),
        ("reason", key.revoke_reason.clone()),
        ("replaces", key.replaces.clone()),
        ("replaced by", key.replaced_by.clone()),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, fact)| fact.map(|fact| (name, fact))));
    facts.iter().map(|(name, text)| fact(name, text)).collect()
}

fn fact(name: &str, text: &str) -> String {
    format!("{} {text}\n", pad(&paint(HEADING, name), 13))
}

/// The state in a word, with what should be done about it.
pub(super) fn status(key: &KeyView) -> String {
    let due = if key.rotation_due { format!(", {}", paint(WARN, "rotation due")) } else { String::new() };
    let going = if key.replaced_by.is_some() && key.revoked_at.is_none() { ", replaced" } else { "" };
    format!("{}{due}{going}", paint(of_state(key.status), key.status.as_str()))
}

/// `active`, or since when it is disabled.
pub(super) fn state(disabled_at: Option<i64>) -> String {
    disabled_at.map_or_else(|| "active".into(), |at| format!("disabled {}", clock::to_text(at)))
}

/// A time, or a word where there is none.
pub(super) fn time(time: Option<i64>, none: &str) -> String {
    time.map_or_else(|| none.into(), clock::to_text)
}

fn list(texts: &[String]) -> String {
    if texts.is_empty() { "none".into() } else { texts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["é".into(), "1".into()], ["long name".into(), "22".into()]];
        let plain = |text: &str| anstream::adapter::strip_str(text).to_string();
        assert_eq!(plain(&table(["name", "n"], &rows)), "NAME       N\né          1\nlong name  22\n");
        let painted = rows.map(|row| row.map(|cell: String| paint(WARN, &cell)));
        assert_eq!(plain(&table(["name", "n"], &painted)), "NAME       N\né          1\nlong name  22\n");
    }
}
