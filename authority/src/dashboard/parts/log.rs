//! Lines of the audit log in words.

use serde_json::Value;

use super::when::When;
use crate::dashboard::fields::link;
use crate::store::audit::AuditLine;

/// How many lines of the log a thing's page shows.
pub(in crate::dashboard) const LOG: u32 = 20;

/// One line.
#[derive(Clone, Debug)]
pub(in crate::dashboard) struct LogEntry {
    pub(in crate::dashboard) when: When,
    pub(in crate::dashboard) action: String,
    pub(in crate::dashboard) code: String,
    pub(in crate::dashboard) actor: String,
    /// What kind of actor it is, unless its name says so, and where it was.
    pub(in crate::dashboard) origin: String,
    pub(in crate::dashboard) subject: String,
    pub(in crate::dashboard) subject_name: Option<String>,
    pub(in crate::dashboard) subject_link: Option<String>,
    /// What is different: field, before, after.
    pub(in crate::dashboard) changes: Vec<(String, String, String)>,
}

/// Lines in words.
pub(in crate::dashboard) fn entries(lines: Vec<AuditLine>, now: i64) -> Vec<LogEntry> {
    lines.into_iter().map(|line| LogEntry::new(line, now)).collect()
}

impl LogEntry {
    fn new(line: AuditLine, now: i64) -> Self {
        let facts = line.after.as_ref().or(line.before.as_ref());
        let name = facts.and_then(|facts| facts["name"].as_str().or(facts["client_name"].as_str()));
        let kind = match line.actor_kind.as_str() {
            "operator" => "operator",
            "cli" => "command line",
            "api_token" => "API token",
            "key_holder" => "holder of the key",
            "user" => "user",
            "oauth_client" => "OAuth client",
            _ => "system",
        };
        let kind = Some(kind).filter(|kind| *kind != line.actor);
        let origin: Vec<_> = kind.into_iter().chain(line.address.as_deref()).collect();
        Self {
            when: When::from_now(line.at, now),
            action: action_label(&line.action),
            origin: origin.join(", "),
            subject_name: name.map(Into::into),
            subject_link: match line.subject_kind.as_str() {
                "key" => Some(format!("/settings/api-keys/{}", line.subject)),
                "gateway" => Some("/settings/gateways".into()),
                "oauth_client" => Some(format!("/settings/oauth-clients/{}", line.subject)),
                "user" => Some(format!("/settings/users/{}", line.subject)),
                "signing_key" => Some("/settings/signing-keys".into()),
                _ => Some(link("/settings/audit", &[("subject", &line.subject)])),
            },
            changes: changes(line.before.as_ref(), line.after.as_ref()),
            code: line.action,
            actor: line.actor,
            subject: line.subject,
        }
    }
}

/// `key.revoke` as people say it.
fn action_label(action: &str) -> String {
    match action {
        "key.create" => "generated key",
        "key.import" => "imported key",
        "key.update" => "changed key",
        "key.rotate" => "rotated key",
        "key.revoke" => "revoked key",
        "gateway.create" => "registered gateway",
        "gateway.rotate_token" => "rotated token of gateway",
        "gateway.revoke" => "revoked gateway",
        "api_token.create" => "created API token",
        "api_token.revoke" => "revoked API token",
        "operator.create" => "added operator",
        "operator.set_password" => "set password of operator",
        "operator.disable" => "disabled operator",
        "operator.sign_in" => "signed in",
        "permission.offer" => "added permission",
        "permission.withdraw" => "removed permission",
        other => oauth_action_label(other),
    }
    .into()
}

fn oauth_action_label(action: &str) -> &str {
    match action {
        "oauth.client.create" => "registered OAuth client",
        "oauth.client.update" => "changed OAuth client",
        "oauth.client.rotate_secret" => "rotated secret of OAuth client",
        "oauth.client.disable" => "disabled OAuth client",
        "oauth.client.enable" => "enabled OAuth client",
        "oauth.client.delete" => "removed OAuth client",
        "oauth.grant.create" => "granted permissions to",
        "oauth.grant.update" => "changed what was granted to",
        "oauth.grant.revoke" => "withdrew what was granted to",
        "oauth.code.replay" => "used a code again; its tokens have ended",
        "oauth.refresh.replay" => "used a refresh token again; its tokens have ended",
        "oauth.token.revoke" => "revoked tokens",
        "oauth.keys.rotate" => "rotated signing key",
        "oauth.keys.retire" => "retired signing key",
        "user.create" => "added user",
        "user.update" => "changed permissions of user",
        "user.set_password" => "set password of user",
        "user.disable" => "disabled user",
        "user.enable" => "enabled user",
        "user.sign_in" => "signed in",
        "user.sign_in_failed" => "failed to sign in as user",
        other => other,
    }
}

/// Field by field what is different. What a new thing does not have is no difference.
fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<(String, String, String)> {
    let Some(Value::Object(after)) = after else { return Vec::new() };
    let differs = |(field, new): (&String, &Value)| {
        let old = before.map_or(&Value::Null, |before| &before[field.as_str()]);
        (old != new).then(|| (field.replace('_', " "), text(old), text(new)))
    };
    after.iter().filter_map(differs).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "none".into(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_different_is_told() {
        let (before, after) = (
            json!({ "name": "a", "owner": null, "permissions": ["x:y"] }),
            json!({ "name": "a", "owner": "org", "permissions": [] }),
        );
        let expected = [("owner", "–", "org"), ("permissions", "x:y", "none")]
            .map(|(field, old, new)| (field.into(), old.into(), new.into()));
        assert_eq!(changes(Some(&before), Some(&after)), expected);
        assert!(changes(Some(&after), Some(&after)).is_empty());
        assert_eq!(changes(None, Some(&json!({ "name": "a", "owner": null }))).len(), 1);
    }
}
