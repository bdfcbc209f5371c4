//! What is around every page: its head, the menu, who is signed in, and how it looks.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use flint_contract::key::Environment;

use super::assets::{ASSETS, Assets};
use super::fields::link;
use super::visitor::{Visitor, cookie};

/// Light, dark, or as the system has it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Theme {
    #[default]
    Auto,
    Light,
    Dark,
}

/// Which entry of the menu a page belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Section {
    Keys,
    Activity,
    Audit,
    Gateways,
    Tokens,
    Operators,
    Permissions,
    Clients,
    Users,
    SigningKeys,
}

/// What every page needs, signed in or not.
pub(super) struct Bare {
    pub(super) theme: &'static str,
    /// Where the name of the program leads; empty on the pages of users, who have no business in
    /// the dashboard.
    pub(super) home: &'static str,
    pub(super) assets: &'static Assets,
}

/// What every page needs for somebody who is signed in.
pub(super) struct Shell {
    pub(super) bare: Bare,
    pub(super) title: String,
    pub(super) section: Section,
    pub(super) operator: String,
    pub(super) csrf: String,
    /// Where the page is, to come back to.
    pub(super) here: String,
    /// `live`, `test`, or empty for both.
    pub(super) environment: &'static str,
    /// Shows that something was done.
    pub(super) notice: Option<&'static str>,
}

// === impl Theme ===

impl Theme {
    pub(super) const COOKIE: &'static str = "flint_theme";

    pub(super) fn of(headers: &HeaderMap) -> Self {
        cookie(headers, Self::COOKIE).map_or(Self::Auto, |word| Self::parse(&word))
    }

    pub(super) fn parse(word: &str) -> Self {
        match word {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Auto,
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

// === impl Section ===

impl Section {
    /// The menu: what it says, where it leads.
    pub(super) const ALL: [(Self, &'static str, &'static str); 10] = [
        (Self::Keys, "API Keys", "/settings/api-keys"),
        (Self::Activity, "Activity", "/settings/activity"),
        (Self::Gateways, "Gateways", "/settings/gateways"),
        (Self::Audit, "Audit log", "/settings/audit"),
        (Self::Permissions, "Permissions", "/settings/permissions"),
        (Self::Clients, "OAuth clients", "/settings/oauth-clients"),
        (Self::Users, "Users", "/settings/users"),
        (Self::SigningKeys, "Signing keys", "/settings/signing-keys"),
        (Self::Tokens, "API tokens", "/settings/api-tokens"),
        (Self::Operators, "Operators", "/settings/operators"),
    ];
}

// === impl Bare ===

impl Bare {
    pub(super) fn new(theme: Theme) -> Self {
        Self { theme: theme.as_str(), home: "/", assets: &ASSETS }
    }

    /// For the people who grant.
    pub(super) fn for_users(theme: Theme) -> Self {
        Self { home: "", ..Self::new(theme) }
    }
}

// === impl Shell ===

impl Shell {
    pub(super) fn new(visitor: &Visitor, section: Section, title: impl Into<String>) -> Self {
        Self {
            bare: Bare::new(visitor.theme),
            title: title.into(),
            section,
            operator: visitor.session.operator.name.clone(),
            csrf: visitor.session.csrf_token.clone(),
            here: visitor.here.clone(),
            environment: "",
            notice: None,
        }
    }

    pub(super) fn in_environment(mut self, environment: Option<Environment>) -> Self {
        self.environment = environment.map_or("", Environment::as_str);
        self
    }

    /// For a page that cannot be loaded again: what leads back to it leads to the list.
    pub(super) fn leading_home(mut self) -> Self {
        self.here = super::HOME.into();
        self
    }

    pub(super) fn with_notice(mut self, notice: Option<&'static str>) -> Self {
        self.notice = notice;
        self
    }

    /// The menu: the entry, and whether the page belongs to it.
    pub(super) fn menu(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        Section::ALL.into_iter().map(|(section, label, path)| (label, path, section == self.section))
    }

    /// The switch between environments.
    pub(super) fn environments(&self) -> [(&'static str, &'static str, String, bool); 3] {
        [("", "All"), ("live", "Live"), ("test", "Test")].map(|(word, label)| {
            (word, label, link("/settings/api-keys", &[("environment", word)]), word == self.environment)
        })
    }
}

/// Leads on after a form has done its work.
pub(super) fn lead_to(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// The page of a form, with what is wrong with it.
pub(super) fn html_with(status: StatusCode, page: &impl Template) -> Response {
    let mut response = html(page);
    *response.status_mut() = status;
    response
}

/// A template as an answer.
pub(super) fn html(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => {
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a template failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
