//! Scopes: permissions and grants, one space between (RFC 6749 §3.3, contract §3).
//!
//! A scope is compared as grants are: `documents:*` has `documents:read` in it, and nothing is
//! implied otherwise.

use flint_contract::permission::{grants, is_grant};

use crate::model::draft::MAX_PERMISSIONS;

/// The most characters of a scope: with a longer one a token would be longer than gateways read.
pub const MAX_LENGTH: usize = 4_096;

/// A scope breaks its grammar, or names what no permission is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Malformed;

/// Reads a scope: each permission once, in the order in which they came.
///
/// # Errors
/// If it is more than a hundred, or anything in it is no permission. Two spaces are one too many
/// (RFC 6749 §3.3).
pub fn parse(text: &str) -> Result<Vec<String>, Malformed> {
    let mut list: Vec<String> = Vec::new();
    for (count, word) in text.split(' ').enumerate() {
        if !is_grant(word) || count >= MAX_PERMISSIONS {
            return Err(Malformed);
        }
        if !list.iter().any(|known| known == word) {
            list.push(word.into());
        }
    }
    Ok(list)
}

/// Whether a scope is short enough for a token.
#[must_use]
pub fn is_short(list: &[String]) -> bool {
    list.iter().map(|one| one.len() + 1).sum::<usize>() <= MAX_LENGTH + 1
}

/// Writes a scope.
#[must_use]
pub fn join(list: &[String]) -> String {
    list.join(" ")
}

/// Whether somebody who holds these has one that is wanted.
#[must_use]
pub fn covers(held: &[String], wanted: &str) -> bool {
    held.iter().any(|grant| grants(grant, wanted))
}

/// Whether somebody who holds these has all that are wanted.
#[must_use]
pub fn covers_all(held: &[String], wanted: &[String]) -> bool {
    wanted.iter().all(|one| covers(held, one))
}

/// What is in both: never more than either. `documents:*` by somebody who holds `documents:read` is
/// `documents:read`.
#[must_use]
pub fn narrow(wanted: &[String], held: &[String]) -> Vec<String> {
    let mut both: Vec<String> = Vec::new();
    let mut add = |one: &String| {
        if !both.contains(one) {
            both.push(one.clone());
        }
    };
    for one in wanted {
        if covers(held, one) {
            add(one);
        } else {
            held.iter().filter(|part| grants(one, part)).for_each(&mut add);
        }
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(Into::into).collect()
    }

    #[test]
    fn rfc6749_3_3_a_scope_is_permissions_with_one_space_between() {
        assert_eq!(parse("documents:read b:c documents:read *"), Ok(list("documents:read b:c *")));
        for bad in ["", " ", "a:b ", " a:b", "a:b  c:d", "a:b\tc:d", "openid", "A:b", "a:b\"", "a:é", "a:*:b"]
        {
            assert_eq!(parse(bad), Err(Malformed), "{bad}");
        }
        let many: Vec<String> = (0..=MAX_PERMISSIONS).map(|number| format!("a:{number}")).collect();
        assert_eq!(parse(&many.join(" ")), Err(Malformed));
        assert!(parse(&many[1..].join(" ")).is_ok());
    }

    #[test]
    fn rfc9700_2_3_narrowing_never_widens() {
        for (wanted, held, both) in [
            ("documents:read", "*", "documents:read"),
            ("*", "documents:read", "documents:read"),
            ("documents:*", "documents:read documents:write a:b", "documents:read documents:write"),
            ("documents:read", "documents:write", ""),
            ("documents:*", "documents:*", "documents:*"),
            ("documents:* documents:read", "documents:read", "documents:read"),
            ("a:b", "", ""),
            ("", "*", ""),
        ] {
            let both = list(both);
            assert_eq!(narrow(&list(wanted), &list(held)), both, "{wanted} by {held}");
            assert!(covers_all(&list(held), &both) && covers_all(&list(wanted), &both));
        }
    }
}
