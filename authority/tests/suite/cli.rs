use std::time::{Duration, Instant};

use flint_auth::key::Digest;
use serde_json::{Value, json};

use crate::harness::{Backend, on_both};
use crate::program::{Serving, flint, flint_json, stderr, stdout};

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
        assert!(stderr(&refused).contains("a revoked key never comes back"));
    }

    async fn lists_are_filtered_sorted_and_paged(backend) {
        let test = backend.database().await;
        for (name, environment, owner) in [("b", "live", "org_1"), ("C%_!", "test", "org_2"), ("a", "live", "org_2")] {
            flint_json(&test.database, &[
                "keys", "create", "--name", name, "--environment", environment, "--owner", owner,
            ]).await;
        }
        let names = async |arguments: &[&str]| {
            let page = flint_json(&test.database, &[&["keys", "list"], arguments].concat()).await;
            let keys = page["keys"].as_array().unwrap();
            (keys.iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect::<String>(), page)
        };
        assert_eq!(names(&[]).await.0, "bC%_!a");
        assert_eq!(names(&["--descending"]).await.0, "aC%_!b");
        assert_eq!(names(&["--sort", "name"]).await.0, "C%_!ab");
        assert_eq!(names(&["--environment", "live"]).await.0, "ba");
        assert_eq!(names(&["--owner", "org_2", "--sort", "expires"]).await.0, "C%_!a");
        assert_eq!(names(&["--search", "c%_!"]).await.0, "C%_!");
        assert_eq!(names(&["--search", "%"]).await.0, "C%_!");
        assert_eq!(names(&["--search", "ORG_2"]).await.0, "C%_!a");
        assert_eq!(names(&["--status", "revoked"]).await.0, "");
        for sort in ["created", "name", "expires"] {
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
        let held = tokio::spawn(async move { (gateway.get(&path).await.ok(), Instant::now()) });
        flint_json(&test.database, &["keys", "revoke", key["id"].as_str().unwrap()]).await;
        let done = Instant::now();
        let (page, answered) = held.await.unwrap();
        assert!(page["keys"][0]["revoked_at"].is_i64());
        let late = answered.saturating_duration_since(done);
        assert!(late < Duration::from_millis(300), "{late:?}");
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
        assert!(!listed.to_string().contains(made["token"].as_str().unwrap()));
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
    flint_json(&test.database, &["keys", "list"]).await;
    let mode = std::fs::metadata(test.database.path().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
