//! Keys that exist elsewhere, brought in by their digests: CSV or JSON lines.
//!
//! CSV has a line of headings: `sha256`, `name` and `environment` are needed; `permissions`,
//! `owner`, `allowed_cidrs`, `not_before`, `expires_at` and `rotate_by` are optional. Lists are
//! separated by spaces. JSON lines have the same names, with lists as arrays or as text. A digest
//! is 64 hexadecimal digits or base64, with or without padding. A time is RFC 3339 text or whole
//! Unix seconds. An empty field counts as absent; a key without an expiry never expires.
//!
//! Whatever a file holds, reading it takes time that grows with its length and not faster, and
//! memory for its good lines and a few mistakes: a line has a longest length, a file has a largest
//! number of lines, and reading stops there.

mod bad;
mod rows;

use std::collections::HashMap;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flint_contract::key::Digest;
use serde_json::{Map, Value};

pub use self::bad::{BadLine, BadLines, MOST_MISTAKES};
use self::rows::{csv_rows, json_rows};
use super::Key;
use super::draft::{Draft, Mistake, NewKey};
use crate::clock;

/// The longest line of a file, in bytes. One that says all that may be said of a key has some
/// 12,000.
pub const MOST_BYTES_A_LINE: usize = 64 * 1024;

/// How the lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Comma-separated values with a line of headings.
    Csv,
    /// A JSON object a line.
    JsonLines,
}

/// A line that can be imported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GoodLine {
    /// Its number in the file, from 1.
    pub number: u64,
    /// The digest of a secret that somebody holds.
    pub digest: Digest,
    /// What the key shall be.
    pub draft: Draft,
    /// Whether the line says when the key is due for rotation. If it does not, that depends on the
    /// day of the import.
    pub says_rotate_by: bool,
}

/// What a file holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Parsed {
    /// The lines that can be used.
    pub good: Vec<GoodLine>,
    /// The lines that cannot.
    pub bad: BadLines,
}

/// A file has more lines than are read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the file has more than {0} lines")]
pub struct TooManyLines(pub usize);

const FIELDS: [&str; 9] = [
    "sha256",
    "name",
    "environment",
    "permissions",
    "owner",
    "allowed_cidrs",
    "not_before",
    "expires_at",
    "rotate_by",
];

impl GoodLine {
    /// Whether this is the key that an import of the line has made, and it is still as the line
    /// says.
    #[must_use]
    pub fn has_become(&self, key: &Key) -> bool {
        let made = Draft {
            name: key.name.clone(),
            environment: key.environment,
            permissions: key.permissions.clone(),
            owner: key.owner.clone(),
            allowed_cidrs: key.allowed_cidrs.clone(),
            not_before: key.not_before,
            expires_at: key.expires_at,
            rotate_by: key.rotate_by,
        };
        let rotate_by = if self.says_rotate_by { made.rotate_by } else { self.draft.rotate_by };
        key.digest == self.digest && key.revoked_at.is_none() && Draft { rotate_by, ..made } == self.draft
    }
}

/// Reads a file of no more than `most` lines. A digest that comes twice is a mistake of the second
/// line.
///
/// # Errors
/// If there are more lines; the rest of the file is not looked at.
pub fn parse(text: &str, format: Format, most: usize, now: i64) -> Result<Parsed, TooManyLines> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parsed = Parsed::default();
    // Looked for before anything is taken apart: a reader of CSV takes in a whole line, with a
    // place for each field.
    if let Some((_, number)) = text.lines().zip(1..).find(|(line, _)| line.len() > MOST_BYTES_A_LINE) {
        parsed.bad.add(BadLine::new(number, "line", "must be at most 65536 bytes"));
        return Ok(parsed);
    }
    let rows = match format {
        Format::Csv => csv_rows(text),
        Format::JsonLines => json_rows(text),
    };
    let mut seen = HashMap::<Digest, u64>::new();
    for (count, (number, row)) in (1..).zip(rows) {
        if count > most {
            return Err(TooManyLines(most));
        }
        match row.and_then(|fields| read(fields, now)) {
            Err(mistakes) => parsed.bad.add(BadLine { line: number, mistakes }),
            Ok((digest, draft, says_rotate_by)) => match seen.get(&digest) {
                Some(first) => {
                    let message = format!("repeats the digest of line {first}");
                    parsed.bad.add(BadLine::new(number, "sha256", &message));
                }
                None => {
                    seen.insert(digest, number);
                    parsed.good.push(GoodLine { number, digest, draft, says_rotate_by });
                }
            },
        }
    }
    Ok(parsed)
}

/// Reads a digest in hexadecimal or base64.
#[must_use]
pub fn parse_digest(text: &str) -> Option<Digest> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = if text.len() == 64 {
        hex::decode(text).ok()?
    } else {
        [STANDARD, URL_SAFE]
            .iter()
            .find_map(|alphabet| GeneralPurpose::new(alphabet, lenient).decode(text).ok())?
    };
    bytes.try_into().ok().map(Digest::from_bytes)
}

fn read(mut fields: Map<String, Value>, now: i64) -> Result<(Digest, Draft, bool), Vec<Mistake>> {
    fields.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
    let mut mistakes = Vec::new();
    if fields.keys().any(|name| !FIELDS.contains(&name.as_str())) {
        mistakes.push(mistake("line", "has an unknown field"));
    }
    let mut fields = Fields { fields, mistakes };
    let digest = fields.take("sha256", "must be 64 hexadecimal digits or base64 of 32 bytes", |value| {
        value.as_str().and_then(parse_digest)
    });
    if digest.is_none() && fields.mistakes.iter().all(|one| one.field != "sha256") {
        fields.mistakes.push(mistake("sha256", "is required"));
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let new = NewKey {
        name: fields.take("name", "must be text", text).unwrap_or_default(),
        environment: fields.take("environment", "must be text", text).unwrap_or_default(),
        // Keys of elsewhere may do nothing until somebody says what; full access is said as `*`.
        permissions: Some(fields.take("permissions", "must be a list", list).unwrap_or_default()),
        owner: fields.take("owner", "must be text", text),
        allowed_cidrs: fields.take("allowed_cidrs", "must be a list", list),
        not_before: fields.take("not_before", TIME, time),
        expires_at: Some(fields.take("expires_at", TIME, time)),
        rotate_by: fields.take("rotate_by", TIME, time).map(Some),
    };
    let says_rotate_by = new.rotate_by.is_some();
    let mut mistakes = fields.mistakes;
    match (new.check(now), digest) {
        (Ok(draft), Some(digest)) if mistakes.is_empty() => Ok((digest, draft, says_rotate_by)),
        (checked, _) => {
            mistakes.extend(checked.err().unwrap_or_default());
            Err(mistakes)
        }
    }
}

const TIME: &str = "must be whole Unix seconds or like 2027-01-15T08:00:00Z";

fn list(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(text.split_whitespace().map(str::to_owned).collect()),
        Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn time(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str().and_then(clock::parse))
}

fn mistake(field: &str, message: &str) -> Mistake {
    Mistake { field: field.into(), message: message.into() }
}

/// The fields of a line, and what was found wrong with them so far.
struct Fields {
    fields: Map<String, Value>,
    mistakes: Vec<Mistake>,
}

impl Fields {
    /// The field as `read` sees it; a field that is there and cannot be read is a mistake.
    fn take<T>(&mut self, name: &str, rule: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let value = self.fields.remove(name)?;
        let read = read(&value);
        if read.is_none() {
            self.mistakes.push(mistake(name, rule));
        }
        read
    }
}

#[cfg(test)]
mod tests;
