//! The query of a request.
//!
//! 1. A parameter that is not described in `/openapi.json` is refused by its name: a filter that is
//!    mistyped must not be taken for none.
//! 2. So is one that comes twice, and one whose value is of another type.
//! 3. Gateways are answered whatever else they send ([`OpenQuery`]): a newer one may know
//!    parameters that we do not.
//!
//! What a parameter holds is never repeated, and its name only where it looks like one: secrets go
//! astray.

use std::error::Error;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::App;
use super::error::ApiError;
use crate::model::draft::{Mistake, Mistakes};

/// The query, as `T`, and nothing else in it.
pub(crate) struct Query<T>(pub(crate) T);

/// The query, as `T`; parameters that `T` does not know are left alone.
pub(crate) struct OpenQuery<T>(pub(crate) T);

impl<T: DeserializeOwned + IntoParams> FromRequestParts<App> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        let known: Vec<String> =
            T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect();
        let (mut mistakes, mut seen) = (Mistakes::default(), Vec::new());
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        // One more than there are would be a mistake already: a long query gets no long answer.
        for (name, _) in query.take(known.len() + 1) {
            if !known.iter().any(|known| *known == name) {
                mistakes
                    .add(&shown(&name), &format!("is not a known parameter; known are {}", known.join(", ")));
            } else if seen.contains(&name) {
                mistakes.add(&name, "must be given only once");
            }
            seen.push(name);
        }
        mistakes.none_or(()).map_err(ApiError::invalid_fields)?;
        read(parts).map(Self)
    }
}

impl<T: DeserializeOwned> FromRequestParts<App> for OpenQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        read(parts).map(Self)
    }
}

fn read<T: DeserializeOwned>(parts: &Parts) -> Result<T, ApiError> {
    axum::extract::Query::try_from_uri(&parts.uri).map(|query| query.0).map_err(|rejection| {
        let mut causes = std::iter::successors(rejection.source(), |cause| Error::source(*cause));
        let at = causes.find_map(|cause| {
            let error = cause.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>()?;
            error.path().iter().next().map(ToString::to_string)
        });
        let field = shown(&at.unwrap_or_default());
        let message = "has a value of the wrong type, or is given more than once".into();
        ApiError::invalid_fields(vec![Mistake { field, message }])
    })
}

/// A parameter's name, where it can be nothing else. Keys and tokens are longer.
fn shown(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if (1..=32).contains(&name.len()) && name.chars().all(plain) { name.into() } else { "a parameter".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_shown_only_where_it_is_one() {
        assert_eq!(shown("statuses"), "statuses");
        for other in ["", "a b", "é", "<script>", "flint_live_0123456789abcdefghijklmnopqr"] {
            assert_eq!(shown(other), "a parameter", "{other}");
        }
    }
}
