//! This server as an authorization server: who it is, what its tokens are for, and what it signs
//! them with.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use super::client::Client;
use super::issuer::{Issuer, Resources};
use super::jwk::PublicKey;
use super::jws::Jws;
use super::key_life::{self, KeyTimes};
use super::keyring::{KeyError, Keyring, PrivateKey};
use super::remembered::Remembered;
use super::{metadata, token};
use crate::store::oauth::signing_keys::SigningKey;
use crate::store::{Store, StoreError};

/// How long a database may take to say what is published, before what is known is said again.
const GLANCE: Duration = Duration::from_secs(1);
/// How long a database may take for a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is needed to issue tokens.
#[derive(Debug)]
pub struct Server {
    /// Who issues.
    pub issuer: Issuer,
    /// What tokens may be for.
    pub resources: Resources,
    /// The private halves of the signing keys.
    pub keyring: Keyring,
    /// Clients that were found lately.
    pub remembered: Remembered,
    /// How long the database may take for a request, before it counts as one that does not answer.
    pub patience: Duration,
    kept: RwLock<Option<Arc<Published>>>,
}

/// What everybody may read, as of a moment ago.
#[derive(Debug)]
pub struct Published {
    /// The metadata (RFC 8414), as JSON.
    pub metadata: String,
    keys: Vec<SigningKey>,
    /// The number that stays the same for as long as this is good.
    news: Option<i64>,
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
    #[error("no key signs tokens at the moment; `flint oauth keys rotate --now` creates one")]
    None,
}

impl Server {
    /// A server that issues tokens.
    #[must_use]
    pub fn new(issuer: Issuer, resources: Resources, keyring: Keyring) -> Self {
        let remembered = Remembered::default();
        Self { issuer, resources, keyring, remembered, patience: PATIENCE, kept: RwLock::default() }
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// If there is none, or its private half is not here.
    pub async fn signer(&self, store: &Store, now: i64) -> Result<Signer, SignerError> {
        let keys = self.signing_keys(store, now).await?;
        let times: Vec<KeyTimes> = keys.iter().map(|key| key.times.clone()).collect();
        let current = key_life::current(&times, now).ok_or(SignerError::None)?;
        let key = keys.iter().find(|key| key.times.kid == current.kid).ok_or(SignerError::None)?;
        let kid = current.kid.clone();
        match self.keyring.private(&kid, current.algorithm, &key.jwk) {
            Ok(key) => Ok(Signer { kid, key }),
            Err(error) => Err(SignerError::Key(kid, error)),
        }
    }

    /// What everybody may read. It is read from the database only if something has changed since;
    /// if the database does not answer in time, what is known is said again.
    ///
    /// # Errors
    /// If nothing is known yet, and the database fails.
    pub async fn published(&self, store: &Store, now: i64) -> Result<Arc<Published>, StoreError> {
        let failed = match timeout(GLANCE, self.look(store, now)).await {
            Ok(Ok(fresh)) => return Ok(fresh),
            Ok(Err(error)) => error,
            Err(_) => StoreError::timed_out(),
        };
        self.kept().ok_or(failed)
    }

    async fn look(&self, store: &Store, now: i64) -> Result<Arc<Published>, StoreError> {
        // Asked for before the rows are read: what is committed in between is read the next time.
        let news = store.news().await;
        if let Some(kept) = self.kept().filter(|kept| news.is_some() && kept.news == news) {
            return Ok(kept);
        }
        let keys = store.signing_keys(now).await?;
        let scopes: Vec<String> =
            store.permissions().await?.into_iter().map(|offered| offered.name).collect();
        let metadata = metadata::document(&self.issuer, &self.resources, &scopes).to_string();
        let fresh = Arc::new(Published { metadata, keys, news });
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    fn kept(&self) -> Option<Arc<Published>> {
        self.kept.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys that are published. SQLite is asked for them each time: its counter moves with
    /// every token.
    async fn signing_keys(&self, store: &Store, now: i64) -> Result<Vec<SigningKey>, StoreError> {
        if store.news_told().is_none() {
            return store.signing_keys(now).await;
        }
        let published = self.look(store, now).await?;
        Ok(published.keys(now).cloned().collect())
    }

    /// A client, if there is one of this id.
    ///
    /// # Errors
    /// If the database fails, or does not answer in time.
    pub async fn client(&self, store: &Store, id: &str) -> Result<Option<Client>, StoreError> {
        let found = timeout(self.patience, store.find_oauth_client(id)).await;
        let found = found.unwrap_or_else(|_| Err(StoreError::timed_out()))?;
        self.remembered.note(id, found.as_ref());
        Ok(found)
    }

    /// Takes an access token apart that one of the published keys has signed. `None`: it is none of
    /// ours.
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
        let keys = self.signing_keys(store, now).await?;
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

impl Published {
    /// The public signing keys (RFC 7517), as JSON.
    #[must_use]
    pub fn jwks(&self, now: i64) -> String {
        let keys: Vec<&Value> = self.keys(now).map(|key| &key.jwk).collect();
        json!({ "keys": keys }).to_string()
    }

    fn keys(&self, now: i64) -> impl Iterator<Item = &SigningKey> {
        self.keys.iter().filter(move |key| key.times.is_published(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Database;
    use crate::oauth::key_life::Algorithm;
    use crate::store::Actor;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_published_is_read_again_only_if_something_has_changed() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(directory.path().join("flint.db"));
        let (store, other) = (Store::open(&database).await.unwrap(), Store::open(&database).await.unwrap());
        let issuer: Issuer = "https://auth.example".parse().unwrap();
        let keyring = Keyring::in_folder(directory.path().join("keys"));
        let server = Server::new(issuer.clone(), Resources::new(Vec::new(), &issuer), keyring);
        store.create_first_signing_key(&server.keyring, 0).await.unwrap();
        let first = server.published(&store, 0).await.unwrap();
        assert!(Arc::ptr_eq(&first, &server.published(&store, 0).await.unwrap()));
        let (keyring, actor) = (Keyring::in_folder(directory.path().join("keys")), Actor::system());
        other.rotate_signing_key(&keyring, Algorithm::EdDsa, false, false, 0, &actor).await.unwrap();
        let (then, now) = (first.jwks(0), server.published(&store, 0).await.unwrap());
        assert!(!then.contains("Ed25519") && now.jwks(0).contains("Ed25519"));
        // What ends by itself is left out without a look.
        assert_eq!(now.jwks(1_000_000).matches("kid").count(), 1);
        other.offer_permission(("a:b", "").into(), 0, &actor).await.unwrap();
        assert!(server.published(&store, 0).await.unwrap().metadata.contains("a:b"));
        store.close().await;
        assert!(server.published(&store, 0).await.unwrap().metadata.contains("a:b"), "said again");
    }
}
