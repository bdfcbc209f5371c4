use flint::clock;
use flint::model::import::{Format, parse};
use flint::store::Store;
use flint::store::feed::acknowledgements::Acknowledgement;
use flint::store::keys::importing::STEP;
use flint_contract::key::Digest;
use serde_json::{Value, json};

use crate::harness::{Backend, actor, draft, new_key, on_both};
use crate::program::{Serving, connect, flint, flint_json, flint_with_input, stderr, stdout, until_held};

on_both! {
    async fn the_life_of_a_key(backend) {
        let test = backend.database().await;
        let made = flint_json(&test.database, &[
            "keys", "create", "--name", "CI", "--environment", "test", "--permission", "documents:read",
            "--permission", "documents:write", "--owner", "org_7", "--expires", "30d", "--cidr", "::1",
        ]).await;
        let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        assert!(secret.starts_with("flint_test_") && secret.len() == 39, "{}", secret.len());
        assert_eq!(made["permissions"], json!(["documents:read", "documents:write"]));
        assert_eq!(made["expires_at"].as_i64().unwrap() - made["created_at"].as_i64().unwrap(), 30 * 86_400);

        let shown = flint_json(&test.database, &["keys", "show", id]).await;
        assert_eq!((&shown["status"], &shown["secret"]), (&json!("active"), &Value::Null));

        let rotated = flint_json(&test.database, &["keys", "rotate", id, "--overlap", "1h"]).await;
        assert_ne!(rotated["secret"], made["secret"]);
        assert_eq!(rotated["previous"]["replaced_by"], rotated["id"]);

        let revoked = flint_json(&test.database, &["keys", "revoke", id, "--reason", "leaked"]).await;
        assert_eq!((&revoked["status"], &revoked["revoke_reason"]), (&json!("revoked"), &json!("leaked")));
        let again = flint_json(&test.database, &["keys", "revoke", id, "--reason", "other"]).await;
        assert_eq!(again["revoke_reason"], "leaked");

        let refused = flint(&test.database, &["keys", "rotate", id]).await;
        assert_eq!(refused.status.code(), Some(4));
        assert!(stderr(&refused).contains("a revoked key can never be used again"));
    }

    async fn lists_are_filtered_sorted_and_paged(backend) {
        let test = backend.database().await;
        for (name, environment, owner) in [("b", "live", "org_1"), ("Carport%_!", "test", "org_second"), ("a", "live", "org_second")] {
            flint_json(&test.database, &[
                "keys", "create", "--name", name, "--environment", environment, "--owner", owner,
            ]).await;
        }
        let names = async |arguments: &[&str]| {
            let page = flint_json(&test.database, &[&["keys", "list"], arguments].concat()).await;
            let keys = page["keys"].as_array().unwrap();
            (keys.iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect::<String>(), page)
        };
        assert_eq!(names(&[]).await.0, "bCarport%_!a");
        assert_eq!(names(&["--descending"]).await.0, "aCarport%_!b");
        assert_eq!(names(&["--sort", "name"]).await.0, "Carport%_!ab");
        assert_eq!(names(&["--environment", "live"]).await.0, "ba");
        assert_eq!(names(&["--owner", "org_second", "--sort", "expires"]).await.0, "Carport%_!a");
        // Longer than the ends of a key, which are random and searched too.
        assert_eq!(names(&["--search", "carpor%_!"]).await.0, "Carport%_!");
        assert_eq!(names(&["--search", "%"]).await.0, "");
        assert_eq!(names(&["--search", "ORG_SECOND"]).await.0, "Carport%_!a");
        assert_eq!(names(&["--status", "revoked"]).await.0, "");
        for sort in ["created", "name", "expires", "used"] {
            let (whole, _) = names(&["--sort", sort]).await;
            let (mut pages, mut cursor) = (String::new(), None::<String>);
            loop {
                let mut arguments = vec!["--sort", sort, "--limit", "1"];
                arguments.extend(cursor.iter().flat_map(|cursor| ["--cursor", cursor]));
                let (page, answer) = names(&arguments).await;
                pages.push_str(&page);
                match answer["next_cursor"].as_str() {
                    Some(next) => cursor = Some(next.to_owned()),
                    None => break,
                }
            }
            assert_eq!(pages, whole, "{sort}");
            // And back again, from the last page.
            let (mut back, mut cursor) = (Vec::new(), cursor);
            while let Some(before) = cursor {
                let (page, answer) = names(&["--sort", sort, "--limit", "1", "--cursor", &before]).await;
                back.insert(0, page);
                cursor = answer["previous_cursor"].as_str().map(str::to_owned);
            }
            assert_eq!(back.concat(), whole, "{sort}");
        }
        let wrong = flint(&test.database, &["keys", "list", "--cursor", "nonsense"]).await;
        assert_eq!(wrong.status.code(), Some(2));
    }

    async fn a_revocation_on_the_command_line_reaches_held_calls(backend) {
        let test = backend.database().await;
        let token = flint_json(&test.database, &["gateways", "create", "edge"]).await;
        let key = flint_json(&test.database, &["keys", "create", "--name", "CI", "--environment", "live"]).await;
        let serving = Serving::start(&test.database, &[]).await;
        let gateway =
            serving.client.with_token(token["token"].as_str().unwrap()).with("x-flint-gateway", "envoy-1");
        let cursor = gateway.get("/v1/key-table").await.ok()["cursor"].as_str().unwrap().to_owned();
        let path = format!("/v1/key-table?cursor={cursor}&wait=60");
        let held = tokio::spawn(async move { gateway.get(&path).await.ok() });
        until_held(&serving.client).await;
        flint_json(&test.database, &["keys", "revoke", key["id"].as_str().unwrap()]).await;
        // Were its time to end it, it would bring nothing.
        assert!(held.await.unwrap()["keys"][0]["revoked_at"].is_i64());
    }

    async fn others_write_while_a_large_file_is_imported(backend) {
        let test = backend.database().await;
        let (importing, other) = (Store::open(&test.database).await.unwrap(), Store::open(&test.database).await.unwrap());
        let text: String = (0..2 * STEP + 1)
            .map(|n| format!("{{\"sha256\":\"{}\",\"name\":\"k\",\"environment\":\"live\"}}\n", Digest::of(&n.to_be_bytes()).to_hex()))
            .collect();
        let lines = parse(&text, Format::JsonLines, 10_000, clock::now()).unwrap().good;
        // The import does not continue until the other has made its key: it would wait for ever if
        // it held the lock.
        let (begun, mut steps) = tokio::sync::mpsc::unbounded_channel();
        let (made, is_made) = std::sync::mpsc::channel();
        let import = tokio::spawn(async move {
            let heard = move |done: usize| {
                begun.send(done).unwrap();
                tokio::task::block_in_place(|| is_made.recv().unwrap());
            };
            importing.import_in_steps(&lines, &actor(), heard).await
        });
        let mut heard = Vec::new();
        while let Some(done) = steps.recv().await {
            heard.push(done);
            other.create_key(draft(new_key("between")), clock::now(), &actor()).await.unwrap();
            made.send(()).unwrap();
        }
        assert_eq!(import.await.unwrap().unwrap().len(), 2 * STEP + 1);
        assert_eq!(heard, [STEP, 2 * STEP, 2 * STEP + 1]);
        let sql = "SELECT change_seq FROM api_key WHERE name = 'between' ORDER BY change_seq";
        let order: Vec<i64> = sqlx::query_scalar(sql).fetch_all(&mut connect(&test.database).await).await.unwrap();
        let step = STEP as i64;
        assert_eq!(order, [step + 1, 2 * step + 2, 2 * step + 4]);
    }

    async fn gateways_are_listed_with_what_they_have_applied(backend) {
        let test = backend.database().await;
        let made = flint_json(&test.database, &["gateways", "create", "edge"]).await;
        assert!(made["token"].as_str().unwrap().starts_with("flint_gateway_"));
        let taken = flint(&test.database, &["gateways", "create", "edge"]).await;
        assert_eq!(taken.status.code(), Some(4));
        let listed = flint_json(&test.database, &["gateways", "list"]).await;
        assert_eq!(listed["gateways"][0]["name"], "edge");
        assert_eq!(listed["gateways"][0]["processes"], json!([]));
        assert_eq!(listed["gateways"][0]["standing"], "unseen");
        assert!(!listed.to_string().contains(made["token"].as_str().unwrap()));
    }

    async fn programs_read_the_same_from_the_api_and_from_the_command_line(backend) {
        let harness = backend.start().await;
        let (client, database) = (harness.token(&["*"]).await, &harness.database.database);
        let id = harness.key("CI").await.key.id;
        client.get("/v1/keys").await.ok();
        for (path, arguments) in [
            ("/v1/keys".into(), &["keys", "list"][..]),
            (format!("/v1/keys/{id}"), &["keys", "show", &id]),
            (format!("/v1/keys/{id}/activity"), &["keys", "activity", &id]),
            ("/v1/activity".into(), &["keys", "activity"]),
            ("/v1/api-tokens".into(), &["tokens", "list"]),
            ("/v1/permissions".into(), &["permissions", "list"]),
            ("/v1/gateways".into(), &["gateways", "list"]),
        ] {
            assert_eq!(client.get(&path).await.ok(), flint_json(database, arguments).await, "{path}");
        }
    }

    async fn after_a_rolling_restart_every_front_says_the_same(backend) {
        let harness = backend.start().await;
        let (store, now) = (&harness.store, clock::now());
        let (gateway, _) = store.create_gateway("edge", now, &actor()).await.unwrap();
        harness.key("CI").await;
        let said = async |process: &str, seq, at| {
            let (gateway_id, process_id) = (gateway.id.clone(), process.into());
            assert!(store.acknowledge(Acknowledgement { gateway_id, process_id, seq, at }).await.unwrap());
            store.write_acknowledgements().await.unwrap();
        };
        // The old process lacks the latest change and is no longer seen; a newer one has come for
        // it.
        said("old", 0, now - 5_000).await;
        said("old", 0, now - 1_000).await;
        said("new", 1, now - 990).await;
        said("new", 1, now).await;
        let listed = harness.token(&["gateways:read"]).await.get("/v1/gateways").await.ok();
        assert_eq!(listed["gateways"][0]["standing"], "applied");
        let processes = listed["gateways"][0]["processes"].as_array().unwrap();
        let ids: Vec<_> = processes.iter().map(|one| one["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["new"]);
        assert_eq!(flint_json(&harness.database.database, &["gateways", "list"]).await, listed);
        let table = flint(&harness.database.database, &["gateways", "list"]).await;
        assert!(stdout(&table).contains("applied") && !stdout(&table).contains("old"), "{}", stdout(&table));
        let metrics = String::from_utf8(harness.client.get("/metrics").await.body.to_vec()).unwrap();
        assert!(metrics.contains("flint_gateway_processes{standing=\"silent\"} 0"), "{metrics}");
    }
}

#[tokio::test]
async fn a_secret_is_printed_once_and_alone() {
    let test = Backend::Sqlite.database().await;
    let output = flint(&test.database, &["keys", "create", "--name", "CI", "--environment", "live"]).await;
    let secret = stdout(&output).trim_end().to_owned();
    assert_eq!(stdout(&output), format!("{secret}\n"));
    assert!(secret.starts_with("flint_live_"));
    assert!(!stderr(&output).contains(&secret));
    let listed = flint(&test.database, &["keys", "list"]).await;
    assert!(stdout(&listed).contains("CI") && !stdout(&listed).contains(&secret));
    // Neither the secret nor the digest as text is anywhere in the files.
    for entry in std::fs::read_dir(test.directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&secret) && !text.contains(&Digest::of(secret.as_bytes()).to_hex()));
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_exit_code() {
    let test = Backend::Sqlite.database().await;
    // What is wrong with a new key is found before any database is made.
    Store::open(&test.database).await.unwrap();
    for (arguments, code, words) in [
        (&["keys", "create", "--name", " ", "--environment", "prod"][..], 2, "environment must be"),
        (
            &["keys", "create", "--name", "a", "--environment", "live", "--expires", "soon"],
            2,
            "must be like 90d",
        ),
        (&["keys", "create", "--name", "a"], 2, "--environment"),
        (&["keys", "show", "key_x"], 3, "no such key"),
        (&["keys", "revoke", "' OR 1=1 --"], 3, "no such key"),
        (&["keys", "list", "--limit", "0"], 2, "--limit"),
        (&["serve", "--listen", "nowhere"], 2, "--listen"),
        (&["--database", "mysql://x", "keys", "list"], 2, "sqlite:"),
    ] {
        let output = flint(&test.database, arguments).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let test = Backend::Sqlite.database().await;
    flint_json(&test.database, &["gateways", "create", "edge"]).await;
    let mode = std::fs::metadata(test.database.path().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn secrets_come_in_by_standard_input() {
    let test = Backend::Sqlite.database().await;
    let made = flint_json(&test.database, &["keys", "create", "--name", "CI", "--environment", "live"]).await;
    let secret = made["secret"].as_str().unwrap();
    let check =
        async |text: &str| flint_with_input(&test.database, &["keys", "check"], text).await.status.code();
    assert_eq!(check(&format!("{secret}\n")).await, Some(0));
    assert_eq!(check(&secret.replace("live", "test")).await, Some(4));
    assert_eq!(check("sk_live_1").await, Some(2));
    let leaked = flint_with_input(&test.database, &["keys", "revoke-leaked"], secret).await;
    assert!(leaked.status.success() && !stdout(&leaked).contains(secret));
    assert_eq!(
        flint_json(&test.database, &["keys", "show", made["id"].as_str().unwrap()]).await["status"],
        "revoked"
    );
    let unknown =
        flint_with_input(&test.database, &["keys", "revoke-leaked"], "flint_live_abc123xyz789").await;
    assert_eq!(unknown.status.code(), Some(3));
    assert!(!stderr(&unknown).contains("abc123"));
    let password =
        flint_with_input(&test.database, &["operators", "set-password", "nobody", "--stdin"], "x").await;
    assert_eq!(password.status.code(), Some(2));
}

#[tokio::test]
async fn an_import_names_every_bad_line() {
    let test = Backend::Sqlite.database().await;
    let digest = |text: &str| Digest::of(text.as_bytes()).to_hex();
    let file = test.directory.path().join("keys.csv");
    let import = async |text: &str, more: &[&str]| {
        std::fs::write(&file, text).unwrap();
        flint(&test.database, &[&["keys", "import", file.to_str().unwrap()], more].concat()).await
    };
    let mut good = String::from("sha256,name,environment\n");
    (0..1_200)
        .for_each(|number| good.push_str(&format!("{},key {number},live\n", digest(&number.to_string()))));
    let bad = import(&format!("{good}x,,prod\n{},last,live\n", digest("7")), &[]).await;
    assert_eq!(bad.status.code(), Some(2));
    for words in
        ["line 1202: sha256", "line 1202: environment", "line 1203: sha256 repeats the digest of line 9"]
    {
        assert!(stderr(&bad).contains(words), "{}", stderr(&bad));
    }
    let wrong =
        import(&"x,y,z\n".repeat(50).replacen("x,y,z", "sha256,name,environment", 1), &["--json"]).await;
    let told: Value = serde_json::from_slice(&wrong.stdout).unwrap();
    assert_eq!(told["bad_line_count"], 49);
    assert_eq!(told["bad_lines"].as_array().unwrap().len(), 10, "twenty mistakes, two a line");
    assert!(import(&good, &["--dry-run"]).await.status.success());
    assert_eq!(flint_json(&test.database, &["keys", "list"]).await["keys"], json!([]));
    assert_eq!(stdout(&import(&good, &[]).await), "1200 keys imported, 0 were already here\n");
    // The same file may come again; a key that is here and is another may not.
    assert_eq!(stdout(&import(&good, &[]).await), "0 keys imported, 1200 were already here\n");
    let other = good.replace("key 7,", "another,");
    let refused = import(&other, &[]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("line 9: sha256 is the digest of key_"), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("differs from this line\nerror: 1 line cannot be used"));
    assert_eq!(
        stdout(&import(&other, &["--skip-existing"]).await),
        "0 keys imported, 1200 were already here\n"
    );
}

#[tokio::test]
async fn an_import_that_was_stopped_on_its_way_is_completed_by_the_same_command() {
    let test = Backend::Sqlite.database().await;
    let store = Store::open(&test.database).await.unwrap();
    store.close().await;
    let mut connection = connect(&test.database).await;
    let stop = "CREATE TRIGGER stop BEFORE INSERT ON api_key WHEN NEW.name = 'key 2100' \
                BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    sqlx::query(stop).execute(&mut connection).await.unwrap();
    let mut lines = String::from("sha256,name,environment\n");
    for number in 0..2_200 {
        let digest = Digest::of(format!("{number}").as_bytes()).to_hex();
        lines.push_str(&format!("{digest},key {number},live\n"));
    }
    let arguments = ["keys", "import", "-", "--format", "csv"];
    let failed = flint_with_input(&test.database, &arguments, &lines).await;
    assert_eq!(failed.status.code(), Some(1), "{}", stderr(&failed));
    let told = "imported 2000 of 2200 keys; run the same command again for the rest: ";
    assert!(
        stderr(&failed).contains(told) && stderr(&failed).contains("the disk is full"),
        "{}",
        stderr(&failed)
    );
    let count = async |connection: &mut sqlx::AnyConnection| {
        sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM api_key").fetch_one(connection).await.unwrap()
    };
    assert_eq!(count(&mut connection).await, 2_000, "a step is all or nothing");
    sqlx::query("DROP TRIGGER stop").execute(&mut connection).await.unwrap();
    let done = flint_with_input(&test.database, &arguments, &lines).await;
    assert_eq!(stdout(&done), "200 keys imported, 2000 were already here\n");
    assert_eq!(count(&mut connection).await, 2_200);
}

#[tokio::test]
async fn a_key_is_changed_and_the_log_says_so() {
    let test = Backend::Sqlite.database().await;
    let made = flint_json(&test.database, &["keys", "create", "--name", "CI", "--environment", "live"]).await;
    let id = made["id"].as_str().unwrap();
    let changed = flint_json(
        &test.database,
        &[
            "keys",
            "update",
            id,
            "--name",
            "Deploy",
            "--permission",
            "a:read",
            "--cidr",
            "::1",
            "--expires",
            "never",
        ],
    )
    .await;
    assert_eq!((&changed["name"], &changed["permissions"]), (&json!("Deploy"), &json!(["a:read"])));
    assert_eq!((&changed["expires_at"], &changed["allowed_cidrs"]), (&Value::Null, &json!(["::1"])));
    let changed =
        flint_json(&test.database, &["keys", "update", id, "--everywhere", "--no-permissions"]).await;
    assert_eq!((&changed["permissions"], &changed["allowed_cidrs"]), (&json!([]), &Value::Null));
    let log = flint(&test.database, &["audit", "--subject", id]).await;
    let actions: Vec<_> = stdout(&log).lines().skip(1).map(|line| line.contains("key.update")).collect();
    assert_eq!(actions, [true, true, false]);
    assert!(
        stdout(&flint(&test.database, &["keys", "show", id]).await)
            .contains("0 of 0 processes act on the latest change")
    );
    let openapi: Value = serde_json::from_slice(&flint(&test.database, &["openapi"]).await.stdout).unwrap();
    assert!(openapi["paths"]["/v1/keys"].is_object());
}
