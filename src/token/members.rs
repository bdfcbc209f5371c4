//! The members of a JSON object, each still unread, and readers for the values that tokens and keys
//! have.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// An object whose names are all different, however they are written.
pub(super) struct Members<'j>(BTreeMap<String, &'j RawValue>);

impl<'j> Members<'j> {
    /// Reads an object, and nothing after it. What is inside of its values may be of any form.
    pub(super) fn parse(json: &'j [u8]) -> Option<Self> {
        // What is skipped inside a value is not looked at closely: that it is UTF-8 is seen here.
        Self::of(std::str::from_utf8(json).ok()?)
    }

    /// Reads a value that has to be an object.
    pub(super) fn of(json: &'j str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    pub(super) fn get(&self, name: &str) -> Option<&'j RawValue> {
        self.0.get(name).copied()
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members<'de>, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = access.next_entry()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a name comes twice"));
            }
        }
        Ok(Members(members))
    }
}

/// A string.
pub(super) fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// A list of strings.
pub(super) fn texts(value: &RawValue) -> Option<Vec<String>> {
    serde_json::from_str(value.get()).ok()
}

/// A number, as near as can be.
pub(super) fn number(value: &RawValue) -> Option<f64> {
    serde_json::from_str(value.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_read(json: &str) -> bool {
        Members::parse(json.as_bytes()).is_some()
    }

    #[test]
    fn names_of_the_outermost_level_are_all_different_however_escaped() {
        assert!(is_read(r#" {"a":1,"A":2,"b":{"a":1,"a":2}} "#));
        for bad in
            [r#"{"a":1,"a":1}"#, r#"{"a":1,"b":2,"\u0061":3}"#, r#"{"\u00e9":1,"é":1}"#, r#"{"":1,"":1}"#]
        {
            assert!(!is_read(bad), "{bad}");
        }
    }

    #[test]
    fn nothing_but_one_object_of_utf_8_is_read() {
        for bad in [
            "",
            "[]",
            "null",
            "1",
            "\"a\"",
            "{}{}",
            "{} x",
            "\u{feff}{}",
            "{\"a\":01}",
            "{\"a\":1,}",
            "{a:1}",
        ] {
            assert!(!is_read(bad), "{bad}");
        }
        assert!(Members::parse(b"{\"a\":\"\xff\"}").is_none());
        assert!(Members::parse(b"{\"\xff\":1}").is_none());
        assert!(!is_read(r#"{"\ud800":1}"#));
    }

    #[test]
    fn deep_nesting_does_no_harm() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(4_000), "]".repeat(4_000));
        let members = Members::parse(deep.as_bytes());
        assert!(members.is_none_or(|members| members.get("a").and_then(texts).is_none()));
    }
}
