//! Background work: adding up what came in, and forgetting what is old.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::feed::propagation::GONE_AFTER;
use super::usage::rollup::Retention;
use super::{Store, StoreError};
use crate::clock;

/// How often reports are added up at most.
const ROLL_UP: Duration = Duration::from_secs(2);
/// Adding up rests this many times as long as it worked: it never takes more than a tenth of a
/// core.
const REST: u32 = 9;
/// How often old things are forgotten.
const PRUNE: Duration = Duration::from_secs(3_600);

tokio::task_local! {
    /// How long the work has waited for its turn to write.
    static WAITED: Cell<Duration>;
}

/// Goes on for as long as the program runs. Failures are logged, and the work is tried again.
pub async fn run(store: Arc<Store>, keep: Retention) {
    let mut prune_at = Instant::now();
    loop {
        let begun = Instant::now();
        let adding_up = async {
            report(roll_up_all(&store).await, "add up usage reports");
            WAITED.with(Cell::get)
        };
        let waited = WAITED.scope(Cell::default(), adding_up).await;
        let rest = rest_after(begun.elapsed(), waited);
        if begun >= prune_at {
            report(prune(&store, keep).await, "delete expired data");
            prune_at = begun + PRUNE;
        }
        sleep(rest).await;
    }
}

/// Counts a wait for the turn to write, if it is this work that waited.
pub(super) fn note_wait(wait: Duration) {
    let _ = WAITED.try_with(|waited| waited.set(waited.get() + wait));
}

/// How long adding up rests after it took so long, of which it only waited for a part.
fn rest_after(took: Duration, waited: Duration) -> Duration {
    ROLL_UP.max(took.saturating_sub(waited) * REST)
}

async fn roll_up_all(store: &Store) -> Result<(), StoreError> {
    while store.roll_up_usage(clock::now()).await? {}
    Ok(())
}

async fn prune(store: &Store, keep: Retention) -> Result<(), StoreError> {
    store.prune_usage(keep, clock::now()).await?;
    store.forget_processes(clock::now() - GONE_AFTER).await?;
    store.forget_notices(clock::now()).await?;
    store.forget_oauth(clock::now()).await?;
    store.forget_ended_sessions(clock::now()).await
}

fn report(outcome: Result<(), StoreError>, what: &str) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "cannot {what}; trying again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Database;

    #[test]
    fn it_rests_as_long_as_it_worked_and_not_as_it_waited() {
        let seconds = Duration::from_secs;
        assert_eq!(rest_after(seconds(1), seconds(0)), seconds(9));
        assert_eq!(rest_after(seconds(5), seconds(4)), seconds(9));
        assert_eq!(rest_after(seconds(4), seconds(4)), ROLL_UP);
        assert_eq!(rest_after(seconds(0), seconds(1)), ROLL_UP);
    }

    #[tokio::test]
    async fn the_wait_for_a_lock_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(directory.path().join("flint.db"));
        let (store, other) = (Store::open(&database).await.unwrap(), Store::open(&database).await.unwrap());
        let lock = other.write().await.unwrap();
        let work = async {
            drop(store.write().await.unwrap());
            WAITED.with(Cell::get)
        };
        let hold = Duration::from_millis(200);
        let release = async {
            sleep(hold).await;
            drop(lock);
        };
        let (waited, ()) = tokio::join!(WAITED.scope(Cell::default(), work), release);
        assert!(waited >= hold, "{waited:?}");
    }
}
