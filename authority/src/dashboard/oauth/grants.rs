//! What users have granted, on the pages of clients and of users, and its end.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use flint_contract::entry::is_id;

use super::{clients, users};
use crate::dashboard::Site;
use crate::dashboard::confirm::{Confirmation, Question};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::link;
use crate::dashboard::parts::when::When;
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, lead_to};
use crate::store::oauth::grants::{Grant, GrantFilter};

/// How many grants are listed, the youngest first.
const MOST: usize = 100;

/// Grants of one client or of one user.
#[derive(Template)]
#[template(path = "oauth/grants.html")]
pub(super) struct GrantTable {
    rows: Vec<GrantRow>,
    /// Whose page it is on: `client` or `user`.
    of: &'static str,
    is_cut: bool,
}

struct GrantRow {
    grant: Grant,
    /// The one that the page is not about.
    other: String,
    other_path: String,
    granted: When,
    last_used: Option<When>,
    withdraw: String,
}

impl HtmlSafe for GrantTable {}

/// The pages of grants.
pub(super) fn router() -> Router<Site> {
    Router::new().route("/settings/grants/{id}/withdraw", get(withdraw).post(withdraw))
}

impl GrantTable {
    /// Which grants are listed.
    pub(super) fn filter() -> GrantFilter {
        GrantFilter { live: true, limit: Some(MOST as i64 + 1), ..GrantFilter::default() }
    }

    pub(super) fn new(mut grants: Vec<Grant>, of: &'static str, now: i64) -> Self {
        let is_cut = grants.len() > MOST;
        grants.truncate(MOST);
        Self { rows: grants.into_iter().map(|grant| GrantRow::new(grant, of, now)).collect(), of, is_cut }
    }
}

impl GrantRow {
    fn new(grant: Grant, of: &'static str, now: i64) -> Self {
        let (other, other_path) = match of {
            "client" => (grant.user_name.clone(), users::path_of(&grant.user_id)),
            _ => (grant.client_name.clone(), clients::path_of(&grant.client_id)),
        };
        Self {
            other,
            other_path,
            granted: When::day(grant.created_at),
            last_used: grant.last_used_at.map(|at| When::from_now(at, now)),
            withdraw: link(&format!("/settings/grants/{}/withdraw", grant.id), &[("on", of)]),
            grant,
        }
    }
}

/// Withdraws a grant. As everything that only makes things safer it wants no password.
async fn withdraw(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    if !is_id(&id) {
        return Err(PageError::not_found("grant"));
    }
    let grant = asked.visitor.store.oauth_grant(&id).await?;
    let (section, back) = match asked.visitor.query.get("on") {
        "user" => (Section::Users, users::path_of(&grant.user_id)),
        _ => (Section::Clients, clients::path_of(&grant.client_id)),
    };
    let question = Question {
        section,
        title: format!("Withdraw what {} granted to {}?", grant.user_name, grant.client_name),
        text: "Its tokens end now, at every gateway within a second. The application can ask again.",
        verb: "Withdraw",
        is_grave: true,
        wants_password: false,
        overlaps: &[],
        back: &back,
    };
    if let Err(again) = asked.answer(&question).await? {
        return Ok(again);
    }
    let visitor = &asked.visitor;
    let reason = Some("withdrawn by an operator".into());
    visitor.store.revoke_oauth_grant(&id, None, reason, visitor.now, &visitor.actor()).await?;
    Ok(lead_to(&format!("{back}?done=withdrawn")))
}
