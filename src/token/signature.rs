//! Signatures: whether one is good under a key. All arithmetic is RustCrypto's, which is the same
//! code natively and in the filter (docs/design.md, "Access tokens").

use ed25519_dalek::{Signature as EdSignature, VerifyingKey as EdKey};
use p256::ecdsa::{Signature as P256Signature, VerifyingKey as P256Key};
use p384::ecdsa::{Signature as P384Signature, VerifyingKey as P384Key};
use rsa::signature::Verifier;
use rsa::{BoxedUint, PublicKey, pkcs1v15, pss};
use sha2_of_signatures::{Sha256, Sha384, Sha512};

use super::algorithm::Algorithm;
use super::keys::{Key, Material};

/// Whether the signature of a message is good. `false` also if algorithm and key do not fit.
pub(super) fn is_good(algorithm: Algorithm, key: &Key, message: &[u8], signature: &[u8]) -> bool {
    let good = match (algorithm, key.material()) {
        (Algorithm::Es256, Material::P256(point)) => p256(point, message, signature),
        (Algorithm::Es384, Material::P384(point)) => p384(point, message, signature),
        (Algorithm::EdDsa, Material::Ed25519(point)) => ed25519(point, message, signature),
        (_, Material::Rsa { modulus, exponent }) => rsa(algorithm, modulus, *exponent, message, signature),
        _ => None,
    };
    good.is_some()
}

/// Whether a point is on its curve, in its one encoding, and not of small order.
pub(super) fn is_sound(material: &Material) -> bool {
    match material {
        Material::P256(point) => P256Key::from_sec1_bytes(point).is_ok(),
        Material::P384(point) => P384Key::from_sec1_bytes(point).is_ok(),
        // RFC 8032 §5.1.3: a coordinate of p or more is none, and so is a sign where there is
        // nothing to choose.
        Material::Ed25519(point) => EdKey::from_bytes(point)
            .is_ok_and(|key| !key.is_weak() && key.to_edwards().compress().as_bytes() == point),
        Material::Rsa { modulus, exponent } => rsa_key(modulus, *exponent).is_some(),
    }
}

/// `r‖s` of 64 bytes, both from 1 to n-1 (RFC 7518 §3.4): anything else is refused when it is read.
fn p256(point: &[u8; 65], message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = P256Signature::from_slice(signature).ok()?;
    P256Key::from_sec1_bytes(point).ok()?.verify(message, &signature).ok()
}

/// As [`p256`], of 96 bytes.
fn p384(point: &[u8; 97], message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = P384Signature::from_slice(signature).ok()?;
    P384Key::from_sec1_bytes(point).ok()?.verify(message, &signature).ok()
}

/// `R‖S` with S < L (RFC 8032 §5.1.7), and with an R that is not of small order, which no signer
/// makes.
fn ed25519(point: &[u8; 32], message: &[u8], signature: &[u8]) -> Option<()> {
    let signature = EdSignature::from_slice(signature).ok()?;
    EdKey::from_bytes(point).ok()?.verify_strict(message, &signature).ok()
}

/// A signature is as long as the modulus (RFC 8017 §8.1.2, §8.2.2). The salt of PSS is as long as
/// the hash (RFC 7518 §3.5).
fn rsa(algorithm: Algorithm, modulus: &[u8], exponent: u32, message: &[u8], signature: &[u8]) -> Option<()> {
    if signature.len() != modulus.len() {
        return None;
    }
    let key = rsa_key(modulus, exponent)?;
    let plain = || pkcs1v15::Signature::try_from(signature).ok();
    match algorithm {
        Algorithm::Rs256 => pkcs1v15::VerifyingKey::<Sha256>::new(key).verify(message, &plain()?).ok(),
        Algorithm::Rs384 => pkcs1v15::VerifyingKey::<Sha384>::new(key).verify(message, &plain()?).ok(),
        Algorithm::Rs512 => pkcs1v15::VerifyingKey::<Sha512>::new(key).verify(message, &plain()?).ok(),
        Algorithm::Ps256 => {
            let signature = pss::Signature::try_from(signature).ok()?;
            pss::VerifyingKey::<Sha256>::new(key).verify(message, &signature).ok()
        }
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => None,
    }
}

fn rsa_key(modulus: &[u8], exponent: u32) -> Option<PublicKey> {
    let bits = u32::try_from(8 * modulus.len()).ok()?;
    let modulus = BoxedUint::from_be_slice(modulus, bits).ok()?;
    PublicKey::new(modulus, BoxedUint::from(exponent)).ok()
}
