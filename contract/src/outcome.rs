//! The possible outcomes of a request: a closed list, which answers, filter state, counters and
//! usage reports share.

/// The outcome of a request (contract §3, §4).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Outcome {
    /// Forwarded with an accepted credential.
    Allowed,
    /// Forwarded by an explicit rule, the credential unread.
    Public,
    /// Refused: there is no bearer credential.
    NoCredential,
    /// Refused: there is something in place of one bearer credential.
    Malformed,
    /// Refused: no such key.
    UnknownKey,
    /// Refused: the key was revoked.
    Revoked,
    /// Refused: the key's time is over.
    Expired,
    /// Refused: the key's time has not come.
    NotYetValid,
    /// Refused: the key is of an environment that is not admitted here.
    WrongEnvironment,
    /// Refused: the key may not be used from the client's address.
    AddressNotAllowed,
    /// Refused: the credential lacks what the route asks for.
    MissingPermission,
    /// Refused: the access token does not verify.
    InvalidAccessToken,
    /// No decision could be made: refused, or forwarded without identity where the configuration
    /// says so.
    Unavailable,
}

impl Outcome {
    /// Every outcome, in the order of the enum.
    pub const ALL: [Self; 13] = [
        Self::Allowed,
        Self::Public,
        Self::NoCredential,
        Self::Malformed,
        Self::UnknownKey,
        Self::Revoked,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongEnvironment,
        Self::AddressNotAllowed,
        Self::MissingPermission,
        Self::InvalidAccessToken,
        Self::Unavailable,
    ];

    /// The word of the contract, as in the filter state `flint_outcome` and in usage reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Public => "public",
            Self::NoCredential => "no_credential",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongEnvironment => "wrong_environment",
            Self::AddressNotAllowed => "address_not_allowed",
            Self::MissingPermission => "missing_permission",
            Self::InvalidAccessToken => "invalid_access_token",
            Self::Unavailable => "unavailable",
        }
    }

    /// Reads the word of the contract.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}
