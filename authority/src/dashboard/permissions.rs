//! Settings → Permissions: the catalogue that the form for keys offers.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::Site;
use super::confirm::{Confirmation, Question};
use super::error::PageError;
use super::fields::Errors;
use super::path::Path;
use super::shell::{Section, Shell, html_with, lead_to};
use super::visitor::{Posted, Visitor};
use crate::store::StoreError;
use crate::store::keys::catalogue::Offered;

const PATH: &str = "/settings/permissions";

#[derive(Template)]
#[template(path = "permissions.html")]
struct PermissionsPage {
    shell: Shell,
    catalogue: Vec<Offered>,
    name: String,
    description: String,
    errors: Errors,
}

/// The pages of the catalogue.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route(PATH, get(page).post(offer))
        .route("/settings/permissions/{name}/withdraw", get(withdraw).post(withdraw))
}

async fn page(visitor: Visitor) -> Result<Response, PageError> {
    show(&visitor, String::new(), String::new(), Errors::default()).await
}

async fn show(
    visitor: &Visitor,
    name: String,
    description: String,
    errors: Errors,
) -> Result<Response, PageError> {
    let notice = match visitor.query.get("done") {
        "offered" => Some("Permission added."),
        "withdrawn" => Some("Permission removed from the catalogue. Keys that hold it keep it."),
        _ => None,
    };
    let status = errors.status();
    let page = PermissionsPage {
        shell: Shell::new(visitor, Section::Permissions, "Permissions").with_notice(notice),
        catalogue: visitor.store.permissions().await?,
        name,
        description,
        errors,
    };
    Ok(html_with(status, &page))
}

async fn offer(posted: Posted) -> Result<Response, PageError> {
    let Posted { visitor, fields } = posted;
    let (name, description) = (fields.get("name").to_owned(), fields.get("description").to_owned());
    let offered = Offered { name: name.clone(), description: description.clone() };
    match visitor.store.offer_permission(offered, visitor.now, &visitor.actor()).await {
        Ok(_) => Ok(lead_to("/settings/permissions?done=offered")),
        Err(StoreError::Invalid(mistakes)) => {
            let mut errors = Errors::default();
            errors.add_all(mistakes);
            show(&visitor, name, description, errors).await
        }
        Err(error) => Err(error.into()),
    }
}

fn withdrawal(name: &str) -> Question<'static> {
    Question {
        section: Section::Permissions,
        title: format!("Remove {name} from the catalogue?"),
        text: "The key form no longer offers it. Keys that hold it keep it, and routes still require it.",
        verb: "Remove",
        is_grave: true,
        wants_password: true,
        overlaps: &[],
        back: PATH,
    }
}

async fn find(visitor: &Visitor, name: &str) -> Result<Offered, PageError> {
    let found = visitor.store.permissions().await?.into_iter().find(|offered| offered.name == name);
    found.ok_or_else(|| PageError::not_found("permission"))
}

async fn withdraw(Path(name): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let offered = find(&asked.visitor, &name).await?;
    if let Err(again) = asked.answer(&withdrawal(&offered.name)).await? {
        return Ok(again);
    }
    let Confirmation { visitor, .. } = &asked;
    visitor.store.withdraw_permission(&offered.name, visitor.now, &visitor.actor()).await?;
    Ok(lead_to("/settings/permissions?done=withdrawn"))
}
