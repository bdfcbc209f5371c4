//! Who is asking: the session behind a page, and the form that was sent.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};

use super::MAX_FORM;
use super::Site;
use super::error::PageError;
use super::fields::Fields;
use super::shell::Theme;
use crate::clock;
use crate::oauth::server::Server;
use crate::server::{Unread, address};
use crate::store::people::sessions::{LIFETIME, Session, SignIn};
use crate::store::turns::{OF_A_CALLER, Turn};
use crate::store::{Actor, Store, StoreError};

/// The cookie of a session. The prefix makes browsers insist on `Secure`, on this host and on
/// `Path=/`.
pub(super) const COOKIE: &str = "__Host-flint_session";
/// For how long after the password was given nothing asks for it again, in seconds.
pub(super) const FRESH: i64 = 600;

/// Somebody who is signed in, and what they ask for.
pub(super) struct Visitor {
    pub(super) store: Arc<Store>,
    /// The permissions that an API token can have.
    pub(super) grants: Arc<[&'static str]>,
    /// How this server issues tokens, if it does.
    pub(super) oauth: Option<Arc<Server>>,
    pub(super) session: Session,
    pub(super) theme: Theme,
    /// One time for the whole request, in Unix seconds.
    pub(super) now: i64,
    /// Path and query.
    pub(super) here: String,
    pub(super) query: Fields,
    cookie: String,
    address: Option<String>,
    /// When the password was last given.
    began: i64,
    renewal: Renewal,
    /// What may be under way at a time: a turn of the operator's, and one among all that read a
    /// lot.
    _turns: (Turn, Option<[Turn; 2]>),
}

/// A cookie that takes over, after the password was given again. It belongs to the request and not
/// to one answer, so that a page that says what went wrong carries it too: without it the browser
/// would be left with a session that has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Renewal(Arc<Mutex<Option<HeaderValue>>>);

/// A form that somebody sent who is signed in; its token has been checked.
pub(super) struct Posted {
    pub(super) visitor: Visitor,
    pub(super) fields: Fields,
}

impl Visitor {
    /// Who they are, for the audit log.
    pub(super) fn actor(&self) -> Actor {
        self.session.actor(self.address.clone())
    }

    /// Whether the password was last given too long ago for something grave.
    pub(super) fn is_stale(&self) -> bool {
        self.now - self.began >= FRESH
    }

    /// Makes [`Visitor::confirm`] want the password, however young the session is.
    pub(super) fn require_password(&mut self) {
        self.began = i64::MIN / 2;
    }

    /// Takes the password, where it is needed. The session gets another cookie then, and the forms
    /// another token. The error is for the person who typed it.
    pub(super) async fn confirm(&mut self, password: &str) -> Result<Result<(), String>, PageError> {
        if !self.is_stale() {
            return Ok(Ok(()));
        }
        if password.is_empty() {
            return Ok(Err("Enter your password: it is required again after ten minutes.".into()));
        }
        let (store, name) = (&self.store, self.session.operator.name.clone());
        let given =
            store.confirm(&self.cookie, &name, password.into(), self.address.as_deref(), self.now).await?;
        match given {
            SignIn::Wrong => Ok(Err("That is not your password.".into())),
            SignIn::Throttled(wait) => Ok(Err(format!("Too many attempts. Try again in {wait} seconds."))),
            SignIn::Done(cookie, session) => {
                store.sign_out(&self.cookie).await?;
                (self.session, self.began) = (session, self.now);
                self.cookie = cookie.reveal().into();
                self.renewal.set(session_cookie(cookie.reveal(), LIFETIME));
                Ok(Ok(()))
            }
        }
    }

    /// Does what a form may ask for once, and uses the form up. Where the work fails, the form may
    /// be sent again. It continues where the browser turns away in the meantime, so that a form is
    /// never used up for nothing.
    pub(super) async fn once<T, F>(
        &self,
        fields: &Fields,
        what: &str,
        work: impl FnOnce(Arc<Store>, i64, Actor) -> F,
    ) -> Result<Result<T, StoreError>, PageError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let token = fields.raw("once").to_owned();
        if !(20..=64).contains(&token.len()) {
            return Err(PageError::forged());
        }
        let (store, now, operator) = (Arc::clone(&self.store), self.now, self.session.operator.id.clone());
        let work = work(Arc::clone(&store), now, self.actor());
        let task = tokio::spawn(async move {
            if !store.spend_form(&token, &operator, now).await? {
                return Ok(None);
            }
            let done = work.await;
            if done.is_err() {
                store.release_form(&token, &operator).await?;
            }
            Ok::<_, StoreError>(Some(done))
        });
        match task.await {
            Ok(done) => done?.ok_or_else(|| PageError::sent_before(what)),
            Err(_) => Err(PageError::internal()),
        }
    }

    /// Ends the session.
    pub(super) async fn sign_out(&self) -> Result<(), PageError> {
        Ok(self.store.sign_out(&self.cookie).await?)
    }
}

impl Renewal {
    fn set(&self, cookie: HeaderValue) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(cookie);
    }

    /// The cookie, if there is one.
    pub(super) fn take(&self) -> Option<HeaderValue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl FromRequestParts<Site> for Visitor {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, PageError> {
        let here = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let signed_out = || PageError::signed_out((parts.method == Method::GET).then_some(here.as_str()));
        let now = clock::now();
        let cookie = cookie(&parts.headers, COOKIE).ok_or_else(signed_out)?;
        let session = site.store.session(&cookie, now).await?.ok_or_else(signed_out)?;
        let began = site.store.session_began(&cookie).await?.ok_or_else(signed_out)?;
        let turns = site.store.turns();
        let own = turns.own(&session.operator.id, OF_A_CALLER).await?;
        // Not while a form may still be on its way.
        let slow =
            if parts.method == Method::GET { Some(turns.slow(&session.operator.id).await?) } else { None };
        Ok(Self {
            _turns: (own, slow),
            store: Arc::clone(&site.store),
            grants: Arc::clone(&site.grants),
            oauth: site.oauth.clone(),
            session,
            theme: Theme::of(&parts.headers),
            now,
            query: Fields::of_query(&parts.uri)?,
            cookie,
            address: address(&parts.extensions),
            began,
            renewal: parts.extensions.get::<Renewal>().cloned().unwrap_or_default(),
            here,
        })
    }
}

impl FromRequest<Site> for Posted {
    type Rejection = PageError;

    async fn from_request(request: Request, site: &Site) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, site).await?;
        let fields = read_form(&parts.headers, body, MAX_FORM).await?;
        if !visitor.session.csrf_is(fields.raw("csrf")) {
            return Err(PageError::forged());
        }
        Ok(Self { visitor, fields })
    }
}

/// A form as browsers send it.
pub(super) async fn read_form(
    headers: &HeaderMap,
    body: axum::body::Body,
    most: usize,
) -> Result<Fields, PageError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(PageError::unreadable());
    }
    let bytes = to_bytes(body, most).await.map_err(|error| match Unread::of(&error) {
        Unread::Large => PageError::too_large(),
        Unread::Slow => PageError::too_slow(),
        Unread::Broken => PageError::unreadable(),
    })?;
    Fields::parse(&bytes)
}

/// The value of a cookie, if it came exactly once: of two, one is somebody else's.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|pair| pair.0 == name)
        .map(|pair| pair.1.to_owned());
    values.next().filter(|_| values.next().is_none())
}

/// The line that sets a session's cookie, or takes it away with an age of 0.
pub(super) fn session_cookie(value: &str, age: i64) -> HeaderValue {
    let line = format!("{COOKIE}={value}; Path=/; Max-Age={age}; Secure; HttpOnly; SameSite=Lax");
    // A secret is letters and digits.
    HeaderValue::from_str(&line).unwrap_or(HeaderValue::from_static(""))
}

/// A path of this server that may be led to: nothing that a browser would take for another host.
pub(super) fn local_path(path: &str) -> Option<&str> {
    let is_local = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.len() <= 2_048
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    is_local.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_server_are_led_to() {
        assert_eq!(local_path("/settings/api-keys?q=a%20b"), Some("/settings/api-keys?q=a%20b"));
        for bad in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\nb",
            "/\t/evil",
            "/ü",
            "/\u{1}x",
        ] {
            assert_eq!(local_path(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_cookie_that_comes_twice_is_none() {
        let headers = |lines: &[&'static str]| {
            lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect::<HeaderMap>()
        };
        assert_eq!(cookie(&headers(&["a=1; b=2"]), "b"), Some("2".into()));
        assert_eq!(cookie(&headers(&["a=1; ab=2"]), "b"), None);
        assert_eq!(cookie(&headers(&["a=1; a=2"]), "a"), None);
        assert_eq!(cookie(&headers(&["a=1", "a=1"]), "a"), None);
    }
}
