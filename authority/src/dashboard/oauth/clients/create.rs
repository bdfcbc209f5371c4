//! Register Client.

use askama::Template;
use axum::response::Response;

use super::form::ClientForm;
use super::{PATH, path_of, reveal};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::Errors;
use crate::dashboard::keys::create::once;
use crate::dashboard::shell::{Section, Shell, html_with, lead_to};
use crate::dashboard::visitor::{Posted, Visitor};
use crate::store::StoreError;

#[derive(Template)]
#[template(path = "oauth/clients/create.html")]
struct CreatePage {
    shell: Shell,
    path: &'static str,
    form: ClientForm,
    errors: Errors,
    once: String,
    is_stale: bool,
}

/// The form.
pub(super) async fn page(visitor: Visitor) -> Result<Response, PageError> {
    let catalogue = visitor.store.permissions().await?;
    show(&visitor, ClientForm::new(&catalogue), Errors::default())
}

fn show(visitor: &Visitor, form: ClientForm, errors: Errors) -> Result<Response, PageError> {
    let status = errors.status();
    let page = CreatePage {
        shell: Shell::new(visitor, Section::Clients, "Register OAuth client"),
        path: PATH,
        form,
        errors,
        once: once()?,
        is_stale: visitor.is_stale(),
    };
    Ok(html_with(status, &page))
}

/// Registers the client, and shows its secret in this one answer if it has one.
pub(super) async fn create(posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let catalogue = visitor.store.permissions().await?;
    let form = ClientForm::sent(&catalogue, &fields, None);
    let mut errors = Errors::default();
    let new = form.new_client(&mut errors);
    if errors.is_empty()
        && form.is_live()
        && let Err(problem) = visitor.confirm(fields.raw("password")).await?
    {
        errors.add("password", problem);
    }
    if !errors.is_empty() {
        return show(&visitor, form, errors);
    }
    let making = visitor.once(&fields, "the client", |store, now, actor| async move {
        store.create_oauth_client(new, now, &actor).await
    });
    match making.await? {
        Ok((made, Some(secret))) => Ok(reveal(&visitor, &made.client, &secret)),
        Ok((made, None)) => Ok(lead_to(&format!("{}?done=registered", path_of(&made.client.id)))),
        Err(StoreError::Invalid(mistakes)) => {
            errors.add_all(mistakes);
            show(&visitor, form, errors)
        }
        Err(error) => Err(error.into()),
    }
}
