//! Who issues tokens, and what they are for.

use std::fmt;
use std::str::FromStr;

/// The most characters of an issuer or a resource.
const MAX_LENGTH: usize = 1_024;

/// The issuer: an origin, kept byte for byte as it was given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Issuer(String);

/// Something that tokens may be for: an absolute URI without fragment (RFC 8707 §2).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resource(String);

/// What this server issues tokens for; there is at least one.
#[derive(Clone, Debug)]
pub struct Resources(Vec<String>);

/// Why a text is no issuer.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "must be an origin such as https://auth.example.com, or http on localhost, 127.0.0.1 or [::1]; lower-case, without path, \
     slash at its end, query, fragment or user"
)]
pub struct NotAnIssuer;

/// Why a text is no resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("must be an absolute URI without fragment, such as https://api.example.com")]
pub struct NotAResource;

impl Issuer {
    /// The issuer as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An address of this server.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl FromStr for Issuer {
    type Err = NotAnIssuer;

    fn from_str(text: &str) -> Result<Self, NotAnIssuer> {
        let loopback = |rest: &str| ["localhost", "127.0.0.1", "[::1]"].contains(&host_and_port(rest).0);
        let rest = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => rest,
            (None, Some(rest)) if loopback(rest) => rest,
            _ => return Err(NotAnIssuer),
        };
        let (host, port) = host_and_port(rest);
        let is_good = text.len() <= MAX_LENGTH && is_host(host) && port.is_none_or(is_port);
        is_good.then(|| Self(text.into())).ok_or(NotAnIssuer)
    }
}

/// The text before the last colon outside of brackets, and the one behind it.
fn host_and_port(text: &str) -> (&str, Option<&str>) {
    match text.rfind(':') {
        Some(colon) if !text[colon..].contains(']') => (&text[..colon], Some(&text[colon + 1..])),
        _ => (text, None),
    }
}

fn is_host(host: &str) -> bool {
    let is_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    }
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

impl FromStr for Resource {
    type Err = NotAResource;

    fn from_str(text: &str) -> Result<Self, NotAResource> {
        let (scheme, rest) = text.split_once(':').ok_or(NotAResource)?;
        let is_scheme = scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let is_good = is_scheme
            && !rest.trim_start_matches('/').is_empty()
            && text.len() <= MAX_LENGTH
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte));
        is_good.then(|| Self(text.into())).ok_or(NotAResource)
    }
}

impl Resources {
    /// These, each once; the issuer if there are none.
    #[must_use]
    pub fn new(list: Vec<Resource>, issuer: &Issuer) -> Self {
        let mut each: Vec<String> = Vec::new();
        for Resource(one) in list {
            if !each.contains(&one) {
                each.push(one);
            }
        }
        if each.is_empty() {
            each.push(issuer.as_str().into());
        }
        Self(each)
    }

    /// The one that is meant if nothing is said.
    #[must_use]
    pub fn default_one(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// Whether tokens are issued for this, byte for byte.
    #[must_use]
    pub fn has(&self, resource: &str) -> bool {
        self.0.iter().any(|one| one == resource)
    }

    /// All of them.
    #[must_use]
    pub fn list(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8414_2_an_issuer_is_an_origin() {
        for good in [
            "https://auth.example.com",
            "https://auth.example.com:8443",
            "https://10.0.0.1",
            "https://[2001:db8::1]:8443",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]",
            "http://[::1]:8080",
        ] {
            assert_eq!(good.parse::<Issuer>().map(|it| it.url("/x")), Ok(format!("{good}/x")), "{good}");
        }
        for bad in [
            "",
            "auth.example.com",
            "https://",
            "https://auth.example.com/",
            "https://auth.example.com/x",
            "https://auth.example.com?x",
            "https://auth.example.com#x",
            "https://user@auth.example.com",
            "https://auth.example.com:",
            "https://auth.example.com:0",
            "https://auth.example.com:x",
            "https://Auth.example.com",
            "HTTPS://auth.example.com",
            "https://auth example.com",
            "http://auth.example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost:8080/",
            "http://[::2]:8080",
            "ftp://localhost",
        ] {
            assert_eq!(bad.parse::<Issuer>(), Err(NotAnIssuer), "{bad}");
        }
    }

    #[test]
    fn rfc8707_2_a_resource_is_an_absolute_uri_without_fragment() {
        for good in ["https://api.example.com", "https://api.example.com/v1?x=1", "urn:example:api"] {
            assert!(good.parse::<Resource>().is_ok(), "{good}");
        }
        for bad in
            ["", "api", "/api", "https://", "https:", "https://api.example.com#x", "https://a b", "1x:y"]
        {
            assert_eq!(bad.parse::<Resource>(), Err(NotAResource), "{bad}");
        }
    }

    #[test]
    fn the_first_resource_is_the_default_and_the_issuer_if_there_is_none() {
        let issuer: Issuer = "https://auth.example.com".parse().unwrap();
        assert_eq!(Resources::new(Vec::new(), &issuer).list(), ["https://auth.example.com"]);
        let list = ["https://b", "https://a", "https://b"].map(|text| text.parse().unwrap()).to_vec();
        let resources = Resources::new(list, &issuer);
        assert_eq!((resources.default_one(), resources.list().len()), ("https://b", 2));
        assert!(
            resources.has("https://a") && !resources.has("https://a/") && !resources.has(issuer.as_str())
        );
    }
}
