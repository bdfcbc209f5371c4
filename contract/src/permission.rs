//! Permissions: what a route requires, what a key holds, and when one satisfies the other (contract
//! §3).
//!
//! 1. A permission is two or more segments `[a-z0-9][a-z0-9_.-]*` joined by `:`, at most 64
//!    characters.
//! 2. A grant is a permission, or whole segments and `:*`, or `*`.
//! 3. `documents:*` grants `documents:read` and `documents:read:own`, and not `documents` or
//!    `documents2:read`.
//! 4. Nothing is implied: write does not grant read.

use std::fmt;

/// The most characters of a permission or a grant.
pub const MAX_LENGTH: usize = 64;

/// A concrete permission, such as `documents:read`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Permission(Box<str>);

/// What a route asks of a credential: all of the one list and, if there is a second, any of that.
///
/// At least one of the two lists is not empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Requirement {
    all_of: Box<[Permission]>,
    any_of: Box<[Permission]>,
}

/// Whether `text` is a concrete permission (rule 1).
#[must_use]
pub fn is_permission(text: &str) -> bool {
    text.len() <= MAX_LENGTH && text.contains(':') && text.split(':').all(is_segment)
}

/// Whether `text` is a grant (rule 2).
#[must_use]
pub fn is_grant(text: &str) -> bool {
    match text.strip_suffix(":*") {
        Some(segments) => text.len() <= MAX_LENGTH && segments.split(':').all(is_segment),
        None => text == "*" || is_permission(text),
    }
}

/// Whether holding `grant` is holding `permission` (rule 3).
#[must_use]
pub fn grants(grant: &str, permission: &str) -> bool {
    match grant.strip_suffix('*') {
        Some("") => true,
        // What is left ends in ":", so only whole segments can match.
        Some(segments) => permission.starts_with(segments),
        None => grant == permission,
    }
}

fn is_segment(segment: &str) -> bool {
    let mut bytes = segment.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit())
        && bytes.all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-')
        })
}

// === impl Permission ===

impl Permission {
    /// Reads a concrete permission.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_permission(text).then(|| Self(text.into()))
    }

    /// The permission as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Requirement ===

impl Requirement {
    /// A requirement of these permissions; `None` where both lists are empty, which would ask for
    /// nothing.
    #[must_use]
    pub fn new(all_of: Vec<Permission>, any_of: Vec<Permission>) -> Option<Self> {
        (!all_of.is_empty() || !any_of.is_empty())
            .then(|| Self { all_of: all_of.into(), any_of: any_of.into() })
    }

    /// Whether these grants are enough.
    pub fn is_met_by<'a, G>(&self, held: G) -> bool
    where
        G: Iterator<Item = &'a str> + Clone,
    {
        let holds = |wanted: &Permission| held.clone().any(|grant| grants(grant, wanted.as_str()));
        self.all_of.iter().all(holds) && (self.any_of.is_empty() || self.any_of.iter().any(holds))
    }
}

/// The permissions that are asked for, separated by spaces: the `scope` of a challenge (RFC 6750
/// §3).
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, permission) in self.all_of.iter().chain(&*self.any_of).enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{}", permission.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_two_or_more_lower_case_segments() {
        let longest = format!("a:{}", "b".repeat(62));
        for good in ["documents:read", "a:b:c", "0.x_y-z:9", longest.as_str()] {
            assert!(is_permission(good) && is_grant(good), "{good}");
        }
        let too_long = format!("{longest}b");
        for bad in [
            "",
            "documents",
            "documents:",
            ":read",
            "a::b",
            "A:b",
            "a:-b",
            "a: b",
            "a:b*",
            "a:é",
            too_long.as_str(),
        ] {
            assert!(!is_permission(bad) && !is_grant(bad), "{bad}");
        }
    }

    #[test]
    fn wildcards_are_grants_and_never_permissions() {
        for good in ["*", "documents:*", "a:b:*"] {
            assert!(is_grant(good) && !is_permission(good), "{good}");
        }
        for bad in [":*", "**", "documents*", "a:*:b", "*:read", "a:**", " *"] {
            assert!(!is_grant(bad), "{bad}");
        }
    }

    #[test]
    fn a_grant_covers_whole_segments_and_implies_nothing() {
        for (grant, permission, expected) in [
            ("documents:read", "documents:read", true),
            ("documents:write", "documents:read", false),
            ("documents:read", "documents:read:own", false),
            ("documents:*", "documents:read", true),
            ("documents:*", "documents:read:own", true),
            ("documents:*", "documents2:read", false),
            ("a:b:*", "a:b", false),
            ("a:b:*", "a:bc:d", false),
            ("*", "anything:at_all", true),
        ] {
            assert_eq!(grants(grant, permission), expected, "{grant} for {permission}");
        }
    }

    #[test]
    fn a_requirement_wants_all_of_one_list_and_any_of_the_other() {
        let parse =
            |list: &[&str]| list.iter().map(|text| Permission::parse(text).unwrap()).collect::<Vec<_>>();
        let both = Requirement::new(parse(&["a:r", "b:r"]), parse(&["c:r", "d:r"])).unwrap();
        for (held, expected) in [
            (&["a:r", "b:r", "d:r"][..], true),
            (&["*"], true),
            (&["a:r", "b:r"], false),
            (&["a:r", "c:r", "d:r"], false),
            (&[], false),
        ] {
            assert_eq!(both.is_met_by(held.iter().copied()), expected, "{held:?}");
        }
        assert_eq!(both.to_string(), "a:r b:r c:r d:r");
        assert!(Requirement::new(vec![], vec![]).is_none());
    }
}
