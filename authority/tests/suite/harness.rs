//! A server in this process, on a free port and its own database.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flint::clock;
use flint::config::Database;
use flint::model::Key;
use flint::model::draft::{Draft, NewKey};
use flint::model::import::{Format, parse};
use flint::serve::{self, Settings};
use flint::store::keys::Made;
use flint::store::people::api_tokens::NewApiToken;
use flint::store::{Actor, Store};
use flint_contract::key::Digest;
use sqlx::Connection as _;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::postgres;

/// Makes two tests of one that takes a [`Backend`].
macro_rules! on_both {
    ($(async fn $name:ident($backend:ident) $body:block)+) => {$(
        async fn $name($backend: $crate::harness::Backend) $body

        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::harness::Backend::Sqlite).await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                if $crate::postgres::is_there() {
                    super::$name($crate::harness::Backend::Postgres).await;
                }
            }
        }
    )+};
}
pub(crate) use on_both;

/// How long something is awaited that must come. It says nothing of how soon it should: the machine
/// may be slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A database of one test, gone when dropped.
pub(crate) struct TestDatabase {
    pub(crate) database: Database,
    pub(crate) directory: tempfile::TempDir,
}

/// A server of one test.
pub(crate) struct Harness {
    pub(crate) store: Arc<Store>,
    pub(crate) client: Client,
    pub(crate) database: TestDatabase,
    running: Running,
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Backend {
    pub(crate) async fn database(self) -> TestDatabase {
        let directory = tempfile::tempdir().unwrap();
        let database = match self {
            Self::Sqlite => Database::Sqlite(directory.path().join("flint.db")),
            Self::Postgres => postgres::new_database().await,
        };
        TestDatabase { database, directory }
    }

    pub(crate) async fn start(self) -> Harness {
        Harness::on(self.database().await).await
    }
}

impl Harness {
    pub(crate) async fn on(database: TestDatabase) -> Self {
        Self::with(database, Settings::default()).await
    }

    pub(crate) async fn with(database: TestDatabase, settings: Settings) -> Self {
        let store = Arc::new(Store::open(&database.database).await.unwrap());
        let (client, running) = serve(Arc::clone(&store), settings).await;
        Self { store, client, database, running }
    }

    /// Another server on the same database, as behind a load balancer.
    pub(crate) async fn second(&self) -> (Client, Arc<Store>) {
        self.second_with(Settings::default()).await
    }

    pub(crate) async fn second_with(&self, settings: Settings) -> (Client, Arc<Store>) {
        let store = Arc::new(Store::open(&self.database.database).await.unwrap());
        let (client, running) = serve(Arc::clone(&store), settings).await;
        // It runs until the test ends.
        std::mem::forget(running.stop);
        (client, store)
    }

    /// Ends the server in an orderly way and gives back the database.
    pub(crate) async fn stop(self) -> TestDatabase {
        self.running.stop.send(()).unwrap();
        self.running.task.await.unwrap().unwrap();
        self.database
    }

    /// A client with the token of a new gateway and this process id.
    pub(crate) async fn gateway(&self, process: &str) -> Client {
        let name = format!("gateway of {process}");
        let (_, token) = self.store.create_gateway(&name, clock::now(), &actor()).await.unwrap();
        self.client.with_token(token.reveal()).with("x-flint-gateway", process)
    }

    /// A client with a new API token that has these permissions.
    pub(crate) async fn token(&self, permissions: &[&str]) -> Client {
        let permissions = permissions.iter().map(|text| (*text).to_owned()).collect();
        let new = NewApiToken { name: "test".into(), permissions, expires_at: None };
        let (_, secret) = self.store.create_api_token(new, clock::now(), &actor()).await.unwrap();
        self.client.with_token(secret.reveal())
    }

    /// Runs a statement behind the store's back.
    pub(crate) async fn sql(&self, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(statement).execute(&mut self.connect().await).await.map(drop)
    }

    /// A connection of its own to the database.
    pub(crate) async fn connect(&self) -> sqlx::AnyConnection {
        let url = crate::program::url(&self.database.database).replace("sqlite:", "sqlite://");
        sqlx::AnyConnection::connect(&url).await.unwrap()
    }

    pub(crate) async fn key(&self, name: &str) -> Made {
        self.store.create_key(draft(new_key(name)), clock::now(), &actor()).await.unwrap()
    }

    pub(crate) async fn revoke(&self, id: &str) -> Key {
        self.store.revoke_key(id, None, clock::now(), &actor()).await.unwrap()
    }
}

/// Makes so many keys, and tells their ids.
pub(crate) async fn many_keys(store: &Store, count: usize) -> Vec<String> {
    let line = |number: usize| {
        let digest = Digest::of(number.to_string().as_bytes()).to_hex();
        format!("{{\"sha256\": \"{digest}\", \"name\": \"key {number}\", \"environment\": \"live\"}}\n")
    };
    let text: String = (0..count).map(line).collect();
    let parsed = parse(&text, Format::JsonLines, count, clock::now()).unwrap();
    store.import_keys(&parsed.good, clock::now(), &actor()).await.unwrap()
}

/// An address that refuses connections for as long as the socket is kept: it is bound, so nobody
/// else can listen there.
pub(crate) fn nobody() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

async fn serve(store: Arc<Store>, settings: Settings) -> (Client, Running) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()));
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve::run(listener, store, settings, async {
        let _ = stopped.await;
    }));
    (client, Running { stop, task })
}

pub(crate) fn actor() -> Actor {
    Actor { kind: "cli", name: "test".into(), address: None }
}

/// What is asked for, as the store takes it.
pub(crate) fn draft(new: NewKey) -> Draft {
    new.check(clock::now()).unwrap()
}

pub(crate) fn new_key(name: &str) -> NewKey {
    NewKey { name: name.into(), environment: "live".into(), ..NewKey::default() }
}
