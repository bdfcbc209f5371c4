//! What a user is asked, and what comes of the answer.
//!
//! 1. What the user does not hold is not offered. If nothing is left, nothing is asked and access
//!    is denied.
//! 2. A user is asked each time, but for a confidential client that has all of it already, from
//!    this user and for this resource (RFC 6749 §10.2: a public client could be anyone).
//! 3. What comes back must have been offered; less may come back, and more never does.
//! 4. A grant says what the user said last: what was unticked is taken out of it, what was not
//!    asked for stays in it.

use super::client::{Client, Kind};
use super::scope;

/// What happens next with a request whose user is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// There is nothing that the user could give.
    Denied,
    /// The user is asked for this.
    Ask(Vec<String>),
    /// The user has said yes to this before.
    Granted(Vec<String>),
}

/// What a user has sent back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// No, or nothing was left ticked.
    Refused,
    /// Yes, to this.
    Granted(Vec<String>),
}

/// Something came back that was not offered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotOffered;

/// Decides what a user is asked. `granted`: what the live grant of this client, user and resource
/// has, if there is one.
#[must_use]
pub fn next(asked: &[String], client: &Client, held: &[String], granted: Option<&[String]>) -> Next {
    let offered = scope::narrow(&scope::narrow(asked, &client.registration.permissions), held);
    if offered.is_empty() {
        return Next::Denied;
    }
    let has_all = granted.is_some_and(|granted| scope::covers_all(granted, asked));
    if has_all && client.registration.kind == Kind::Confidential {
        Next::Granted(offered)
    } else {
        Next::Ask(offered)
    }
}

/// Reads an answer.
///
/// # Errors
/// If it has anything that was not offered, or says neither yes nor no.
pub fn answer(offered: &[String], decision: &str, ticked: &[&str]) -> Result<Answer, NotOffered> {
    if !ticked.iter().all(|one| offered.iter().any(|known| known == one)) {
        return Err(NotOffered);
    }
    let left: Vec<String> = offered.iter().filter(|one| ticked.contains(&one.as_str())).cloned().collect();
    match decision {
        "allow" if left.is_empty() => Ok(Answer::Refused),
        "allow" => Ok(Answer::Granted(left)),
        "deny" => Ok(Answer::Refused),
        _ => Err(NotOffered),
    }
}

/// What a grant has after an answer (rule 4).
#[must_use]
pub fn granted_now(before: &[String], offered: &[String], left: &[String]) -> Vec<String> {
    let kept = before.iter().filter(|one| !offered.contains(one));
    let mut now: Vec<String> = kept.chain(left).cloned().collect();
    now.sort_unstable();
    now.dedup();
    now
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client::{Amendment, NewClient};

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(Into::into).collect()
    }

    fn client(kind: &str) -> Client {
        let rest = Amendment {
            redirect_uris: Some(list("https://app.example/cb")),
            permissions: Some(list("documents:* a:b")),
            ..Amendment::default()
        };
        let new = NewClient { name: "App".into(), kind: Some(kind.into()), environment: "live".into(), rest };
        Client {
            id: "client_1".into(),
            registration: new.check().unwrap(),
            created_at: 0,
            created_by: String::new(),
            disabled_at: None,
            last_used_at: None,
        }
    }

    #[test]
    fn rfc9700_2_3_a_user_is_asked_for_no_more_than_they_hold() {
        let client = client("confidential");
        for (asked, held, offered) in [
            ("documents:read a:b", "*", "documents:read a:b"),
            ("documents:* a:b", "documents:read", "documents:read"),
            ("documents:read", "documents:write", ""),
            ("documents:read", "", ""),
        ] {
            let next = next(&list(asked), &client, &list(held), None);
            let expected = if offered.is_empty() { Next::Denied } else { Next::Ask(list(offered)) };
            assert_eq!(next, expected, "{asked} by {held}");
        }
    }

    #[test]
    fn rfc6749_10_2_only_a_confidential_client_that_has_all_of_it_is_not_asked_about_again() {
        let (asked, held) = (list("documents:read"), list("*"));
        for (kind, granted, is_asked) in [
            ("confidential", None, true),
            ("confidential", Some("a:b"), true),
            ("confidential", Some("documents:read"), false),
            ("confidential", Some("documents:*"), false),
            ("public", Some("documents:read"), true),
        ] {
            let granted = granted.map(list);
            let next = next(&asked, &client(kind), &held, granted.as_deref());
            assert_eq!(matches!(next, Next::Ask(_)), is_asked, "{kind} {granted:?}");
        }
        let grant = list("documents:read");
        assert_eq!(next(&asked, &client("confidential"), &list("a:b"), Some(&grant)), Next::Denied);
    }

    #[test]
    fn an_answer_is_part_of_what_was_offered() {
        let offered = list("documents:read a:b");
        for (decision, ticked, expected) in [
            ("allow", "documents:read a:b", Ok(Answer::Granted(list("documents:read a:b")))),
            ("allow", "a:b a:b", Ok(Answer::Granted(list("a:b")))),
            ("allow", "", Ok(Answer::Refused)),
            ("deny", "a:b", Ok(Answer::Refused)),
            ("allow", "a:b c:d", Err(NotOffered)),
            ("deny", "c:d", Err(NotOffered)),
            ("", "a:b", Err(NotOffered)),
            ("ALLOW", "a:b", Err(NotOffered)),
        ] {
            let ticked: Vec<&str> = ticked.split_whitespace().collect();
            assert_eq!(answer(&offered, decision, &ticked), expected, "{decision} {ticked:?}");
        }
    }

    #[test]
    fn a_grant_says_what_the_user_said_last() {
        let now = |before, offered, left| granted_now(&list(before), &list(offered), &list(left)).join(" ");
        assert_eq!(now("", "a:b c:d", "a:b"), "a:b");
        assert_eq!(now("a:b", "c:d", "c:d"), "a:b c:d");
        assert_eq!(now("a:b c:d", "a:b c:d", "c:d"), "c:d");
    }
}
