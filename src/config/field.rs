//! Readers of JSON values that report what is wrong and where. Each returns `None` only after it
//! has reported a mistake.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::json::Json;
use super::report::{At, may_be_told};

/// An object whose fields are all known and there once, or have been reported.
pub(super) struct Object<'j>(&'j [(Box<str>, Json)]);

impl<'j> Object<'j> {
    /// Reads an object, and reports every field that is not known and every known one that is
    /// repeated.
    pub(super) fn open(json: &'j Json, at: &At<'_>, known: &[&'static str]) -> Option<Self> {
        let Json::Object(members) = json else { return at.refuse("must be an object") };
        let mut seen = BTreeSet::new();
        for (index, (name, _)) in members.iter().enumerate() {
            if let Some(known) = known.iter().find(|known| **known == &**name) {
                if !seen.insert(known) {
                    at.field(known).refuse::<()>("is here more than once");
                }
            } else {
                unknown(name, index, known, at);
            }
        }
        Some(Self(members))
    }

    pub(super) fn get(&self, name: &str) -> Option<&'j Json> {
        self.0.iter().find(|(member, _)| &**member == name).map(|(_, json)| json)
    }

    /// Reads a field, if it is there.
    pub(super) fn read<T>(
        &self,
        at: &At<'_>,
        name: &str,
        read: impl FnOnce(&'j Json, &At<'_>) -> Option<T>,
    ) -> Option<T> {
        read(self.get(name)?, &at.field(name))
    }

    /// Reads a field that must be there.
    pub(super) fn require<T>(
        &self,
        at: &At<'_>,
        name: &str,
        read: impl FnOnce(&'j Json, &At<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.get(name) {
            Some(json) => read(json, &at.field(name)),
            None => at.field(name).refuse("is required"),
        }
    }
}

pub(super) fn text<'j>(json: &'j Json, at: &At<'_>) -> Option<&'j str> {
    match json {
        Json::Text(text) => Some(text),
        _ => at.refuse("must be a string"),
    }
}

pub(super) fn flag(json: &Json, at: &At<'_>) -> Option<bool> {
    match json {
        Json::Bool(flag) => Some(*flag),
        _ => at.refuse("must be true or false"),
    }
}

pub(super) fn whole(json: &Json, at: &At<'_>, range: RangeInclusive<u32>) -> Option<u32> {
    match json {
        Json::Number(Some(number)) => u32::try_from(*number).ok().filter(|number| range.contains(number)),
        _ => None,
    }
    .or_else(|| at.refuse(format!("must be a whole number from {} to {}", range.start(), range.end())))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(json: &Json, at: &At<'_>, choices: &[(&'static str, T)]) -> Option<T> {
    let chosen = match json {
        Json::Text(text) => choices.iter().find(|(word, _)| *word == &**text),
        _ => None,
    };
    chosen.map(|(_, value)| *value).or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        at.refuse(format!("must be {}", words.join(" or ")))
    })
}

/// A list: its good items. Items that are not good are reported by `read`.
pub(super) fn list<'j, T>(
    json: &'j Json,
    at: &At<'_>,
    read: impl Fn(&'j Json, &At<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let Json::List(items) = json else { return at.refuse("must be a list") };
    let read = |(index, item)| read(item, &at.index(index));
    Some(items.iter().enumerate().filter_map(read).collect())
}

/// Reports a field that is not known. Its name is told only where it looks like the name of a
/// field, since it may be a secret that stands where a name should.
fn unknown(name: &str, index: usize, known: &[&'static str], at: &At<'_>) {
    if may_be_told(name, b"_-") {
        let plain = name.to_ascii_lowercase().replace('-', "_");
        let nearest = known.iter().map(|known| (distance(&plain, known), known)).min();
        let near = nearest.filter(|(edits, near)| *edits <= near.len().div_ceil(4).min(2));
        let rule = match near {
            Some((_, near)) => format!("is not a known field; \"{near}\" may be meant"),
            None => format!("is not a known field; allowed are {}", known.join(", ")),
        };
        at.field(name).refuse::<()>(rule);
    } else {
        at.refuse::<()>(format!(
            "has an unknown field, the {}. in it; allowed are {}",
            index + 1,
            known.join(", ")
        ));
    }
}

/// How many letters must be put in, taken out or changed to make the one word of the other
/// (Levenshtein).
fn distance(name: &str, known: &str) -> usize {
    let mut row: Vec<usize> = (0..=known.len()).collect();
    for letter in name.bytes() {
        let mut left = row.first().map_or(0, |above| above + 1);
        let mut next = vec![left];
        for (pair, other) in row.windows(2).zip(known.bytes()) {
            if let [diagonal, above] = *pair {
                left = (diagonal + usize::from(letter != other)).min(above + 1).min(left + 1);
                next.push(left);
            }
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}
