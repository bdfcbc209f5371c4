use flint::clock;
use flint::model::draft::{Amendment, NewKey};
use flint::store::Store;
use flint::store::keys::listing::{Filter, KeyPage, Sort};

use crate::harness::{actor, draft, new_key, on_both};

async fn list(store: &Store, filter: Filter) -> KeyPage {
    store.list_keys(&filter, clock::now()).await.unwrap()
}

fn names(page: &KeyPage) -> Vec<&str> {
    page.keys.iter().map(|listed| listed.key.name.as_str()).collect()
}

async fn found(store: &Store, text: &str) -> Vec<String> {
    let filter = Filter { search: Some(text.into()), sort: Sort::Name, limit: 50, ..Filter::default() };
    names(&list(store, filter).await).into_iter().map(Into::into).collect()
}

on_both! {
    async fn a_key_is_found_by_the_beginnings_of_its_words(backend) {
        let harness = backend.start().await;
        let store = &harness.store;
        let new = NewKey { owner: Some("team-payments_70007".into()), ..new_key("Checkout, ÜBER Frankfurt 100%") };
        let made = store.create_key(draft(new), clock::now(), &actor()).await.unwrap();
        let other = harness.key("Export").await.key.id;
        let hint = made.key.hint.clone().unwrap();
        let end = hint.chars().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect::<String>();
        // What is typed is longer than the ends of a key: they are random, and searched too.
        let wanted = vec![made.key.name.clone()];
        let id = made.key.id.as_str();
        let alike = id.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
        for text in ["check", "FRANK", "über", "frankfurt checkout", "payment", "team-pay", "70007", "100%", id, &hint, &end] {
            assert_eq!(found(store, text).await, wanted, "{text}");
        }
        assert_eq!(found(store, &id[..alike]).await.len(), 2, "keys of the same moment begin alike");
        for text in ["heckout", "frankfurt export", "%", "_", "?!", "' OR 1=1--", "nothing"] {
            assert_eq!(found(store, text).await, [""; 0], "{text}");
        }
        assert_eq!(found(store, "  ").await.len(), 2);
    }

    async fn a_key_is_found_as_it_is_now_and_not_once_it_is_removed(backend) {
        let harness = backend.start().await;
        let store = &harness.store;
        let made = harness.key("Before").await;
        let change = Amendment { name: Some("After".into()), ..Amendment::default() };
        store.amend_key(&made.key.id, change.check(clock::now()).unwrap(), clock::now(), &actor()).await.unwrap();
        assert_eq!((found(store, "before").await.len(), found(store, "after").await.len()), (0, 1));
        harness.revoke(&made.key.id).await;
        assert_eq!(found(store, "after").await.len(), 1);
        store.remove_key(&made.key.id, clock::now(), &actor()).await.unwrap();
        assert_eq!(found(store, "after").await.len(), 0);
    }

    async fn keys_of_an_earlier_version_are_found_once_the_database_is_opened(backend) {
        let harness = backend.start().await;
        harness.key("Old one").await;
        harness.sql("DELETE FROM key_word").await.unwrap();
        harness.sql("UPDATE api_key SET words = NULL").await.unwrap();
        assert_eq!(found(&harness.store, "old").await.len(), 0);
        let again = Store::open(&harness.database.database).await.unwrap();
        assert_eq!(found(&again, "old").await, ["Old one"]);
    }

    async fn by_last_use_never_is_last_and_the_reverse_is_the_reverse(backend) {
        let harness = backend.start().await;
        let (store, now) = (&harness.store, clock::now());
        for name in ["never 1", "early", "late", "never 2"] {
            harness.key(name).await;
        }
        harness.sql("UPDATE key_last_used SET last_used = 100 WHERE key_id = (SELECT id FROM api_key WHERE name = 'early')").await.unwrap();
        harness.sql("UPDATE key_last_used SET last_used = 200 WHERE key_id = (SELECT id FROM api_key WHERE name = 'late')").await.unwrap();
        let filter = Filter { sort: Sort::Used, descending: true, limit: 3, ..Filter::default() };
        let first = list(store, filter.clone()).await;
        assert_eq!(first.keys.iter().map(|one| one.last_used).collect::<Vec<_>>(), [Some(200), Some(100), None]);
        let second = list(store, Filter { after: first.next.clone(), ..filter.clone() }).await;
        let mut all = [names(&first), names(&second)].concat();
        assert_eq!((all.len(), &all[..2]), (4, ["late", "early"].as_slice()));
        let reverse = list(store, Filter { descending: false, limit: 9, ..filter.clone() }).await;
        all.reverse();
        assert_eq!(names(&reverse), all);
        let few = Filter { search: Some("never".into()), limit: 9, ..filter };
        let page = store.list_keys(&few, now).await.unwrap();
        assert_eq!(page.keys.len(), 2);
        assert!(page.keys.iter().all(|listed| listed.last_used.is_none()));
    }

    async fn pages_are_turned_forth_and_back(backend) {
        let harness = backend.start().await;
        for number in 0..7 {
            harness.key(&format!("Key {number}")).await;
        }
        for (sort, search) in [
            (Sort::Created, None), (Sort::Name, None), (Sort::Expires, None), (Sort::Used, None),
            (Sort::Created, Some("key")), (Sort::Name, Some("key")), (Sort::Expires, Some("key")), (Sort::Used, Some("key")),
        ] {
            for descending in [false, true] {
                let search = search.map(Into::into);
                let filter = Filter { sort, descending, limit: 3, search, ..Filter::default() };
                let turn = async |after: &Option<String>| {
                    assert!(after.is_some());
                    list(&harness.store, Filter { after: after.clone(), ..filter.clone() }).await
                };
                let first = list(&harness.store, filter.clone()).await;
                let second = turn(&first.next).await;
                let third = turn(&second.next).await;
                assert_eq!((first.previous.as_ref(), third.next.as_ref()), (None, None), "{filter:?}");
                let mut all = [names(&first), names(&second), names(&third)].concat();
                let (back, begin) = (turn(&third.previous).await, turn(&second.previous).await);
                assert_eq!((names(&back), names(&begin)), (names(&second), names(&first)), "{filter:?}");
                assert_eq!((begin.previous.as_ref(), begin.next.is_some()), (None, true));
                assert_eq!(names(&turn(&back.next).await), names(&third));
                all.sort_unstable();
                all.dedup();
                assert_eq!(all.len(), 7, "{filter:?}");
            }
        }
    }
}
