//! Work that goes on beside requests: adding up what came in, and forgetting what is old.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::feed::propagation::GONE_AFTER;
use super::usage::rollup::Retention;
use super::{Store, StoreError};
use crate::clock;

/// How often reports are added up at most.
const ROLL_UP: Duration = Duration::from_secs(2);
/// Adding up rests this many times as long as it worked: it never takes more than a tenth of a core.
const REST: u32 = 9;
/// How often old things are forgotten.
const PRUNE: Duration = Duration::from_secs(3_600);

/// Goes on for as long as the program runs. Failures are logged, and the work is tried again.
pub async fn run(store: Arc<Store>, keep: Retention) {
    let mut prune_at = Instant::now();
    loop {
        let begun = Instant::now();
        report(roll_up_all(&store).await, "add up usage reports");
        let worked = begun.elapsed();
        if begun >= prune_at {
            report(prune(&store, keep).await, "delete expired data");
            prune_at = begun + PRUNE;
        }
        sleep(ROLL_UP.max(worked * REST)).await;
    }
}

async fn roll_up_all(store: &Store) -> Result<(), StoreError> {
    while store.roll_up_usage(clock::now()).await? {}
    Ok(())
}

async fn prune(store: &Store, keep: Retention) -> Result<(), StoreError> {
    store.prune_usage(keep, clock::now()).await?;
    store.forget_processes(clock::now() - GONE_AFTER).await?;
    store.forget_notices(clock::now()).await?;
    store.forget_ended_sessions(clock::now()).await
}

fn report(outcome: Result<(), StoreError>, what: &str) {
    if let Err(error) = outcome {
        tracing::warn!(%error, "cannot {what}; trying again");
    }
}
