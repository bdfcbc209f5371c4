//! Changing a key: name, owner, permissions, addresses and end. Of a live one that is as grave as
//! making it.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use flint_contract::key::Environment;

use super::form::KeyForm;
use super::{find, path_of};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::Errors;
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, Shell, html_with, lead_to};
use crate::dashboard::visitor::{Posted, Visitor};
use crate::model::{Key, Refusal};
use crate::store::StoreError;

#[derive(Template)]
#[template(path = "keys/edit.html")]
struct EditPage {
    shell: Shell,
    form: KeyForm,
    errors: Errors,
    name: String,
    path: String,
    environment: &'static str,
    version: i64,
    is_stale: bool,
}

/// The form, with the key as it is.
pub(super) async fn page(visitor: Visitor, Path(id): Path) -> Result<Response, PageError> {
    let key = find(&visitor, &id).await?.key;
    refuse_revoked(&key)?;
    let catalogue = visitor.store.permissions().await?;
    let form = KeyForm::of_key(&catalogue, &key, visitor.now);
    Ok(show(&visitor, &key, form, Errors::default(), StatusCode::OK))
}

fn refuse_revoked(key: &Key) -> Result<(), PageError> {
    if key.revoked_at.is_some() { Err(PageError::revoked()) } else { Ok(()) }
}

fn show(visitor: &Visitor, key: &Key, form: KeyForm, errors: Errors, status: StatusCode) -> Response {
    let page = EditPage {
        shell: Shell::new(visitor, Section::Keys, format!("Edit {}", key.name))
            .in_environment(Some(key.environment)),
        form,
        errors,
        name: key.name.clone(),
        path: path_of(&key.id),
        environment: key.environment.as_str(),
        version: key.version,
        is_stale: visitor.is_stale() && key.environment == Environment::Live,
    };
    html_with(status, &page)
}

/// Saves what is different, unless somebody else saved in the meantime.
pub(super) async fn save(Path(id): Path, posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let key = find(&visitor, &id).await?.key;
    refuse_revoked(&key)?;
    let catalogue = visitor.store.permissions().await?;
    let form = KeyForm::sent(&catalogue, &fields, Some(&key), visitor.now);
    let mut errors = Errors::default();
    let version: i64 = fields.get("version").parse().map_err(|_| PageError::unreadable())?;
    let amendment = form.amendment(&key, version, &mut errors);
    if let Some(amendment) = &amendment
        && form.is_live()
        && !amendment.is_empty()
        && let Err(problem) = visitor.confirm(fields.raw("password")).await?
    {
        errors.add("password", problem);
    }
    let Some(amendment) = amendment.filter(|_| errors.is_empty()) else {
        return Ok(show(&visitor, &key, form, errors, StatusCode::UNPROCESSABLE_ENTITY));
    };
    let is_same = amendment.is_empty() && version == key.version;
    match visitor.store.amend_key(&id, amendment, visitor.now, &visitor.actor()).await {
        Ok(_) => {
            let done = if is_same { "same" } else { "changed" };
            Ok(lead_to(&format!("{}?done={done}", path_of(&id))))
        }
        Err(StoreError::Refused(Refusal::Stale(_))) => {
            errors.add(
                "version",
                "Someone else changed this key after you loaded the page. Your changes are below and have not been saved. \
                 Compare them with the key's page; saving again overwrites the other changes.",
            );
            Ok(show(&visitor, &find(&visitor, &id).await?.key, form, errors, StatusCode::CONFLICT))
        }
        Err(StoreError::Refused(refusal @ Refusal::Superseded(_))) => {
            errors.add("expires_at", format!("The expiry can only be brought forward: {refusal}."));
            Ok(show(&visitor, &key, form, errors, StatusCode::CONFLICT))
        }
        Err(StoreError::Invalid(mistakes)) => {
            errors.add_all(mistakes);
            Ok(show(&visitor, &key, form, errors, StatusCode::UNPROCESSABLE_ENTITY))
        }
        Err(error) => Err(error.into()),
    }
}
