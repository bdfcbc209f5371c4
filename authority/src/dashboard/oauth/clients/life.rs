//! A client's secret is rotated; a client is disabled, enabled again, removed.

use axum::response::Response;

use super::{PATH, find, path_of, reveal};
use crate::dashboard::confirm::{Confirmation, Question};
use crate::dashboard::error::PageError;
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, lead_to};
use crate::model::DAY;
use crate::oauth::client::{Amendment, Client};
use crate::store::StoreError;

/// A question about a client.
fn question<'a>(client: &Client, verb: &'a str, text: &'a str, back: &'a str) -> Question<'a> {
    Question {
        section: Section::Clients,
        title: format!("{verb} {}?", client.registration.name),
        text,
        verb,
        is_grave: true,
        // It only makes things safer.
        wants_password: false,
        overlaps: &[],
        back,
    }
}

/// Makes another secret.
pub(super) async fn rotate(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let (client, back) = (find(&asked.visitor, &id).await?.client, path_of(&id));
    if !client.registration.auth_method.has_secret() {
        let why = "the client has no secret: it is public, or signs with a key";
        return Err(StoreError::NotPossible(why).into());
    }
    let question = Question {
        title: format!("Rotate the secret of {}", client.registration.name),
        verb: "Rotate secret",
        text: "You get a new secret. The current one stays valid for a while, so that you can give the new one to the \
               application. If there are two already, the older one ends now.",
        is_grave: false,
        wants_password: true,
        overlaps: &[(DAY, "24 hours"), (3_600, "1 hour"), (7 * DAY, "7 days"), (0, "Expire now")],
        ..question(&client, "", "", &back)
    };
    let overlap = match asked.answer(&question).await? {
        Ok(overlap) => overlap,
        Err(again) => return Ok(again),
    };
    let Confirmation { visitor, fields, .. } = &asked;
    let rotating = visitor.once(fields, "the secret", |store, now, actor| async move {
        store.rotate_oauth_secret(&id, overlap, now, &actor).await
    });
    let (described, secret) = rotating.await??;
    Ok(reveal(visitor, &described.client, &secret))
}

/// Ends every token of a client, and lets it get no more.
pub(super) async fn disable(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let (client, back) = (find(&asked.visitor, &id).await?.client, path_of(&id));
    let text = "Its grants and all of its tokens end now, at every gateway within a second. It can be enabled again, and \
                then asks its users again.";
    if let Err(again) = asked.answer(&question(&client, "Disable", text, &back)).await? {
        return Ok(again);
    }
    set_disabled(&asked, &id, true).await
}

/// Lets it get tokens again.
pub(super) async fn enable(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let (client, back) = (find(&asked.visitor, &id).await?.client, path_of(&id));
    let text = "It can ask users and get tokens again. What had ended does not come back.";
    let question =
        Question { is_grave: false, wants_password: true, ..question(&client, "Enable", text, &back) };
    if let Err(again) = asked.answer(&question).await? {
        return Ok(again);
    }
    set_disabled(&asked, &id, false).await
}

async fn set_disabled(asked: &Confirmation, id: &str, disabled: bool) -> Result<Response, PageError> {
    let visitor = &asked.visitor;
    let amendment = Amendment { disabled: Some(disabled), ..Amendment::default() };
    visitor.store.amend_oauth_client(id, amendment, visitor.now, &visitor.actor()).await?;
    let done = if disabled { "disabled" } else { "enabled" };
    Ok(lead_to(&format!("{}?done={done}", path_of(id))))
}

/// Takes it away for good.
pub(super) async fn remove(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let (client, back) = (find(&asked.visitor, &id).await?.client, path_of(&id));
    let text = "Its grants and all of its tokens end now, at every gateway within a second. This cannot be undone; its entries \
                stay in the audit log.";
    if let Err(again) = asked.answer(&question(&client, "Remove", text, &back)).await? {
        return Ok(again);
    }
    let visitor = &asked.visitor;
    visitor.store.remove_oauth_client(&id, visitor.now, &visitor.actor()).await?;
    Ok(lead_to(&format!("{PATH}?done=removed")))
}
