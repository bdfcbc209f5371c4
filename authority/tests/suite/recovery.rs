use std::sync::Arc;

use flint::clock;
use flint::config::Database;
use flint::doctor::database::examine;
use flint::doctor::finding::Grade;
use flint::model::draft::{Amendment, NewKey, Overlap, Reason};
use flint::model::import::{Format, parse};
use flint::model::usage::GoodReport;
use flint::store::Store;
use flint::store::feed::Position;
use flint::store::people::sessions::SignIn;
use flint::store::recovery::backup::restore;
use flint::store::recovery::journal::{Journal, Known, Revocation};
use flint::store::usage::received::Sender;
use flint_contract::key::Digest;
use flint_contract::protocol::UsageReport;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::harness::{Backend, PATIENCE, actor, draft, new_key, nobody, on_both};
use crate::program::{Serving, command, connect, flint, flint_json, stderr, stdout};

async fn create(database: &Database, name: &str) -> String {
    let made = flint_json(database, &["keys", "create", "--name", name, "--environment", "live"]).await;
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_backup_brings_no_revoked_key_back() {
    let test = Backend::Sqlite.database().await;
    let database = &test.database;
    let token =
        flint_json(database, &["gateways", "create", "edge"]).await["token"].as_str().unwrap().to_owned();
    let (revoked, kept) = (create(database, "revoked").await, create(database, "kept").await);
    let copy = test.directory.path().join("copy.db").display().to_string();
    let serving = Serving::start(database, &[]).await;
    flint_json(database, &["backup", &copy]).await;
    assert_eq!(flint(database, &["backup", &copy]).await.status.code(), Some(4), "a copy was overwritten");
    let lost = create(database, "made after the backup").await;
    flint_json(database, &["keys", "revoke", &revoked, "--reason", "leaked"]).await;
    let gateway = serving.client.with_token(&token).with("x-flint-gateway", "envoy-1");
    let cursor = gateway.get("/v1/key-table").await.ok()["cursor"].as_str().unwrap().to_owned();

    let refused = flint(database, &["restore", &copy]).await;
    assert_eq!(refused.status.code(), Some(4), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("in use"));
    serving.terminate().await;
    let restored = flint_json(database, &["restore", &copy]).await;
    assert_eq!(restored["revoked_again"][0]["id"], revoked.as_str());
    assert_eq!(flint_json(database, &["keys", "show", &revoked]).await["revoke_reason"], "leaked");
    assert_eq!(flint_json(database, &["keys", "show", &kept]).await["status"], "active");
    assert_eq!(flint(database, &["keys", "show", &lost]).await.status.code(), Some(3));
    assert!(std::path::Path::new(restored["previous_database"].as_str().unwrap()).exists());

    let serving = Serving::start(database, &[]).await;
    let gateway = serving.client.with_token(&token).with("x-flint-gateway", "envoy-1");
    let page = gateway.get(&format!("/v1/key-table?cursor={cursor}")).await.ok();
    assert_eq!(page["reset"], true);
    let keys = page["keys"].as_array().unwrap();
    let of = |id: &str| keys.iter().find(|key| key["id"] == id).unwrap();
    assert!(of(&revoked)["revoked_at"].is_i64() && of(&kept)["revoked_at"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_put_back_by_hand_is_noticed() {
    let test = Backend::Sqlite.database().await;
    let database = &test.database;
    let id = create(database, "CI").await;
    let path = database.path().unwrap();
    let copy = test.directory.path().join("copy.db");
    flint_json(database, &["backup", copy.to_str().unwrap()]).await;
    flint_json(database, &["keys", "revoke", &id]).await;
    std::fs::copy(copy, path).unwrap();
    for suffix in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = std::fs::remove_file(name);
    }
    assert_eq!(flint_json(database, &["keys", "show", &id]).await["status"], "active");
    Serving::start(database, &[]).await.terminate().await;
    assert_eq!(flint_json(database, &["keys", "show", &id]).await["status"], "revoked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_cannot_be_opened_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("keys.csv");
    std::fs::write(&text, "sha256,name,environment\n".repeat(100)).unwrap();
    let (_socket, nobody) = nobody();
    for (database, reason) in [
        (Database::Sqlite(text), "file is not a database"),
        (Database::Postgres(format!("postgres://flint:s3cret@{nobody}/flint")), "refused"),
    ] {
        let said = Store::open(&database).await.err().unwrap().to_string();
        assert!(said.contains(reason) && !said.contains("s3cret"), "{said}");
    }
}

/// A sign that means something in a URL means nothing in the name of a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_is_taken_as_it_is_written() {
    let test = Backend::Sqlite.database().await;
    let home = test.directory.path().join("ho me%2F");
    std::fs::create_dir(&home).unwrap();
    let database = Database::Sqlite(home.join("a b%41#c&ö.db"));
    let (id, copy) = (create(&database, "CI").await, home.join("copy%41.db").display().to_string());
    flint_json(&database, &["backup", &copy]).await;
    flint_json(&database, &["keys", "revoke", &id]).await;
    let restored = flint_json(&database, &["restore", &copy]).await;
    assert_eq!(restored["revoked_again"][0]["id"], id.as_str());
    assert_eq!(flint_json(&database, &["keys", "show", &id]).await["status"], "revoked");
    for entry in std::fs::read_dir(&home).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert!(name.starts_with("a b%41#c&ö.db") || name == "copy%41.db", "{name}");
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "others may read {name}");
    }
}

/// A backup was at places where many can read it; and two restores within a second leave both
/// databases of before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_keeps_files_private_and_overwrites_none() {
    use std::os::unix::fs::PermissionsExt as _;
    let test = Backend::Sqlite.database().await;
    let copy = test.directory.path().join("copy.db");
    create(&test.database, "in the backup").await;
    flint_json(&test.database, &["backup", copy.to_str().unwrap()]).await;
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut put_aside = Vec::new();
    // A constant time, as two restores within a second have.
    for (now, name) in [(7, "first"), (7, "second"), (8, "third"), (7, "fourth")] {
        let lost = create(&test.database, name).await;
        let journal = Journal::beside(test.database.path().unwrap());
        let (_, kept) = restore(&test.database, &copy, journal, now).await.unwrap();
        put_aside.push((kept.unwrap(), lost));
        let mode = std::fs::metadata(test.database.path().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    for (path, lost) in put_aside {
        assert_eq!(flint_json(&Database::Sqlite(path), &["keys", "show", &lost]).await["status"], "active");
    }
    assert_eq!(flint_json(&test.database, &["keys", "list"]).await["keys"].as_array().unwrap().len(), 1);
    Serving::start(&test.database, &[]).await.kill().await;
    for entry in std::fs::read_dir(test.directory.path()).unwrap().map(Result::unwrap) {
        let mode = entry.metadata().unwrap().permissions().mode();
        assert!(mode & 0o077 == 0 || entry.path() == copy, "others may read {:?}", entry.file_name());
    }
}

/// Nothing is put in the place of the database but a backup of one, and what was there stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_backup_is_not_restored() {
    let test = Backend::Sqlite.database().await;
    let database = &test.database;
    let id = create(database, "CI").await;
    let (path, file) = (database.path().unwrap(), test.directory.path().join("file"));
    let other = Database::Sqlite(test.directory.path().join("other.db"));
    flint_json(database, &["backup", other.path().unwrap().to_str().unwrap()]).await;
    sqlx::any::install_default_drivers();
    let mut connection = connect(&other).await;
    sqlx::query("ALTER TABLE feed RENAME TO theirs").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    for content in
        [vec![], b"sha256,name\n".to_vec(), vec![7; 8_192], std::fs::read(other.path().unwrap()).unwrap()]
    {
        std::fs::write(&file, content).unwrap();
        let refused = flint(database, &["restore", file.to_str().unwrap()]).await;
        assert_eq!(refused.status.code(), Some(4), "{}", stderr(&refused));
        assert!(stderr(&refused).contains("is not a backup"), "{}", stderr(&refused));
        assert_eq!(flint_json(database, &["keys", "show", &id]).await["status"], "active");
    }
    let left = std::fs::read_dir(path.parent().unwrap())
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let left: Vec<_> = left.filter(|name| name.contains("restoring") || name.contains("before")).collect();
    assert!(left.is_empty(), "{left:?}");
}

on_both! {
    async fn a_restore_ends_every_session(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        let now = clock::now();
        let (_, password) = store.create_first_operator(now).await.unwrap().unwrap();
        let signed_in = store.sign_in("admin", password.reveal().into(), None, now).await.unwrap();
        let SignIn::Done(cookie, _) = signed_in else { panic!("{signed_in:?}") };
        store.recover(false, now).await.unwrap();
        assert!(store.session(cookie.reveal(), now).await.unwrap().is_some(), "ended by a mere start");
        store.recover(true, now).await.unwrap();
        assert!(store.session(cookie.reveal(), now).await.unwrap().is_none());
    }

    async fn the_journal_has_every_revocation_however_it_came(backend) {
        let test = backend.database().await;
        let journal = || Journal::at(test.directory.path().join("revocations"));
        let store = Store::open_with(&test.database, Some(journal())).await.unwrap();
        let now = clock::now();
        let make = async |store: &Store| store.create_key(new_key("CI").check(now).unwrap(), now, &actor()).await.unwrap();
        let (one, two, three) = (make(&store).await, make(&store).await, make(&store).await);
        store.revoke_key(&one.key.id, Reason::check(Some("leaked".into())).unwrap(), now, &actor()).await.unwrap();
        store.rotate_key(&two.key.id, Overlap::check(0).unwrap(), now, &actor()).await.unwrap();
        store.revoke_leaked(three.secret.reveal(), None, now).await.unwrap();
        let entries = journal().read().unwrap().revoked;
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[&one.key.digest].reason.as_deref(), Some("leaked"));

        // One that is not in step: its revocations are added; nothing else changes.
        std::fs::remove_file(journal().path()).unwrap();
        let recovered = store.recover(false, now).await.unwrap();
        assert_eq!((recovered.journalled, recovered.replayed.len(), recovered.new_epoch), (3, 0, false));
        assert_eq!(journal().read().unwrap().revoked.len(), 3);
        let restored = store.recover(true, now).await.unwrap();
        assert_eq!((restored.journalled, restored.new_epoch), (0, true));
    }

    async fn a_digest_that_was_revoked_is_not_imported_after_a_restore(backend) {
        let test = backend.database().await;
        let journal = || Some(Journal::at(test.directory.path().join("revocations")));
        let store = Store::open_with(&test.database, journal()).await.unwrap();
        let now = clock::now();
        let made = store.create_key(new_key("CI").check(now).unwrap(), now, &actor()).await.unwrap();
        store.revoke_key(&made.key.id, None, now, &actor()).await.unwrap();
        // A backup that is older than the key: the database knows nothing of it, the journal does.
        let elsewhere = backend.database().await;
        let restored = Store::open_with(&elsewhere.database, journal()).await.unwrap();
        restored.recover(true, now).await.unwrap();
        let line = format!("sha256,name,environment\n{},CI,live\n", made.key.digest.to_hex());
        let parsed = parse(&line, Format::Csv, 10_000, now).unwrap();
        let found = restored.find_existing(&parsed.good).await.unwrap().other;
        assert_eq!(found.len(), 1);
        assert!(found.first()[0].mistakes[0].message.contains("revoked"), "{found:?}");
        restored.import_keys(&parsed.good, now, &actor()).await.unwrap_err();
        assert!(restored.key_by_digest(&made.key.digest).await.is_err());
    }

    async fn an_end_that_was_brought_forward_holds_after_a_restore(backend) {
        let test = backend.database().await;
        let journal = || Some(Journal::at(test.directory.path().join("revocations")));
        let store = Store::open_with(&test.database, journal()).await.unwrap();
        let now = clock::now();
        let [rotated, shortened, prolonged, untouched] = ["a", "b", "c", "d"].map(new_key);
        let make = async |new: NewKey| store.create_key(new.check(now).unwrap(), now, &actor()).await.unwrap().key;
        let (rotated, shortened) = (make(rotated).await, make(shortened).await);
        let (prolonged, untouched) = (make(prolonged).await, make(untouched).await);
        let mut behind = connect(&test.database).await;
        let amend = async |id: &str, expires_at| {
            let change = Amendment { expires_at: Some(expires_at), ..Amendment::default() };
            store.amend_key(id, change.check(now).unwrap(), now, &actor()).await.unwrap()
        };
        store.rotate_key(&rotated.id, Overlap::check(3_600).unwrap(), now, &actor()).await.unwrap();
        amend(&shortened.id, Some(now + 60)).await;
        amend(&prolonged.id, Some(now + 60)).await;
        amend(&prolonged.id, None).await;
        // In step, nothing is set right, however often it is looked at.
        for _ in 0..2 {
            let recovered = store.recover(false, now).await.unwrap();
            assert_eq!((recovered.ended, recovered.new_epoch), (vec![], false));
        }
        // What the rows were before, as a backup has them.
        let sql = "UPDATE api_key SET version = 1, expires_at = $1, replaced_by = NULL WHERE replaces IS NULL";
        sqlx::query(sql).bind(rotated.expires_at).execute(&mut behind).await.unwrap();
        let recovered = store.recover(false, now).await.unwrap();
        assert!(recovered.new_epoch, "the database is older than the journal");
        let ended: Vec<_> = recovered.ended.iter().map(|end| end.id.as_str()).collect();
        assert_eq!(ended, [rotated.id.as_str(), shortened.id.as_str()]);
        let end = async |id: &str| store.key(id).await.unwrap().expires_at;
        assert_eq!(end(&rotated.id).await, Some(now + 3_600));
        assert_eq!(end(&shortened.id).await, Some(now + 60));
        assert_eq!(end(&prolonged.id).await, prolonged.expires_at, "a later end is lost with the rest");
        assert_eq!(end(&untouched.id).await, untouched.expires_at);
        // What is changed after the restore counts, though the key had more versions before.
        amend(&shortened.id, Some(now + 7_200)).await;
        assert_eq!(store.recover(false, now).await.unwrap().ended, vec![]);
        assert_eq!(end(&shortened.id).await, Some(now + 7_200));
    }

    async fn a_long_journal_is_compared_with_every_key(backend) {
        let test = backend.database().await;
        let journal = Journal::at(test.directory.path().join("revocations"));
        let store = Store::open_with(&test.database, Some(journal.clone())).await.unwrap();
        let now = clock::now();
        let make = async || store.create_key(new_key("CI").check(now).unwrap(), now, &actor()).await.unwrap().key;
        let (behind, removed, earlier, untouched) = (make().await, make().await, make().await, make().await);
        for key in [&removed, &earlier] {
            store.revoke_key(&key.id, None, now, &actor()).await.unwrap();
        }
        store.remove_key(&removed.id, now, &actor()).await.unwrap();
        // Gone is gone, whatever else the row says.
        let sql = "UPDATE api_key SET revoked_at = NULL WHERE removed_at IS NOT NULL";
        sqlx::query(sql).execute(&mut connect(&test.database).await).await.unwrap();
        let entry = |digest: &Digest, id: &str, revoked_at| Revocation {
            sha256: digest.to_hex(),
            id: id.into(),
            revoked_at,
            reason: None,
        };
        // More lines than are looked up at once, of keys that the database never had, about those
        // that it has.
        let mut lines: Vec<_> = (0..1_200_i64)
            .map(|number| entry(&Digest::of(&number.to_be_bytes()), "key_lost", now))
            .collect();
        lines.push(entry(&behind.digest, &behind.id, now - 60));
        // An attempt that failed, before the one that was made.
        lines.push(entry(&earlier.digest, &earlier.id, now - 60));
        journal.append(&lines).await.unwrap();
        let recovered = store.recover(false, now).await.unwrap();
        let replayed: Vec<_> = recovered.replayed.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!((replayed, recovered.new_epoch), (vec![behind.id.as_str()], true));
        let revoked_at = async |id: &str| store.key(id).await.unwrap().revoked_at;
        assert_eq!(revoked_at(&behind.id).await, Some(now - 60));
        assert_eq!(revoked_at(&earlier.id).await, Some(now));
        assert_eq!(revoked_at(&untouched.id).await, None);
        let again = store.recover(false, now).await.unwrap();
        assert_eq!((again.replayed, again.journalled, again.new_epoch), (vec![], 0, false));
    }

    async fn a_change_that_fails_leaves_no_end_in_the_journal(backend) {
        let test = backend.database().await;
        let journal = Journal::at(test.directory.path().join("revocations"));
        let store = Store::open_with(&test.database, Some(journal.clone())).await.unwrap();
        let made = store.create_key(draft(new_key("CI")), clock::now(), &actor()).await.unwrap();
        let change = Amendment { expires_at: Some(None), version: Some(9), ..Amendment::default() };
        store.amend_key(&made.key.id, change.check(clock::now()).unwrap(), clock::now(), &actor()).await.unwrap_err();
        let change = Amendment { name: Some("other".into()), ..Amendment::default() };
        store.amend_key(&made.key.id, change.check(clock::now()).unwrap(), clock::now(), &actor()).await.unwrap();
        assert_eq!(journal.read().unwrap(), Known::default());
        store.rotate_key(&made.key.id, Overlap::check(60).unwrap(), clock::now(), &actor()).await.unwrap();
        assert_eq!(journal.read().unwrap().ends.len(), 1);
    }

    async fn a_client_that_hangs_up_takes_no_end_out_of_the_journal(backend) {
        let test = backend.database().await;
        let journal = Journal::at(test.directory.path().join("revocations"));
        let store = Store::open_with(&test.database, Some(journal.clone())).await.unwrap();
        let now = clock::now();
        // Each is left after one more step than the one before, until one comes to its end.
        let mut keys = Vec::new();
        for steps in 1.. {
            let key = store.create_key(draft(new_key("CI")), now, &actor()).await.unwrap().key;
            let change = Amendment { expires_at: Some(Some(now + 60)), ..Amendment::default() };
            let by = actor();
            let id = key.id.clone();
            let mut changing = std::pin::pin!(store.amend_key(&id, change.check(now).unwrap(), now, &by));
            let mut left = steps;
            let ended = std::future::poll_fn(|context| {
                let polled = changing.as_mut().poll(context).map(Some);
                left -= 1;
                if polled.is_pending() && left == 0 { std::task::Poll::Ready(None) } else { polled }
            });
            let ended = ended.await;
            keys.push(key);
            if ended.is_some() {
                break;
            }
        }
        let deadline = std::time::Instant::now() + PATIENCE;
        for key in keys {
            // Whatever is still under way ends before this begins.
            drop(store.write().await.unwrap());
            while store.key(&key.id).await.unwrap().expires_at == Some(now + 60)
                && !journal.read().unwrap().ends.contains_key(&key.digest)
            {
                assert!(std::time::Instant::now() < deadline, "an end is not in the journal");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }

    async fn a_restore_without_a_journal_says_what_that_means(backend) {
        let test = backend.database().await;
        let journal = test.directory.path().join("journal").display().to_string();
        Store::open(&test.database).await.unwrap().close().await;
        let restore = async || flint(&test.database, &["restore", "--journal", &journal]).await;
        let none = restore().await;
        assert!(none.status.success() && stderr(&none).contains("keys that were revoked after the backup was made"));
        let id = create(&test.database, "CI").await;
        flint_json(&test.database, &["keys", "revoke", &id, "--journal", &journal]).await;
        let one = restore().await;
        assert!(one.status.success() && stderr(&one).is_empty(), "{}", stderr(&one));
        assert!(stdout(&one).contains(&format!("The journal {journal} has nothing that the backup lacks")));
    }

    async fn the_doctor_compares_journal_and_database(backend) {
        let test = backend.database().await;
        let journal = Journal::at(test.directory.path().join("journal"));
        let store = Store::open_with(&test.database, Some(journal.clone())).await.unwrap();
        let now = clock::now();
        let find = async || {
            let findings = examine(&store, now).await.unwrap();
            findings.into_iter().find(|one| one.check == "journal").unwrap()
        };
        journal.prepare().unwrap();
        let (one, other) = (new_key("one"), new_key("other"));
        let one = store.create_key(one.check(now).unwrap(), now, &actor()).await.unwrap().key;
        let other = store.create_key(other.check(now).unwrap(), now, &actor()).await.unwrap().key;
        assert_eq!(find().await.grade, Grade::Good);
        store.revoke_key(&one.id, None, now, &actor()).await.unwrap();
        assert_eq!(find().await.grade, Grade::Good);
        std::fs::write(journal.path(), "").unwrap();
        let found = find().await;
        assert!(found.grade == Grade::Warn && found.finding.contains("lacks 1 revocation"), "{found:?}");
        // As where a revocation was written down and its commit failed.
        let entry = Revocation { sha256: other.digest.to_hex(), id: other.id, revoked_at: now, reason: None };
        journal.append(&[entry]).await.unwrap();
        let found = find().await;
        assert!(found.grade == Grade::Bad && found.finding.contains("has revoked 1 key"), "{found:?}");
        store.recover(false, now).await.unwrap();
        assert_eq!(find().await.grade, Grade::Good);
        std::fs::remove_file(journal.path()).unwrap();
        std::fs::create_dir(journal.path()).unwrap();
        assert_eq!(find().await.grade, Grade::Bad, "it cannot be written");
    }

    async fn there_is_a_journal_where_nothing_is_said(backend) {
        let test = backend.database().await;
        let here = test.directory.path();
        let run = async |words: &[&str]| {
            let mut command = command(&test.database);
            command.env_remove("FLINT_JOURNAL").current_dir(here).args(words);
            let output = command.output().await.unwrap();
            (output.status.code(), stdout(&output) + &stderr(&output))
        };
        let id = create(&test.database, "CI").await;
        assert_eq!(run(&["keys", "revoke", &id]).await.0, Some(0));
        let name = if test.database.path().is_some() { "flint.db.revocations" } else { "flint-revocations.journal" };
        assert!(Journal::at(here.join(name)).read().unwrap().revoked.values().any(|entry| entry.id == id));
        let (code, said) = run(&["serve", "--listen", "127.0.0.1:0", "--journal", "no such folder/journal"]).await;
        assert!(code == Some(1) && said.contains("cannot write the journal"), "{said}");
    }

    async fn a_revocation_that_cannot_be_journalled_is_not_made(backend) {
        let test = backend.database().await;
        let nowhere = Journal::at(test.directory.path().join("no such folder").join("revocations"));
        let store = Store::open_with(&test.database, Some(nowhere)).await.unwrap();
        let made = store.create_key(draft(new_key("CI")), clock::now(), &actor()).await.unwrap();
        store.revoke_key(&made.key.id, None, clock::now(), &actor()).await.unwrap_err();
        assert_eq!(store.key(&made.key.id).await.unwrap().revoked_at, None);
    }

    async fn the_doctor_finds_clocks_that_are_off(backend) {
        let test = backend.database().await;
        let store = Store::open(&test.database).await.unwrap();
        let now = clock::now();
        let clock = async |process_id: &str, off: i64, late: i64| {
            let id = format!("{process_id}-{off}-{late}");
            let (from, to) = (now + off - 10, now + off);
            let report = UsageReport { report_id: id, from, to, dropped: 0, entries: Vec::new() };
            let sender = Sender { gateway_id: "g", process_id, received_at: now + late };
            store.receive_usage(&GoodReport::check(report).unwrap(), sender).await.unwrap();
            let findings = examine(&store, now).await.unwrap();
            let found = findings.into_iter().find(|one| one.check == "clock").unwrap();
            (found.grade, found.finding)
        };
        // A report that waited for its turn says nothing against a clock that others vouch for.
        assert_eq!(clock("late", 0, 1).await.0, Grade::Good);
        assert_eq!(clock("late", -60, 0).await.0, Grade::Good);
        let (grade, finding) = clock("behind", -40, 0).await;
        assert!(grade == Grade::Bad && finding.contains("40 s behind"), "{finding}");
        let (grade, finding) = clock("ahead", 50, 0).await;
        assert!(grade == Grade::Bad && finding.contains("50 s ahead"), "{finding}");
    }

    async fn the_doctor_says_what_to_do(backend) {
        let test = backend.database().await;
        let ask = async || flint_json(&test.database, &["doctor"]).await["findings"].clone();
        let grade = |findings: &Value, check: &str| {
            let found = findings.as_array().unwrap().iter().find(|one| one["check"] == check).unwrap();
            found["grade"].as_str().unwrap().to_owned()
        };
        let absent = flint(&test.database, &["doctor"]).await.status.code();
        // A file that is mistyped is not made; a server has the database that it has.
        assert_eq!(absent, Some(if test.database.path().is_some() { 3 } else { 0 }));
        assert!(test.database.path().is_none_or(|path| !path.exists()));
        Store::open(&test.database).await.unwrap().close().await;
        let findings = ask().await;
        assert_eq!((grade(&findings, "database"), grade(&findings, "gateways")), ("ok".into(), "warn".into()));
        assert_eq!((grade(&findings, "operators"), grade(&findings, "rotation")), ("warn".into(), "ok".into()));
        assert_eq!(grade(&findings, "journal"), "warn", "there is none yet");
        Serving::start(&test.database, &[]).await.terminate().await;
        assert_eq!(grade(&ask().await, "journal"), "ok");
        let made = flint_json(&test.database, &["keys", "create", "--name", "CI", "--environment", "live", "--rotate", "1s"]);
        let id = made.await["id"].as_str().unwrap().to_owned();
        flint_json(&test.database, &["operators", "create", "ada"]).await;
        let due = loop {
            let due = flint(&test.database, &["keys", "due", "--json"]).await;
            match due.status.code() {
                Some(10) => break due,
                code => assert_eq!(code, Some(0)),
            }
        };
        let findings = ask().await;
        assert_eq!((grade(&findings, "operators"), grade(&findings, "rotation")), ("ok".into(), "warn".into()));
        let due: Value = serde_json::from_slice(&due.stdout).unwrap();
        assert_eq!(due["keys"][0]["id"], json!(id));
        flint_json(&test.database, &["keys", "rotate", &id]).await;
        // Its successor is due as soon as it was: in a second, which may have passed.
        let due = flint(&test.database, &["keys", "due", "--json"]).await;
        assert!(!String::from_utf8_lossy(&due.stdout).contains(&format!("\"id\": \"{id}\"")));
    }
}

/// Another change is under way, begun before the revocation and committed while it waits. It must
/// not make it fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_waits_for_another_change_and_wins() {
    if !crate::postgres::is_there() {
        return;
    }
    let harness = Backend::Postgres.start().await;
    let made = harness.key("CI").await;
    let mut other = harness.connect().await;
    let run = async |connection: &mut sqlx::AnyConnection, sql: &'static str| {
        sqlx::query(sql).execute(connection).await.unwrap();
    };
    run(&mut other, "BEGIN").await;
    run(&mut other, "UPDATE feed SET change_seq = change_seq + 1").await;
    run(&mut other, "UPDATE api_key SET version = version + 1, change_seq = change_seq + 1, name = 'other'")
        .await;
    let (store, id) = (Arc::clone(&harness.store), made.key.id.clone());
    let revoking = tokio::spawn(async move { store.revoke_key(&id, None, clock::now(), &actor()).await });
    // A connection of its own: within a transaction PostgreSQL always tells the same of others.
    let mut watching = harness.connect().await;
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut watching).await.unwrap() == 0 {
        assert!(!revoking.is_finished(), "{:?}", revoking.await);
    }
    run(&mut other, "COMMIT").await;
    let key = revoking.await.unwrap().unwrap();
    assert_eq!(
        (key.revoked_at.is_some(), key.name.as_str(), key.version),
        (true, "other", made.key.version + 2)
    );
}

#[tokio::test]
async fn a_recovery_that_was_stopped_on_its_way_goes_on_in_a_new_epoch() {
    let test = Backend::Sqlite.database().await;
    let store = Store::open(&test.database).await.unwrap();
    let now = clock::now();
    for name in ["one", "two", "three"] {
        let key = store.create_key(new_key(name).check(now).unwrap(), now, &actor()).await.unwrap().key;
        store.revoke_key(&key.id, None, now, &actor()).await.unwrap();
    }
    let mut connection = connect(&test.database).await;
    let stop = "CREATE TRIGGER stop BEFORE UPDATE ON api_key WHEN NEW.name = 'two' \
                BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    for sql in ["UPDATE api_key SET revoked_at = NULL", stop] {
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }
    let epoch = async || {
        let cursor = store.changes(Position::Beginning, 1).await.unwrap().page.cursor;
        cursor.split('.').next().unwrap().to_owned()
    };
    let before = epoch().await;
    store.recover(false, now).await.unwrap_err();
    assert_ne!(epoch().await, before, "what is set right from here on is of the new epoch");
    sqlx::query("DROP TRIGGER stop").execute(&mut connection).await.unwrap();
    store.recover(false, now).await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM api_key WHERE revoked_at IS NULL")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(left, 0);
}
