use flint::oauth::client::{Amendment, NewClient};
use flint::oauth::family::ShownCode;
use flint::oauth::request::{AuthorizationRequest, Back};
use flint::store::Store;
use flint::store::oauth::questions::{Coded, Question};
use flint::store::oauth::tokens::Wanted;
use flint::store::oauth::users::NewUser;
use flint_contract::key::Digest;
use sqlx::Row as _;

use super::world::{CALLBACK, CHALLENGE, VERIFIER, words};
use crate::harness::{actor, on_both};

const DAY: i64 = 86_400;
const TABLES: [&str; 6] = [
    "oauth_question",
    "oauth_family",
    "oauth_refresh_token",
    "oauth_access_token",
    "oauth_revoked_token",
    "oauth_grant",
];

/// A user consents, the client refreshes twice, and one family in three ends before its time.
async fn one_round(store: &Store, client_id: &str, user_id: &str, round: i64, now: i64) {
    let back = Back { redirect_uri: CALLBACK.into(), state: None };
    let scope = vec!["a:b".to_owned()];
    let asked = AuthorizationRequest {
        back,
        scope: scope.clone(),
        challenge: CHALLENGE.into(),
        resource: "https://api".into(),
    };
    let session = Digest::of(b"session");
    let token = store.ask(&session, client_id, &asked, now).await.unwrap();
    let question = Question { client_id: client_id.into(), asked, is_answered: false };
    let who = (user_id, scope.as_slice());
    let coded = store.grant_code(Some(token.reveal()), &question, who, now, &actor()).await.unwrap();
    let Coded::Code(code) = coded else { panic!("{coded:?}") };
    let shown = ShownCode { client_id, redirect_uri: None, verifier: Some(VERIFIER) };
    let issued = store.exchange_code(code.reveal(), &shown, None, now, &actor()).await.unwrap().unwrap();
    let mut refresh = issued.refresh_token.unwrap();
    for later in 1..3 {
        let issued =
            store.refresh(refresh.reveal(), client_id, &Wanted::default(), now + later, &actor()).await;
        refresh = issued.unwrap().unwrap().refresh_token.unwrap();
    }
    if round % 3 == 0 {
        store.revoke_refresh_token(refresh.reveal(), client_id, now + 5, &actor()).await.unwrap();
    }
}

on_both! {
    async fn a_month_of_load_leaves_tables_as_large_as_what_is_alive(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        let begin = 1_700_000_000;
        let rest = Amendment {
            redirect_uris: words(&[CALLBACK]),
            refresh_idle: Some(DAY),
            refresh_max: Some(2 * DAY),
            ..Amendment::default()
        };
        let new = NewClient { name: "App".into(), kind: None, environment: "live".into(), rest };
        let client = store.create_oauth_client(new, begin, &actor()).await.unwrap().0.client.id;
        let user = NewUser { name: "ada".into(), ..NewUser::default() };
        let user = store.create_user(user, begin, &actor()).await.unwrap().0.id;
        let mut sizes: Vec<Vec<i64>> = Vec::new();
        for day in 0..31 {
            for round in 0..6 {
                one_round(&store, &client, &user, round, begin + day * DAY + round * 3_600).await;
            }
            store.forget_oauth(begin + day * DAY + DAY).await.unwrap();
            let mut connection = crate::program::connect(&test.database).await;
            let mut size = Vec::new();
            for table in TABLES {
                let sql = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
                size.push(sqlx::query(sql).fetch_one(&mut connection).await.unwrap().get(0));
            }
            sizes.push(size);
        }
        assert_eq!(sizes[3], sizes[30], "{sizes:?}");
        assert!(sizes[30].iter().all(|size| *size < 30), "{sizes:?}");
    }
}
