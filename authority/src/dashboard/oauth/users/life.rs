//! A user gets another password, is disabled, is enabled again.

use axum::response::Response;

use super::{find, path_of, reveal};
use crate::dashboard::confirm::{Confirmation, Question};
use crate::dashboard::error::PageError;
use crate::dashboard::path::Path;
use crate::dashboard::shell::{Section, lead_to};
use crate::store::oauth::users::UserAmendment;

/// A question about a user.
fn question<'a>(title: String, verb: &'a str, text: &'a str, back: &'a str) -> Question<'a> {
    Question {
        section: Section::Users,
        title,
        text,
        verb,
        is_grave: false,
        wants_password: true,
        overlaps: &[],
        back,
    }
}

/// Makes another password.
pub(super) async fn password(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let (user, back) = (find(&asked.visitor, &id).await?, path_of(&id));
    let text =
        "You will see the new password once. The user is signed out everywhere; what they granted stays.";
    let title = format!("Set a new password for {}?", user.name);
    if let Err(again) = asked.answer(&question(title, "Set password", text, &back)).await? {
        return Ok(again);
    }
    let Confirmation { visitor, fields, .. } = &asked;
    let making = visitor.once(fields, "the password", |store, now, actor| async move {
        store.set_user_password(&id, None, now, &actor).await
    });
    let (user, made) = making.await??;
    Ok(reveal(visitor, &user, &made.ok_or_else(PageError::unreadable)?))
}

/// Signs a user out and ends every token that speaks for them. It only makes things safer, and
/// wants no password.
pub(super) async fn disable(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let (user, back) = (find(&asked.visitor, &id).await?, path_of(&id));
    let text = "The user is signed out everywhere and can no longer sign in. Every token that acts for them ends now, at every \
                gateway within a second.";
    let title = format!("Disable {}?", user.name);
    let question =
        Question { is_grave: true, wants_password: false, ..question(title, "Disable", text, &back) };
    if let Err(again) = asked.answer(&question).await? {
        return Ok(again);
    }
    set_disabled(&asked, &id, true).await
}

/// Lets them sign in again.
pub(super) async fn enable(Path(id): Path, mut asked: Confirmation) -> Result<Response, PageError> {
    let (user, back) = (find(&asked.visitor, &id).await?, path_of(&id));
    let text = "The user can sign in and grant again. Tokens that had ended do not come back.";
    let title = format!("Enable {}?", user.name);
    if let Err(again) = asked.answer(&question(title, "Enable", text, &back)).await? {
        return Ok(again);
    }
    set_disabled(&asked, &id, false).await
}

async fn set_disabled(asked: &Confirmation, id: &str, disabled: bool) -> Result<Response, PageError> {
    let visitor = &asked.visitor;
    let amendment = UserAmendment { permissions: None, disabled: Some(disabled) };
    visitor.store.amend_user(id, amendment, visitor.now, &visitor.actor()).await?;
    let done = if disabled { "disabled" } else { "enabled" };
    Ok(lead_to(&format!("{}?done={done}", path_of(id))))
}
