//! Settings → Gateways: who reads the table, and how far each process has come.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::Site;
use super::confirm::{Confirmation, Question, show_secret};
use super::error::PageError;
use super::fields::Errors;
use super::keys::create::once;
use super::keys::reveal::Reveal;
use super::parts::badge::Badge;
use super::parts::chart::number;
use super::parts::when::{When, distance};
use super::path::Path;
use super::shell::{Section, Shell, html_with, lead_to};
use super::visitor::{Posted, Visitor};
use crate::model::DAY;
use crate::model::draft::Overlap;
use crate::secret::Secret;
use crate::store::StoreError;
use crate::store::feed::gateways::Gateway;
use crate::store::feed::propagation::{Follower, Standing};
use crate::store::feed::standing::{GatewayStanding, GatewayStatus};

/// How many processes of a gateway are listed.
const MOST_PROCESSES: usize = 100;
const PATH: &str = "/settings/gateways";

#[derive(Template)]
#[template(path = "gateways.html")]
struct GatewaysPage {
    shell: Shell,
    rows: Vec<GatewayRow>,
    latest: String,
    name: String,
    errors: Errors,
    once: String,
    is_stale: bool,
}

struct GatewayRow {
    gateway: Gateway,
    path: String,
    created: When,
    badge: Badge,
    processes: Vec<ProcessRow>,
    /// How many processes are not among them.
    unlisted: usize,
}

struct ProcessRow {
    id: String,
    badge: Badge,
    applied: String,
    applied_at: When,
    seen: When,
}

/// The pages of gateways.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route(PATH, get(page).post(create))
        .route("/settings/gateways/{id}/rotate", get(rotate).post(rotate))
        .route("/settings/gateways/{id}/revoke", get(revoke).post(revoke))
}

async fn page(visitor: Visitor) -> Result<Response, PageError> {
    show(&visitor, String::new(), Errors::default()).await
}

async fn show(visitor: &Visitor, name: String, errors: Errors) -> Result<Response, PageError> {
    let overview = visitor.store.gateway_overview(visitor.now).await?;
    let latest = overview.latest_change;
    let rows = overview.gateways.into_iter().map(|status| GatewayRow::new(status, latest, visitor.now));
    let notice = Some("Gateway revoked.").filter(|_| visitor.query.get("done") == "revoked");
    let status = errors.status();
    let page = GatewaysPage {
        shell: Shell::new(visitor, Section::Gateways, "Gateways").with_notice(notice),
        rows: rows.collect(),
        latest: number(latest),
        name,
        errors,
        once: once()?,
        is_stale: visitor.is_stale(),
    };
    Ok(html_with(status, &page))
}

impl GatewayRow {
    fn new(status: GatewayStatus, latest: i64, now: i64) -> Self {
        let GatewayStatus { gateway, standing, followers } = status;
        let badge = match standing {
            GatewayStanding::Revoked => {
                let ago = gateway.revoked_at.map(|at| distance(at, now)).unwrap_or_default();
                Badge::new("bad", "Revoked", ago)
            }
            GatewayStanding::Unseen => Badge::new("quiet", "Not seen", "in the last day".into()),
            GatewayStanding::Silent => Badge::new("bad", "Silent", String::new()),
            GatewayStanding::Pending => Badge::new("warn", "Behind", String::new()),
            GatewayStanding::Applied => Badge::new("good", "Up to date", String::new()),
        };
        let path = format!("{PATH}/{}", gateway.id);
        let unlisted = followers.len().saturating_sub(MOST_PROCESSES);
        // Those that lag come first.
        let listed = followers.into_iter().take(MOST_PROCESSES);
        let processes = listed.map(|one| ProcessRow::new(one, latest, now)).collect();
        Self { created: When::day(gateway.created_at), path, badge, processes, unlisted, gateway }
    }
}

impl ProcessRow {
    fn new(follower: Follower, latest: i64, now: i64) -> Self {
        let Follower { process, standing, .. } = follower;
        let behind = latest - process.applied_seq;
        let badge = match standing {
            Standing::Silent => Badge::new("bad", "Silent", "stopped or cut off".into()),
            Standing::Pending => {
                let text = format!("{} change{}", number(behind), if behind == 1 { "" } else { "s" });
                Badge::new("warn", "Behind", text)
            }
            Standing::Applied => Badge::new("good", "Up to date", String::new()),
        };
        Self {
            badge,
            applied: number(process.applied_seq),
            applied_at: When::from_now(process.applied_at, now),
            seen: When::from_now(process.seen_at, now),
            id: process.process_id,
        }
    }
}

async fn create(posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let (name, mut errors) = (fields.get("name").to_owned(), Errors::default());
    if let Err(problem) = visitor.confirm(fields.raw("password")).await? {
        errors.add("password", problem);
        return show(&visitor, name, errors).await;
    }
    let mut mistakes = crate::model::draft::Mistakes::default();
    mistakes.name(&name);
    if let Err(mistakes) = mistakes.none_or(()) {
        errors.add_all(mistakes);
        return show(&visitor, name, errors).await;
    }
    let new = name.clone();
    let making = visitor.once(&fields, "the gateway", |store, now, actor| async move {
        store.create_gateway(&new, now, &actor).await
    });
    match making.await? {
        Ok((gateway, token)) => Ok(reveal(&visitor, &gateway, &token)),
        Err(StoreError::Exists(_)) => {
            errors.add("name", "A gateway with this name already exists.");
            show(&visitor, name, errors).await
        }
        Err(error) => Err(error.into()),
    }
}

fn reveal(visitor: &Visitor, gateway: &Gateway, token: &Secret) -> Response {
    let lead = "Set it in the environment of this gateway's Envoy processes, in the variable that token_env names in the filter's \
                configuration. It can only fetch the key table and report usage.";
    let secret = Reveal::new(token.reveal(), token.hint(), "FLINT_GATEWAY_TOKEN");
    show_secret(visitor, (Section::Gateways, &gateway.name), ("Gateway token", lead), secret, PATH)
}

async fn find(visitor: &Visitor, id: &str) -> Result<Gateway, PageError> {
    let found = visitor.store.gateways().await?.into_iter().find(|gateway| gateway.id == id);
    found.ok_or_else(|| PageError::not_found("gateway"))
}

fn rotation(gateway: &Gateway) -> Question<'static> {
    Question {
        section: Section::Gateways,
        title: format!("Rotate the token of {}", gateway.name),
        text: "You get a new token. The current tokens stay valid for a while, so that you can give the new one to the \
               gateway’s processes.",
        verb: "Rotate token",
        is_grave: false,
        wants_password: true,
        overlaps: &[(DAY, "24 hours"), (3_600, "1 hour"), (7 * DAY, "7 days"), (0, "Expire now")],
        back: PATH,
    }
}

async fn rotate(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let gateway = find(&asked.visitor, &id).await?;
    let overlap = match asked.answer(&rotation(&gateway)).await? {
        Ok(overlap) => overlap,
        Err(again) => return Ok(again),
    };
    let overlap = Overlap::check(overlap).map_err(StoreError::Invalid)?;
    let Confirmation { visitor, fields, .. } = &asked;
    let rotating = visitor.once(fields, "the token", |store, now, actor| async move {
        store.rotate_gateway_token(&id, overlap, now, &actor).await
    });
    let (gateway, token) = rotating.await??;
    Ok(reveal(visitor, &gateway, &token))
}

fn revocation(gateway: &Gateway) -> Question<'static> {
    Question {
        section: Section::Gateways,
        title: format!("Revoke {}?", gateway.name),
        text: "Its tokens stop working now. Its processes receive no more changes, and keep accepting the \
               keys that they know until their table is too old. This cannot be undone; another gateway may have the \
               same name.",
        verb: "Revoke",
        is_grave: true,
        wants_password: false,
        overlaps: &[],
        back: PATH,
    }
}

async fn revoke(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let gateway = find(&asked.visitor, &id).await?;
    if let Err(again) = asked.answer(&revocation(&gateway)).await? {
        return Ok(again);
    }
    let Confirmation { visitor, .. } = &asked;
    visitor.store.revoke_gateway(&id, visitor.now, &visitor.actor()).await?;
    Ok(lead_to("/settings/gateways?done=revoked"))
}
