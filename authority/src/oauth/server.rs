//! This server as an authorization server: who it is, what its tokens are for, and what it signs them with.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::issuer::{Issuer, Resources};
use super::jwk::PublicKey;
use super::jws::Jws;
use super::key_life::{self, KeyTimes};
use super::keyring::{KeyError, Keyring, PrivateKey};
use super::{metadata, token};
use crate::store::{Store, StoreError};

/// How long a database may take to say what is published, before what is known is said again.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is needed to issue tokens.
#[derive(Debug)]
pub struct Server {
    /// Who issues.
    pub issuer: Issuer,
    /// What tokens may be for.
    pub resources: Resources,
    /// The private halves of the signing keys.
    pub keyring: Keyring,
    published: RwLock<Option<Arc<Published>>>,
}

/// What everybody may read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Published {
    /// The metadata (RFC 8414), as JSON.
    pub metadata: String,
    /// The public signing keys (RFC 7517), as JSON.
    pub jwks: String,
}

/// A key that signs, and its name.
#[derive(Debug)]
pub struct Signer {
    /// What headers call it.
    pub kid: String,
    /// The key.
    pub key: Arc<PrivateKey>,
}

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The private half of the key that signs is not here.
    #[error("the private half of the signing key {0} is missing here: {1}")]
    Key(String, KeyError),
    /// No key signs at the moment.
    #[error("no key signs tokens at the moment; `flint oauth keys rotate --now` makes one")]
    None,
}

impl Server {
    /// A server that issues tokens.
    #[must_use]
    pub fn new(issuer: Issuer, resources: Resources, keyring: Keyring) -> Self {
        Self { issuer, resources, keyring, published: RwLock::default() }
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// If there is none, or its private half is not here.
    pub async fn signer(&self, store: &Store, now: i64) -> Result<Signer, SignerError> {
        let keys = store.signing_keys(now).await?;
        let times: Vec<KeyTimes> = keys.iter().map(|key| key.times.clone()).collect();
        let current = key_life::current(&times, now).ok_or(SignerError::None)?;
        let key = keys.iter().find(|key| key.times.kid == current.kid).ok_or(SignerError::None)?;
        let kid = current.kid.clone();
        match self.keyring.private(&kid, current.algorithm, &key.jwk) {
            Ok(key) => Ok(Signer { kid, key }),
            Err(error) => Err(SignerError::Key(kid, error)),
        }
    }

    /// What everybody may read. It is read again each time, so that what another process has changed is seen; if the
    /// database does not answer in time, what is known is said again.
    ///
    /// # Errors
    /// If nothing is known yet, and the database fails.
    pub async fn published(&self, store: &Store, now: i64) -> Result<Arc<Published>, StoreError> {
        let failed = match timeout(PATIENCE, self.look(store, now)).await {
            Ok(Ok(fresh)) => {
                let fresh = Arc::new(fresh);
                *self.published.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fresh));
                return Ok(fresh);
            }
            Ok(Err(error)) => error,
            Err(_) => StoreError::timed_out(),
        };
        let known = self.published.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.ok_or(failed)
    }

    async fn look(&self, store: &Store, now: i64) -> Result<Published, StoreError> {
        let keys: Vec<Value> = store.signing_keys(now).await?.into_iter().map(|key| key.jwk).collect();
        let scopes: Vec<String> =
            store.permissions().await?.into_iter().map(|offered| offered.name).collect();
        Ok(Published {
            metadata: metadata::document(&self.issuer, &self.resources, &scopes).to_string(),
            jwks: json!({ "keys": keys }).to_string(),
        })
    }

    /// Takes an access token apart that one of the published keys has signed. `None`: it is none of ours.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn read<'a>(
        &self,
        store: &Store,
        text: &'a str,
        now: i64,
    ) -> Result<Option<Jws<'a>>, StoreError> {
        let Some(jws) = Jws::parse(text).filter(|jws| jws.header("typ") == Some(token::TYPE)) else {
            return Ok(None);
        };
        let keys = store.signing_keys(now).await?;
        let named = keys.iter().find(|key| Some(key.times.kid.as_str()) == jws.header("kid"));
        let is_ours = named.is_some_and(|key| {
            let alg = key.times.algorithm.as_str();
            let public = PublicKey::parse(&key.jwk);
            jws.header("alg") == Some(alg)
                && public.is_some_and(|public| public.verifies(alg, jws.signed.as_bytes(), &jws.signature))
        });
        Ok(Some(jws).filter(|jws| is_ours && jws.claim("iss") == Some(self.issuer.as_str())))
    }
}
