//! What other programs may do to the files of a SQLite database while `flint serve` has them open.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flint::config::Database;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::client::Client;
use crate::harness::{Backend, Harness, PATIENCE, TestDatabase};
use crate::program::{Serving, connect, flint, flint_json, stderr};

/// A client that reads, and closes in good order: it deletes the log if it believes itself alone.
async fn look_into(database: &Database) {
    sqlx::any::install_default_drivers();
    let mut connection = connect(database).await;
    let sql = "SELECT COUNT(*) FROM api_key";
    sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn token(database: &Database) -> String {
    let words = ["tokens", "create", "--name", "test", "--permission", "*"];
    flint_json(database, &words).await["token"].as_str().unwrap().to_owned()
}

async fn create(client: &Client, name: &str) -> String {
    let made = client.post("/v1/keys", &json!({ "name": name, "environment": "live" })).await.ok();
    made["id"].as_str().unwrap().to_owned()
}

fn beside(database: &Database, suffix: &str) -> PathBuf {
    let mut name = database.path().unwrap().as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_client_comes_and_goes_and_nothing_is_lost() {
    let test = Backend::Sqlite.database().await;
    let token = token(&test.database).await;
    let (mut kept, mut revoked) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let serving = Serving::start(&test.database, &[]).await;
        let client = serving.client.with_token(&token);
        for _ in 0..3 {
            look_into(&test.database).await;
            let [one, two, three] =
                [create(&client, "one").await, create(&client, "two").await, create(&client, "three").await];
            look_into(&test.database).await;
            flint_json(&test.database, &["keys", "revoke", &one]).await;
            assert_eq!(
                client.get(&format!("/v1/keys/{one}")).await.ok()["status"],
                "revoked",
                "by the command line"
            );
            client.post(&format!("/v1/keys/{two}/revoke"), &json!({})).await.ok();
            look_into(&test.database).await;
            assert_eq!(flint_json(&test.database, &["keys", "show", &two]).await["status"], "revoked");
            revoked.extend([one, two]);
            kept.push(three);
        }
        assert_eq!(client.get("/readyz").await.status, 200);
        serving.kill().await;
    }
    for (ids, status) in [(&kept, "active"), (&revoked, "revoked")] {
        for id in ids {
            assert_eq!(flint_json(&test.database, &["keys", "show", id]).await["status"], status);
        }
    }
}

/// What a command wrote is in the database itself, which another tool may then copy alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_leaves_no_log_behind() {
    let test = Backend::Sqlite.database().await;
    for arguments in [
        &["tokens", "create", "--name", "test", "--permission", "*"][..],
        &["gateways", "create", "edge"],
        &["gateways", "create", "edge"],
        &["keys", "list"],
        &["doctor"],
    ] {
        flint(&test.database, arguments).await;
        for suffix in ["-wal", "-shm"] {
            assert!(!beside(&test.database, suffix).exists(), "{arguments:?} {suffix}");
        }
    }
    let serving = Serving::start(&test.database, &[]).await;
    flint(&test.database, &["gateways", "create", "other"]).await;
    assert!(beside(&test.database, "-wal").exists(), "the server has it open");
    assert!(serving.terminate().await.success());
    assert!(!beside(&test.database, "-wal").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_changed_from_outside_are_written_to_no_more() {
    type Change = fn(&Path);
    let delete: Change = |path| fs::remove_file(path).unwrap();
    let replace: Change = |path| {
        let other = path.with_extension("other");
        fs::copy(path, &other).unwrap();
        fs::rename(other, path).unwrap();
    };
    let changes: [(&str, Change); 5] =
        [("-wal", delete), ("-wal", replace), ("-shm", delete), ("-shm", replace), ("", replace)];
    for (suffix, change) in changes {
        let test = Backend::Sqlite.database().await;
        let token = token(&test.database).await;
        let gateway = flint_json(&test.database, &["gateways", "create", "edge"]).await;
        let serving = Serving::start(&test.database, &[]).await;
        let client = serving.client.with_token(&token);
        let gateway =
            serving.client.with_token(gateway["token"].as_str().unwrap()).with("x-flint-gateway", "envoy");
        let before = create(&client, "before").await;
        gateway.get("/v1/key-table").await.ok();
        assert_eq!(client.get("/readyz").await.status, 200);
        change(&beside(&test.database, suffix));
        let refused = client.post("/v1/keys", &json!({ "name": "after", "environment": "live" })).await;
        assert_eq!(refused.error(), (503, "UNAVAILABLE".into()), "{suffix}");
        assert_eq!(client.get("/v1/keys").await.status, 503, "{suffix}: what others revoke is not seen");
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains("restarted"));
        assert_eq!(client.get("/readyz").await.status, 503, "{suffix}");
        assert_eq!(gateway.get("/v1/key-table").await.status, 503, "{suffix}");
        let copy = rescued(&test).await;
        // If others can work with what is there now, the end of the server must leave that alone.
        let new = ["keys", "create", "--name", "new", "--environment", "live", "--json"];
        let new = flint(&test.database, &new).await;
        assert!(serving.terminate().await.success());
        let serving = Serving::start(&test.database, &[]).await;
        assert_eq!(serving.client.get("/readyz").await.status, 200, "{suffix}");
        serving.terminate().await;
        if new.status.success() {
            let new: Value = serde_json::from_slice(&new.stdout).unwrap();
            flint_json(&test.database, &["keys", "show", new["id"].as_str().unwrap()]).await;
        }
        // All that was answered is in the copy, if no longer in the database.
        flint_json(&test.database, &["restore", &copy]).await;
        flint_json(&test.database, &["keys", "show", &before]).await;
        let serving = Serving::start(&test.database, &[]).await;
        create(&serving.client.with_token(&token), "again").await;
    }
}

/// The copy of what the server knew, once it is complete.
async fn rescued(test: &TestDatabase) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "nothing is rescued");
        tokio::time::sleep(Duration::from_millis(20)).await;
        let names = fs::read_dir(test.directory.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut copies = names.filter(|path| path.to_str().unwrap().contains(".rescued-"));
        if let Some(copy) = copies.find(|path| !path.to_str().unwrap().contains(".part")) {
            return copy.display().to_string();
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_lock_is_noticed() {
    let harness = Harness::on(Backend::Sqlite.database().await).await;
    let client = harness.token(&["keys:write"]).await;
    create(&client, "before").await;
    // Closing any descriptor of a file drops all locks that the process has on it.
    drop(fs::File::open(harness.database.database.path().unwrap()).unwrap());
    let deadline = Instant::now() + PATIENCE;
    while client.get("/readyz").await.status != 503 {
        assert!(Instant::now() < deadline, "nobody looks for the lock");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let refused = client.post("/v1/keys", &json!({ "name": "after", "environment": "live" })).await;
    assert_eq!(refused.error(), (503, "UNAVAILABLE".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journal_cannot_be_a_file_of_the_database() {
    let test = Backend::Sqlite.database().await;
    flint_json(&test.database, &["gateways", "create", "edge"]).await;
    let linked = test.directory.path().join("linked");
    std::os::unix::fs::symlink(test.database.path().unwrap(), &linked).unwrap();
    for journal in [beside(&test.database, ""), beside(&test.database, "-wal"), linked] {
        let said = flint(&test.database, &["gateways", "list", "--journal", journal.to_str().unwrap()]).await;
        assert_eq!(said.status.code(), Some(1));
        assert!(stderr(&said).contains("cannot be a file of the database"), "{}", stderr(&said));
    }
}
