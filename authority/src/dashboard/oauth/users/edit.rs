//! Adding a user, and changing what one holds.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::{PATH, find, path_of, reveal};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::Errors;
use crate::dashboard::keys::create::once;
use crate::dashboard::oauth::{STALE, version};
use crate::dashboard::parts::grid::Grid;
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, Shell, html_with, lead_to};
use crate::dashboard::visitor::{Posted, Visitor};
use crate::store::StoreError;
use crate::store::oauth::users::{NewUser, User, UserAmendment};

#[derive(Template)]
#[template(path = "oauth/users/new.html")]
struct NewPage {
    shell: Shell,
    path: &'static str,
    form: UserForm,
    errors: Errors,
    once: String,
    is_stale: bool,
}

#[derive(Template)]
#[template(path = "oauth/users/edit.html")]
struct EditPage {
    shell: Shell,
    list: &'static str,
    name: String,
    path: String,
    form: UserForm,
    errors: Errors,
    version: String,
    is_stale: bool,
}

/// What was typed.
struct UserForm {
    name: String,
    grid: Grid,
}

impl UserForm {
    fn permissions(&self, errors: &mut Errors) -> Vec<String> {
        self.grid.grants().unwrap_or_else(|problem| {
            errors.add("permissions", problem);
            Vec::new()
        })
    }
}

/// The form for a new user, who may grant everything unless somebody says otherwise.
pub(super) async fn new(visitor: Visitor) -> Result<Response, PageError> {
    let catalogue = visitor.store.permissions().await?;
    let form = UserForm { name: String::new(), grid: Grid::of_grants(&catalogue, &["*".into()]) };
    show_new(&visitor, form, Errors::default())
}

fn show_new(visitor: &Visitor, form: UserForm, errors: Errors) -> Result<Response, PageError> {
    let status = errors.status();
    let page = NewPage {
        shell: Shell::new(visitor, Section::Users, "Add user"),
        path: PATH,
        form,
        errors,
        once: once()?,
        is_stale: visitor.is_stale(),
    };
    Ok(html_with(status, &page))
}

/// Adds the user, and shows the password in this one answer.
pub(super) async fn create(posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let catalogue = visitor.store.permissions().await?;
    let form = UserForm { name: fields.get("name").into(), grid: Grid::of_fields(&catalogue, &fields) };
    let mut errors = Errors::default();
    let permissions = Some(form.permissions(&mut errors));
    if errors.is_empty()
        && let Err(problem) = visitor.confirm(fields.raw("password")).await?
    {
        errors.add("password", problem);
    }
    if !errors.is_empty() {
        return show_new(&visitor, form, errors);
    }
    let new = NewUser { name: form.name.clone(), permissions, password: None };
    let making = visitor.once(&fields, "the user", |store, now, actor| async move {
        store.create_user(new, now, &actor).await
    });
    match making.await? {
        Ok((user, Some(password))) => Ok(reveal(&visitor, &user, &password)),
        Ok((user, None)) => Ok(lead_to(&path_of(&user.id))),
        Err(StoreError::Invalid(mistakes)) => {
            errors.add_all(mistakes);
            show_new(&visitor, form, errors)
        }
        Err(StoreError::Exists(_)) => {
            errors.add("name", "A user with this name already exists.");
            show_new(&visitor, form, errors)
        }
        Err(error) => Err(error.into()),
    }
}

/// The form with what a user holds.
pub(super) async fn page(visitor: Visitor, Path(id): Path) -> Result<Response, PageError> {
    let user = find(&visitor, &id).await?;
    let catalogue = visitor.store.permissions().await?;
    let grid = Grid::of_grants(&catalogue, &user.permissions);
    Ok(show(&visitor, &user, grid, Errors::default(), StatusCode::OK))
}

fn show(visitor: &Visitor, user: &User, grid: Grid, errors: Errors, status: StatusCode) -> Response {
    let page = EditPage {
        shell: Shell::new(visitor, Section::Users, format!("Permissions of {}", user.name)),
        list: PATH,
        name: user.name.clone(),
        path: path_of(&user.id),
        form: UserForm { name: user.name.clone(), grid },
        version: version(&user.permissions),
        is_stale: visitor.is_stale(),
        errors,
    };
    html_with(status, &page)
}

/// Saves what a user holds, unless somebody else saved in the meantime.
pub(super) async fn save(Path(id): Path, posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let user = find(&visitor, &id).await?;
    let catalogue = visitor.store.permissions().await?;
    let grid = Grid::of_fields(&catalogue, &fields);
    let (form, mut errors) = (UserForm { name: user.name.clone(), grid }, Errors::default());
    if fields.get("version") != version(&user.permissions) {
        errors.add("version", STALE);
        return Ok(show(&visitor, &user, form.grid, errors, StatusCode::CONFLICT));
    }
    let permissions = Some(form.permissions(&mut errors));
    if errors.is_empty()
        && let Err(problem) = visitor.confirm(fields.raw("password")).await?
    {
        errors.add("password", problem);
    }
    if errors.is_empty() {
        let amendment = UserAmendment { permissions, disabled: None };
        match visitor.store.amend_user(&id, amendment, visitor.now, &visitor.actor()).await {
            Ok(_) => return Ok(lead_to(&format!("{}?done=changed", path_of(&id)))),
            Err(StoreError::Invalid(mistakes)) => errors.add_all(mistakes),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(show(&visitor, &user, form.grid, errors, StatusCode::UNPROCESSABLE_ENTITY))
}
