//! Settings → Signing keys: what access tokens are signed with, and how one key takes over from
//! another.

use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;

use crate::dashboard::Site;
use crate::dashboard::confirm::{Confirmation, Question};
use crate::dashboard::error::PageError;
use crate::dashboard::fields::Errors;
use crate::dashboard::keys::create::once;
use crate::dashboard::parts::badge::Badge;
use crate::dashboard::parts::when::{When, distance};
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, Shell, html, html_with, lead_to};
use crate::dashboard::visitor::{Posted, Visitor};
use crate::oauth::key_life::{Algorithm, State};
use crate::oauth::server::SignerError;
use crate::store::StoreError;
use crate::views::oauth::SigningKeyView;

const PATH: &str = "/settings/signing-keys";

#[derive(Template)]
#[template(path = "oauth/signing_keys/list.html")]
struct KeysPage {
    shell: Shell,
    is_issuing: bool,
    path: &'static str,
    /// Why this server cannot sign, if it cannot.
    problem: Option<String>,
    rows: Vec<KeyRow>,
}

struct KeyRow {
    kid: String,
    algorithm: &'static str,
    badge: Badge,
    created: When,
    signs: When,
    until: Option<When>,
    /// Where it is retired, if it may be.
    retire: Option<String>,
}

#[derive(Template)]
#[template(path = "oauth/signing_keys/rotate.html")]
struct RotatePage {
    shell: Shell,
    path: &'static str,
    algorithms: [(&'static str, &'static str, bool); 3],
    ways: [(&'static str, &'static str, &'static str, bool); 2],
    errors: Errors,
    once: String,
    is_stale: bool,
}

/// The pages of signing keys.
pub(super) fn router() -> Router<Site> {
    Router::new()
        .route(PATH, get(page))
        .route("/settings/signing-keys/rotate", get(rotation).post(rotate))
        .route("/settings/signing-keys/{kid}/retire", get(retire).post(retire))
}

async fn page(visitor: Visitor) -> Result<Response, PageError> {
    let (store, now) = (&visitor.store, visitor.now);
    let problem = match &visitor.oauth {
        None => None,
        Some(server) => match server.signer(store, now).await {
            Ok(_) => None,
            Err(SignerError::Store(error)) => return Err(error.into()),
            Err(error) => Some(error.to_string()),
        },
    };
    let notice = match visitor.query.get("done") {
        "rotated" => Some(
            "The new key is published and signs in 15 minutes. Copy its file to every other server before that.",
        ),
        "replaced" => Some("The new key signs. All others are withdrawn."),
        "retired" => Some("The key is withdrawn."),
        _ => None,
    };
    let keys = SigningKeyView::all(&store.signing_keys(now).await?, now);
    let page = KeysPage {
        shell: Shell::new(&visitor, Section::SigningKeys, "Signing keys").with_notice(notice),
        is_issuing: visitor.oauth.is_some(),
        path: PATH,
        problem,
        rows: keys.into_iter().rev().map(|key| KeyRow::new(key, now)).collect(),
    };
    Ok(html(&page))
}

impl KeyRow {
    fn new(key: SigningKeyView, now: i64) -> Self {
        let is_previous = key.state == State::Previous.as_str();
        let badge = match key.state {
            "next" => Badge::new("info", "Next", format!("signs {}", distance(key.signs_from, now))),
            "current" => Badge::new("good", "Signing", String::new()),
            _ => Badge::new("quiet", "Previous", "still published".into()),
        };
        Self {
            badge,
            algorithm: key.algorithm,
            created: When::exactly(key.created_at),
            signs: When::exactly(key.signs_from),
            until: key.published_until.map(When::exactly),
            retire: is_previous.then(|| format!("{PATH}/{}/retire", key.kid)),
            kid: key.kid,
        }
    }
}

async fn rotation(visitor: Visitor) -> Result<Response, PageError> {
    show_rotation(&visitor, (Algorithm::Es256.as_str(), "soon"), Errors::default())
}

fn show_rotation(
    visitor: &Visitor,
    (algorithm, way): (&str, &str),
    errors: Errors,
) -> Result<Response, PageError> {
    if visitor.oauth.is_none() {
        return Err(no_issuer());
    }
    let status = errors.status();
    let page = RotatePage {
        shell: Shell::new(visitor, Section::SigningKeys, "Rotate signing key"),
        path: PATH,
        algorithms: Algorithm::ALL.map(|one| {
            let about = match one {
                Algorithm::Es256 => "ES256, usual",
                Algorithm::EdDsa => "EdDSA",
                Algorithm::Rs256 => "RS256",
            };
            (one.as_str(), about, one.as_str() == algorithm)
        }),
        ways: [
            (
                "soon",
                "In 15 minutes",
                "Published now, so that every gateway has it before it signs. No live token breaks.",
            ),
            (
                "now",
                "Now, for a key that leaked",
                "All other keys are withdrawn at once, and every live token stops working.",
            ),
        ]
        .map(|(word, label, about)| (word, label, about, word == way)),
        errors,
        once: once()?,
        is_stale: visitor.is_stale(),
    };
    Ok(html_with(status, &page))
}

fn no_issuer() -> PageError {
    StoreError::NotPossible("this server issues no tokens: it was started without --issuer").into()
}

/// Makes a key that takes over.
async fn rotate(posted: Posted) -> Result<Response, PageError> {
    let Posted { mut visitor, fields } = posted;
    let server = visitor.oauth.clone().ok_or_else(no_issuer)?;
    let (word, way, mut errors) = (fields.get("algorithm"), fields.get("way"), Errors::default());
    let algorithm = Algorithm::parse(word);
    if algorithm.is_none() {
        errors.add("algorithm", "Choose an algorithm.");
    }
    if !["soon", "now"].contains(&way) {
        errors.add("way", "Choose when it signs.");
    }
    if errors.is_empty()
        && let Err(problem) = visitor.confirm(fields.raw("password")).await?
    {
        errors.add("password", problem);
    }
    let (Some(algorithm), true) = (algorithm, errors.is_empty()) else {
        return show_rotation(&visitor, (word, way), errors);
    };
    let at_once = way == "now";
    let making = visitor.once(&fields, "the key", |store, now, actor| async move {
        store.rotate_signing_key(&server.keyring, algorithm, at_once, false, now, &actor).await
    });
    making.await??;
    let done = if at_once { "replaced" } else { "rotated" };
    Ok(lead_to(&format!("{PATH}?done={done}")))
}

/// Withdraws a key before its time that no longer signs.
async fn retire(Path(kid): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let keys = asked.visitor.store.signing_keys(asked.visitor.now).await?;
    if !keys.iter().any(|key| key.times.kid == kid) {
        return Err(PageError::not_found("signing key"));
    }
    let question = Question {
        section: Section::SigningKeys,
        title: format!("Retire {kid}?"),
        text: "It is withdrawn now. Tokens that it signed, at most ten minutes old, are refused by a gateway as soon as it \
               fetches the keys again, which it does every five minutes unless it is configured otherwise.",
        verb: "Retire",
        is_grave: true,
        wants_password: true,
        overlaps: &[],
        back: PATH,
    };
    if let Err(again) = asked.answer(&question).await? {
        return Ok(again);
    }
    let visitor = &asked.visitor;
    visitor.store.retire_signing_key(&kid, visitor.now, &visitor.actor()).await?;
    Ok(lead_to(&format!("{PATH}?done=retired")))
}
