//! A server that issues tokens, a client, a user, and the steps that tests take with them.

use axum::http::{Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flint::clock;
use flint::oauth::client::{Amendment, NewClient};
use flint::oauth::issuer::Resources;
use flint::oauth::keyring::Keyring;
use flint::oauth::server::Server;
use flint::serve::Settings;
use flint::store::oauth::users::NewUser;
use serde_json::Value;

use super::browser::{Browser, Form};
use crate::client::{Answer, Client};
use crate::harness::{Backend, Harness, actor};

pub(crate) const ISSUER: &str = "https://auth.example";
pub(crate) const API: &str = "https://api.example";
pub(crate) const CALLBACK: &str = "https://app.example/cb";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A server, a confidential client that may ask for `documents:*` and `a:b`, and a user who holds
/// everything.
pub(crate) struct World {
    pub(crate) harness: Harness,
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// How the server of a test issues tokens.
pub(crate) fn settings(keys: &std::path::Path) -> Settings {
    let issuer = ISSUER.parse().unwrap();
    let resources = [API, "https://other.example"].map(|text| text.parse().unwrap()).to_vec();
    let resources = Resources::new(resources, &issuer);
    let oauth = Some(Server::new(issuer, resources, Keyring::in_folder(keys.to_owned())));
    Settings { oauth, ..Settings::default() }
}

pub(crate) fn words(list: &[&str]) -> Option<Vec<String>> {
    Some(list.iter().map(|word| (*word).into()).collect())
}

/// Takes the value of a parameter out of the address that an answer leads to.
pub(crate) fn led(answer: &Answer) -> (String, Vec<(String, String)>) {
    let address = answer.headers.get(header::LOCATION).unwrap_or_else(|| panic!("no redirect: {answer:?}"));
    let (place, query) = address.to_str().unwrap().split_once('?').unwrap_or((address.to_str().unwrap(), ""));
    (place.into(), form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}

/// A parameter of the address that an answer leads to.
pub(crate) fn given(answer: &Answer, name: &str) -> Option<String> {
    led(answer).1.into_iter().find(|pair| pair.0 == name).map(|pair| pair.1)
}

/// What a token says.
pub(crate) fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

impl World {
    pub(crate) async fn new(backend: Backend) -> Self {
        let database = backend.database().await;
        let keys = database.directory.path().join("keys");
        let harness = Harness::with(database, settings(&keys)).await;
        let mut world = Self { harness, id: String::new(), secret: String::new() };
        let user = NewUser { name: "ada".into(), permissions: None, password: Some(PASSWORD.into()) };
        world.harness.store.create_user(user, clock::now(), &actor()).await.unwrap();
        (world.id, world.secret) = world.client("confidential", |_| {}).await;
        world
    }

    /// Registers a client.
    pub(crate) async fn client(&self, kind: &str, change: impl FnOnce(&mut Amendment)) -> (String, String) {
        let mut rest = Amendment {
            redirect_uris: words(&[CALLBACK]),
            permissions: words(&["documents:*", "a:b"]),
            ..Amendment::default()
        };
        change(&mut rest);
        let name = "Example <App>".into();
        let new = NewClient { name, kind: Some(kind.into()), environment: "live".into(), rest };
        let made = self.harness.store.create_oauth_client(new, clock::now(), &actor()).await.unwrap();
        (made.0.client.id, made.1.map(|secret| secret.reveal().to_owned()).unwrap_or_default())
    }

    pub(crate) fn http(&self) -> &Client {
        &self.harness.client
    }

    /// The path of a good request, with some parameters in place of what it has.
    pub(crate) fn request(&self, id: &str, change: &[(&str, &str)]) -> String {
        let good = [
            ("response_type", "code"),
            ("client_id", id),
            ("redirect_uri", CALLBACK),
            ("scope", "documents:read a:b"),
            ("state", "xyz"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = good.iter().filter(|pair| !change.iter().any(|one| one.0 == pair.0));
        let all: Vec<_> = kept.chain(change).collect();
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(all.iter().map(|pair| (pair.0, pair.1)))
            .finish();
        format!("/oauth/authorize?{query}")
    }

    /// A browser in which a user is signed in.
    pub(crate) async fn signed_in(&self, name: &str) -> Browser {
        let mut browser = Browser::new(self.http());
        let page = browser.get("/account/sign-in").await;
        let form = Form::of(&page, "sign-in").with("name", name).with("password", PASSWORD);
        let answer = browser.post(&form).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        browser
    }

    /// Goes all the way to a code.
    pub(crate) async fn code(&self, id: &str, change: &[(&str, &str)]) -> String {
        let mut browser = self.signed_in("ada").await;
        let mut answer = browser.get(&self.request(id, change)).await;
        if answer.status == 200 {
            let form = Form::of(&answer, "consent").with("decision", "allow");
            answer = browser.post(&form).await;
        }
        given(&answer, "code").unwrap_or_else(|| panic!("no code: {answer:?}"))
    }

    /// Sends a form to an endpoint, as the confidential client unless `client` says otherwise.
    pub(crate) async fn post(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        client: Option<(&str, &str)>,
    ) -> Answer {
        let (id, secret) = client.unwrap_or((&self.id, &self.secret));
        let mut http = self.http().with("content-type", "application/x-www-form-urlencoded");
        let mut all = fields.to_vec();
        if secret.is_empty() {
            all.push(("client_id", id));
        } else {
            http =
                http.with("authorization", &format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
        }
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        http.send(Method::POST, path, body.into()).await
    }

    /// Exchanges a code.
    pub(crate) async fn exchange(&self, code: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("code_verifier", VERIFIER),
            ("redirect_uri", CALLBACK),
        ];
        self.post("/oauth/token", &fields, None).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)], None).await
    }

    /// Goes all the way to tokens.
    pub(crate) async fn tokens(&self) -> Value {
        let code = self.code(&self.id, &[]).await;
        self.exchange(&code).await.ok()
    }

    /// The ids of the tokens that gateways are told to refuse.
    pub(crate) async fn refused(&self) -> Vec<String> {
        let page = self.harness.gateway(&format!("g{}", clock::since_epoch().as_nanos())).await;
        let page = page.get("/v1/key-table").await.ok();
        let jti = |one: &Value| one["jti"].as_str().unwrap().to_owned();
        page["revoked_tokens"].as_array().unwrap().iter().map(jti).collect()
    }

    /// Whether gateways are told to refuse the access token of an answer.
    pub(crate) async fn is_refused(&self, tokens: &Value) -> bool {
        let jti = claims(tokens["access_token"].as_str().unwrap())["jti"].as_str().unwrap().to_owned();
        self.refused().await.contains(&jti)
    }
}

/// The error of an endpoint's answer.
#[track_caller]
pub(crate) fn fault(answer: &Answer) -> (u16, String) {
    let value = answer.json();
    assert!(value["error_description"].as_str().is_some_and(|text| !text.is_empty()), "{value}");
    (answer.status.as_u16(), value["error"].as_str().unwrap().into())
}
