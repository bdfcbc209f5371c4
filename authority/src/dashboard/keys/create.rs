//! Generate New Key.

use askama::Template;
use axum::response::Response;
use flint_contract::key::Environment;

use super::form::KeyForm;
use super::reveal;
use crate::dashboard::error::PageError;
use crate::dashboard::fields::Errors;
use crate::dashboard::shell::{Section, Shell, html_with};
use crate::dashboard::visitor::{Posted, Visitor};
use crate::secret::Secret;
use crate::store::StoreError;

#[derive(Template)]
#[template(path = "keys/create.html")]
struct CreatePage {
    shell: Shell,
    form: KeyForm,
    errors: Errors,
    once: String,
    is_stale: bool,
}

/// The form. Which environment the list showed is chosen beforehand; nothing is where it showed
/// both.
pub(super) async fn page(visitor: Visitor) -> Result<Response, PageError> {
    let catalogue = visitor.store.permissions().await?;
    let form = KeyForm::new(&catalogue, visitor.query.get("environment"), visitor.now);
    show(&visitor, form, Errors::default())
}

fn show(visitor: &Visitor, form: KeyForm, errors: Errors) -> Result<Response, PageError> {
    let status = errors.status();
    let page = CreatePage {
        shell: Shell::new(visitor, Section::Keys, "Generate New Key")
            .in_environment(Environment::parse(&form.environment)),
        form,
        errors,
        once: once()?,
        is_stale: visitor.is_stale(),
    };
    Ok(html_with(status, &page))
}

/// A token for a form that may be sent once.
pub(in crate::dashboard) fn once() -> Result<String, PageError> {
    Ok(Secret::generate("").map_err(StoreError::from)?.reveal().to_owned())
}

/// Makes the key, and shows its secret in this one answer.
pub(super) async fn create(posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let catalogue = visitor.store.permissions().await?;
    let form = KeyForm::sent(&catalogue, &fields, None, visitor.now);
    let mut errors = Errors::default();
    let draft = form.draft(&mut errors);
    if draft.is_some()
        && form.is_live()
        && let Err(problem) = visitor.confirm(fields.raw("password")).await?
    {
        errors.add("password", problem);
    }
    let (Some(draft), true) = (draft, errors.is_empty()) else {
        return show(&visitor, form, errors);
    };
    let making = visitor.once(&fields, "the key", |store, now, actor| async move {
        store.create_key(draft, now, &actor).await
    });
    let made = making.await??;
    Ok(reveal::page(&visitor, &made, None))
}
