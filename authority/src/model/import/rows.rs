//! The rows of a file, one after another: no more of it is taken apart than somebody asks for.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{FIELDS, Mistake, mistake};

/// A row's number in the file, and its fields.
pub(super) type ParsedRow = (u64, Result<Map<String, Value>, Vec<Mistake>>);
pub(super) type Rows<'text> = Box<dyn Iterator<Item = ParsedRow> + 'text>;

/// Comma-separated values. Wrong headings are one bad row.
pub(super) fn csv_rows(text: &str) -> Rows<'_> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let headings = match reader.headers().map(read_headings) {
        Ok(Some(headings)) => headings,
        Ok(None) => {
            let more = FIELDS[3..].join(", ");
            let rule = format!("must be sha256, name, environment and any of {more}, each once");
            return one_bad_row("headings", &rule);
        }
        Err(_) => return one_bad_row("headings", "cannot be read"),
    };
    Box::new(reader.into_records().zip(2..).map(move |(record, index)| {
        let Ok(record) = record else {
            return (index, Err(vec![mistake("line", "cannot be read")]));
        };
        let number = number_of(&record, text).unwrap_or(index);
        if record.len() != headings.len() {
            let rule = "must have as many fields as there are headings";
            return (number, Err(vec![mistake("line", rule)]));
        }
        let values = record.iter().map(Value::from);
        (number, Ok(headings.iter().cloned().zip(values).collect()))
    }))
}

fn one_bad_row(field: &str, rule: &str) -> Rows<'static> {
    Box::new(std::iter::once((1, Err(vec![mistake(field, rule)]))))
}

/// The names of the fields, if they are such names, each once, and those among them that must be.
fn read_headings(headings: &csv::StringRecord) -> Option<Vec<String>> {
    // First of all: what follows compares each with each.
    if headings.len() > FIELDS.len() {
        return None;
    }
    let headings: Vec<_> = headings.iter().map(str::to_lowercase).collect();
    let are_known = headings.iter().all(|heading| FIELDS.contains(&heading.as_str()));
    let is_complete = FIELDS[..3].iter().all(|field| headings.iter().any(|heading| heading == field));
    let is_repeated = |(index, heading)| headings[..index].contains(heading);
    (are_known && is_complete && !headings.iter().enumerate().any(is_repeated)).then_some(headings)
}

/// The line that a record begins in. The reader's place of it is before the empty lines that come
/// before it.
fn number_of(record: &csv::StringRecord, text: &str) -> Option<u64> {
    let place = record.position()?;
    let rest = text.get(place.byte() as usize..).unwrap_or_default();
    let blank = rest.bytes().take_while(|byte| matches!(byte, b'\n' | b'\r')).filter(|byte| *byte == b'\n');
    Some(place.line() + blank.count() as u64)
}

/// A JSON object a line; empty lines do not count.
pub(super) fn json_rows(text: &str) -> Rows<'_> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    Box::new(lines.map(|(line, number)| match serde_json::from_str::<Once>(line) {
        Ok(Once(fields)) => (number, Ok(fields)),
        Err(_) => (number, Err(vec![mistake("line", "must be a JSON object, with each field once")])),
    }))
}

/// A JSON object in which nothing is said twice: which of two permissions or environments was
/// meant, nobody knows.
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
