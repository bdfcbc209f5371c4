//! `GET /oauth/authorize`: the user comes in with a request.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Extensions, HeaderMap, StatusCode, Uri};
use axum::response::Response;
use tokio::time::timeout;

use super::super::Site;
use super::super::error::PageError;
use super::{consent, page_of, send_back, session, sign_in};
use crate::clock;
use crate::oauth::client::Client;
use crate::oauth::consent::{Next, next};
use crate::oauth::fault::Fault;
use crate::oauth::params::Params;
use crate::oauth::request::{AuthorizationRequest, client_id, judge, way_back};
use crate::oauth::server::Server;
use crate::server::address;
use crate::store::StoreError;
use crate::store::oauth::questions::{Coded, Question};
use crate::store::oauth::sessions::UserSession;

/// A request that is good, of a client that is known.
pub(super) struct Coming<'a> {
    pub(super) site: &'a Site,
    pub(super) server: Arc<Server>,
    pub(super) headers: &'a HeaderMap,
    pub(super) client: Client,
    pub(super) asked: AuthorizationRequest,
    /// Path and query, to come back to.
    pub(super) here: String,
    pub(super) now: i64,
}

/// Judges a request and asks the user, or sends them back.
pub(super) async fn page(
    State(site): State<Site>,
    uri: Uri,
    headers: HeaderMap,
    extensions: Extensions,
) -> Result<Response, PageError> {
    let server = site.oauth.clone().ok_or_else(|| PageError::not_found("page"))?;
    let params =
        Params::parse(uri.query().unwrap_or_default().as_bytes()).ok_or_else(PageError::unreadable)?;
    let found = match client_id(&params) {
        Some(id) => server.client(&site.store, id).await,
        None => Ok(None),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => return without_database(&server, &params, error),
    };
    let back = way_back(&params, found.as_ref()).map_err(page_of)?;
    let client = found.ok_or_else(|| PageError::not_found("application"))?;
    let asked = match judge(&params, back.clone(), &client, &server.resources) {
        Ok(asked) => asked,
        Err(fault) => return Ok(send_back(&server.issuer, &back, Err(fault))),
    };
    let here = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let issuer = server.issuer.clone();
    let coming = Coming { site: &site, server, headers: &headers, client, asked, here, now: clock::now() };
    // From here on the client can be told.
    let patience = coming.server.patience;
    let answer = timeout(patience, coming.go_on(address(&extensions))).await;
    match answer.unwrap_or_else(|_| Err(StoreError::timed_out())) {
        Err(error) => {
            tracing::error!(%error, "an authorization request failed");
            Ok(send_back(&issuer, &back, Err(Fault::temporarily_unavailable())))
        }
        Ok(answer) => answer,
    }
}

/// The database does not answer. A client that was found before is told; of any other nobody knows
/// where it is (RFC 6749 §4.1.2.1).
fn without_database(server: &Server, params: &Params, error: StoreError) -> Result<Response, PageError> {
    let known = client_id(params).and_then(|id| server.remembered.get(id));
    match way_back(params, known.as_ref()) {
        Ok(back) if error.is_away() => {
            tracing::error!(%error, "an authorization request failed");
            Ok(send_back(&server.issuer, &back, Err(Fault::temporarily_unavailable())))
        }
        _ => Err(error.into()),
    }
}

impl Coming<'_> {
    async fn go_on(self, address: Option<String>) -> Result<Result<Response, PageError>, StoreError> {
        let Some(session) = session::of(self.site, self.headers, self.now).await? else {
            let form = sign_in::Form {
                next: self.here.clone(),
                client: self.client.registration.name.clone(),
                ..Default::default()
            };
            return Ok(sign_in::show(self.headers, form, StatusCode::OK));
        };
        let user = &session.user;
        let granted = self.site.store.granted(&self.client.id, &user.id, &self.asked.resource).await?;
        match next(&self.asked.scope, &self.client, &user.permissions, granted.as_deref()) {
            Next::Denied => Ok(Ok(self.back(Err(Fault::access_denied())))),
            Next::Granted(left) => self.code(&session, &left, address).await.map(Ok),
            Next::Ask(offered) => {
                let asked = AuthorizationRequest { scope: offered, ..self.asked.clone() };
                let store = &self.site.store;
                let token = store.ask(&session.digest, &self.client.id, &asked, self.now).await?;
                let catalogue = store.permissions().await?;
                Ok(Ok(consent::show(&self, &session, &asked, token.reveal(), &catalogue)))
            }
        }
    }

    fn back(&self, outcome: Result<&str, Fault>) -> Response {
        send_back(&self.server.issuer, &self.asked.back, outcome)
    }

    /// The user has said yes to all of it before.
    async fn code(
        &self,
        session: &UserSession,
        left: &[String],
        address: Option<String>,
    ) -> Result<Response, StoreError> {
        let (client_id, asked) = (self.client.id.clone(), self.asked.clone());
        let question = Question { client_id, asked, is_answered: false };
        let who = (session.user.id.as_str(), left);
        let coded =
            self.site.store.grant_code(None, &question, who, self.now, &session.actor(address)).await?;
        Ok(match coded {
            Coded::Code(code) => self.back(Ok(code.reveal())),
            Coded::Again | Coded::Denied => self.back(Err(Fault::access_denied())),
        })
    }
}
