//! `/v1/users`: the people who sign in to grant permissions.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::App;
use crate::api::access::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{JsonBody, OptionalBody};
use crate::api::keys::SMALL;
use crate::clock;
use crate::secret::Secret;
use crate::store::oauth::users::{NewUser, User, UserAmendment};
use crate::views::oauth::UserView;

/// What a new user shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct CreateUser {
    /// What they will sign in with.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What they hold, and so the most that they can grant; everything if left out.
    permissions: Option<Vec<String>>,
    /// 12 characters or more; one is made if it is left out.
    password: Option<String>,
}

/// What shall be different. What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AmendUser {
    /// What they hold.
    permissions: Option<Vec<String>>,
    /// Whether they are disabled: they are signed out, and their tokens end at once.
    disabled: Option<bool>,
}

/// Another password.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewPassword {
    /// 12 characters or more; one is made if it is left out.
    password: Option<String>,
}

/// All users.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct UserList {
    users: Vec<User>,
}

fn view((user, made): (User, Option<Secret>)) -> UserView {
    UserView { user, password: made.map(|made| made.reveal().to_owned()) }
}

/// List users.
#[utoipa::path(get, path = "/v1/users", operation_id = "list_users",
    responses((status = 200, description = "All users by name", body = UserList)))]
pub(in crate::api) async fn list(State(app): State<App>, _: Caller) -> Result<Json<UserList>, ApiError> {
    Ok(Json(UserList { users: app.store.users().await? }))
}

/// Add a user.
#[utoipa::path(post, path = "/v1/users", operation_id = "create_user", request_body = CreateUser,
    responses((status = 201, description = "The user, with the password if one was made", body = UserView)))]
pub(in crate::api) async fn create(
    State(app): State<App>,
    caller: Caller,
    JsonBody(body): JsonBody<CreateUser, SMALL>,
) -> Result<(StatusCode, Json<UserView>), ApiError> {
    let new = NewUser { name: body.name, permissions: body.permissions, password: body.password };
    let made = app.store.create_user(new, clock::now(), &caller.actor).await?;
    Ok((StatusCode::CREATED, Json(view(made))))
}

/// Show a user.
#[utoipa::path(get, path = "/v1/users/{id}", operation_id = "show_user",
    params(("id" = String, Path, description = "The user's id or name")),
    responses((status = 200, description = "The user", body = User)))]
pub(in crate::api) async fn show(
    State(app): State<App>,
    _: Caller,
    Path(id): Path<String>,
) -> Result<Json<User>, ApiError> {
    Ok(Json(app.store.user(&id).await?))
}

/// Change what a user holds, disable or enable them.
#[utoipa::path(patch, path = "/v1/users/{id}", operation_id = "amend_user",
    params(("id" = String, Path, description = "The user's id or name")), request_body = AmendUser,
    responses((status = 200, description = "The user as they are now", body = User)))]
pub(in crate::api) async fn amend(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<AmendUser, SMALL>,
) -> Result<Json<User>, ApiError> {
    let amendment = UserAmendment { permissions: body.permissions, disabled: body.disabled };
    Ok(Json(app.store.amend_user(&id, amendment, clock::now(), &caller.actor).await?))
}

/// Give a user another password, and end their sessions. What they granted stays.
#[utoipa::path(post, path = "/v1/users/{id}/password", operation_id = "set_user_password",
    params(("id" = String, Path, description = "The user's id or name")), request_body = Option<NewPassword>,
    responses((status = 200, description = "The user, with the password if one was made", body = UserView)))]
pub(in crate::api) async fn set_password(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(body): OptionalBody<NewPassword, SMALL>,
) -> Result<Json<UserView>, ApiError> {
    let done = app.store.set_user_password(&id, body.password, clock::now(), &caller.actor).await?;
    Ok(Json(view(done)))
}
