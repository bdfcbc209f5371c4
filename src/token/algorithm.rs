//! The signature algorithms that a token may have (RFC 7518 §3.1, RFC 8037 §3.1). `none` and HMAC
//! are not among them.

/// An algorithm of an asymmetric signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

/// The kind of key that an algorithm needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A point on P-256.
    P256,
    /// A point on P-384.
    P384,
    /// A point on Ed25519.
    Ed25519,
    /// A modulus and an exponent.
    Rsa,
}

impl Algorithm {
    /// Every algorithm, by its name in JOSE.
    pub const ALL: [(&'static str, Self); 7] = [
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
    ];

    /// Reads a name, letter case included.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, algorithm)| algorithm)
    }

    /// What keys have to be to serve it.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Es256 => Kind::P256,
            Self::Es384 => Kind::P384,
            Self::EdDsa => Kind::Ed25519,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 => Kind::Rsa,
        }
    }
}
