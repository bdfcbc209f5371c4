use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::config::Database;
use crate::oauth::client::{Amendment, NewClient};
use crate::store::Actor;

async fn client(store: &Store) -> String {
    let rest = Amendment { grant_types: Some(vec!["client_credentials".into()]), ..Amendment::default() };
    let new = NewClient { name: "App".into(), kind: None, environment: "live".into(), rest };
    store.create_oauth_client(new, 0, &Actor::system()).await.unwrap().0.client.id
}

async fn store() -> (tempfile::TempDir, Arc<Store>) {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(directory.path().join("flint.db"));
    let store = Arc::new(Store::open(&database).await.unwrap());
    (directory, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_get_a_token_each_and_those_who_hang_up_take_nothing_from_the_others() {
    let (_directory, store) = store().await;
    let (one, other) = (client(&store).await, client(&store).await);
    let asking: Vec<_> = (0..3 * MOST)
        .map(|number| {
            let (store, id) = (Arc::clone(&store), if number % 2 == 0 { one.clone() } else { other.clone() });
            tokio::spawn(async move { store.issue_together(&id, 0).await })
        })
        .collect();
    // Among them is anyone who writes for others.
    asking.iter().step_by(3).for_each(|task| task.abort());
    let mut known = HashSet::new();
    for task in asking {
        let issued = match task.await {
            Ok(issued) => issued.unwrap().unwrap(),
            Err(given_up) if given_up.is_cancelled() => continue,
            Err(failed) => panic!("{failed}"),
        };
        assert!(store.is_live_access_token(&issued.jti, 1).await.unwrap(), "it was answered, so it is kept");
        assert!(known.insert(issued.jti));
    }
    assert!(known.len() >= 2 * MOST, "{}", known.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_disabled_gets_nothing_and_the_others_do() {
    let (_directory, store) = store().await;
    let (good, bad) = (client(&store).await, client(&store).await);
    let disabled = Amendment { disabled: Some(true), ..Amendment::default() };
    store.amend_oauth_client(&bad, disabled, 0, &Actor::system()).await.unwrap();
    let (good, bad, none) = tokio::join!(
        store.issue_together(&good, 0),
        store.issue_together(&bad, 0),
        store.issue_together("client_01JF8Z00000000000000000000", 0)
    );
    assert!(good.unwrap().is_some() && bad.unwrap().is_none() && none.unwrap().is_none());
}
