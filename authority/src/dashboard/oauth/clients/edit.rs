//! Changing a client: everything but its kind and environment. Of a live one that is as grave as
//! registering it.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use flint_contract::key::Environment;

use super::form::ClientForm;
use super::{PATH, find, path_of};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::Errors;
use crate::dashboard::oauth::{STALE, version};
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, Shell, html_with, lead_to};
use crate::dashboard::visitor::{Posted, Visitor};
use crate::oauth::client::Client;

#[derive(Template)]
#[template(path = "oauth/clients/edit.html")]
struct EditPage {
    shell: Shell,
    list: &'static str,
    name: String,
    path: String,
    environment: &'static str,
    form: ClientForm,
    errors: Errors,
    version: String,
    is_stale: bool,
}

/// The form, with the client as it is.
pub(super) async fn page(visitor: Visitor, Path(id): Path) -> Result<Response, PageError> {
    let client = find(&visitor, &id).await?.client;
    let catalogue = visitor.store.permissions().await?;
    let form = ClientForm::of(&catalogue, &client.registration);
    Ok(show(&visitor, &client, form, Errors::default(), StatusCode::OK))
}

fn show(
    visitor: &Visitor,
    client: &Client,
    form: ClientForm,
    errors: Errors,
    status: StatusCode,
) -> Response {
    let page = EditPage {
        shell: Shell::new(visitor, Section::Clients, format!("Edit {}", client.registration.name)),
        list: PATH,
        name: client.registration.name.clone(),
        path: path_of(&client.id),
        environment: client.registration.environment.as_str(),
        version: version(&client.registration),
        is_stale: visitor.is_stale() && client.registration.environment == Environment::Live,
        form,
        errors,
    };
    html_with(status, &page)
}

/// Saves it, unless somebody else saved in the meantime.
pub(super) async fn save(Path(id): Path, posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let client = find(&visitor, &id).await?.client;
    let catalogue = visitor.store.permissions().await?;
    let form = ClientForm::sent(&catalogue, &fields, Some(&client.registration));
    let mut errors = Errors::default();
    if fields.get("version") != version(&client.registration) {
        errors.add("version", STALE);
        return Ok(show(&visitor, &client, form, errors, StatusCode::CONFLICT));
    }
    let amendment = form.change(&client.registration, &mut errors);
    if errors.is_empty()
        && form.is_live()
        && let Err(problem) = visitor.confirm(fields.raw("password")).await?
    {
        errors.add("password", problem);
    }
    if !errors.is_empty() {
        return Ok(show(&visitor, &client, form, errors, StatusCode::UNPROCESSABLE_ENTITY));
    }
    visitor.store.amend_oauth_client(&id, amendment, visitor.now, &visitor.actor()).await?;
    Ok(lead_to(&format!("{}?done=changed", path_of(&id))))
}
