//! JSON as a tree that keeps what `serde_json::Value` loses: repeated members.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value. Members of an object are in the order of the file.
#[derive(Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// `None` is a number that is no `i64`.
    Number(Option<i64>),
    Text(Box<str>),
    List(Vec<Json>),
    Object(Vec<(Box<str>, Json)>),
}

/// Reads a whole text of JSON. The error says what is wrong and where, in words, and repeats
/// nothing of the text.
///
/// Nesting is followed 128 levels deep, so that no text can exhaust the stack.
pub(super) fn parse(bytes: &[u8]) -> Result<Json, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("is empty: it must be a JSON object with \"authority\", \"keys\" or \"oauth\"".to_owned());
    }
    serde_json::from_slice(bytes).map_err(|error| {
        // Envoy hands a `google.protobuf.Struct` over in binary, where its documentation promises
        // JSON.
        let hint = if bytes.trim_ascii_start().starts_with(b"{") {
            ""
        } else {
            " (give it to Envoy as a google.protobuf.StringValue; a Struct arrives in binary)"
        };
        format!("is not valid JSON: {error}{hint}")
    })
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

/// Accepts all that JSON has, so that every error is one of syntax, with a message that is fixed.
struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(Some(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.try_into().ok()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number(None))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = access.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = access.next_entry::<String, Json>()? {
            members.push((name.into_boxed_str(), value));
        }
        Ok(Json::Object(members))
    }
}
