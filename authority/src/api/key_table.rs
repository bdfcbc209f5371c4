//! `GET /v1/key-table`: the feed of the gateways (contract §6).

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use super::App;
use super::error::ApiError;
use super::extract::GatewayCall;
use super::openapi::wire::PageSchema;
use super::query::OpenQuery;
use crate::clock;
use crate::server::until_taken;
use crate::store::StoreError;
use crate::store::feed::acknowledgements::Acknowledgement;
use crate::store::feed::{Answer, Position};
use crate::store::turns::{OF_A_GATEWAY, Turn};

/// The longest that a call is held, in seconds. Who asks for more is answered after this.
const MAX_WAIT: u64 = 60;
/// How many changes a page has where nothing else is asked for.
const DEFAULT_LIMIT: u32 = 1_000;
/// The most changes of a page. Who asks for more gets this.
const MAX_LIMIT: u32 = 10_000;

/// What a held call asked for, and which change was the latest then. The cursor and not its number:
/// another epoch gives the same numbers to other changes.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct PageRequest {
    cursor: String,
    limit: u32,
    latest: i64,
}

/// The page that was read last for a held call.
pub(super) type LastPage = Mutex<Option<(PageRequest, Written)>>;

/// A page as it is sent. It is in memory once, however many calls it answers.
#[derive(Clone, Debug)]
pub(super) struct Written {
    text: Bytes,
    is_news: bool,
}

impl Written {
    fn new(answer: &Answer) -> Result<Self, StoreError> {
        let text = serde_json::to_vec(&answer.page).map_err(|_| StoreError::Corrupt("a page"))?;
        Ok(Self { text: text.into(), is_news: answer.is_news })
    }
}

/// What a call is answered with.
struct Outcome {
    page: Written,
    /// Whether the call was held for it.
    was_held: bool,
    /// Kept until the page has been taken, if it was read for this call alone.
    turn: Option<Turn>,
}

/// Where the gateway is, and how long it will wait. What else it says is for a newer authority.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Parameters {
    /// The cursor of the page before; left out, the table begins from nothing.
    cursor: Option<String>,
    /// How long to hold the call where there is nothing new, in seconds; at most 60.
    wait: Option<u64>,
    /// How many changes a page has at most; 1000 where nothing is said, never more than 10000.
    #[param(minimum = 1)]
    limit: Option<u32>,
}

/// The changes of the key table since a cursor.
#[utoipa::path(get, path = "/v1/key-table", params(Parameters,
        ("x-flint-gateway" = String, Header, description = "The id of the Envoy process")),
    responses((status = 200, description = "A page of changes", body = PageSchema)))]
pub(super) async fn read(
    State(app): State<App>,
    call: GatewayCall,
    headers: HeaderMap,
    OpenQuery(query): OpenQuery<Parameters>,
) -> Result<Response, ApiError> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    if limit == 0 {
        return Err(ApiError::invalid("The parameter limit must be at least 1"));
    }
    let wait = Duration::from_secs(query.wait.unwrap_or(0).min(MAX_WAIT));
    let position = app.store.position(query.cursor.as_deref()).await?;
    let gateway_id = call.gateway_id.clone();
    if let Position::After(seq) = position {
        let _turn = app.store.turns().own(&gateway_id, OF_A_GATEWAY).await?;
        let GatewayCall { gateway_id, process_id } = call;
        let call = Acknowledgement { gateway_id, process_id, seq, at: clock::now() };
        if !app.store.acknowledge(call).await? {
            let message = "This gateway has as many processes as can be followed; register another gateway";
            return Err(ApiError::too_many(message));
        }
    }
    let outcome = wait_for_news(&app, &gateway_id, query.cursor.as_deref(), limit, wait).await?;
    if outcome.was_held {
        // The gateway may have been revoked, or its token have ended, meanwhile.
        GatewayCall::read(&app, &headers).await?;
    }
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")];
    let response = (headers, outcome.page.text).into_response();
    Ok(match outcome.turn {
        Some(turn) => until_taken(response, turn),
        None => response,
    })
}

/// The page that a change has brought. A change wakes every held call, and most ask for the same
/// page: it is read once.
async fn page_after(app: &App, position: Position, asked: PageRequest) -> Result<Written, StoreError> {
    let mut last = app.last_page.lock().await;
    if let Some((_, page)) = last.as_ref().filter(|(of, _)| *of == asked) {
        return Ok(page.clone());
    }
    let page = Written::new(&app.store.changes(position, asked.limit).await?)?;
    *last = Some((asked, page.clone()));
    Ok(page)
}

/// Answers at once where there is news, else with the next change, else with nothing when the time
/// is up. Also says whether the call was held for that: who waits and finds nothing new was, also
/// where the look took all of the time.
async fn wait_for_news(
    app: &App,
    gateway_id: &str,
    cursor: Option<&str>,
    limit: u32,
    wait: Duration,
) -> Result<Outcome, StoreError> {
    let until = Instant::now() + wait;
    // Subscribed before the first look: a change in between is then a reason to look again.
    let mut changes = app.store.watch_changes();
    let mut stopping = app.stopping.clone();
    let (mut woken, mut held) = (false, None);
    loop {
        let latest = *changes.borrow_and_update();
        let position = app.store.position(cursor).await?;
        let (page, turn) = match position {
            Position::After(_) if woken => {
                let cursor = cursor.unwrap_or_default().to_owned();
                (page_after(app, position, PageRequest { cursor, limit, latest }).await?, None)
            }
            _ => {
                let turn = app.store.turns().own(gateway_id, OF_A_GATEWAY).await?;
                (Written::new(&app.store.changes(position, limit).await?)?, Some(turn))
            }
        };
        woken = true;
        if app.store.position(cursor).await? != position {
            // A restore has begun another epoch in between: the cursor means nothing in it.
            continue;
        }
        let is_over = if held.is_some() { until <= Instant::now() } else { wait.is_zero() };
        if page.is_news || *stopping.borrow() || is_over {
            return Ok(Outcome { page, was_held: held.is_some(), turn });
        }
        drop(turn);
        if held.is_none() {
            held = Some((app.store.hold(), app.store.turns().held(gateway_id)?));
        }
        let news = async {
            tokio::select! {
                _ = changes.changed() => {}
                _ = stopping.changed() => {}
            }
        };
        if timeout_at(until, news).await.is_err() {
            return Ok(Outcome { page, was_held: true, turn: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flint_contract::protocol::Page;
    use tokio::sync::watch;

    use super::*;
    use crate::config::Database;
    use crate::store::Store;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_call_is_held_only_for_what_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::Sqlite(directory.path().join("flint.db"));
        let (_running, stopping) = watch::channel(false);
        let app = App::new(Arc::new(Store::open(&database).await.unwrap()), stopping);
        let ask =
            async |cursor: Option<&str>, wait| wait_for_news(&app, "gw", cursor, 1, wait).await.unwrap();
        let minute = Duration::from_mins(1);
        let first = ask(None, minute).await;
        assert!(!first.was_held, "the beginning of the table is there");
        let first: Page = serde_json::from_slice(&first.page.text).unwrap();
        let cursor = first.cursor.as_str();
        assert!(!ask(Some(cursor), Duration::ZERO).await.was_held, "who does not wait is not held");
        // Over before the first look is.
        assert!(ask(Some(cursor), Duration::from_nanos(1)).await.was_held, "there is nothing new");
        assert!(!ask(Some("of another database"), minute).await.was_held, "a reset is there");
    }
}
