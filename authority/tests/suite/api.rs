use axum::body::Bytes;
use axum::http::Method;
use flint::clock;
use flint::store::people::api_tokens::NewApiToken;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::harness::{Backend, Harness, actor, on_both};

const DAY: i64 = 86_400;

async fn patch(client: &Client, id: &str, body: Value) -> Answer {
    let client = client.with("content-type", "application/json");
    client.send(Method::PATCH, &format!("/v1/keys/{id}"), body.to_string().into()).await
}

on_both! {
    async fn a_key_is_made_shown_changed_rotated_and_revoked(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["keys:*"]).await;
        let answer = client.post("/v1/keys", &json!({
            "name": "CI", "environment": "live", "permissions": ["documents:read"], "owner": "org_7",
        })).await;
        assert_eq!((answer.status.as_u16(), &answer.headers["cache-control"]), (201, &"no-store".parse().unwrap()));
        let made = answer.json();
        let id = made["id"].as_str().unwrap();
        assert_eq!(answer.headers["location"], format!("/v1/keys/{id}"));
        assert!(made["secret"].as_str().unwrap().starts_with("flint_live_"));
        assert_eq!(made["expires_at"].as_i64().unwrap() - made["created_at"].as_i64().unwrap(), 90 * DAY);

        let shown = client.get(&format!("/v1/keys/{id}")).await;
        assert_eq!(shown.headers["etag"], "\"1\"");
        assert_eq!((&shown.json()["status"], &shown.json()["secret"]), (&json!("active"), &Value::Null));

        let changed = patch(&client, id, json!({"name": "Deploy", "owner": null, "expires_at": null})).await.ok();
        assert_eq!((&changed["name"], &changed["owner"], &changed["expires_at"], &changed["version"]),
            (&json!("Deploy"), &Value::Null, &Value::Null, &json!(2)));
        assert_eq!(changed["permissions"], json!(["documents:read"]));
        for nothing in [json!({"name": null}), json!({"permissions": null})] {
            assert_eq!(patch(&client, id, nothing).await.error(), (400, "INVALID_REQUEST".into()));
        }

        let before = clock::now();
        let rotated = client.post(&format!("/v1/keys/{id}/rotate"), &json!({"overlap_seconds": 900})).await.ok();
        assert_ne!(rotated["secret"], made["secret"]);
        assert_eq!(rotated["previous"]["replaced_by"], rotated["id"]);
        let end = rotated["previous"]["expires_at"].as_i64().unwrap();
        assert!((before..=clock::now()).contains(&(end - 900)), "{end}");
        let again = client.post(&format!("/v1/keys/{id}/rotate"), &json!({})).await;
        assert_eq!(again.error(), (409, "KEY_ALREADY_ROTATED".into()));

        let revoke = format!("/v1/keys/{id}/revoke");
        let revoked = client.post(&revoke, &json!({"reason": "leaked"})).await.ok();
        assert_eq!((&revoked["status"], &revoked["revoke_reason"]), (&json!("revoked"), &json!("leaked")));
        assert_eq!(client.send(Method::POST, &revoke, Bytes::new()).await.ok()["revoked_at"], revoked["revoked_at"]);
        assert_eq!(patch(&client, id, json!({"name": "x"})).await.error(), (409, "KEY_REVOKED".into()));
    }

    async fn a_change_gives_no_end_before_the_beginning(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["keys:*"]).await;
        let begin = clock::now() + DAY;
        let made = client.post("/v1/keys", &json!({"name": "CI", "environment": "live", "not_before": begin})).await.ok();
        let id = made["id"].as_str().unwrap();
        for end in [begin - 1, begin] {
            let answer = patch(&client, id, json!({"expires_at": end})).await;
            assert_eq!(answer.error(), (400, "INVALID_REQUEST".into()));
            assert_eq!(answer.json()["error"]["details"][0]["field"], "expires_at");
        }
        assert_eq!(client.get(&format!("/v1/keys/{id}")).await.ok()["version"], 1);
        assert_eq!(patch(&client, id, json!({"expires_at": begin + 1})).await.ok()["expires_at"], begin + 1);
    }

    async fn a_lost_update_is_refused(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["keys:*"]).await;
        let id = harness.key("CI").await.key.id;
        let first = patch(&client.with("if-match", "\"1\""), &id, json!({"name": "first"})).await.ok();
        assert_eq!(first["version"], 2);
        let second = patch(&client.with("if-match", "\"1\""), &id, json!({"name": "second"})).await;
        assert_eq!(second.error(), (409, "CHANGED_MEANWHILE".into()));
        assert_eq!(patch(&client, &id, json!({"name": "third", "version": 1})).await.error().0, 409);
        assert_eq!(patch(&client.with("if-match", "x"), &id, json!({"name": "y"})).await.error().0, 400);
        let both = client.with("if-match", "\"2\"");
        assert_eq!(patch(&both, &id, json!({"name": "y", "version": 3})).await.error().0, 400);
        assert_eq!(patch(&both, &id, json!({"version": 2})).await.ok()["name"], "first");
        // All at once, from the same version: one of them wins, the others are told.
        let calls: Vec<_> = (0..8).map(|number| {
            let (client, id) = (client.with("if-match", "\"2\""), id.clone());
            tokio::spawn(async move { patch(&client, &id, json!({"name": format!("n{number}")})).await.status })
        }).collect();
        let mut won = 0;
        for call in calls {
            won += u32::from(call.await.unwrap().is_success());
        }
        assert_eq!(won, 1);
    }

    async fn lists_page_through_the_api(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["keys:read"]).await;
        for name in ["alpha", "bravo", "charlie"] {
            harness.key(name).await;
        }
        let page = client.get("/v1/keys?limit=2&sort=name&order=desc").await.ok();
        assert_eq!((&page["keys"][0]["name"], &page["keys"][1]["name"]), (&json!("charlie"), &json!("bravo")));
        let next = format!("/v1/keys?limit=2&sort=name&order=desc&cursor={}", page["next_cursor"].as_str().unwrap());
        let page = client.get(&next).await.ok();
        assert_eq!((&page["keys"][0]["name"], &page["next_cursor"]), (&json!("alpha"), &Value::Null));
        assert_eq!(client.get("/v1/keys?search=BRAVO&environment=live&status=active").await.ok()["keys"][0]["name"], "bravo");
        assert_eq!(client.get("/v1/keys?due=true").await.ok()["keys"], json!([]));
        for bad in ["status=x", "sort=x", "order=x", "limit=0", "limit=501", "cursor=x", "due=maybe", "owner=%00",
                    "environment=prod", "limit=2&sort=created&cursor=6e616d65"] {
            assert_eq!(client.get(&format!("/v1/keys?{bad}")).await.error().0, 400, "{bad}");
        }
    }

    async fn a_parameter_that_is_not_known_is_refused_by_its_name(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["*"]).await;
        let id = harness.key("CI").await.key.id;
        let (list, of_key) = ("/v1/keys".to_owned(), format!("/v1/keys/{id}/activity"));
        for (path, query, name, rule) in [
            (&list, "statuses=revoked", "statuses", "not a known parameter; known are search, environment, status,"),
            (&list, "limit=1&Limit=2", "Limit", "not a known parameter"),
            (&list, "limit=1&limit=2", "limit", "only once"),
            (&list, "limit=many", "limit", "wrong type"),
            (&list, "flint_live_abc123xyz789flint_live_abc123xyz789=1", "a parameter", "not a known parameter"),
            (&"/v1/audit".into(), "action=key.&sort=at", "sort", "not a known parameter"),
            (&"/v1/activity".into(), "owners=org_7", "owners", "not a known parameter"),
            (&of_key, "owner=org_7", "owner", "not a known parameter; known are range, format"),
        ] {
            let answer = client.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.error(), (400, "INVALID_REQUEST".into()), "{path} {query}");
            let detail = &answer.json()["error"]["details"][0];
            assert_eq!(detail["field"], name, "{path} {query}");
            assert!(detail["message"].as_str().unwrap().contains(rule), "{path} {query}: {detail}");
            assert!(!answer.json().to_string().contains("flint_live_"), "{path} {query}");
        }
        let import = client.with("content-type", "text/csv").send(Method::POST, "/v1/keys/import?dry_rnu=true", "sha256,name,environment\n".into()).await;
        assert_eq!(import.json()["error"]["details"][0]["field"], "dry_rnu");
        let flood = (0..2_000).map(|number| format!("{number}&")).collect::<String>();
        let answer = client.get(&format!("/v1/audit?{flood}")).await;
        assert!(answer.error().0 == 400 && answer.body.len() < 4_000, "{}", answer.body.len());
        // Everything that is described is known, and a gateway may say more than we know.
        client.get("/v1/keys?search=&environment=live&status=active&owner=o&due=false&sort=name&order=asc&limit=1").await.ok();
        client.get(&format!("{of_key}?range=1h&format=json")).await.ok();
        harness.gateway("envoy-1").await.get("/v1/key-table?wait=0&compact=1").await.ok();
    }

    async fn whoever_holds_a_key_may_end_it(backend) {
        let harness = backend.start().await;
        let made = harness.key("CI").await;
        let leaked = json!({"key": made.secret.reveal()});
        let answer = harness.client.post("/v1/keys/revoke-leaked", &leaked).await.ok();
        assert_eq!(answer["id"], made.key.id.as_str());
        assert_eq!(harness.client.post("/v1/keys/revoke-leaked", &leaked).await.ok(), answer);
        let unknown = harness.client.post("/v1/keys/revoke-leaked", &json!({"key": "flint_live_abc123xyz789"})).await;
        assert_eq!(unknown.error(), (404, "NOT_FOUND".into()));
        let line = &harness.token(&["audit:read"]).await.get("/v1/audit?action=key.revoke").await.ok()["lines"][0];
        assert_eq!((&line["actor_kind"], &line["actor"]), (&json!("key_holder"), &json!(made.key.id)));
        assert_eq!(line["address"], "127.0.0.1");
    }

    async fn an_import_is_all_or_nothing(backend) {
        let harness = backend.start().await;
        let token = harness.token(&["keys:*"]).await;
        let client = token.with("content-type", "text/csv");
        let send = async |query: &str, text: &str| {
            client.send(Method::POST, &format!("/v1/keys/import{query}"), text.to_owned().into()).await
        };
        let digest = |text: &str| flint_contract::key::Digest::of(text.as_bytes()).to_hex();
        let good = format!("sha256,name,environment,permissions\n{},a,live,documents:read\n{},b,test,\n", digest("a"), digest("b"));
        let dry = send("?dry_run=true", &good).await.ok();
        assert_eq!((&dry["imported"], &dry["dry_run"]), (&json!(2), &json!(true)));
        assert_eq!(client.get("/v1/keys").await.ok()["keys"], json!([]));
        assert_eq!(send("", &good).await.ok()["ids"].as_array().unwrap().len(), 2);
        // The same file may come again; a key that is here and is another may not.
        let again = send("", &good).await.ok();
        assert_eq!((&again["imported"], &again["skipped"]), (&json!(0), &json!(2)));
        let other = good.replace(",b,", ",other,");
        let refused = send("", &other).await;
        assert_eq!(refused.error().0, 400);
        assert_eq!(refused.json()["error"]["details"][0]["field"], "line 3: sha256");
        let more = format!("{other}{},c,live,\n", digest("c"));
        let skipped = send("?skip_existing=true", &more).await.ok();
        assert_eq!((&skipped["imported"], &skipped["skipped"]), (&json!(1), &json!(2)));
        let bad = format!("sha256,name,environment\n{},d,live\nx,e,prod\n", digest("d"));
        assert_eq!(send("", &bad).await.error().0, 400);
        assert_eq!(client.get("/v1/keys").await.ok()["keys"].as_array().unwrap().len(), 3);
        // An imported key works like any other: its holder may end it, and it is in the table.
        harness.client.post("/v1/keys/revoke-leaked", &json!({"key": "a"})).await.ok();
        let page = harness.gateway("envoy-1").await.get("/v1/key-table").await.ok();
        assert_eq!(page["keys"].as_array().unwrap().len(), 3);
        assert_eq!(token.with("content-type", "image/png").send(Method::POST, "/v1/keys/import", Bytes::new()).await.error().0, 415);
    }

    async fn the_audit_log_has_everything_and_cannot_be_changed(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["keys:*", "audit:read"]).await;
        let made = client.post("/v1/keys", &json!({"name": "CI", "environment": "live"})).await.ok();
        let id = made["id"].as_str().unwrap();
        patch(&client, id, json!({"name": "Deploy"})).await.ok();
        let lines = client.get(&format!("/v1/audit?subject={id}")).await.ok()["lines"].clone();
        assert_eq!((&lines[0]["action"], &lines[1]["action"]), (&json!("key.update"), &json!("key.create")));
        assert_eq!((&lines[0]["before"]["name"], &lines[0]["after"]["name"]), (&json!("CI"), &json!("Deploy")));
        assert_eq!((&lines[0]["actor_kind"], &lines[0]["address"]), (&json!("api_token"), &json!("127.0.0.1")));
        let text = client.get("/v1/audit?format=csv&limit=2").await;
        assert_eq!(String::from_utf8_lossy(&text.body).lines().count(), 3);
        assert!(!text.headers["x-flint-next-cursor"].is_empty());
        let whole = client.get("/v1/audit?format=jsonl").await;
        let whole = String::from_utf8_lossy(&whole.body);
        assert!(!whole.contains(made["secret"].as_str().unwrap()) && !whole.contains("sha256"));
        let mut changes = vec!["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"];
        if harness.database.database.path().is_some() {
            let replace = "REPLACE INTO audit (seq, at, actor_kind, actor, action, subject_kind, subject) \
                           VALUES (1, 0, 'cli', 'nobody', 'key.create', 'api_key', 'key_1')";
            changes.extend([replace, "UPDATE OR REPLACE audit SET seq = 1 WHERE seq = 2"]);
        } else {
            changes.push("TRUNCATE audit");
        }
        for change in changes {
            let refused = harness.sql(change).await.unwrap_err().to_string();
            assert!(refused.contains("append-only"), "{refused}");
        }
    }

    async fn the_catalogue_is_kept(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["permissions:*"]).await.with("content-type", "application/json");
        let put = async |name: &str, text: &str| {
            let body = json!({"description": text}).to_string();
            client.send(Method::PUT, &format!("/v1/permissions/{name}"), body.into()).await
        };
        put("documents:read", "Read documents").await.ok();
        put("documents:read", "Read every document").await.ok();
        assert_eq!(put("documents:*", "all").await.error().0, 400);
        let listed = client.get("/v1/permissions").await.ok();
        assert_eq!(listed["permissions"], json!([{"name": "documents:read", "description": "Read every document"}]));
        assert_eq!(client.send(Method::DELETE, "/v1/permissions/documents:read", Bytes::new()).await.status, 204);
        assert_eq!(client.send(Method::DELETE, "/v1/permissions/documents:read", Bytes::new()).await.error().0, 404);
    }

    async fn a_gateway_token_is_rotated_with_an_overlap(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["gateways:*"]).await;
        let made = client.post("/v1/gateways", &json!({"name": "edge"})).await.ok();
        assert_eq!(client.post("/v1/gateways", &json!({"name": "edge"})).await.error(), (409, "ALREADY_EXISTS".into()));
        let reads = async |token: &Value| {
            let gateway = harness.client.with_token(token.as_str().unwrap()).with("x-flint-gateway", "envoy-1");
            gateway.get("/v1/key-table").await.status.is_success()
        };
        let path = format!("/v1/gateways/{}/rotate-token", made["id"].as_str().unwrap());
        let second = client.post(&path, &json!({"overlap_seconds": 600})).await.ok();
        assert!(reads(&made["token"]).await && reads(&second["token"]).await);
        let third = client.post("/v1/gateways/edge/rotate-token", &json!({"overlap_seconds": 0})).await.ok();
        assert!(!reads(&made["token"]).await && !reads(&second["token"]).await && reads(&third["token"]).await);
        client.send(Method::POST, "/v1/gateways/edge/revoke", Bytes::new()).await.ok();
        assert!(!reads(&third["token"]).await);
        assert_eq!(client.post(&path, &json!({})).await.error(), (409, "GATEWAY_REVOKED".into()));
        assert_eq!(client.post("/v1/gateways/none/rotate-token", &json!({})).await.error().0, 404);
    }

    async fn the_name_of_a_revoked_gateway_may_be_given_to_another(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["gateways:*"]).await;
        let revoke = async || client.send(Method::POST, "/v1/gateways/edge/revoke", Bytes::new()).await.ok();
        let create = async || client.post("/v1/gateways", &json!({"name": "edge"})).await;
        let first = create().await.ok();
        let revoked = revoke().await;
        assert_eq!((&revoked["id"], &revoked["standing"]), (&first["id"], &json!("revoked")));
        let second = create().await.ok();
        assert_eq!(create().await.error(), (409, "ALREADY_EXISTS".into()));
        let rotated = client.post("/v1/gateways/edge/rotate-token", &json!({})).await.ok();
        assert_eq!(rotated["id"], second["id"], "the name is that of the one that is good");
        assert_eq!(revoke().await["id"], second["id"]);
        let listed = client.get("/v1/gateways").await.ok();
        assert_eq!(listed["gateways"].as_array().unwrap().len(), 2);
    }

    async fn a_revocation_shows_who_refuses_it(backend) {
        let harness = backend.start().await;
        let client = harness.token(&["gateways:read"]).await;
        let (one, two) = (harness.gateway("envoy-1").await, harness.gateway("envoy-2").await);
        let id = harness.key("CI").await.key.id;
        let read = async |gateway: &Client, cursor: &str| {
            gateway.get(&format!("/v1/key-table?cursor={cursor}")).await.ok()["cursor"].as_str().unwrap().to_owned()
        };
        let before = read(&one, "").await;
        for gateway in [&one, &two] {
            read(gateway, &before).await;
        }
        harness.revoke(&id).await;
        let told = async || client.get(&format!("/v1/keys/{id}/propagation")).await.ok();
        assert_eq!((&told().await["applied"], &told().await["of"]), (&json!(0), &json!(2)));
        let after = read(&one, &before).await;
        assert_eq!(told().await["applied"], 0, "what was sent is not what was applied");
        read(&one, &after).await;
        let now = told().await;
        assert_eq!((&now["applied"], &now["of"]), (&json!(1), &json!(2)));
        assert_eq!((&now["processes"][0]["id"], &now["processes"][0]["standing"]), (&json!("envoy-2"), &json!("pending")));
        read(&two, &after).await;
        assert_eq!(told().await["applied"], 2);
        let listed = client.get("/v1/gateways").await.ok();
        assert_eq!(listed["gateways"][0]["processes"][0]["changes_behind"], 0);
        assert_eq!(listed["latest_change"], 2);
    }
}

#[tokio::test]
async fn what_is_not_a_key_is_refused_by_field() {
    let harness = Backend::Sqlite.start().await;
    let client = harness.token(&["*"]).await;
    for (body, field) in [
        (json!({"name": "a"}), "environment"),
        (json!({"environment": "live"}), "name"),
        (json!({"name": 7, "environment": "live"}), "name"),
        (json!({"name": "", "environment": "live"}), "name"),
        (json!({"name": "a", "environment": "live", "permissions": "documents:read"}), "permissions"),
        (json!({"name": "a", "environment": "live", "permissions": ["Documents"]}), "permissions[0]"),
        (json!({"name": "a", "environment": "live", "allowed_cidrs": ["10.0.0.1/8"]}), "allowed_cidrs[0]"),
        (json!({"name": "a", "environment": "live", "expires_at": 1}), "expires_at"),
        (json!({"name": "a", "environment": "live", "expires_at": "soon"}), "expires_at"),
        (json!({"name": "a", "environment": "live", "surprise": 1}), "surprise"),
        (json!({"name": "a\u{0}b", "environment": "live"}), "name"),
    ] {
        let answer = client.post("/v1/keys", &body).await;
        assert_eq!(answer.error(), (400, "INVALID_REQUEST".into()), "{body}");
        assert_eq!(answer.json()["error"]["details"][0]["field"], field, "{body}");
    }
    let large = json!({"name": "x".repeat(70_000), "environment": "live"});
    assert_eq!(client.post("/v1/keys", &large).await.error(), (413, "PAYLOAD_TOO_LARGE".into()));
    for path in ["/v1/keys/none", "/v1/keys/none/activity", "/v1/keys/none/propagation", "/v1/keys/%00"] {
        assert_eq!(client.get(path).await.error().0, 404, "{path}");
    }
}

#[tokio::test]
async fn nobody_hands_on_what_they_do_not_have() {
    let harness = Backend::Sqlite.start().await;
    let client = harness.token(&["tokens:write", "keys:read"]).await;
    let make = async |permissions: &[&str]| {
        client.post("/v1/api-tokens", &json!({"name": "CI", "permissions": permissions})).await
    };
    for more in [&["keys:write"][..], &["keys:*"], &["*"], &["keys:read", "audit:read"]] {
        assert_eq!(make(more).await.error(), (403, "FORBIDDEN".into()), "{more:?}");
    }
    let made = make(&["keys:read"]).await.ok();
    let given = harness.client.with_token(made["token"].as_str().unwrap());
    given.get("/v1/keys").await.ok();
    client.post(&format!("/v1/api-tokens/{}/revoke", made["id"].as_str().unwrap()), &json!({})).await.ok();
    assert_eq!(given.get("/v1/keys").await.error().0, 401);
}

/// Every route, with every kind of caller: only the one that the route names gets past the door.
#[tokio::test]
async fn every_route_lets_in_whom_it_says_and_nobody_else() {
    use flint::api::access::Needs;
    let harness = Backend::Sqlite.start().await;
    let gateway = harness.gateway("envoy-1").await;
    let key = harness.key("CI").await;
    for route in flint::api::routes() {
        let call = async |client: &Client| {
            let path = route.path.replace("{id}", "none").replace("{name}", "none");
            client.send(route.method.parse().unwrap(), &path, Bytes::new()).await.status.as_u16()
        };
        let process = harness.client.with("x-flint-gateway", "envoy-1");
        let (nobody, with_key) = (call(&process).await, call(&process.with_token(key.secret.reveal())).await);
        let as_gateway = call(&gateway).await;
        let everything_else = harness.token(&all_but(route.needs)).await.with("x-flint-gateway", "envoy-1");
        let (wrong, name) = (call(&everything_else).await, format!("{} {}", route.method, route.path));
        match route.needs {
            Needs::Nothing => {
                assert!(
                    [nobody, with_key, as_gateway, wrong].iter().all(|status| ![401, 403].contains(status)),
                    "{name}"
                );
            }
            Needs::Gateway => {
                assert_eq!((nobody, with_key, wrong), (401, 401, 401), "{name}");
                assert!(![401, 403].contains(&as_gateway), "{name}");
            }
            Needs::Permission(permission) => {
                assert_eq!((nobody, with_key, as_gateway, wrong), (401, 401, 401, 403), "{name}");
                let right = call(&harness.token(&[permission]).await).await;
                assert!(![401, 403].contains(&right), "{name}: {right}");
            }
        }
    }
}

/// Every permission that any route needs, but for one.
fn all_but(needs: flint::api::access::Needs) -> Vec<&'static str> {
    use flint::api::access::Needs;
    let mut all: Vec<_> = flint::api::routes()
        .iter()
        .filter(|route| route.needs != needs)
        .filter_map(|route| match route.needs {
            Needs::Permission(permission) => Some(permission),
            Needs::Nothing | Needs::Gateway => None,
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The description has every route and no other, and what it says of the answers of one is what
/// they are.
#[tokio::test]
async fn the_description_is_of_these_routes() {
    let harness: Harness = Backend::Sqlite.start().await;
    let document = harness.client.get("/openapi.json").await.ok();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut described = Vec::new();
    // What tokens are got with is there only with an issuer, and has the errors of its own
    // standards.
    let is_route = |path: &str| !path.starts_with("/oauth/") && !path.starts_with("/.well-known/");
    for (path, item) in document["paths"].as_object().unwrap().iter().filter(|(path, _)| is_route(path)) {
        described.extend(
            item.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())),
        );
    }
    let mut routes: Vec<_> =
        flint::api::routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    described.sort_unstable();
    routes.sort_unstable();
    assert_eq!(described, routes);
    for route in flint::api::routes() {
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        let secured = operation["security"].is_array();
        assert_eq!(secured, route.needs != flint::api::access::Needs::Nothing, "{}", route.path);
        assert!(operation["responses"]["400"].is_object(), "{}", route.path);
    }
    let fields = document["components"]["schemas"]["KeyView"]["properties"].as_object().unwrap();
    let id = harness.key("CI").await.key.id;
    let shown = harness.token(&["keys:read"]).await.get(&format!("/v1/keys/{id}")).await.ok();
    assert_eq!(fields.keys().collect::<Vec<_>>(), shown.as_object().unwrap().keys().collect::<Vec<_>>());
}

/// Schemathesis, against its own program: see tools/schemathesis.
#[tokio::test]
async fn answers_are_as_the_description_says() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/schemathesis");
    let run = tokio::process::Command::new("python3").arg(script).arg(env!("CARGO_BIN_EXE_flint")).output();
    let output = run.await.unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[tokio::test]
async fn metrics_are_numbers_for_prometheus() {
    let harness = Backend::Sqlite.start().await;
    let made = harness.key("CI").await;
    harness.key("other").await;
    harness.revoke(&made.key.id).await;
    let answer = harness.client.get("/metrics").await;
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    for line in
        ["flint_keys{status=\"active\"} 1", "flint_keys{status=\"revoked\"} 1", "flint_latest_change 3"]
    {
        assert!(text.lines().any(|one| one == line), "{line} is not in {text}");
    }
}

#[tokio::test]
async fn an_api_token_makes_none_that_outlives_it() {
    let harness = Backend::Sqlite.start().await;
    let end = clock::now() + 600;
    let new = NewApiToken { name: "short".into(), permissions: vec!["*".into()], expires_at: Some(end) };
    let (_, secret) = harness.store.create_api_token(new, clock::now(), &actor()).await.unwrap();
    let client = harness.client.with_token(secret.reveal());
    let make = async |more: Value| {
        let mut body = json!({ "name": "child", "permissions": ["keys:read"] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.post("/v1/api-tokens", &body).await
    };
    for later in [json!({ "expires_at": null }), json!({ "expires_at": end + 1 })] {
        let refused = make(later).await;
        assert_eq!(refused.error().0, 400);
        assert_eq!(refused.json()["error"]["details"][0]["field"], "expires_at");
    }
    assert_eq!(make(json!({})).await.ok()["expires_at"], end);
    assert_eq!(make(json!({ "expires_at": end - 1 })).await.ok()["expires_at"], end - 1);
    // A token without an end may make another.
    let lasting = harness.token(&["*"]).await;
    let body = json!({ "name": "child", "permissions": ["keys:read"], "expires_at": null });
    assert_eq!(lasting.post("/v1/api-tokens", &body).await.ok()["expires_at"], Value::Null);
}
