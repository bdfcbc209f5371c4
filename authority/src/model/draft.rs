//! What someone asks for when a key is made or changed, and the rules that make it good.
//!
//! Every mistake is found in one go, each with its field and the rule. No message repeats what was
//! sent: it might be a secret in the wrong place.

use flint_contract::entry::{Cidr, is_owner};
use flint_contract::key::Environment;
use flint_contract::permission::is_grant;

use super::{DEFAULT_LIFETIME, MAX_OVERLAP, MAX_TIME};

/// The most characters of a name.
pub const MAX_NAME: usize = 100;
/// The most grants of one key.
pub const MAX_PERMISSIONS: usize = 100;
/// The most address blocks of one key.
pub const MAX_CIDRS: usize = 100;
/// The most characters of a reason or a description.
pub const MAX_TEXT: usize = 200;

/// A field and the rule that it breaks.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
pub struct Mistake {
    /// Where: a JSON path such as `permissions[2]`.
    pub field: String,
    /// The rule.
    pub message: String,
}

/// What a new key shall be, as it was asked for.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    /// What people will call it.
    pub name: String,
    /// `live` or `test`.
    pub environment: String,
    /// Grants; `None` is full access.
    pub permissions: Option<Vec<String>>,
    /// The owner, such as a customer.
    pub owner: Option<String>,
    /// Where it may be used from.
    pub allowed_cidrs: Option<Vec<String>>,
    /// From when.
    pub not_before: Option<i64>,
    /// Until when: `None` is in 90 days, `Some(None)` never.
    pub expires_at: Option<Option<i64>>,
    /// When it is due for rotation: `None` is in 90 days, `Some(None)` never.
    pub rotate_by: Option<Option<i64>>,
}

/// What a new key shall be, with every rule met and every default filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// Trimmed, 1 to 100 characters, each of which can be seen.
    pub name: String,
    /// Production or sandbox.
    pub environment: Environment,
    /// Grants, sorted, each once.
    pub permissions: Vec<String>,
    /// The owner, such as a customer.
    pub owner: Option<String>,
    /// Where it may be used from.
    pub allowed_cidrs: Option<Vec<String>>,
    /// From when.
    pub not_before: Option<i64>,
    /// Until when.
    pub expires_at: Option<i64>,
    /// When it is due for rotation.
    pub rotate_by: Option<i64>,
}

/// What shall be different about a key. `None` leaves a field as it is; `Some(None)` empties it.
#[derive(Clone, Debug, Default)]
pub struct Amendment {
    /// Its name.
    pub name: Option<String>,
    /// Its grants.
    pub permissions: Option<Vec<String>>,
    /// Where it may be used from.
    pub allowed_cidrs: Option<Option<Vec<String>>>,
    /// Its owner.
    pub owner: Option<Option<String>>,
    /// Its end.
    pub expires_at: Option<Option<i64>>,
    /// When it is due for rotation.
    pub rotate_by: Option<Option<i64>>,
    /// The version that the change was made from; another one is refused.
    pub version: Option<i64>,
}

/// An [`Amendment`] that meets every rule, with each field in its form.
#[derive(Clone, Debug)]
pub struct CheckedAmendment(Amendment);

/// Why a key is revoked, in words that people read: 1 to 200 characters, none of them a control
/// character.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason(String);

/// How long what is replaced stays valid, in seconds: at most 30 days.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Overlap(i64);

/// Collects mistakes while fields are read.
#[derive(Debug, Default)]
pub struct Mistakes(Vec<Mistake>);

impl NewKey {
    /// Makes a draft of it.
    ///
    /// # Errors
    /// Every rule that is broken.
    pub fn check(self, now: i64) -> Result<Draft, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        let environment = Environment::parse(&self.environment);
        if environment.is_none() {
            mistakes.add("environment", "must be \"live\" or \"test\"");
        }
        let draft = Draft {
            name: mistakes.name(&self.name),
            environment: environment.unwrap_or(Environment::Test),
            permissions: mistakes.permissions(self.permissions.unwrap_or_else(|| vec!["*".into()])),
            owner: mistakes.owner(self.owner),
            allowed_cidrs: mistakes.cidrs(self.allowed_cidrs),
            not_before: mistakes.time("not_before", self.not_before),
            expires_at: mistakes.time("expires_at", self.expires_at.unwrap_or(Some(now + DEFAULT_LIFETIME))),
            rotate_by: mistakes.time("rotate_by", self.rotate_by.unwrap_or(Some(now + DEFAULT_LIFETIME))),
        };
        if draft.expires_at.is_some_and(|end| end <= draft.not_before.unwrap_or(now).max(now)) {
            mistakes.add("expires_at", "must be in the future, and after not_before");
        }
        mistakes.none_or(draft)
    }
}

impl Amendment {
    /// Checks every field that is there, and brings it into its form.
    ///
    /// # Errors
    /// Every rule that is broken.
    pub fn check(self, now: i64) -> Result<CheckedAmendment, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        let checked = Self {
            name: self.name.map(|name| mistakes.name(&name)),
            permissions: self.permissions.map(|list| mistakes.permissions(list)),
            allowed_cidrs: self.allowed_cidrs.map(|list| mistakes.cidrs(list)),
            owner: self.owner.map(|owner| mistakes.owner(owner)),
            expires_at: self.expires_at.map(|time| mistakes.time("expires_at", time)),
            rotate_by: self.rotate_by.map(|time| mistakes.time("rotate_by", time)),
            version: self.version,
        };
        if checked.expires_at.flatten().is_some_and(|end| end <= now) {
            mistakes.add("expires_at", "must be in the future; to end the key now, revoke it");
        }
        mistakes.none_or(CheckedAmendment(checked))
    }
}

impl CheckedAmendment {
    /// Returns whether it leaves everything as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.name.is_none()
            && self.0.permissions.is_none()
            && self.0.allowed_cidrs.is_none()
            && self.0.owner.is_none()
            && self.0.expires_at.is_none()
            && self.0.rotate_by.is_none()
    }
}

impl From<CheckedAmendment> for Amendment {
    fn from(checked: CheckedAmendment) -> Self {
        checked.0
    }
}

impl Reason {
    /// Reads a reason; an empty text is none.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(text: Option<String>) -> Result<Option<Self>, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        let text = mistakes.text("reason", text);
        mistakes.none_or(text.map(Self))
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

impl Overlap {
    /// Reads an overlap.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(seconds: i64) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Mistakes::default();
        if !(0..=MAX_OVERLAP).contains(&seconds) {
            mistakes.add("overlap_seconds", "must be 0 to 2592000 seconds, which is 30 days");
        }
        mistakes.none_or(Self(seconds))
    }

    /// The number of seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }
}

// === impl Mistakes ===

impl Mistakes {
    /// Notes a mistake.
    pub fn add(&mut self, field: &str, message: &str) {
        self.0.push(Mistake { field: field.into(), message: message.into() });
    }

    /// The value, unless there were mistakes.
    ///
    /// # Errors
    /// The mistakes.
    pub fn none_or<T>(self, value: T) -> Result<T, Vec<Mistake>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }

    /// A name that people read: trimmed, 1 to 100 characters, each of which can be seen.
    pub fn name(&mut self, name: &str) -> String {
        let name = name.trim_matches(is_blank);
        let length = name.chars().count();
        if !(1..=MAX_NAME).contains(&length) || name.chars().any(is_invisible) {
            self.add("name", "must be 1 to 100 characters, none invisible, control or direction-changing");
        }
        name.into()
    }

    /// Grants, sorted, each once.
    pub fn permissions(&mut self, mut list: Vec<String>) -> Vec<String> {
        if list.len() > MAX_PERMISSIONS {
            self.add("permissions", "must be at most 100");
            return list;
        }
        for (index, text) in list.iter().enumerate() {
            if !is_grant(text) {
                let rule = "must be like documents:read, documents:* or *, at most 64 characters";
                self.add(&format!("permissions[{index}]"), rule);
            }
        }
        list.sort_unstable();
        list.dedup();
        list
    }

    /// An owner; an empty text is none.
    pub fn owner(&mut self, owner: Option<String>) -> Option<String> {
        let owner = owner.filter(|owner| !owner.is_empty())?;
        if !is_owner(&owner) {
            self.add("owner", "must be 1 to 128 printable ASCII characters without spaces");
        }
        Some(owner)
    }

    /// Address blocks.
    pub fn cidrs(&mut self, list: Option<Vec<String>>) -> Option<Vec<String>> {
        let list = list?;
        if list.len() > MAX_CIDRS {
            self.add("allowed_cidrs", "must be at most 100");
            return Some(list);
        }
        for (index, text) in list.iter().enumerate() {
            if Cidr::parse(text).is_none() {
                let rule =
                    "must be an address or a block like 203.0.113.0/24 or 2001:db8::/32, no host bits set";
                self.add(&format!("allowed_cidrs[{index}]"), rule);
            }
        }
        Some(list)
    }

    /// A time in Unix seconds.
    pub fn time(&mut self, field: &str, time: Option<i64>) -> Option<i64> {
        if time.is_some_and(|time| !(0..=MAX_TIME).contains(&time)) {
            self.add(field, "must be whole Unix seconds before the year 10000");
        }
        time
    }

    /// A reason or a description that people read; an empty text is none.
    pub fn text(&mut self, field: &str, text: Option<String>) -> Option<String> {
        let text = text.map(|text| text.trim_matches(is_blank).to_owned()).filter(|text| !text.is_empty())?;
        if text.chars().count() > MAX_TEXT || text.chars().any(is_invisible) {
            self.add(field, "must be at most 200 characters, none invisible, control or direction-changing");
        }
        Some(text)
    }
}

/// A space of any kind. The Braille pattern without dots looks like one, though Unicode has it as a
/// symbol.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{2800}'
}

/// Characters with which one name can be made to look like another, or a log line like two. What
/// has no category yet is among them: nobody can say what it will look like.
fn is_invisible(letter: char) -> bool {
    use icu_properties::props::DefaultIgnorableCodePoint;
    use icu_properties::props::GeneralCategory as Category;
    use icu_properties::{CodePointMapData, CodePointSetData};

    let category = CodePointMapData::<Category>::new().get(letter);
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
        || matches!(
            category,
            Category::Control
                | Category::Format
                | Category::LineSeparator
                | Category::ParagraphSeparator
                | Category::PrivateUse
                | Category::Surrogate
                | Category::Unassigned
        )
}

#[cfg(test)]
mod tests;
