//! Keys that exist elsewhere, brought in by their digests: CSV or JSON lines.
//!
//! CSV has a line of headings: `sha256`, `name` and `environment` are needed; `permissions`, `owner`, `allowed_cidrs`,
//! `not_before`, `expires_at` and `rotate_by` may be there. Lists are separated by spaces. JSON lines have the same names,
//! with lists as lists or as text. A digest is 64 hexadecimal digits or base64, with or without padding. A time is whole
//! Unix seconds or RFC 3339. An empty field is as absent; a key without an end never expires.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flint_contract::key::Digest;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::Key;
use super::draft::{Draft, Mistake, NewKey};
use crate::clock;

/// How the lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// Comma-separated values with a line of headings.
    Csv,
    /// A JSON object a line.
    JsonLines,
}

/// A good line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: u64,
    /// The digest of a secret that somebody holds.
    pub digest: Digest,
    /// What the key shall be.
    pub draft: Draft,
    /// Whether the line says when the key is due for rotation. Where it does not, that depends on the day of the import.
    pub says_rotate_by: bool,
}

/// A line that cannot be used, and why.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct BadLine {
    /// Its number in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub mistakes: Vec<Mistake>,
}

/// What a file holds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Parsed {
    /// The lines that can be used.
    pub good: Vec<Line>,
    /// The lines that cannot.
    pub bad: Vec<BadLine>,
}

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

impl Line {
    /// Whether this is the key that an import of the line has made, and it is still as the line says.
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

impl BadLine {
    /// A line with one mistake.
    #[must_use]
    pub fn new(line: u64, field: &str, message: &str) -> Self {
        Self { line, mistakes: vec![mistake(field, message)] }
    }
}

/// Reads a whole file. A digest that comes twice is a mistake of the second line.
#[must_use]
pub fn parse(text: &str, format: Format, now: i64) -> Parsed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rows = match format {
        Format::Csv => csv_rows(text),
        Format::JsonLines => json_rows(text),
    };
    let mut parsed = Parsed::default();
    let mut seen = HashMap::<Digest, u64>::new();
    for (number, row) in rows {
        match row.and_then(|fields| read(fields, now)) {
            Err(mistakes) => parsed.bad.push(BadLine { line: number, mistakes }),
            Ok((digest, draft, says_rotate_by)) => match seen.get(&digest) {
                Some(first) => {
                    let message = format!("is the same as in line {first}");
                    parsed.bad.push(BadLine::new(number, "sha256", &message));
                }
                None => {
                    seen.insert(digest, number);
                    parsed.good.push(Line { number, digest, draft, says_rotate_by });
                }
            },
        }
    }
    parsed
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

type Row = (u64, Result<Map<String, Value>, Vec<Mistake>>);

fn csv_rows(text: &str) -> Vec<Row> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let headings = match reader.headers() {
        Ok(headings) => headings.iter().map(str::to_lowercase).collect::<Vec<_>>(),
        Err(_) => return vec![(1, Err(vec![mistake("headings", "cannot be read")]))],
    };
    let unknown = headings.iter().any(|heading| !FIELDS.contains(&heading.as_str()));
    let missing = FIELDS[..3].iter().any(|field| !headings.iter().any(|heading| heading == field));
    let repeated = headings.iter().enumerate().any(|(index, heading)| headings[..index].contains(heading));
    if unknown || missing || repeated {
        let rule =
            format!("must be sha256, name, environment and any of {}, each once", FIELDS[3..].join(", "));
        return vec![(1, Err(vec![mistake("headings", &rule)]))];
    }
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let Ok(record) = record else {
            rows.push((index as u64 + 2, Err(vec![mistake("line", "cannot be read")])));
            continue;
        };
        // The reader's place of a record is before the empty lines that come before it.
        let number = record.position().map_or(index as u64 + 2, |place| {
            let rest = text.get(place.byte() as usize..).unwrap_or_default();
            let blank =
                rest.bytes().take_while(|byte| matches!(byte, b'\n' | b'\r')).filter(|byte| *byte == b'\n');
            place.line() + blank.count() as u64
        });
        let fields = if record.len() == headings.len() {
            let values = record.iter().map(Value::from);
            Ok(headings.iter().cloned().zip(values).collect())
        } else {
            Err(vec![mistake("line", "must have as many fields as there are headings")])
        };
        rows.push((number, fields));
    }
    rows
}

fn json_rows(text: &str) -> Vec<Row> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    lines
        .map(|(line, number)| match serde_json::from_str::<Once>(line) {
            Ok(Once(fields)) => (number, Ok(fields)),
            Err(_) => (number, Err(vec![mistake("line", "must be a JSON object, with each field once")])),
        })
        .collect()
}

/// A JSON object in which nothing is said twice: which of two permissions or environments was meant, nobody knows.
struct Once(Map<String, Value>);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Once;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Once, A::Error> {
                let mut fields = Map::new();
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if fields.insert(name, value).is_some() {
                        return Err(Error::custom("a repeated field"));
                    }
                }
                Ok(Once(fields))
            }
        }
        reader.deserialize_map(Fields)
    }
}

fn read(mut fields: Map<String, Value>, now: i64) -> Result<(Digest, Draft, bool), Vec<Mistake>> {
    fields.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
    let mut mistakes = Vec::new();
    if fields.keys().any(|name| !FIELDS.contains(&name.as_str())) {
        mistakes.push(mistake("line", "has a field that is not known"));
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
