//! JSON Web Keys (RFC 7517; RFC 7518 §6, RFC 8037 §2): which of them can be used, and what of them
//! is.
//!
//! A key that breaks a rule is left out, and the rest of its set used: one that is not for
//! signatures, is of a kind or algorithm that is none of ours, lacks a member or has a malformed
//! one, is not on its curve or of small order, or is too weak. Members that no rule names mean
//! nothing, a certificate or the address of one among them.

use serde_json::value::RawValue;

use super::algorithm::{Algorithm, Kind};
use super::form::decode;
use super::keys::{Key, Material};
use super::members::{Members, text, texts};
use super::signature;

/// The least and the most bits of an RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

/// A member's value, as far as keys have them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Member {
    /// A string.
    Text(String),
    /// A list of strings.
    Texts(Vec<String>),
    /// Anything else.
    Other,
}

/// Reads a key from an object of JSON; `None` where it is to be left out.
pub(super) fn parse(json: &RawValue) -> Option<Key> {
    let members = Members::of(json.get())?;
    read(|name| members.get(name).map(Member::of)).ok()
}

/// Reads a key whose members are found by name.
///
/// # Errors
/// The rule that is broken, in words that follow the key's place.
pub fn read(member: impl Fn(&str) -> Option<Member>) -> Result<Key, &'static str> {
    if member("use").is_some_and(|purpose| purpose != Member::Text("sig".to_owned())) {
        return Err("must have the \"use\" \"sig\", or none");
    }
    match member("key_ops") {
        None => {}
        Some(Member::Texts(operations)) if operations.iter().any(|operation| operation == "verify") => {}
        Some(_) => return Err("must have \"verify\" among its \"key_ops\", or no \"key_ops\""),
    }
    let id = match member("kid") {
        None => None,
        Some(Member::Text(id)) => Some(id.into_boxed_str()),
        Some(_) => return Err("must have a string for its \"kid\", or none"),
    };
    let material = material(&member)?;
    let algorithm = match member("alg") {
        None => None,
        Some(Member::Text(name)) => {
            let fits = |algorithm: &Algorithm| algorithm.kind() == material.kind();
            let algorithm = Algorithm::parse(&name).filter(fits);
            Some(algorithm.ok_or("must have an \"alg\" that is supported and fits the key, or none")?)
        }
        Some(_) => return Err("must have a string for its \"alg\", or none"),
    };
    if !signature::is_sound(&material) {
        return Err("must be a point on its curve, and not one of small order");
    }
    Ok(Key::new(id, algorithm, material))
}

fn material(member: &impl Fn(&str) -> Option<Member>) -> Result<Material, &'static str> {
    let word = |name| match member(name) {
        Some(Member::Text(text)) => Some(text),
        _ => None,
    };
    let bytes = |name| word(name).and_then(|text| decode(text.as_bytes()));
    match (word("kty").as_deref(), word("crv").as_deref()) {
        (Some("EC"), Some("P-256")) => point(Kind::P256, bytes("x"), bytes("y")),
        (Some("EC"), Some("P-384")) => point(Kind::P384, bytes("x"), bytes("y")),
        (Some("OKP"), Some("Ed25519")) => {
            let x = bytes("x").and_then(|x| x.try_into().ok());
            x.map(Material::Ed25519).ok_or("must have an \"x\" of 32 bytes in base64url")
        }
        (Some("RSA"), _) => rsa(bytes("n"), bytes("e")),
        _ => Err(
            "must be of a \"kty\" and \"crv\" that are supported: EC with P-256 or P-384, OKP with Ed25519, RSA",
        ),
    }
}

/// A point in the uncompressed form of SEC 1 §2.3.3. Coordinates have their full length (RFC 7518
/// §6.2.1.2).
fn point(kind: Kind, x: Option<Vec<u8>>, y: Option<Vec<u8>>) -> Result<Material, &'static str> {
    const RULE: &str = "must have an \"x\" and a \"y\" of the curve's length in base64url";
    let (x, y) = (x.ok_or(RULE)?, y.ok_or(RULE)?);
    let length = if kind == Kind::P256 { 32 } else { 48 };
    if x.len() != length || y.len() != length {
        return Err(RULE);
    }
    let point = [&[4], &*x, &*y].concat();
    let material = match kind {
        Kind::P256 => point.try_into().ok().map(Material::P256),
        _ => point.try_into().ok().map(Material::P384),
    };
    material.ok_or(RULE)
}

/// Leading zeros are let pass, as other libraries do: some issuers write them.
fn rsa(modulus: Option<Vec<u8>>, exponent: Option<Vec<u8>>) -> Result<Material, &'static str> {
    const RULE: &str = "must have an \"n\" and an \"e\" in base64url";
    let modulus = without_zeros(modulus.ok_or(RULE)?);
    let exponent = without_zeros(exponent.ok_or(RULE)?);
    let bits = modulus.first().map_or(0, |first| 8 * modulus.len() - first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) || modulus.last().is_none_or(|last| last % 2 == 0) {
        return Err("must have an odd modulus of 2048 to 4096 bits");
    }
    let exponent = (exponent.len() <= 4)
        .then(|| exponent.iter().fold(0_u32, |value, byte| (value << 8) | u32::from(*byte)))
        .filter(|value| *value >= 3 && value % 2 == 1)
        .ok_or("must have an odd exponent from 3 to 2^32-1")?;
    Ok(Material::Rsa { modulus: modulus.into(), exponent })
}

fn without_zeros(mut bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.drain(..zeros);
    bytes
}

// === impl Member ===

impl Member {
    fn of(value: &RawValue) -> Self {
        match value.get().as_bytes().first() {
            Some(b'"') => text(value).map_or(Self::Other, Self::Text),
            Some(b'[') => texts(value).map_or(Self::Other, Self::Texts),
            _ => Self::Other,
        }
    }
}
