//! The crate `oauth2` as a client of flint: `tests/oauth` runs it, as it runs those of other
//! languages.
//!
//! Its settings are in the environment. It prints the authorization URL, reads the address that the
//! user comes back to, and at the end prints what the API answered as JSON.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use oauth2::basic::BasicClient;
use oauth2::http::{Request, Response};
use oauth2::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope,
    TokenResponse as _, TokenUrl,
};
use serde_json::json;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let issuer = env::var("ISSUER")?;
    let secret = env::var("CLIENT_SECRET").ok().filter(|secret| !secret.is_empty());
    let mut client = BasicClient::new(ClientId::new(env::var("CLIENT_ID")?))
        .set_auth_uri(AuthUrl::new(format!("{issuer}/oauth/authorize"))?)
        .set_token_uri(TokenUrl::new(format!("{issuer}/oauth/token"))?)
        .set_redirect_uri(RedirectUrl::new(env::var("REDIRECT_URI")?)?);
    if let Some(secret) = secret {
        client = client.set_client_secret(ClientSecret::new(secret));
    }

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let asked = client
        .authorize_url(CsrfToken::new_random)
        .add_scope(Scope::new(env::var("SCOPE")?))
        .add_extra_param("resource", env::var("API")?)
        .set_pkce_challenge(challenge);
    let (url, state) = asked.url();
    println!("{url}");
    io::stdout().flush()?;

    let given = came_back()?;
    if given.get("state") != Some(state.secret()) || given.get("iss") != Some(&issuer) {
        return Err("the answer is not to this request, or another server's".into());
    }
    let code = given.get("code").ok_or("there is no code")?.clone();
    let first =
        client.exchange_code(AuthorizationCode::new(code)).set_pkce_verifier(verifier).request(&send)?;
    let mut statuses = vec![call(first.access_token().secret())?];
    let refresh = first.refresh_token().ok_or("there is no refresh token")?;
    let second = client.exchange_refresh_token(refresh).request(&send)?;
    statuses.push(call(second.access_token().secret())?);
    let tokens = [&first, &second].map(|answer| answer.access_token().secret());
    // The crate revokes over TLS alone: whoever started this does it.
    let last = second.refresh_token().ok_or("there is no refresh token")?.secret();
    println!("{}", json!({"statuses": statuses, "tokens": tokens, "revoke": last}));
    Ok(())
}

/// What is in the query of the address that the user came back to.
fn came_back() -> Result<HashMap<String, String>, Failure> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let (_, query) = line.trim().split_once('?').ok_or("there is no query")?;
    Ok(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
}

/// Calls the API with a token.
fn call(token: &str) -> Result<u16, Failure> {
    let request = Request::get(format!("{}/documents", env::var("API")?));
    let request = request.header("authorization", format!("Bearer {token}")).body(Vec::new())?;
    Ok(send(request)?.status().as_u16())
}

/// Sends one request on a new connection. A few lines are enough, because the server is on this
/// machine.
fn send(request: Request<Vec<u8>>) -> io::Result<Response<Vec<u8>>> {
    let bad = |what: &'static str| io::Error::other(what);
    let (parts, body) = request.into_parts();
    let authority = parts.uri.authority().ok_or_else(|| bad("no host"))?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut head = format!("{} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n", parts.method);
    for (name, value) in &parts.headers {
        head += &format!("{name}: {}\r\n", value.to_str().map_err(io::Error::other)?);
    }
    head += &format!("content-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(authority.as_str())?;
    stream.write_all(&[head.as_bytes(), &body].concat())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8(answer).map_err(io::Error::other)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| bad("no end of the head"))?;
    let status = head.split(' ').nth(1).ok_or_else(|| bad("no status"))?;
    let mut response = Response::builder().status(status);
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        response = response.header(name, value);
    }
    response.body(body.as_bytes().to_vec()).map_err(io::Error::other)
}
