//! Operators as they are shown.

use serde::Serialize;

use crate::secret::Secret;
use crate::store::people::operators::Operator;

/// An operator.
#[derive(Clone, Debug, Serialize)]
pub struct OperatorView {
    /// The public id.
    pub id: String,
    /// The name to sign in with.
    pub name: String,
    /// When they were added.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// When they were disabled.
    pub disabled_at: Option<i64>,
}

/// All operators.
#[derive(Clone, Debug, Serialize)]
pub struct OperatorList {
    /// By name.
    pub operators: Vec<OperatorView>,
}

/// An operator with the password that was just made, which is in no other answer ever.
#[derive(Clone, Debug, Serialize)]
pub struct OperatorWithPassword {
    /// What everybody may see of them.
    #[serde(flatten)]
    pub operator: OperatorView,
    /// The password itself.
    pub password: String,
}

impl From<Operator> for OperatorView {
    fn from(one: Operator) -> Self {
        let Operator { id, name, created_at, created_by, disabled_at } = one;
        Self { id, name, created_at, created_by, disabled_at }
    }
}

impl From<Vec<Operator>> for OperatorList {
    fn from(operators: Vec<Operator>) -> Self {
        Self { operators: operators.into_iter().map(Into::into).collect() }
    }
}

impl OperatorWithPassword {
    /// An operator who was just added.
    #[must_use]
    pub fn new(operator: Operator, password: &Secret) -> Self {
        Self { operator: operator.into(), password: password.reveal().into() }
    }
}
