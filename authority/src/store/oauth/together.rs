//! Tokens that clients get for themselves are written together: a commit waits for the disk, and
//! all who come meanwhile share the next one. Nothing is answered before the commit that it is in.
//!
//! Each caller leaves its request and waits for its turn to write or for its answer, whichever
//! comes first. The caller whose turn it is writes for all who wait. If it gives up before the
//! commit, because its client has hung up, nobody is answered, and those who still wait ask again.

use std::collections::HashMap;
use std::sync::PoisonError;

use sqlx::AssertSqlSafe;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Mutex, oneshot};

use super::clients::{ClientRow, FROM_CLIENT};
use super::tokens::{Issued, new_jti};
use crate::oauth::client::Client;
use crate::store::{Store, StoreError, Write};

/// The most that one commit has.
const MOST: usize = 100;

/// Those who wait, and the turn of anyone who writes for them.
#[derive(Debug, Default)]
pub(in crate::store) struct Together {
    waiting: std::sync::Mutex<Vec<Waiting>>,
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Waiting {
    client_id: String,
    now: i64,
    told: oneshot::Sender<Outcome>,
}

/// What was issued; nothing if the client is gone or disabled; or that the database failed.
type Outcome = Result<Option<Issued>, Failed>;

#[derive(Debug)]
struct Failed;

impl Together {
    fn join(&self, waiting: Waiting) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
    }

    /// The first of those who still wait.
    fn take(&self) -> Vec<Waiting> {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|one| !one.told.is_closed());
        let count = all.len().min(MOST);
        all.drain(..count).collect()
    }
}

impl Store {
    /// Issues a token to a client, as soon as it has a turn.
    pub(super) async fn issue_together(
        &self,
        client_id: &str,
        now: i64,
    ) -> Result<Option<Issued>, StoreError> {
        loop {
            let (told, mut answer) = oneshot::channel();
            self.together.join(Waiting { client_id: client_id.into(), now, told });
            let told = tokio::select! {
                biased;
                told = &mut answer => told.map_err(|_| ()),
                _turn = self.together.turn.lock() => {
                    // More may wait than one commit has.
                    loop {
                        match answer.try_recv() {
                            Ok(outcome) => break Ok(outcome),
                            Err(TryRecvError::Closed) => break Err(()),
                            Err(TryRecvError::Empty) => self.issue_to_all(self.together.take()).await?,
                        }
                    }
                }
            };
            match told {
                Ok(Ok(issued)) => return Ok(issued),
                Ok(Err(Failed)) => return Err(StoreError::timed_out()),
                // Whoever wrote for us was given up.
                Err(()) => {}
            }
        }
    }

    /// Writes for all of these, and tells them.
    async fn issue_to_all(&self, waiting: Vec<Waiting>) -> Result<(), StoreError> {
        let written = self.write_for_all(&waiting).await;
        let (outcomes, failure) = match written {
            Ok(issued) => (issued.into_iter().map(Ok).collect(), Ok(())),
            Err(error) => (waiting.iter().map(|_| Err(Failed)).collect::<Vec<Outcome>>(), Err(error)),
        };
        for (one, outcome) in waiting.into_iter().zip(outcomes) {
            // Who does not wait any more has hung up, and what was issued to it ends by itself.
            let _ = one.told.send(outcome);
        }
        failure
    }

    async fn write_for_all(&self, waiting: &[Waiting]) -> Result<Vec<Option<Issued>>, StoreError> {
        let mut write = self.write().await?;
        let clients = write.clients_as_they_are(waiting).await?;
        let mut all = Vec::new();
        for one in waiting {
            let client = clients.get(&one.client_id).filter(|client| client.disabled_at.is_none());
            all.push(
                client
                    .map(|client| Ok::<_, StoreError>(Issued::new(new_jti()?, client, one.now)))
                    .transpose()?,
            );
        }
        let issued: Vec<_> =
            waiting.iter().zip(&all).filter_map(|(one, issued)| Some((one, issued.as_ref()?))).collect();
        write.add_own_tokens(&issued).await?;
        write.commit().await?;
        Ok(all)
    }
}

impl Write<'_> {
    /// The clients of those who wait, which nobody changes until the commit.
    async fn clients_as_they_are(
        &mut self,
        waiting: &[Waiting],
    ) -> Result<HashMap<String, Client>, StoreError> {
        let mut ids: Vec<&str> = waiting.iter().map(|one| one.client_id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        let places: Vec<_> = (1..=ids.len()).map(|place| format!("${place}")).collect();
        let sql =
            format!("{FROM_CLIENT} AND id IN ({}) ORDER BY id{}", places.join(", "), self.store.shared());
        let mut query = sqlx::query_as::<_, ClientRow>(AssertSqlSafe(sql));
        for id in ids {
            query = query.bind(id.to_owned());
        }
        let rows = query.fetch_all(&mut *self.tx).await?;
        rows.into_iter().map(|row| Client::try_from(row).map(|client| (client.id.clone(), client))).collect()
    }

    async fn add_own_tokens(&mut self, issued: &[(&Waiting, &Issued)]) -> Result<(), StoreError> {
        if issued.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = (0..issued.len())
            .map(|row| format!("(${}, ${}, ${})", 3 * row + 1, 3 * row + 2, 3 * row + 3))
            .collect();
        let sql =
            format!("INSERT INTO oauth_access_token (jti, client_id, expires_at) VALUES {}", rows.join(", "));
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (one, issued) in issued {
            query = query.bind(issued.jti.as_str()).bind(one.client_id.as_str()).bind(issued.expires_at);
        }
        query.execute(&mut *self.tx).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
