//! A program that signs in and consents as a browser does: it keeps cookies and sends forms as they
//! are.

use std::collections::BTreeMap;

use axum::http::{Method, header};

use crate::client::{Answer, Client};

/// A browser. It follows nothing by itself.
#[derive(Clone)]
pub(crate) struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

/// A form of a page, as it would be sent.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Browser {
    pub(crate) fn new(client: &Client) -> Self {
        Self { client: client.clone(), cookies: BTreeMap::new() }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.into(), value.into());
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, String::new()).await
    }

    pub(crate) async fn post(&mut self, form: &Form) -> Answer {
        self.send(Method::POST, &form.action.clone(), form.body()).await
    }

    async fn send(&mut self, method: Method, path: &str, body: String) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let client = self
            .client
            .with("cookie", &cookies.join("; "))
            .with("content-type", "application/x-www-form-urlencoded");
        let answer = client.send(method, path, body.into()).await;
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let pair = line.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.into(), value.into());
        }
        answer
    }
}

impl Form {
    /// The form of a page that has this id.
    #[track_caller]
    pub(crate) fn of(page: &Answer, id: &str) -> Self {
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        let begin =
            text.find(&format!("<form id=\"{id}\"")).unwrap_or_else(|| panic!("no form {id}: {text}"));
        let form = &text[begin..begin + text[begin..].find("</form>").unwrap()];
        let attribute = |tag: &str, name: &str| {
            let from = tag.find(&format!(" {name}=\""))? + name.len() + 3;
            Some(unescape(&tag[from..from + tag[from..].find('"')?]))
        };
        let head = &form[..form.find('>').unwrap()];
        let tags = form.split("<input ").skip(1).map(|rest| format!(" {}", &rest[..rest.find('>').unwrap()]));
        let fields = tags.filter_map(|tag| {
            let is_sent = !tag.contains("type=\"checkbox\"") || tag.contains(" checked");
            let value = attribute(&tag, "value").unwrap_or_default();
            is_sent.then_some((attribute(&tag, "name")?, value))
        });
        Self { action: attribute(head, "action").unwrap(), fields: fields.collect() }
    }

    /// The same with another value of a field, or with one more field.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut form = self.without(name);
        form.fields.push((name.into(), value.into()));
        form
    }

    pub(crate) fn without(&self, name: &str) -> Self {
        let fields = self.fields.iter().filter(|field| field.0 != name).cloned().collect();
        Self { action: self.action.clone(), fields }
    }

    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.fields.iter().filter(|field| field.0 == name).map(|field| field.1.as_str()).collect()
    }

    fn body(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish()
    }
}

fn unescape(text: &str) -> String {
    text.replace("&#38;", "&")
        .replace("&amp;", "&")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
}
