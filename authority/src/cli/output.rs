//! What the commands print: tables and lists for people, JSON for programs.

use std::io::{self, Read as _, Write as _};

use serde::Serialize;

use crate::clock;
use crate::model::view::KeyView;
use crate::store::propagation::{Propagation, Standing};

/// Prints a value as JSON. A reader that has gone away is no error.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(&text)
}

/// Prints lines to standard output.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
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
    let mut text = format!("{:<13} {} of {} act on the latest change\n", "gateways", told.applied, told.of);
    for one in told.followers.iter().filter(|one| one.standing != Standing::Applied) {
        let standing = if one.standing == Standing::Silent { "is silent" } else { "has not said so yet" };
        let seen = clock::to_text(one.process.seen_at);
        text.push_str(&format!(
            "{:<13} {}/{} {standing}, last heard of {seen}\n",
            "", one.gateway, one.process.process_id
        ));
    }
    text
}

/// A table with a line of headings, its columns as wide as what is in them.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = headings.map(|text| text.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; N]| {
        let padded: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text = line(&headings.map(str::to_uppercase));
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
        ("allowed from", key.allowed_cidrs.as_deref().map_or_else(|| "everywhere".into(), list)),
        ("key", key.hint.clone().unwrap_or_else(|| "imported".into())),
        ("created", format!("{} by {}", clock::to_text(key.created_at), key.created_by)),
        ("expires", time(key.expires_at, "never")),
        ("rotate by", time(key.rotate_by, "-")),
        ("last used", time(key.last_used_at, "never, as far as is known")),
    ];
    let optional = [
        ("not before", key.not_before.map(clock::to_text)),
        ("revoked", key.revoked_at.map(clock::to_text)),
        ("reason", key.revoke_reason.clone()),
        ("replaces", key.replaces.clone()),
        ("replaced by", key.replaced_by.clone()),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, fact)| fact.map(|fact| (name, fact))));
    facts.iter().map(|(name, fact)| format!("{name:<13} {fact}\n")).collect()
}

/// The state in a word, with what should be done about it.
pub(super) fn status(key: &KeyView) -> String {
    let due = if key.rotation_due { ", rotation due" } else { "" };
    let going = if key.replaced_by.is_some() && key.revoked_at.is_none() { ", replaced" } else { "" };
    format!("{}{due}{going}", key.status.as_str())
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
        assert_eq!(table(["name", "n"], &rows), "NAME       N\né          1\nlong name  22\n");
    }
}
