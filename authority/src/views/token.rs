//! API tokens as they are shown.

use serde::Serialize;
use utoipa::ToSchema;

use crate::secret::Secret;
use crate::store::people::api_tokens::ApiToken;

/// A new token with its secret, which is in no other answer ever.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenWithSecret {
    /// What everybody may see of it.
    #[serde(flatten)]
    pub token: ApiToken,
    /// The secret itself.
    #[serde(rename = "token")]
    pub secret: String,
}

/// All tokens.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TokenList {
    /// The youngest first.
    pub api_tokens: Vec<ApiToken>,
}

impl TokenWithSecret {
    /// A token that was just made.
    #[must_use]
    pub fn new(token: ApiToken, secret: &Secret) -> Self {
        Self { token, secret: secret.reveal().into() }
    }
}
