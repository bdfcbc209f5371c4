//! A server in this process, and somebody who visits it with cookies and forms.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use flint::clock;
use flint::config::Database;
use flint::oauth::client::{Amendment, Client, NewClient};
use flint::oauth::issuer::{Issuer, Resources};
use flint::oauth::keyring::Keyring;
use flint::oauth::server::Server;
use flint::serve::{self, Settings};
use flint::store::oauth::users::{NewUser, User};
use flint::store::people::sessions::SignIn;
use flint::store::{Actor, Store};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

/// A server that ends with the test.
pub(crate) struct Dashboard {
    pub(crate) store: Arc<Store>,
    pub(crate) password: String,
    base: String,
    directory: Arc<tempfile::TempDir>,
}

/// Somebody with cookies.
#[derive(Clone)]
pub(crate) struct Visitor {
    client: HttpClient<HttpConnector, Full<Bytes>>,
    base: String,
    cookies: Vec<(String, String)>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What a person may grant with.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

pub(crate) const NAME: &str = "ada";

pub(crate) fn actor() -> Actor {
    Actor { kind: "cli", name: "test".into(), address: None }
}

const ACCOUNT: &str = "/account/sign-in";
const CALLBACK: &str = "https://app.example/cb";

/// What a client sends its users to.
pub(crate) fn request(client: &Client, scope: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", &client.id)
        .append_pair("redirect_uri", CALLBACK)
        .append_pair("scope", scope)
        .append_pair("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        .append_pair("code_challenge_method", "S256")
        .finish();
    format!("/oauth/authorize?{query}")
}

/// How a server issues tokens that has its keys in this folder.
fn issuing_with(keys: PathBuf) -> Settings {
    let issuer: Issuer = "https://auth.example".parse().unwrap();
    let resources = Resources::new(vec!["https://api.example".parse().unwrap()], &issuer);
    let oauth = Some(Server::new(issuer, resources, Keyring::in_folder(keys)));
    Settings { oauth, ..Settings::default() }
}

/// Serves, and tells where.
async fn listen(store: &Arc<Store>, settings: Settings) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve::run(listener, Arc::clone(store), settings, std::future::pending()));
    base
}

impl Dashboard {
    pub(crate) async fn start() -> Self {
        Self::with(Settings::default()).await
    }

    /// One that issues tokens.
    pub(crate) async fn issuing() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = issuing_with(directory.path().join("keys"));
        Self::within(directory, settings).await
    }

    /// Another server on the same database.
    pub(crate) async fn again(&self) -> Self {
        let base = listen(&self.store, issuing_with(self.keys())).await;
        let directory = Arc::clone(&self.directory);
        Self { store: Arc::clone(&self.store), password: self.password.clone(), base, directory }
    }

    /// Where the private halves of signing keys are.
    pub(crate) fn keys(&self) -> PathBuf {
        self.directory.path().join("keys")
    }

    pub(crate) async fn with(settings: Settings) -> Self {
        Self::within(tempfile::tempdir().unwrap(), settings).await
    }

    async fn within(directory: tempfile::TempDir, settings: Settings) -> Self {
        let database = Database::Sqlite(directory.path().join("flint.db"));
        let store = Arc::new(Store::open(&database).await.unwrap());
        let (_, password) = store.create_operator(NAME, clock::now(), &actor()).await.unwrap();
        let base = listen(&store, settings).await;
        Self { store, password: password.reveal().into(), base, directory: Arc::new(directory) }
    }

    pub(crate) fn stranger(&self) -> Visitor {
        let client = HttpClient::builder(TokioExecutor::new()).build_http();
        Visitor { client, base: self.base.clone(), cookies: Vec::new(), headers: Vec::new() }
    }

    /// Adds a user.
    pub(crate) async fn user(&self, name: &str, permissions: &[&str]) -> User {
        let permissions = Some(permissions.iter().map(|one| (*one).into()).collect());
        let new = NewUser { name: name.into(), permissions, password: Some(PASSWORD.into()) };
        self.store.create_user(new, clock::now(), &actor()).await.unwrap().0
    }

    /// Registers a client.
    pub(crate) async fn client(&self, name: &str, permissions: &[&str]) -> Client {
        let rest = Amendment {
            redirect_uris: Some(vec![CALLBACK.into()]),
            permissions: Some(permissions.iter().map(|one| (*one).into()).collect()),
            ..Amendment::default()
        };
        let new = NewClient { name: name.into(), kind: None, environment: "live".into(), rest };
        self.store.create_oauth_client(new, clock::now(), &actor()).await.unwrap().0.client
    }

    /// A user who is signed in.
    pub(crate) async fn granting(&self, name: &str) -> Visitor {
        let mut visitor = self.stranger();
        let answer = visitor.fill(ACCOUNT, ACCOUNT, &[("name", name), ("password", PASSWORD)]).await;
        assert_eq!(answer.location(), "/account/apps", "{}", answer.text);
        visitor
    }

    /// Somebody who signed in that many seconds ago.
    pub(crate) async fn operator(&self, seconds_ago: i64) -> Visitor {
        let now = clock::now() - seconds_ago;
        let done = self.store.sign_in(NAME, self.password.clone(), Some("127.0.0.1"), now).await.unwrap();
        let SignIn::Done(cookie, _) = done else { panic!("not signed in") };
        let mut visitor = self.stranger();
        visitor.cookies.push(("__Host-flint_session".into(), cookie.reveal().into()));
        visitor
    }
}

impl Visitor {
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, String::new()).await
    }

    /// Allows a client all that it asks for.
    pub(crate) async fn allow(&mut self, client: &Client, scope: &str) -> Answer {
        let page = self.get(&request(client, scope)).await;
        page.says(200, &["id=\"consent\""]);
        let token = page.hidden("request").unwrap();
        let scope = scope.split(' ').map(|one| ("scope", one));
        let fields: Vec<_> =
            [("request", token.as_str()), ("decision", "allow")].into_iter().chain(scope).collect();
        self.post_raw("/oauth/consent", &fields).await
    }

    /// Sends fields and nothing else.
    pub(crate) async fn post_raw(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        self.send(Method::POST, path, body.finish()).await
    }

    /// Loads the page of a form, and sends it with its hidden fields and these.
    pub(crate) async fn fill(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get(page).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        let hidden: Vec<_> = ["csrf", "once", "version", "token", "request"]
            .into_iter()
            .filter_map(|name| Some((name, page.hidden(name)?)))
            .collect();
        let mut all: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend(fields);
        self.post_raw(action, &all).await
    }

    pub(crate) async fn send(&mut self, method: Method, path: &str, body: String) -> Answer {
        let jar: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !self.headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if !jar.is_empty() {
            request = request.header(header::COOKIE, jar.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let answer = self.client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let answer = Answer { status: parts.status, headers: parts.headers, text };
        self.keep_cookies(&answer);
        answer
    }

    fn keep_cookies(&mut self, answer: &Answer) {
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (name, rest) = line.split_once('=').unwrap();
            self.cookies.retain(|cookie| cookie.0 != name);
            if !line.contains("Max-Age=0") {
                self.cookies.push((name.into(), rest.split(';').next().unwrap().into()));
            }
        }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|cookie| cookie.0 == name).map(|cookie| cookie.1.as_str())
    }
}

impl Answer {
    /// The value of a hidden field.
    pub(crate) fn hidden(&self, name: &str) -> Option<String> {
        self.between(&format!("name=\"{name}\" value=\""), "\"")
    }

    /// The secret that the page reveals.
    pub(crate) fn secret(&self) -> Option<String> {
        self.between("data-secret=\"", "\"")
    }

    pub(crate) fn between(&self, before: &str, after: &str) -> Option<String> {
        let rest = self.text.split_once(before)?.1;
        Some(rest.split_once(after)?.0.to_owned())
    }

    pub(crate) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |to| to.to_str().unwrap())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// That the answer is a page with this status and these words in it.
    #[track_caller]
    pub(crate) fn says(&self, status: u16, words: &[&str]) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert!(self.header("content-type").starts_with("text/html"), "{:?}", self.headers);
        for word in words {
            assert!(self.text.contains(word), "{word} is not in {}", self.text);
        }
    }
}
