//! The private halves of signing keys: PKCS #8 files `<kid>.pem` in a folder, for their owner's
//! eyes only.
//!
//! They are never in the database, so that a copy of it signs nothing. `ring` signs and makes keys,
//! as it does for TLS here; it makes no RSA keys, which `rsa` does. (`rsa` never touches a private
//! key again: its operations with one are not of constant time.)

use std::collections::HashMap;
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};

use super::jws::encode;
use super::key_life::Algorithm;
use crate::secret;

/// How large an RSA key is that is made here, in bits.
const RSA_BITS: usize = 2_048;
/// What a PKCS #8 of Ed25519 begins with (RFC 8410 §7); the 32 bytes of the key follow.
const ED25519_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The folder, and the keys of it that were read.
#[derive(Debug)]
pub struct Keyring {
    folder: PathBuf,
    read: Mutex<HashMap<String, Arc<PrivateKey>>>,
}

/// A key that signs. `Debug` prints nothing of it.
pub struct PrivateKey {
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// Why there is no key, or no signature.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{0}: {1}")]
    File(String, std::io::Error),
    /// What is there is no key of that kind, or not the one that is meant.
    #[error("a signing key is unreadable, or is another than the database has under its name")]
    Unusable,
    /// No key could be made.
    #[error("the operating system gave no randomness")]
    NoRandomness,
}

impl Keyring {
    /// The keys in this folder, which need not exist yet.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder, read: Mutex::default() }
    }

    /// The folder next to a database in a file.
    #[must_use]
    pub fn beside(database: &Path) -> Self {
        let mut folder = database.as_os_str().to_owned();
        folder.push(".signing-keys");
        Self::in_folder(folder.into())
    }

    /// Where the keys are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a key and writes its file; when this returns it is on the disk. What it tells is the
    /// public half.
    ///
    /// # Errors
    /// If the file cannot be written, or no key be made.
    pub fn make(&self, kid: &str, algorithm: Algorithm) -> Result<Value, KeyError> {
        let der = new_pkcs8(algorithm)?;
        let key = PrivateKey::from_pkcs8(algorithm, &der)?;
        let text = pem::encode_config(
            &pem::Pem::new("PRIVATE KEY", der),
            pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
        );
        self.write(kid, &text).map_err(|error| self.failed(kid, error))?;
        Ok(key.jwk(kid))
    }

    /// The private half of a published key.
    ///
    /// # Errors
    /// If there is none here, or it is another key's.
    pub fn private(
        &self,
        kid: &str,
        algorithm: Algorithm,
        public: &Value,
    ) -> Result<Arc<PrivateKey>, KeyError> {
        if let Some(key) = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(kid) {
            return Ok(Arc::clone(key));
        }
        let text = std::fs::read(self.path(kid)).map_err(|error| self.failed(kid, error))?;
        let der = pem::parse(text).map_err(|_| KeyError::Unusable)?;
        let key = PrivateKey::from_pkcs8(algorithm, der.contents())?;
        if key.jwk(kid) != *public {
            return Err(KeyError::Unusable);
        }
        let key = Arc::new(key);
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(kid.into(), Arc::clone(&key));
        Ok(key)
    }

    /// Takes the private half of a key away that is not published any more.
    pub fn forget(&self, kid: &str) {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).remove(kid);
        if let Err(error) = std::fs::remove_file(self.path(kid))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(kid, %error, "cannot remove the file of a withdrawn signing key");
        }
    }

    fn path(&self, kid: &str) -> PathBuf {
        // Ids are made here, of letters, digits and `_`; anything else must not lead out of the
        // folder.
        let is_id = kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        self.folder.join(if is_id { format!("{kid}.pem") } else { "unknown.pem".into() })
    }

    fn failed(&self, kid: &str, error: std::io::Error) -> KeyError {
        KeyError::File(self.path(kid).display().to_string(), error)
    }

    fn write(&self, kid: &str, text: &str) -> std::io::Result<()> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)?;
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let fresh = self.folder.join(format!("{kid}.new"));
        let mut file = options.open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, self.path(kid))?;
        std::fs::File::open(&self.folder)?.sync_all()
    }
}

impl PrivateKey {
    /// Makes a key that is nowhere else.
    ///
    /// # Errors
    /// If none can be made.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::from_pkcs8(algorithm, &new_pkcs8(algorithm)?)
    }

    fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let pair = match algorithm {
            Algorithm::Es256 => {
                let random = SystemRandom::new();
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random).map(Pair::Ecdsa)
            }
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Pair::Ed25519),
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(der).map(|pair| Pair::Rsa(Box::new(pair))),
        };
        Ok(Self { algorithm, pair: pair.map_err(|_| KeyError::Unusable)? })
    }

    /// What it signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Signs.
    ///
    /// # Errors
    /// If the operating system has no randomness to give.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => {
                let signed = pair.sign(&random, message).map_err(|_| KeyError::NoRandomness)?;
                Ok(signed.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => Ok(signature::Signature::as_ref(&pair.sign(message)).to_vec()),
            Pair::Rsa(pair) => {
                let mut signed = vec![0; pair.public().modulus_len()];
                let done = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signed);
                done.map(|()| signed).map_err(|_| KeyError::NoRandomness)
            }
        }
    }

    /// The public half as the set has it (RFC 7517 §4).
    #[must_use]
    pub fn jwk(&self, kid: &str) -> Value {
        let alg = self.algorithm.as_str();
        match &self.pair {
            Pair::Ecdsa(pair) => {
                // `04`, x and y.
                let point = pair.public_key().as_ref();
                let half = |from: usize| encode(point.get(from..from + 32).unwrap_or_default());
                json!({"kty": "EC", "crv": "P-256", "x": half(1), "y": half(33), "kid": kid, "use": "sig", "alg": alg})
            }
            Pair::Ed25519(pair) => {
                let x = encode(pair.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "use": "sig", "alg": alg})
            }
            Pair::Rsa(pair) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({"kty": "RSA", "n": encode(&n), "e": encode(&e), "kid": kid, "use": "sig", "alg": alg})
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

fn new_pkcs8(algorithm: Algorithm) -> Result<Vec<u8>, KeyError> {
    match algorithm {
        Algorithm::Es256 => {
            let random = SystemRandom::new();
            let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
            made.map(|der| der.as_ref().to_vec()).map_err(|_| KeyError::NoRandomness)
        }
        // The first version of the format: others do not read the second one, which `ring` would
        // make.
        Algorithm::EdDsa => {
            let seed: [u8; 32] = secret::random().map_err(|_| KeyError::NoRandomness)?;
            Ok([&ED25519_HEAD[..], &seed].concat())
        }
        Algorithm::Rs256 => new_rsa(),
    }
}

fn new_rsa() -> Result<Vec<u8>, KeyError> {
    use rsa::pkcs8::EncodePrivateKey as _;
    let key = rsa::RsaPrivateKey::new(&mut rand_core::OsRng, RSA_BITS).map_err(|_| KeyError::NoRandomness)?;
    Ok(key.to_pkcs8_der().map_err(|_| KeyError::Unusable)?.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::jwk::PublicKey;

    #[test]
    fn a_key_is_a_private_file_that_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("flint.db");
        let (ring, again) = (Keyring::beside(&database), Keyring::beside(&database));
        for algorithm in Algorithm::ALL {
            let public = ring.make(algorithm.as_str(), algorithm).unwrap();
            let key = again.private(algorithm.as_str(), algorithm, &public).unwrap();
            let signature = key.sign(b"message").unwrap();
            let checked = PublicKey::parse(&public).unwrap();
            assert!(checked.verifies(algorithm.as_str(), b"message", &signature), "{algorithm:?}");
            let other = PrivateKey::generate(algorithm).unwrap().jwk(algorithm.as_str());
            let stranger = Keyring::beside(&database).private(algorithm.as_str(), algorithm, &other);
            assert!(matches!(stranger, Err(KeyError::Unusable)));
        }
        #[cfg(unix)]
        for (path, mode) in [(ring.folder().to_owned(), 0o700), (ring.path("ES256"), 0o600)] {
            let metadata = std::fs::metadata(path).unwrap();
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, mode);
        }
        ring.forget("ES256");
        assert!(!ring.path("ES256").exists());
        assert!(ring.private("ES256", Algorithm::Es256, &Value::Null).is_err());
        assert_eq!(ring.path("../x"), ring.folder().join("unknown.pem"));
    }
}
