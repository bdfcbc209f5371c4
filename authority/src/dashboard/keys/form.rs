//! The form that a key is made and changed with: what was typed, so that it can be shown again, and
//! what it means.

use flint_contract::key::Environment;

use crate::dashboard::fields::{Errors, Fields};
use crate::dashboard::parts::grid::Grid;
use crate::dashboard::parts::when;
use crate::model::draft::{Amendment, CheckedAmendment, Draft, Mistake, NewKey};
use crate::model::{DAY, Key};
use crate::store::keys::catalogue::Offered;

/// The fields of the form, as typed.
#[derive(Clone, Debug)]
pub(super) struct KeyForm {
    pub(super) name: String,
    pub(super) environment: String,
    pub(super) owner: String,
    pub(super) grid: Grid,
    pub(super) cidrs: String,
    pub(super) expiry: String,
    pub(super) expires_on: String,
    /// The end that the key has, where there is a key.
    kept: Option<Option<i64>>,
    now: i64,
}

/// The ends that are offered, in days.
const DAYS: [i64; 5] = [30, 60, 90, 180, 365];
const KEEP: &str = "keep";
const NEVER: &str = "none";
const ON_A_DATE: &str = "date";

impl KeyForm {
    /// An empty form.
    pub(super) fn new(catalogue: &[Offered], environment: &str, now: i64) -> Self {
        Self {
            name: String::new(),
            environment: environment.into(),
            owner: String::new(),
            grid: Grid::new(catalogue),
            cidrs: String::new(),
            expiry: "90".into(),
            expires_on: String::new(),
            kept: None,
            now,
        }
    }

    /// A form that shows a key as it is.
    pub(super) fn of_key(catalogue: &[Offered], key: &Key, now: i64) -> Self {
        Self {
            name: key.name.clone(),
            environment: key.environment.as_str().into(),
            owner: key.owner.clone().unwrap_or_default(),
            grid: Grid::of_grants(catalogue, &key.permissions),
            cidrs: key.allowed_cidrs.as_deref().unwrap_or_default().join("\n"),
            expiry: KEEP.into(),
            expires_on: String::new(),
            kept: Some(key.expires_at),
            now,
        }
    }

    /// A form as it was sent; `key` is the one that it changes.
    pub(super) fn sent(catalogue: &[Offered], fields: &Fields, key: Option<&Key>, now: i64) -> Self {
        Self {
            name: fields.get("name").into(),
            environment: key.map_or(fields.get("environment"), |key| key.environment.as_str()).into(),
            owner: fields.get("owner").into(),
            grid: Grid::of_fields(catalogue, fields),
            cidrs: fields.get("cidrs").into(),
            expiry: fields.get("expiry").into(),
            expires_on: fields.get("expires_on").into(),
            kept: key.map(|key| key.expires_at),
            now,
        }
    }

    /// The ends to choose from: word, label, whether it is chosen.
    pub(super) fn expiries(&self) -> Vec<(String, String, bool)> {
        let mut all = Vec::new();
        if let Some(kept) = self.kept {
            let label = kept.map_or("never expires".into(), |end| format!("expires on {}", when::day(end)));
            all.push((KEEP.into(), format!("Keep: {label}")));
        }
        all.extend(DAYS.map(|days| {
            let end = when::day(self.now + days * DAY);
            let hint = if days == 90 && self.kept.is_none() { ", recommended" } else { "" };
            (days.to_string(), format!("{days} days, until {end}{hint}"))
        }));
        all.push((ON_A_DATE.into(), "At the end of a day…".into()));
        all.push((NEVER.into(), "Never".into()));
        all.into_iter().map(|(word, label)| (word.clone(), label, word == self.expiry)).collect()
    }

    /// The first and the last day that may be chosen.
    pub(super) fn days(&self) -> (String, String) {
        (when::iso_day(self.now), when::iso_day(self.now + 3_650 * DAY))
    }

    pub(super) fn is_live(&self) -> bool {
        self.environment == Environment::Live.as_str()
    }

    /// The key that is asked for, if there are no mistakes. Those of this form are noted; the model
    /// finds the others.
    pub(super) fn draft(&self, errors: &mut Errors) -> Option<Draft> {
        if Environment::parse(&self.environment).is_none() {
            errors.add("environment", "Choose live or test.");
        }
        let new = NewKey {
            name: self.name.clone(),
            environment: self.environment.clone(),
            permissions: Some(self.permissions(errors)),
            owner: Some(self.owner.clone()),
            allowed_cidrs: self.blocks(),
            not_before: None,
            expires_at: self.end(errors),
            rotate_by: None,
        };
        accepted(new.check(self.now), errors)
    }

    /// What the form changes about this version of a key, if it has no mistakes. What is as it was
    /// is left out.
    pub(super) fn amendment(&self, key: &Key, version: i64, errors: &mut Errors) -> Option<CheckedAmendment> {
        let was = Self::of_key(&[], key, self.now);
        let mut permissions = self.permissions(errors);
        permissions.sort_unstable();
        permissions.dedup();
        let owner = Some(self.owner.clone()).filter(|owner| !owner.is_empty());
        let amendment = Amendment {
            name: (self.name != key.name).then(|| self.name.clone()),
            permissions: (permissions != key.permissions).then_some(permissions),
            // Compared as text: a key that nobody may use from anywhere stays so until somebody
            // types an address.
            allowed_cidrs: (lines(&self.cidrs) != lines(&was.cidrs)).then(|| self.blocks()),
            owner: (owner != key.owner).then_some(owner),
            expires_at: self.end(errors),
            rotate_by: None,
            version: Some(version),
        };
        accepted(amendment.check(self.now), errors)
    }

    fn permissions(&self, errors: &mut Errors) -> Vec<String> {
        self.grid.grants().unwrap_or_else(|problem| {
            errors.add("permissions", problem);
            Vec::new()
        })
    }

    fn blocks(&self) -> Option<Vec<String>> {
        Some(lines(&self.cidrs)).filter(|blocks| !blocks.is_empty())
    }

    /// The chosen end: nothing where it is kept, `Some(None)` for never.
    fn end(&self, errors: &mut Errors) -> Option<Option<i64>> {
        match self.expiry.as_str() {
            KEEP if self.kept.is_some() => None,
            NEVER => Some(None),
            ON_A_DATE => {
                let end = when::end_of_day(&self.expires_on);
                if end.is_none() {
                    errors.add("expires_at", "Enter the day as year-month-day, such as 2027-01-31.");
                }
                end.map(Some)
            }
            word => {
                let days = DAYS.into_iter().find(|days| days.to_string() == word);
                if days.is_none() {
                    errors.add("expires_at", "Choose when the key expires.");
                }
                days.map(|days| Some(self.now + days * DAY))
            }
        }
    }
}

/// What was checked, if neither the check nor the form found a mistake. A field is told its first
/// mistake only.
fn accepted<T>(checked: Result<T, Vec<Mistake>>, errors: &mut Errors) -> Option<T> {
    match checked {
        Ok(value) => Some(value).filter(|_| errors.is_empty()),
        Err(mistakes) => {
            errors.add_all(mistakes.into_iter().filter(|one| !errors.has(&one.field)).collect());
            None
        }
    }
}

fn lines(text: &str) -> Vec<String> {
    let parts = text.split(|letter: char| letter.is_whitespace() || letter == ',');
    parts.filter(|part| !part.is_empty()).map(Into::into).collect()
}
