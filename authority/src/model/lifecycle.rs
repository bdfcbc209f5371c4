//! The legal changes of a key, as functions from a key to the key that it becomes. Rules: see
//! `model.rs`.

use flint_contract::key::Digest;

use super::draft::{Amendment, CheckedAmendment, Draft};
use super::{Key, Refusal, State};

/// What is needed of the outside world to make a key: its name, its secret's digest, and who asks
/// when.
#[derive(Clone, Debug)]
pub struct Issuance {
    /// The new key's public name.
    pub id: String,
    /// The SHA-256 of its secret.
    pub digest: Digest,
    /// What may be shown of the secret.
    pub hint: Option<String>,
    /// When.
    pub now: i64,
    /// Who.
    pub by: String,
}

/// Both keys of a rotation, as they are afterwards.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The key that goes.
    pub old: Key,
    /// The key that comes.
    pub new: Key,
}

impl Issuance {
    /// A new key.
    #[must_use]
    pub fn key(self, draft: Draft) -> Key {
        Key {
            id: self.id,
            digest: self.digest,
            version: 1,
            name: draft.name,
            environment: draft.environment,
            hint: self.hint,
            permissions: draft.permissions,
            owner: draft.owner,
            allowed_cidrs: draft.allowed_cidrs,
            not_before: draft.not_before,
            expires_at: draft.expires_at,
            revoked_at: None,
            revoke_reason: None,
            rotate_by: draft.rotate_by,
            replaces: None,
            replaced_by: None,
            created_at: self.now,
            created_by: self.by,
            updated_at: self.now,
        }
    }
}

impl Key {
    /// Ends the key for good. `None`: it was revoked before, and nothing changes (rule 2).
    #[must_use]
    pub fn revoke(&self, now: i64, reason: Option<String>) -> Option<Self> {
        if self.state(now) == State::Revoked {
            return None;
        }
        Some(Self { revoked_at: Some(now), revoke_reason: reason, ..self.changed(now) })
    }

    /// Changes what the amendment names. `None`: that is how it was already.
    ///
    /// # Errors
    /// The key is revoked, or was changed in the meantime, or its end would move away after a
    /// rotation.
    pub fn amend(&self, now: i64, amendment: CheckedAmendment) -> Result<Option<Self>, Refusal> {
        let amendment = Amendment::from(amendment);
        if amendment.version.is_some_and(|version| version != self.version) {
            return Err(Refusal::Stale(self.version));
        }
        if self.revoked_at.is_some() {
            return Err(Refusal::Revoked);
        }
        if let (Some(successor), Some(end)) = (&self.replaced_by, amendment.expires_at)
            && is_later(end, self.expires_at)
        {
            return Err(Refusal::Superseded(successor.clone()));
        }
        let same = self.clone();
        let amended = Self {
            name: amendment.name.unwrap_or(same.name),
            permissions: amendment.permissions.unwrap_or(same.permissions),
            allowed_cidrs: amendment.allowed_cidrs.unwrap_or(same.allowed_cidrs),
            owner: amendment.owner.unwrap_or(same.owner),
            expires_at: amendment.expires_at.unwrap_or(same.expires_at),
            rotate_by: amendment.rotate_by.unwrap_or(same.rotate_by),
            ..self.clone()
        };
        Ok((amended != *self).then(|| Self { version: self.version + 1, updated_at: now, ..amended }))
    }

    /// Whether it was over before it began: such an end is not given to a key.
    #[must_use]
    pub fn ends_before_it_begins(&self) -> bool {
        self.expires_at.zip(self.not_before).is_some_and(|(end, begin)| end <= begin)
    }

    /// Makes the key that takes over, and sets this one's end (rules 3 and 4). The new key lives as
    /// long as this one was meant to. With no overlap this key is revoked, which holds whatever a
    /// gateway's clock says.
    ///
    /// # Errors
    /// The key is revoked, has expired, or has already been rotated.
    pub fn rotate(&self, issuance: Issuance, overlap: i64) -> Result<Rotation, Refusal> {
        let now = issuance.now;
        match self.state(now) {
            State::Revoked => return Err(Refusal::Revoked),
            State::Expired => return Err(Refusal::Expired),
            State::Pending | State::Active => {}
        }
        if let Some(successor) = &self.replaced_by {
            return Err(Refusal::Superseded(successor.clone()));
        }
        let begin = self.not_before.unwrap_or(self.created_at).max(self.created_at);
        let again = |end: Option<i64>| end.map(|end| now + (end - begin).max(1));
        let new = Self {
            replaces: Some(self.id.clone()),
            ..issuance.key(Draft {
                name: self.name.clone(),
                environment: self.environment,
                permissions: self.permissions.clone(),
                owner: self.owner.clone(),
                allowed_cidrs: self.allowed_cidrs.clone(),
                not_before: self.not_before.filter(|time| *time > now),
                expires_at: again(self.expires_at),
                rotate_by: again(self.rotate_by),
            })
        };
        let old = if overlap <= 0 {
            self.revoke(now, Some("rotated without overlap".into())).ok_or(Refusal::Revoked)?
        } else {
            let end = now + overlap;
            Self { expires_at: Some(self.expires_at.map_or(end, |own| own.min(end))), ..self.changed(now) }
        };
        Ok(Rotation { old: Self { replaced_by: Some(new.id.clone()), ..old }, new })
    }

    /// The key as it is when it is removed: a new version, nothing else.
    ///
    /// # Errors
    /// The key is neither revoked nor expired.
    pub fn remove(&self, now: i64) -> Result<Self, Refusal> {
        match self.state(now) {
            State::Revoked | State::Expired => Ok(self.changed(now)),
            State::Pending | State::Active => Err(Refusal::NotOver),
        }
    }

    fn changed(&self, now: i64) -> Self {
        Self { version: self.version + 1, updated_at: now, ..self.clone() }
    }
}

/// Whether one end is later than another; none is the latest.
fn is_later(one: Option<i64>, other: Option<i64>) -> bool {
    one.unwrap_or(i64::MAX) > other.unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
