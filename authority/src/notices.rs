//! Telling people of keys that end or should be rotated: looks for what is due, and sends it to a
//! webhook.
//!
//! What is due is `model::notices`, what was sent is `store::notices`. This works in the background
//! and never delays a request. Notices are sent one after another; if three in a row fail, the
//! receiver is left alone until the next round.

pub mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::clock;
use crate::model::Key;
use crate::model::notices::{FIRST_RETRY, Kind, Notice, retry_after};
use crate::secret::{self, NoRandomness};
use crate::store::notices::{Claimed, Delivery};
use crate::store::{Store, StoreError};
use webhook::{Failure, Webhook};

/// How many deliveries may fail in a row before the rest waits.
const ENOUGH: u32 = 3;

/// Where notices go, and how eagerly.
#[derive(Clone, Debug)]
pub struct Notify {
    /// The receiver.
    pub webhook: Webhook,
    /// How long it rests between two looks.
    pub rest: Duration,
    /// After how many seconds a delivery that failed is tried again for the first time.
    pub first_retry: i64,
}

/// How many deliveries there were since the program began.
#[derive(Debug, Default)]
pub struct Counts {
    /// Those that the receiver took.
    pub sent: AtomicU64,
    /// Those that failed, every try of its own.
    pub failed: AtomicU64,
}

impl Notify {
    /// With the pace that is right outside of tests.
    #[must_use]
    pub const fn to(webhook: Webhook) -> Self {
        Self { webhook, rest: Duration::from_secs(60), first_retry: FIRST_RETRY }
    }

    /// Goes on until the program is told to stop. A delivery that has begun is ended first.
    pub async fn run(self, store: Arc<Store>, counts: Arc<Counts>, mut stopped: watch::Receiver<bool>) {
        let mut is_wanted = true;
        loop {
            if let Err(error) = self.round(&store, &counts, &stopped, &mut is_wanted).await {
                tracing::warn!(%error, "cannot read which notices are due; trying again");
            }
            tokio::select! {
                () = sleep(self.rest) => {}
                _ = stopped.wait_for(|stop| *stop) => return,
            }
        }
    }

    /// One look, and all that can be delivered now. A receiver that answers 410 is not asked again.
    async fn round(
        &self,
        store: &Store,
        counts: &Counts,
        stopped: &watch::Receiver<bool>,
        is_wanted: &mut bool,
    ) -> Result<(), StoreError> {
        store.note_webhook(&self.webhook.to_string(), clock::now()).await?;
        store.make_notices(clock::now()).await?;
        let mut failures = 0;
        while *is_wanted && failures < ENOUGH && !*stopped.borrow() {
            let Some(claimed) = store.claim_notice(clock::now()).await? else {
                break;
            };
            let outcome = self.deliver(&claimed).await;
            self.report(&claimed, &outcome, counts);
            let delivery = match &outcome {
                Ok(()) => Delivery::Sent,
                Err(failure) => Delivery::Failed {
                    reason: failure.to_string(),
                    again_at: self.again_after(claimed.attempts),
                },
            };
            store.settle_notice(&claimed, &delivery, clock::now()).await?;
            failures = if outcome.is_ok() { 0 } else { failures + 1 };
            *is_wanted = !matches!(outcome, Err(Failure::Gone));
        }
        Ok(())
    }

    fn report(&self, claimed: &Claimed, outcome: &Result<(), Failure>, counts: &Counts) {
        let (notice, key, webhook) = (&claimed.id, &claimed.key.id, &self.webhook);
        match outcome {
            Ok(()) => {
                counts.sent.fetch_add(1, Ordering::Relaxed);
                tracing::info!(notice, key, "a notice was sent");
            }
            Err(Failure::Gone) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                tracing::error!(notice, key, %webhook, "410: no more notices until flint is restarted");
            }
            Err(failure) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                let tries = claimed.attempts;
                tracing::warn!(notice, key, %webhook, tries, %failure, "a notice was not accepted");
            }
        }
    }

    async fn deliver(&self, claimed: &Claimed) -> Result<(), Failure> {
        let now = clock::now();
        let body = body(&claimed.notice, &claimed.key, claimed.made_at, now).to_string();
        self.webhook.deliver(&claimed.id, now, body).await.map(drop)
    }

    fn again_after(&self, failures: i64) -> Option<i64> {
        // Without randomness all come back at once, which is not a reason not to come back.
        let jitter = secret::random::<1>().map_or(128, |[byte]| byte);
        retry_after(failures, self.first_retry, jitter).map(|delay| clock::now() + delay)
    }
}

/// Sends something that only says that it is a test.
///
/// # Errors
/// If the receiver did not take it.
pub async fn send_test(webhook: &Webhook) -> Result<u16, TestFailed> {
    let now = clock::now();
    let body = json!({
        "type": "notices.test",
        "timestamp": clock::to_text(now),
        "data": { "text": "A test from flint: notices of keys that expire will arrive here." },
    });
    let id = secret::new_id("notice", clock::since_epoch().as_millis())?;
    Ok(webhook.deliver(&id, now, body.to_string()).await?.as_u16())
}

/// Why a test did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum TestFailed {
    /// The operating system failed.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The receiver did not take it.
    #[error(transparent)]
    Delivery(#[from] Failure),
}

/// What is sent: the key as everybody may see it, and no secret or digest. The text is for people.
fn body(notice: &Notice, key: &Key, made_at: i64, now: i64) -> Value {
    let days_left = notice.days_left(now);
    let days = if days_left == 1 { "within a day".into() } else { format!("within {days_left} days") };
    let what = match notice.kind {
        Kind::Expiring => "expires",
        Kind::RotationDue => "should be rotated",
    };
    let at = clock::to_text(notice.comes_at);
    json!({
        "type": notice.kind.as_str(),
        "timestamp": clock::to_text(made_at),
        "data": {
            "id": key.id,
            "name": key.name,
            "environment": key.environment.as_str(),
            "owner": key.owner,
            "hint": key.hint,
            "expires_at": key.expires_at,
            "rotate_by": key.rotate_by,
            "days_left": days_left,
            "text": format!("The key {} ({}) {what} {days}: {at}", escaped(&key.name), key.id),
        },
    })
}

/// A name as chats and mails show it: what they take for a link, a tag or a call to everybody
/// begins with one of these.
fn escaped(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_markup() {
        let name = "<!channel> <https://evil.example|renew & here>";
        let shown = "&lt;!channel&gt; &lt;https://evil.example|renew &amp; here&gt;";
        assert_eq!(escaped(name), shown);
        assert_eq!(escaped("Größe 7"), "Größe 7");
    }
}
