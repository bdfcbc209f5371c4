//! The keys of an issuer: a set as its server answers it, and as it lies in shared data.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::algorithm::{Algorithm, Kind};
use super::jwk;
use super::members::Members;
use crate::bytes::Reader;

/// The largest answer that is read, in bytes.
pub const MAX_BODY: usize = 256 << 10;
/// The most keys of a set, those that are left out included.
pub const MAX_KEYS: usize = 100;

/// The keys of a set that can be used, in its order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeySet(Box<[Arc<Key>]>);

/// A public key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Key {
    id: Option<Box<str>>,
    algorithm: Option<Algorithm>,
    material: Material,
}

/// What a key is made of. One that exists is sound, but for what was read from shared data: that a
/// point is on its curve is looked at again when it is used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Material {
    P256([u8; 65]),
    P384([u8; 97]),
    Ed25519([u8; 32]),
    Rsa { modulus: Box<[u8]>, exponent: u32 },
}

/// Why an answer is not a set of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadSet {
    /// It is too large.
    Size,
    /// It is not JSON.
    Json,
    /// It is JSON of another shape, or has too many keys.
    Shape,
    /// None of its keys can be used.
    NoKey,
}

impl KeySet {
    /// A set of these keys.
    #[must_use]
    pub fn new(keys: Vec<Key>) -> Self {
        Self(keys.into_iter().map(Arc::new).collect())
    }

    /// Reads what an issuer's server answered. Answers with the number of keys that were left out,
    /// too.
    ///
    /// # Errors
    /// [`BadSet`] where nothing of it can be used.
    pub fn parse(body: &[u8]) -> Result<(Self, usize), BadSet> {
        if body.len() > MAX_BODY {
            return Err(BadSet::Size);
        }
        let json: &RawValue = serde_json::from_slice(body).map_err(|_| BadSet::Json)?;
        let members = Members::parse(json.get().as_bytes()).ok_or(BadSet::Shape)?;
        let listed = members.get("keys").ok_or(BadSet::Shape)?;
        let listed: Vec<&RawValue> = serde_json::from_str(listed.get()).map_err(|_| BadSet::Shape)?;
        if listed.len() > MAX_KEYS {
            return Err(BadSet::Shape);
        }
        let keys: Vec<Key> = listed.iter().filter_map(|json| jwk::parse(json)).collect();
        if keys.is_empty() {
            return Err(BadSet::NoKey);
        }
        let left_out = listed.len() - keys.len();
        Ok((Self::new(keys), left_out))
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this very key is in the set.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.0.iter().any(|held| **held == *key)
    }

    /// Writes the set for shared data.
    pub fn write(&self, out: &mut Vec<u8>) {
        for key in &self.0 {
            key.write(out);
        }
    }

    /// Reads what [`KeySet::write`] wrote.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut keys = Vec::new();
        while !reader.rest().is_empty() {
            keys.push(Key::read(&mut reader)?);
        }
        Some(Self::new(keys))
    }
}

impl Key {
    pub(super) const fn new(id: Option<Box<str>>, algorithm: Option<Algorithm>, material: Material) -> Self {
        Self { id, algorithm, material }
    }

    pub(super) fn has_id(&self, id: &str) -> bool {
        self.id.as_deref() == Some(id)
    }

    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.material.kind() == algorithm.kind() && self.algorithm.is_none_or(|own| own == algorithm)
    }

    pub(super) const fn material(&self) -> &Material {
        &self.material
    }

    fn write(&self, out: &mut Vec<u8>) {
        let place = |algorithm| Algorithm::ALL.iter().position(|(_, known)| *known == algorithm);
        let algorithm = self.algorithm.and_then(place).map_or(0, |place| place + 1);
        out.push(u8::try_from(algorithm).unwrap_or_default());
        out.push(u8::from(self.id.is_some()));
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        let id = self.id.as_deref().unwrap_or_default().as_bytes();
        out.extend(length(id));
        out.extend(id);
        out.push(self.material.tag());
        if let Material::Rsa { exponent, .. } = &self.material {
            out.extend(exponent.to_le_bytes());
        }
        let bytes = self.material.bytes();
        out.extend(length(bytes));
        out.extend(bytes);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let algorithm = match usize::from(reader.u8()?).checked_sub(1) {
            None => None,
            Some(place) => Some(Algorithm::ALL.get(place)?.1),
        };
        let has_id = reader.u8()? != 0;
        let length = reader.u32()?;
        let id = std::str::from_utf8(reader.bytes(length as usize)?).ok()?;
        let id = has_id.then(|| id.into());
        let material = Material::read(reader)?;
        Some(Self { id, algorithm, material })
    }
}

impl Material {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::P256(_) => Kind::P256,
            Self::P384(_) => Kind::P384,
            Self::Ed25519(_) => Kind::Ed25519,
            Self::Rsa { .. } => Kind::Rsa,
        }
    }

    const fn tag(&self) -> u8 {
        match self {
            Self::P256(_) => 1,
            Self::P384(_) => 2,
            Self::Ed25519(_) => 3,
            Self::Rsa { .. } => 4,
        }
    }

    const fn bytes(&self) -> &[u8] {
        match self {
            Self::P256(point) => point,
            Self::P384(point) => point,
            Self::Ed25519(point) => point,
            Self::Rsa { modulus, .. } => modulus,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let tag = reader.u8()?;
        let exponent = if tag == 4 { reader.u32()? } else { 0 };
        let length = reader.u32()?;
        let bytes = reader.bytes(length as usize)?;
        match tag {
            1 => bytes.try_into().ok().map(Self::P256),
            2 => bytes.try_into().ok().map(Self::P384),
            3 => bytes.try_into().ok().map(Self::Ed25519),
            4 => Some(Self::Rsa { modulus: bytes.into(), exponent }),
            _ => None,
        }
    }
}
