use flint::model::DAY;
use flint::store::Store;
use flint::store::people::sessions::SignIn;

use crate::harness::{actor, on_both};

const NOW: i64 = 1_790_000_000;
const TOKEN: &str = "a-token-of-a-form";

on_both! {
    async fn a_form_is_spent_once_by_each_operator(backend) {
        let test = backend.database().await;
        let (one, other) = (Store::open(&test.database).await.unwrap(), Store::open(&test.database).await.unwrap());
        let both = tokio::join!(one.spend_form(TOKEN, "op_1", NOW), other.spend_form(TOKEN, "op_1", NOW));
        assert!(both.0.unwrap() != both.1.unwrap(), "two servers took one form");
        assert!(!one.spend_form(TOKEN, "op_1", NOW + DAY).await.unwrap());
        assert!(one.spend_form(TOKEN, "op_2", NOW).await.unwrap());
        // Longer than any session lasts, it is forgotten.
        assert!(one.spend_form(TOKEN, "op_1", NOW + 2 * DAY).await.unwrap());
    }

    async fn a_session_tells_when_it_began(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        let (_, password) = store.create_operator("ada", NOW, &actor()).await.unwrap();
        let SignIn::Done(cookie, _) = store.sign_in("ada", password.reveal().into(), None, NOW).await.unwrap() else {
            panic!()
        };
        assert_eq!(store.session_began(cookie.reveal()).await.unwrap(), Some(NOW));
        assert_eq!(store.session_began("nonsense").await.unwrap(), None);
    }

    async fn a_key_that_was_never_used_has_no_first_day(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        assert_eq!(store.first_used("key_1").await.unwrap(), None);
    }
}
