//! The catalogue of permissions as it is shown.

use serde::Serialize;
use utoipa::ToSchema;

use crate::store::keys::catalogue::Offered;

/// The catalogue.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Catalogue {
    /// By name.
    pub permissions: Vec<Offered>,
}
