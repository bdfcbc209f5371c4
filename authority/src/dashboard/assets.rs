//! Style sheet, scripts and icon: compiled in, served under names that change with their content.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use flint_contract::key::Digest;

use super::error::PageError;
use super::path::Path;

/// A file that pages load.
pub(super) struct Asset {
    kind: &'static str,
    content: &'static [u8],
    /// Its path, with a part of the digest of its content.
    pub(super) path: String,
}

/// All of them.
pub(super) struct Assets {
    /// How pages look.
    pub(super) style: Asset,
    /// What makes them nicer to use.
    pub(super) script: Asset,
    /// What the tab shows.
    pub(super) icon: Asset,
}

pub(super) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: Asset::new("style", "css", "text/css; charset=utf-8", include_bytes!("../../assets/style.css")),
    script: Asset::new(
        "script",
        "js",
        "text/javascript; charset=utf-8",
        include_bytes!("../../assets/script.js"),
    ),
    icon: Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../../assets/icon.svg")),
});

impl Asset {
    fn new(stem: &str, extension: &str, kind: &'static str, content: &'static [u8]) -> Self {
        let digest = Digest::of(content).to_hex();
        let hash: String = digest.chars().take(12).collect();
        Self { kind, content, path: format!("/assets/{stem}-{hash}.{extension}") }
    }
}

/// One file, for as long as the browser likes: what is under a name never changes.
pub(super) async fn serve(Path(name): Path) -> Response {
    let assets = [&ASSETS.style, &ASSETS.script, &ASSETS.icon];
    let found = assets.into_iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(name.as_str()));
    found.map_or_else(
        || PageError::not_found("file").into_response(),
        |asset| {
            let headers = [
                (header::CONTENT_TYPE, asset.kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.content).into_response()
        },
    )
}
