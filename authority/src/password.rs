//! Passwords of operators: Argon2id (RFC 9106), with the parameters that OWASP recommends and the crate defaults to.
//!
//! One hash takes 19 MiB and some tens of milliseconds, so it runs off the request threads and a few at a time.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

use crate::secret::{NoRandomness, Secret};

/// The fewest characters of a password that somebody chooses.
pub const MIN_LENGTH: usize = 12;
/// The most bytes of a password: hashing must not be made slow by its length.
pub const MAX_BYTES: usize = 1_024;

/// How many passwords are hashed at a time.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// What is compared where there is no such operator, so that the answer takes as long.
static NOBODY: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// A password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashingFailed;

/// Makes a password for somebody, as hard to guess as a key and easy to copy.
///
/// # Errors
/// Where the operating system has no randomness to give.
pub fn generate() -> Result<Secret, NoRandomness> {
    Secret::generate("")
}

/// Hashes a password for keeping, as a PHC string.
///
/// # Errors
/// Where there is no memory or no randomness.
pub async fn hash(password: String) -> Result<String, HashingFailed> {
    let _turn = AT_ONCE.acquire().await.map_err(|_| HashingFailed)?;
    let hashing = tokio::task::spawn_blocking(move || hash_now(&password));
    hashing.await.map_err(|_| HashingFailed)?
}

/// Whether this is the password. With no hash, because there is no such operator, it takes as long and is not.
pub async fn verify(password: String, hash: Option<String>) -> bool {
    let Ok(_turn) = AT_ONCE.acquire().await else {
        return false;
    };
    let checking = tokio::task::spawn_blocking(move || {
        let nobody = || NOBODY.get_or_init(|| hash_now("nobody").unwrap_or_default()).clone();
        let known = hash.is_some();
        let text = hash.unwrap_or_else(nobody);
        let matches = PasswordHash::new(&text)
            .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
        matches && known
    });
    checking.await.unwrap_or(false)
}

fn hash_now(password: &str) -> Result<String, HashingFailed> {
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| HashingFailed)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_matches_its_hash() {
        let kept = hash("correct horse battery".into()).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify("correct horse battery".into(), Some(kept.clone())).await);
        assert!(!verify("correct horse batterz".into(), Some(kept.clone())).await);
        assert!(!verify(String::new(), Some(kept)).await);
        assert!(!verify("nobody".into(), None).await);
        assert!(!verify("x".into(), Some("not a hash".into())).await);
    }
}
