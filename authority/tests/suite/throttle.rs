//! Guessing passwords is bounded, and nobody who merely knows a name keeps its owner out: operators
//! and users alike.

use std::sync::Arc;

use flint::store::Store;
use flint::store::audit::AuditFilter;
use flint::store::oauth::users::NewUser;
use flint::store::people::sessions::SignIn;

use crate::harness::{Backend, TestDatabase, actor, on_both};

const NOW: i64 = 1_790_000_000;
const PASSWORD: &str = "correct horse battery";

/// Whose accounts a test is about.
#[derive(Clone, Copy, Debug)]
enum Realm {
    Operator,
    User,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Done,
    Wrong,
    Throttled(i64),
}

/// An account `ada` whose password is known to the test.
#[derive(Clone)]
struct Account {
    realm: Realm,
    store: Arc<Store>,
}

impl<S> From<SignIn<S>> for Outcome {
    fn from(sign_in: SignIn<S>) -> Self {
        match sign_in {
            SignIn::Done(..) => Self::Done,
            SignIn::Wrong => Self::Wrong,
            SignIn::Throttled(wait) => Self::Throttled(wait),
        }
    }
}

impl Account {
    async fn new(realm: Realm, backend: Backend) -> (Self, TestDatabase) {
        let test = backend.database().await;
        let store = Arc::new(Store::open(&test.database).await.unwrap());
        match realm {
            Realm::Operator => {
                store.create_operator("ada", NOW, &actor()).await.unwrap();
                store.set_password("ada", Some(PASSWORD.into()), NOW, &actor()).await.unwrap();
            }
            Realm::User => {
                let new = NewUser { name: "ada".into(), permissions: None, password: Some(PASSWORD.into()) };
                store.create_user(new, NOW, &actor()).await.unwrap();
            }
        }
        (Self { realm, store }, test)
    }

    async fn tries(&self, name: &str, password: &str, address: &str, now: i64) -> Outcome {
        match self.realm {
            Realm::Operator => {
                self.store.sign_in(name, password.into(), Some(address), now).await.unwrap().into()
            }
            Realm::User => {
                self.store.sign_in_user(name, password.into(), Some(address), now).await.unwrap().into()
            }
        }
    }

    async fn guess(&self, address: &str, now: i64) -> Outcome {
        self.tries("ada", "wrong", address, now).await
    }

    async fn right(&self, address: &str, now: i64) -> Outcome {
        self.tries("ada", PASSWORD, address, now).await
    }
}

on_both! {
    async fn guessing_is_slowed_down_by_name_and_by_address(backend) {
        for realm in [Realm::Operator, Realm::User] {
            let (ada, _test) = Account::new(realm, backend).await;
            for _ in 0..5 {
                assert_eq!(ada.guess("10.0.0.1", NOW).await, Outcome::Wrong);
            }
            assert_eq!(ada.guess("10.0.0.2", NOW).await, Outcome::Throttled(1));
            assert_eq!(ada.tries("bob", "wrong", "10.0.0.1", NOW).await, Outcome::Throttled(1));
            assert_eq!(ada.tries("bob", "wrong", "10.0.0.3", NOW).await, Outcome::Wrong);
            // The right password is not heard either, until the time is over.
            assert_eq!(ada.right("10.0.0.4", NOW).await, Outcome::Throttled(1));
            assert_eq!(ada.right("10.0.0.4", NOW + 1).await, Outcome::Done);
            assert_eq!(ada.right("10.0.0.4", NOW + 1).await, Outcome::Done);
        }
    }

    async fn nobody_who_knows_a_name_keeps_its_owner_out(backend) {
        for realm in [Realm::Operator, Realm::User] {
            let (ada, _test) = Account::new(realm, backend).await;
            assert_eq!(ada.right("2001:db8:1:2::3", NOW).await, Outcome::Done);
            // 26 a minute, each from another address.
            let mut heard = 0;
            for number in 0..26 {
                let (address, now) = (format!("10.0.{number}.1"), NOW + number * 60 / 26);
                heard += i32::from(ada.guess(&address, now).await == Outcome::Wrong);
                assert_eq!(ada.right("2001:db8:1:2::7", now).await, Outcome::Done, "{realm:?} is kept out");
            }
            assert!((5..=10).contains(&heard), "{heard}");
            let elsewhere = ada.right("10.1.1.1", NOW + 60).await;
            assert!(matches!(elsewhere, Outcome::Throttled(_)), "the name is guessed at freely");
            // A known address is bounded too.
            for _ in 0..5 {
                ada.guess("2001:db8:1:2::3", NOW + 60).await;
            }
            let known = ada.right("2001:db8:1:2::3", NOW + 60).await;
            assert!(matches!(known, Outcome::Throttled(_)), "{known:?}");
        }
    }

    async fn operators_and_users_of_one_name_are_counted_apart(backend) {
        let (operator, _test) = Account::new(Realm::Operator, backend).await;
        let user = Account { realm: Realm::User, store: Arc::clone(&operator.store) };
        let new = NewUser { name: "ada".into(), permissions: None, password: Some(PASSWORD.into()) };
        user.store.create_user(new, NOW, &actor()).await.unwrap();
        for _ in 0..6 {
            user.guess("10.0.0.1", NOW).await;
        }
        assert!(matches!(user.right("10.0.0.1", NOW).await, Outcome::Throttled(_)));
        assert_eq!(operator.right("10.0.0.1", NOW).await, Outcome::Done);
        // What the operator did makes no address known to the user.
        assert!(matches!(user.right("10.0.0.1", NOW).await, Outcome::Throttled(_)));
    }

    async fn the_password_of_a_session_is_counted_by_session(backend) {
        let (ada, _test) = Account::new(Realm::Operator, backend).await;
        let signed_in = ada.store.sign_in("ada", PASSWORD.into(), Some("10.1.1.1"), NOW).await.unwrap();
        let SignIn::Done(session, _) = signed_in else { panic!() };
        for number in 0..9 {
            ada.guess(&format!("10.0.0.{number}"), NOW).await;
        }
        let confirm = async |password: &str| {
            let done = ada.store.confirm(session.reveal(), "ada", password.into(), Some("10.2.2.2"), NOW).await;
            Outcome::from(done.unwrap())
        };
        for _ in 0..4 {
            assert_eq!(confirm("wrong").await, Outcome::Wrong);
        }
        assert_eq!(confirm(PASSWORD).await, Outcome::Done);
        confirm("wrong").await;
        confirm("wrong").await;
        assert!(matches!(confirm("wrong").await, Outcome::Throttled(_)));
    }

    async fn many_guesses_at_once_are_no_more_than_one_after_another(backend) {
        for (realm, failure) in [(Realm::Operator, "operator.sign_in_failed"), (Realm::User, "user.sign_in_failed")] {
            let (ada, _test) = Account::new(realm, backend).await;
            let mut guesses = tokio::task::JoinSet::new();
            for number in 0..20 {
                let ada = ada.clone();
                guesses.spawn(async move { ada.guess(&format!("10.0.0.{number}"), NOW).await });
            }
            let outcomes = guesses.join_all().await;
            let heard = outcomes.iter().filter(|outcome| **outcome == Outcome::Wrong).count();
            assert_eq!((heard, outcomes.len()), (5, 20));
            // Each that was heard is in the audit log, with where it came from and nothing of what
            // was typed.
            let all = AuditFilter { limit: 100, ..AuditFilter::default() };
            let lines = ada.store.audit(&all).await.unwrap().lines;
            let failed: Vec<_> = lines.iter().filter(|line| line.action == failure).collect();
            assert_eq!(failed.len(), 5);
            assert!(failed.iter().all(|line| line.address.is_some() && !format!("{line:?}").contains("wrong")));
            // Signing in leaves no failure behind: an office with one address may do so all day.
            for _ in 0..12 {
                assert_eq!(ada.right("10.0.1.1", NOW + 60).await, Outcome::Done);
            }
        }
    }
}
