//! How much each caller may do at a time, so that nobody keeps all others waiting.
//!
//! 1. Each credential may do a few things at a time. Further requests with it wait in a separate
//!    queue.
//! 2. Operations that read a lot, such as lists and searches, run a few at a time over all callers:
//!    fewer than there are connections to the database, so that gateways and revocations find one.
//! 3. Files are imported one at a time: each is one transaction, and all other writers wait for it.
//! 4. A caller that has waited too long is told to try again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{Store, StoreError};

/// How many requests are under way at a time with one API token, or of one operator.
pub const OF_A_CALLER: usize = 4;
/// How many of them read a lot.
const SLOW_OF_A_CALLER: usize = 2;
/// How many sign in at a time, whoever they are.
const SIGN_INS: usize = 8;
/// How many reports of one gateway are taken in at a time, and how many pages of the table are read
/// for it.
pub const OF_A_GATEWAY: usize = 16;
/// How many calls for the table are held for one gateway at a time: one for each process that is
/// followed, and as many again while their connections are made again.
const HELD_FOR_A_GATEWAY: usize = 20_000;
/// How many are held for all gateways.
const HELD_FOR_ALL: usize = 50_000;
/// How long somebody waits for their turn.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many callers are remembered before those are forgotten who do nothing.
const TIDY: usize = 1_024;

/// The lines in which requests wait.
#[derive(Debug)]
pub struct Turns {
    /// By caller, for as long as one of their requests is under way or waits.
    own: Mutex<HashMap<String, Weak<Semaphore>>>,
    slow: Arc<Semaphore>,
    import: Arc<Semaphore>,
    held: Arc<Semaphore>,
    sign_in: Arc<Semaphore>,
}

/// Something may be done until this is dropped.
#[derive(Debug)]
pub struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Store {
    /// The lines in which requests wait.
    #[must_use]
    pub const fn turns(&self) -> &Turns {
        &self.turns
    }
}

impl Turns {
    /// With so many slow reads at a time.
    pub(super) fn new(slow: usize) -> Self {
        Self {
            own: Mutex::default(),
            slow: Arc::new(Semaphore::new(slow.max(1))),
            import: Arc::new(Semaphore::new(1)),
            held: Arc::new(Semaphore::new(HELD_FOR_ALL)),
            sign_in: Arc::new(Semaphore::new(SIGN_INS)),
        }
    }

    /// A turn among the requests of one caller (rule 1).
    ///
    /// # Errors
    /// [`StoreError::Busy`] if it takes too long.
    pub async fn own(&self, caller: &str, at_once: usize) -> Result<Turn, StoreError> {
        wait_for(self.line_of(caller, at_once)).await
    }

    /// A place for a call that is held for a gateway. Nobody waits for one.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if there is none.
    pub fn held(&self, gateway: &str) -> Result<[Turn; 2], StoreError> {
        let own = self.line_of(&format!("held {gateway}"), HELD_FOR_A_GATEWAY);
        let take = |line: Arc<Semaphore>| {
            line.try_acquire_owned().map(|permit| Turn { _permit: permit }).map_err(|_| StoreError::Busy)
        };
        Ok([take(own)?, take(Arc::clone(&self.held))?])
    }

    /// A turn among all that read a lot (rule 2). Of one caller there are fewer at a time, so that
    /// one is left for others.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if it takes too long.
    pub async fn slow(&self, caller: &str) -> Result<[Turn; 2], StoreError> {
        let own = wait_for(self.line_of(&format!("slow {caller}"), SLOW_OF_A_CALLER)).await?;
        Ok([own, wait_for(Arc::clone(&self.slow)).await?])
    }

    /// A turn among those who sign in. Each attempt is written down, and anyone who writes waits
    /// for the others.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if it takes too long.
    pub async fn sign_in(&self) -> Result<Turn, StoreError> {
        wait_for(Arc::clone(&self.sign_in)).await
    }

    /// A turn among all imports (rule 3).
    ///
    /// # Errors
    /// [`StoreError::Busy`] if it takes too long.
    pub async fn import(&self) -> Result<Turn, StoreError> {
        wait_for(Arc::clone(&self.import)).await
    }

    fn line_of(&self, caller: &str, at_once: usize) -> Arc<Semaphore> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = own.get(caller).and_then(Weak::upgrade) {
            return line;
        }
        if own.len() >= TIDY {
            own.retain(|_, line| line.strong_count() > 0);
        }
        let line = Arc::new(Semaphore::new(at_once));
        own.insert(caller.to_owned(), Arc::downgrade(&line));
        line
    }
}

/// The semaphores are never closed, so only time can run out.
async fn wait_for(line: Arc<Semaphore>) -> Result<Turn, StoreError> {
    match timeout(PATIENCE, line.acquire_owned()).await {
        Ok(Ok(permit)) => Ok(Turn { _permit: permit }),
        _ => Err(StoreError::Busy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_caller_waits_for_their_own_and_for_nobody_else() {
        let turns = Turns::new(1);
        let first = turns.own("a", 1).await.unwrap();
        assert!(turns.own("a", 1).await.is_err(), "the time is up");
        let _other = turns.own("b", 1).await.unwrap();
        drop(first);
        turns.own("a", 1).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn slow_reads_and_imports_go_a_few_at_a_time() {
        let turns = Turns::new(2);
        let one = turns.slow("a").await.unwrap();
        let _both = (turns.slow("a").await.unwrap(), one);
        assert!(turns.slow("b").await.is_err());
        let import = turns.import().await.unwrap();
        assert!(turns.import().await.is_err());
        drop(import);
        turns.import().await.unwrap();
    }

    #[test]
    fn a_gateway_holds_so_many_calls_and_no_more() {
        let turns = Turns::new(1);
        let held: Vec<_> = (0..HELD_FOR_A_GATEWAY).map(|_| turns.held("a").unwrap()).collect();
        assert!(turns.held("a").is_err() && turns.held("b").is_ok());
        let _others = ["b", "c"]
            .map(|id| (0..HELD_FOR_A_GATEWAY).map_while(|_| turns.held(id).ok()).collect::<Vec<_>>());
        assert!(turns.held("d").is_err(), "of all there are no more either");
        drop(held);
        turns.held("a").unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_caller_leaves_a_slow_read_for_others() {
        let turns = Turns::new(3);
        let _both = (turns.slow("a").await.unwrap(), turns.slow("a").await.unwrap());
        assert!(turns.slow("a").await.is_err());
        turns.slow("b").await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_sign_in_at_a_time() {
        let turns = Turns::new(1);
        let mut taken = Vec::new();
        for _ in 0..SIGN_INS {
            taken.push(turns.sign_in().await.unwrap());
        }
        assert!(turns.sign_in().await.is_err());
        taken.clear();
        turns.sign_in().await.unwrap();
    }

    #[test]
    fn callers_who_do_nothing_are_forgotten() {
        let turns = Turns::new(1);
        let kept = turns.line_of("kept", 1);
        (0..3 * TIDY).for_each(|number| drop(turns.line_of(&number.to_string(), 1)));
        let own = turns.own.lock().unwrap();
        assert!(own.len() <= TIDY + 1 && own.contains_key("kept"), "{}", own.len());
        drop(kept);
    }
}
