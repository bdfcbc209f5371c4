//! Passwords of operators: Argon2id (RFC 9106), with the parameters that OWASP recommends and the
//! crate defaults to.
//!
//! One hash takes 19 MiB and some tens of milliseconds, so it runs off the request threads, a few
//! at a time, and always on the same threads: an allocator keeps what a thread has given back, so
//! many threads would keep 19 MiB each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::Builder;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::{Semaphore, oneshot};

use crate::secret::{NoRandomness, Secret};

/// The fewest characters of a password that somebody chooses.
pub const MIN_LENGTH: usize = 12;
/// The most bytes of a password: hashing must not be made slow by its length.
pub const MAX_BYTES: usize = 1_024;

/// How many passwords are hashed at a time.
const HASHERS: usize = 2;
/// Waiting here ends with the request that waits.
static AT_ONCE: Semaphore = Semaphore::const_new(HASHERS);
/// The way to the threads that hash.
static JOBS: LazyLock<Sender<Job>> = LazyLock::new(start_hashers);

type Job = Box<dyn FnOnce() + Send>;

/// What is compared where there is no such operator, so that the answer takes as long.
static NOBODY: std::sync::OnceLock<String> = std::sync::OnceLock::new();

/// A password could not be hashed.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashingFailed;

/// Makes a password for somebody, as hard to guess as a key and easy to copy.
///
/// # Errors
/// If the operating system has no randomness to give.
pub fn generate() -> Result<Secret, NoRandomness> {
    Secret::generate("")
}

/// Hashes a password for keeping, as a PHC string.
///
/// # Errors
/// If there is no memory or no randomness.
pub async fn hash(password: String) -> Result<String, HashingFailed> {
    run(move || hash_now(&password)).await.ok_or(HashingFailed)?
}

/// Whether this is the password. With no hash, because there is no such operator, it takes as long
/// and is not.
pub async fn verify(password: String, hash: Option<String>) -> bool {
    let checking = run(move || {
        let nobody = || NOBODY.get_or_init(|| hash_now("nobody").unwrap_or_default()).clone();
        let known = hash.is_some();
        let text = hash.unwrap_or_else(nobody);
        let matches = PasswordHash::new(&text)
            .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
        matches && known
    });
    checking.await.unwrap_or(false)
}

/// Does something on one of the threads that hash. `None`: it did not come to an end.
async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let turn = AT_ONCE.acquire().await.ok()?;
    let (tell, told) = oneshot::channel();
    let job = move || {
        // Nobody hears of it if the request has ended meanwhile. The turn has not, until the work
        // has.
        let _ = tell.send(work());
        drop(turn);
    };
    JOBS.send(Box::new(job)).ok()?;
    told.await.ok()
}

/// Starts the threads, which wait for work as long as the program runs.
fn start_hashers() -> Sender<Job> {
    let (jobs, waiting) = channel::<Job>();
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..HASHERS {
        let waiting = Arc::clone(&waiting);
        // Without a single thread nobody can sign in, and each attempt says so.
        let _ = Builder::new().name("password".into()).spawn(move || {
            loop {
                let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(job) = job else { return };
                // Anyone who waits for it hears that it came to no end.
                let _ = catch_unwind(AssertUnwindSafe(job));
            }
        });
    }
    jobs
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

    #[tokio::test]
    async fn however_many_are_hashed_the_same_threads_do_it() {
        let jobs: Vec<_> = (0..60).map(|_| tokio::spawn(run(|| std::thread::current().id()))).collect();
        let mut threads = std::collections::HashSet::new();
        for job in jobs {
            threads.insert(job.await.unwrap().unwrap());
        }
        assert!(threads.len() <= HASHERS, "{}", threads.len());
        assert_eq!(run::<()>(|| panic!("a fault")).await, None);
        assert_eq!(run(|| 7).await, Some(7), "a fault ends no thread");
    }
}
