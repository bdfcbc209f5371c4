//! The fields of a form or of a query, as they were sent: names may repeat, and everything is text.

use axum::http::{StatusCode, Uri};

use super::error::PageError;
use crate::model::draft::Mistake;

/// The most fields that are looked at.
const MAX_FIELDS: usize = 2_000;

/// Names and values in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

/// What is wrong with a form, by field.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors(Vec<Mistake>);

impl Fields {
    /// Reads `a=1&b=2`. What is no UTF-8 becomes the replacement character, which no rule lets
    /// through as an id.
    pub(super) fn parse(text: &[u8]) -> Result<Self, PageError> {
        let fields: Vec<_> = form_urlencoded::parse(text).into_owned().take(MAX_FIELDS + 1).collect();
        if fields.len() > MAX_FIELDS || fields.iter().any(|(_, value)| value.contains('\0')) {
            return Err(PageError::unreadable());
        }
        Ok(Self(fields))
    }

    /// Reads the query of an address.
    pub(super) fn of_query(uri: &Uri) -> Result<Self, PageError> {
        Self::parse(uri.query().unwrap_or_default().as_bytes())
    }

    /// The last value of a name, trimmed; nothing where it did not come.
    pub(super) fn get(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The last value of a name as it came: for passwords.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.0.iter().rev().find(|field| field.0 == name).map_or("", |field| field.1.as_str())
    }

    /// All values of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |field| field.0 == name).map(|field| field.1.trim())
    }

    /// The value of a name that may be left empty.
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        Some(self.get(name)).filter(|value| !value.is_empty()).map(Into::into)
    }
}

impl Errors {
    /// Notes one.
    pub(super) fn add(&mut self, field: &str, message: impl Into<String>) {
        self.0.push(Mistake { field: field.into(), message: message.into() });
    }

    /// Notes what the model says, whose fields may be places in a list.
    pub(super) fn add_all(&mut self, mistakes: Vec<Mistake>) {
        for mistake in mistakes {
            let (field, place) = mistake.field.split_once('[').unwrap_or((&mistake.field, ""));
            let place = place.trim_end_matches(']').parse::<usize>().ok();
            let message = place.map_or_else(
                || format!("It {}.", mistake.message),
                |place| format!("Entry {} {}.", place + 1, mistake.message),
            );
            self.add(field, message);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The status of a page that shows them.
    pub(super) fn status(&self) -> StatusCode {
        if self.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }

    /// What is wrong with one field, as one text.
    pub(super) fn of(&self, field: &str) -> String {
        let messages: Vec<_> =
            self.0.iter().filter(|one| one.field == field).map(|one| one.message.as_str()).collect();
        messages.join(" ")
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.0.iter().any(|one| one.field == field)
    }

    /// All of them, for the list above a form.
    pub(super) fn list(&self) -> &[Mistake] {
        &self.0
    }
}

/// An address of this server with a query, values encoded.
pub(super) fn link(path: &str, query: &[(&str, &str)]) -> String {
    let mut encoder = form_urlencoded::Serializer::new(String::new());
    for (name, value) in query.iter().filter(|pair| !pair.1.is_empty()) {
        encoder.append_pair(name, value);
    }
    let query = encoder.finish();
    if query.is_empty() { path.into() } else { format!("{path}?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_and_lists_keep_all() {
        let fields = Fields::parse(b"a=1&b=%F0%9F%A6%80&a=+2+&c=").unwrap();
        assert_eq!((fields.get("a"), fields.raw("a"), fields.get("b")), ("2", " 2 ", "🦀"));
        assert_eq!(fields.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((fields.optional("c"), fields.optional("d")), (None, None));
        assert!(Fields::parse(b"a=%00").is_err());
        assert!(Fields::parse("a&".repeat(MAX_FIELDS + 1).as_bytes()).is_err());
    }

    #[test]
    fn a_link_is_encoded_and_leaves_out_what_is_empty() {
        assert_eq!(link("/x", &[("a", ""), ("b", "")]), "/x");
        assert_eq!(link("/x", &[("q", "a&b=ü"), ("b", "")]), "/x?q=a%26b%3D%C3%BC");
    }
}
