use axum::http::Method;
use flint::clock;
use flint::oauth::jws;
use flint::oauth::key_life::Algorithm;
use flint::oauth::keyring::PrivateKey;
use flint::oauth::token::write;
use serde_json::{Value, json};

use super::world::{ISSUER, World, fault, settings, words};
use crate::client::{Answer, Client};
use crate::harness::on_both;

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client that signs.
struct Signer {
    id: String,
    key: PrivateKey,
}

impl Signer {
    async fn new(world: &World, algorithm: Algorithm) -> Self {
        let key = PrivateKey::generate(algorithm).unwrap();
        let (id, secret) = world
            .client("confidential", |rest| {
                rest.grant_types = words(&["client_credentials"]);
                rest.redirect_uris = None;
                rest.auth_method = Some("private_key_jwt".into());
                rest.jwks = Some(Some(json!({ "keys": [key.jwk("k1")] })));
            })
            .await;
        assert_eq!(secret, "", "there is nothing that the server would know");
        Self { id, key }
    }

    /// A good assertion's claims, with some in place of what they have; `null` takes one away.
    fn claims(&self, jti: &str, change: Value) -> Value {
        let mut claims = json!({
            "iss": self.id, "sub": self.id, "aud": ISSUER, "jti": jti, "iat": clock::now(), "exp": clock::now() + 60,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        claims
    }

    fn sign(&self, jti: &str, change: Value) -> String {
        let header = json!({"alg": self.key.algorithm().as_str(), "kid": "k1"});
        write(&header, &self.claims(jti, change), &self.key).unwrap()
    }
}

/// Sends an assertion to an endpoint, with other fields.
async fn show(server: &Client, path: &'static str, assertion: &str, fields: &[(&str, &str)]) -> Answer {
    let own = [("client_assertion_type", KIND), ("client_assertion", assertion)];
    let body =
        form_urlencoded::Serializer::new(String::new()).extend_pairs(own).extend_pairs(fields).finish();
    let server = server.with("content-type", "application/x-www-form-urlencoded");
    server.send(Method::POST, path, body.into()).await
}

const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

on_both! {
    async fn rfc7523_3_a_client_that_signs_is_let_in_once_with_each_assertion(backend) {
        let world = World::new(backend).await;
        let keys = world.harness.database.directory.path().join("keys");
        let (twin, _) = world.harness.second_with(settings(&keys)).await;
        for algorithm in Algorithm::ALL {
            let (one, other) = (Signer::new(&world, algorithm).await, Signer::new(&world, algorithm).await);
            let first = one.sign("a", json!({}));
            let tokens = show(world.http(), "/oauth/token", &first, &GRANT).await.ok();
            // Again, here or at another server: nobody is let in, whatever comes with it.
            for server in [world.http(), &twin] {
                assert_eq!(fault(&show(server, "/oauth/token", &first, &GRANT).await), (401, "invalid_client".into()));
                let again = one.sign("a", json!({"exp": clock::now() + 120}));
                assert_eq!(show(server, "/oauth/token", &again, &GRANT).await.status, 401);
            }
            show(world.http(), "/oauth/token", &other.sign("a", json!({})), &GRANT).await.ok();
            // The same at the other endpoints.
            let token = [("token", tokens["access_token"].as_str().unwrap())];
            let at_token = json!({"aud": format!("{ISSUER}/oauth/token")});
            let told = show(&twin, "/oauth/introspect", &one.sign("b", at_token.clone()), &token).await.ok();
            assert_eq!(told["active"], true);
            let told = show(&twin, "/oauth/introspect", &other.sign("b", json!({})), &token).await.ok();
            assert_eq!(told, json!({"active": false}));
            assert_eq!(show(&twin, "/oauth/revoke", &one.sign("c", at_token), &token).await.status, 200);
            assert!(world.is_refused(&tokens).await);
        }
    }

    async fn rfc7523_3_any_other_assertion_is_refused(backend) {
        let world = World::new(backend).await;
        let (one, other) = (Signer::new(&world, Algorithm::Es256).await, Signer::new(&world, Algorithm::Es256).await);
        let now = clock::now();
        let mut bad = Vec::new();
        for (number, change) in [
            json!({"aud": "https://evil.example"}),
            json!({"aud": format!("{ISSUER}/")}),
            json!({"aud": format!("{ISSUER}/oauth/revoke")}),
            json!({"aud": [ISSUER, "https://evil.example"]}),
            json!({"aud": null}),
            json!({"exp": now - 1}),
            json!({"exp": now + 400}),
            json!({"exp": null}),
            json!({"exp": "soon"}),
            json!({"nbf": now + 100}),
            json!({"jti": null}),
            json!({"jti": 7}),
            json!({"iss": other.id}),
            json!({"sub": other.id, "iss": other.id}),
            json!({"iss": null}),
        ].into_iter().enumerate() {
            bad.push((change.to_string(), one.sign(&number.to_string(), change)));
        }
        let claims = one.claims("z", json!({}));
        let sign = |header: Value, key: &PrivateKey| write(&header, &claims, key).unwrap();
        bad.push(("another's key".into(), sign(json!({"alg": "ES256", "kid": "k1"}), &other.key)));
        bad.push(("a kid that is not there".into(), sign(json!({"alg": "ES256", "kid": "k2"}), &one.key)));
        bad.push(("another alg".into(), sign(json!({"alg": "ES384", "kid": "k1"}), &one.key)));
        bad.push(("a key that came along".into(), sign(json!({"alg": "ES256", "jwk": other.key.jwk("k1")}), &other.key)));
        bad.push(("crit".into(), sign(json!({"alg": "ES256", "crit": ["exp"]}), &one.key)));
        // RFC 8725 §3.1 and §3.2.
        let unsigned = |alg: &str| {
            let part = |value: &Value| jws::part(value).unwrap();
            format!("{}.{}.", part(&json!({ "alg": alg })), part(&claims))
        };
        bad.extend(["none", "None", "HS256"].map(|alg| (alg.to_owned(), unsigned(alg))));
        bad.push(("no object at all".into(), "a.b.c".into()));
        for (why, assertion) in &bad {
            let answer = show(world.http(), "/oauth/token", assertion, &GRANT).await;
            assert_eq!(fault(&answer), (401, "invalid_client".into()), "{why}");
            assert!(answer.headers.contains_key("www-authenticate"), "{why}");
        }
        // None of that has used up the id that it has.
        show(world.http(), "/oauth/token", &one.sign("z", json!({})), &GRANT).await.ok();
    }

    async fn rfc6749_2_3_a_client_that_signs_has_no_other_way(backend) {
        let world = World::new(backend).await;
        let signer = Signer::new(&world, Algorithm::EdDsa).await;
        for (secret, status) in [("x", 401), ("", 401)] {
            let answer = world.post("/oauth/token", &GRANT, Some((&signer.id, secret))).await;
            assert_eq!((answer.status.as_u16(), fault(&answer).1.as_str()), (status, "invalid_client"));
        }
        let with = |more: &[(&'static str, &'static str)]| [&GRANT, more].concat();
        for (jti, more, status, word) in [
            ("a", with(&[("client_secret", "x")]), 400, "invalid_request"),
            ("b", with(&[("client_id", "client_01JF8Z00000000000000000000")]), 401, "invalid_client"),
        ] {
            let answer = show(world.http(), "/oauth/token", &signer.sign(jti, json!({})), &more).await;
            assert_eq!(fault(&answer), (status, word.into()), "{more:?}");
        }
        let own = [GRANT[0], ("client_id", signer.id.as_str())];
        show(world.http(), "/oauth/token", &signer.sign("c", json!({})), &own).await.ok();
        // One that has a secret cannot sign instead, and without its type an assertion is none.
        let stranger = Signer { id: world.id.clone(), key: PrivateKey::generate(Algorithm::EdDsa).unwrap() };
        assert_eq!(show(world.http(), "/oauth/token", &stranger.sign("a", json!({})), &GRANT).await.status, 401);
        let half = [GRANT[0], ("client_assertion", &*signer.sign("d", json!({})))];
        let answer = world.post("/oauth/token", &half, Some((&signer.id, ""))).await;
        assert_eq!(fault(&answer), (400, "invalid_request".into()));
    }
}
