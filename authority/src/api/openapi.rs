//! `/openapi.json`: the description of the API, made from the code that answers.
//!
//! What a route needs and which errors it may give follow from the table in `http.rs`, so they
//! cannot be forgotten.

pub(super) mod wire;

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};

use super::access::Needs;
use super::{
    Route, activity, audit, gateways, health, key_table, keys, metrics, oauth, permissions, routes, tokens,
    usage,
};
use crate::model::draft::Mistake;

/// What every error looks like.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: ErrorFacts,
}

/// An error.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorFacts {
    /// For programs, such as `INVALID_REQUEST`.
    code: String,
    /// For people.
    message: String,
    /// Which fields are at fault, where single fields are.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<Mistake>>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Flint Auth: the authority",
        description = "Creates, rotates and revokes API keys and feeds the gateways."
    ),
    paths(
        key_table::read,
        usage::receive,
        keys::list,
        keys::create,
        keys::import::import,
        keys::life::revoke_leaked,
        keys::show,
        keys::amend,
        keys::life::remove,
        keys::life::rotate,
        keys::life::revoke,
        keys::life::propagation,
        activity::of_key,
        activity::of_all,
        gateways::list,
        gateways::create,
        gateways::rotate_token,
        gateways::revoke,
        audit::read,
        permissions::list,
        permissions::offer,
        permissions::withdraw,
        tokens::list,
        tokens::create,
        tokens::revoke,
        oauth::clients::list,
        oauth::clients::create,
        oauth::clients::show,
        oauth::clients::amend,
        oauth::clients::remove,
        oauth::clients::rotate_secret,
        oauth::grants::list,
        oauth::grants::revoke,
        oauth::keys::list,
        oauth::keys::rotate,
        oauth::keys::retire,
        oauth::users::list,
        oauth::users::create,
        oauth::users::show,
        oauth::users::amend,
        oauth::users::set_password,
        oauth::published::metadata,
        oauth::published::jwks,
        oauth::token::token,
        oauth::revoke::revoke,
        oauth::introspect::introspect,
        health::alive,
        health::ready,
        metrics::read,
        read
    ),
    components(schemas(ErrorBody))
)]
struct Described;

/// This description.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn read() -> impl IntoResponse {
    // Written once, however many ask: nobody is asked who they are.
    static TEXT: LazyLock<Bytes> =
        LazyLock::new(|| serde_json::to_vec(&document()).unwrap_or_default().into());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.clone())
}

/// The whole description.
#[must_use]
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Described::openapi();
    let components = document.components.get_or_insert_default();
    for (name, description) in [("api_token", "An API token"), ("gateway_token", "A gateway token")] {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(description.into());
        components.security_schemes.insert(name.into(), RefOr::T(SecurityScheme::Http(scheme)));
    }
    for route in routes() {
        complete(&mut document, &route);
    }
    document
}

/// Adds to an operation what its route needs and which errors it may give.
fn complete(document: &mut utoipa::openapi::OpenApi, route: &Route) {
    let Some(item) = document.paths.paths.get_mut(route.path) else {
        return;
    };
    let operation = match route.method {
        "GET" => &mut item.get,
        "POST" => &mut item.post,
        "PUT" => &mut item.put,
        "PATCH" => &mut item.patch,
        _ => &mut item.delete,
    };
    let Some(operation) = operation else {
        return;
    };
    let mut statuses = vec![
        ("400", "The request is invalid"),
        ("429", "Too many such requests are running or waiting; try again"),
        ("500", "The authority failed, and would fail again"),
        ("503", "The database is unavailable"),
    ];
    match route.needs {
        Needs::Nothing => {}
        Needs::Gateway => statuses.push(("401", "No valid gateway token")),
        Needs::Permission(_) => {
            statuses.extend([("401", "No valid API token"), ("403", "The token lacks the permission")])
        }
    }
    if route.path.contains('{') || route.path.ends_with("leaked") {
        statuses.push(("404", "Not found"));
    }
    if route.method != "GET" {
        statuses.push(("409", "The current state does not allow it"));
    }
    if matches!(route.method, "POST" | "PATCH" | "PUT") {
        statuses.extend([("413", "The body is too large"), ("415", "The body has the wrong content type")]);
    }
    for (status, description) in statuses {
        let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name("ErrorBody"))));
        let response =
            ResponseBuilder::new().description(description).content("application/json", content).build();
        operation.responses.responses.entry(status.into()).or_insert(RefOr::T(response));
    }
    let (scheme, permission) = match route.needs {
        Needs::Nothing => return,
        Needs::Gateway => ("gateway_token", None),
        Needs::Permission(permission) => ("api_token", Some(permission)),
    };
    operation.security = Some(vec![SecurityRequirement::new(scheme, Vec::<String>::new())]);
    if let Some(permission) = permission {
        let words = format!("Requires the permission `{permission}`.");
        let text = operation.description.take().map_or(words.clone(), |text| format!("{text}\n\n{words}"));
        operation.description = Some(text);
    }
}
