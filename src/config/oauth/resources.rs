//! `resource_metadata`: what callers are told of the API that is protected (RFC 9728).

use serde_json::json;

use super::{Oauth, is_url};
use crate::config::field::{Object, list, text};
use crate::config::json::Json;
use crate::config::report::At;
use crate::route::{Places, Template, is_normal};
use flint_contract::permission::Permission;

const ONE: &[&str] = &["resource", "scopes_supported", "url"];
const LISTED: &[&str] = &["path", "resource", "scopes_supported", "url"];

/// The most resources.
const MAX_RESOURCES: usize = 16;
/// The longest URL.
const MAX_URL: usize = 1_024;
/// Where metadata is, before the path of the resource (RFC 9728 §3.1).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The resources behind this gateway; none where `resource_metadata` is not configured.
#[derive(Debug, Default)]
pub struct Resources {
    all: Box<[Resource]>,
    /// Where each is; `None` where there is one, and it is everywhere.
    places: Option<Places<usize>>,
}

/// One resource.
#[derive(Debug)]
pub struct Resource {
    /// Its name, which tokens for it have in `aud`.
    pub name: Box<str>,
    /// Where its metadata is; good between quotes in a header.
    pub metadata_url: Box<str>,
    /// Path and query where the filter serves its metadata, and what it serves; `None` where
    /// somebody else does.
    served: Option<(Box<str>, Box<[u8]>)>,
}

impl Resources {
    /// The resource that a path belongs to: what a challenge names.
    #[must_use]
    pub fn at(&self, path: Option<&[u8]>) -> Option<&Resource> {
        match &self.places {
            None => self.all.first(),
            Some(places) => self.all.get(*places.find(path?)?),
        }
    }

    /// The resource that a token has to be for, beyond what its issuer's entry asks.
    #[must_use]
    pub fn asked_for(&self, path: Option<&[u8]>) -> Option<&Resource> {
        self.places.as_ref().and_then(|_| self.at(path))
    }

    /// Whether there are several resources and the path can be read in more than one way: then
    /// nobody knows which of them it belongs to.
    #[must_use]
    pub fn is_ambiguous(&self, path: Option<&[u8]>) -> bool {
        let path = path.and_then(|path| path.split(|byte| *byte == b'?').next());
        self.places.is_some() && path.is_some_and(|path| path != b"*" && !is_normal(path))
    }

    /// The metadata that the filter serves at this path.
    #[must_use]
    pub fn document(&self, method: &[u8], path: Option<&[u8]>) -> Option<&[u8]> {
        if method != b"GET" && method != b"HEAD" {
            return None;
        }
        let whole = path.filter(|path| path.starts_with(WELL_KNOWN.as_bytes()))?;
        let bare = whole.split(|byte| *byte == b'?').next()?;
        let served = || self.all.iter().filter_map(|resource| resource.served.as_ref());
        let find =
            |path: &[u8]| served().find(|(at, _)| at.as_bytes() == path).map(|(_, document)| &**document);
        find(whole).or_else(|| find(bare))
    }
}

pub(in crate::config) fn read(json: &Json, at: &At<'_>, oauth: Option<&Oauth>) -> Option<Resources> {
    let issuers: Vec<&str> =
        oauth.iter().flat_map(|oauth| &oauth.issuers).map(|issuer| &*issuer.name).collect();
    let Json::List(items) = json else {
        let object = Object::open(json, at, ONE)?;
        let resource = resource(&object, at, &issuers)?;
        return Some(Resources { all: [resource].into(), places: None });
    };
    if !(1..=MAX_RESOURCES).contains(&items.len()) {
        return at.refuse("must have 1 to 16 resources");
    }
    let mut places = Places::default();
    let mut all: Vec<Resource> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let at = at.index(index);
        let Some(object) = Object::open(item, &at, LISTED) else { continue };
        let template = object.require(&at, "path", |json, at| {
            Template::parse(text(json, at)?).map_or_else(|rule| at.refuse(rule), Some)
        });
        let resource = resource(&object, &at, &issuers);
        if let Some(template) = template
            && let Some(first) = places.put(index, &template, all.len())
        {
            at.field("path").refuse::<()>(format!("is equal to $.resource_metadata[{first}].path"));
        }
        let Some(resource) = resource else { continue };
        let is_taken = |other: &Resource| match (&other.served, &resource.served) {
            (Some((a, _)), Some((b, _))) => a == b && other.name != resource.name,
            _ => false,
        };
        if all.iter().any(is_taken) {
            at.field("resource").refuse::<()>(
                "has its metadata at the same path as that of another resource: set \"url\" for one of them",
            );
        }
        all.push(resource);
    }
    Some(Resources { all: all.into(), places: Some(places) })
}

fn resource(object: &Object<'_>, at: &At<'_>, issuers: &[&str]) -> Option<Resource> {
    let name = object.require(at, "resource", url);
    let scopes = object.read(at, "scopes_supported", |json, at| {
        list(json, at, |json, at| {
            Permission::parse(text(json, at)?)
                .or_else(|| at.refuse("must be a permission such as \"documents:read\""))
        })
    });
    let elsewhere = object.read(at, "url", url);
    let name = name?;
    if object.get("url").is_some() {
        return Some(Resource { name: name.into(), metadata_url: elsewhere?.into(), served: None });
    }
    let (metadata_url, path) = well_known(name)?;
    let document = document(name, issuers, &scopes.unwrap_or_default());
    Some(Resource { name: name.into(), metadata_url, served: Some((path, document)) })
}

fn url<'j>(json: &'j Json, at: &At<'_>) -> Option<&'j str> {
    let url = text(json, at)?;
    if url.len() <= MAX_URL && is_url(url) && !url.contains('#') {
        Some(url)
    } else {
        at.refuse("must be an https or http URL without fragment, of at most 1024 characters")
    }
}

/// URL and path of a resource's metadata: the well-known path comes between its host and its path.
fn well_known(resource: &str) -> Option<(Box<str>, Box<str>)> {
    let (scheme, rest) = resource.split_once("://")?;
    let (host, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let rest = match rest.strip_prefix('/') {
        Some(query) if query.is_empty() || query.starts_with('?') => query,
        _ => rest,
    };
    let path = format!("{WELL_KNOWN}{rest}");
    Some((format!("{scheme}://{host}{path}").into(), path.into()))
}

fn document(resource: &str, issuers: &[&str], scopes: &[Permission]) -> Box<[u8]> {
    let mut document = json!({
        "resource": resource,
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
    });
    // RFC 9728 §3.2: what has no elements is left out.
    if !scopes.is_empty() {
        let scopes: Vec<&str> = scopes.iter().map(Permission::as_str).collect();
        if let Some(members) = document.as_object_mut() {
            members.insert("scopes_supported".to_owned(), json!(scopes));
        }
    }
    document.to_string().into_bytes().into()
}
