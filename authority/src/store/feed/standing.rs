//! Whether each gateway is up to date with the latest change: the one judgement that the API, the
//! dashboard, the command line, `/metrics` and `flint doctor` share.

use std::collections::HashMap;

use super::gateways::Gateway;
use super::propagation::{Follower, Standing};
use crate::store::{Store, StoreError};

/// How a gateway stands: as the worst of its processes does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GatewayStanding {
    /// All of its processes act on the latest change.
    Applied,
    /// At least one has not said so yet.
    Pending,
    /// At least one has not been seen for a while and lacks the change.
    Silent,
    /// No process of it has been seen within a day.
    Unseen,
    /// It was revoked.
    Revoked,
}

/// A gateway, its processes that count, and how it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GatewayStatus {
    /// The gateway.
    pub gateway: Gateway,
    /// How it stands.
    pub standing: GatewayStanding,
    /// Its processes, those that lag first.
    pub followers: Vec<Follower>,
}

/// All gateways at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GatewayOverview {
    /// The number of the latest change.
    pub latest_change: i64,
    /// The gateways, by name.
    pub gateways: Vec<GatewayStatus>,
}

impl Store {
    /// How every gateway stands to the latest change.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn gateway_overview(&self, now: i64) -> Result<GatewayOverview, StoreError> {
        let latest_change = self.latest_change().await?;
        let mut followers = HashMap::<String, Vec<Follower>>::new();
        for one in self.propagation(latest_change, now).await?.followers {
            followers.entry(one.process.gateway_id.clone()).or_default().push(one);
        }
        let status = |gateway: Gateway| {
            let own = followers.remove(&gateway.id).unwrap_or_default();
            GatewayStatus::new(gateway, own)
        };
        let gateways = self.gateways().await?.into_iter().map(status).collect();
        Ok(GatewayOverview { latest_change, gateways })
    }
}

impl GatewayOverview {
    /// One gateway of them.
    ///
    /// # Errors
    /// If there is no such gateway.
    pub fn gateway(self, id: &str) -> Result<(GatewayStatus, i64), StoreError> {
        let found = self.gateways.into_iter().find(|one| one.gateway.id == id);
        found.map(|one| (one, self.latest_change)).ok_or(StoreError::NotFound("gateway"))
    }
}

impl GatewayStatus {
    fn new(gateway: Gateway, followers: Vec<Follower>) -> Self {
        let has = |standing| followers.iter().any(|one| one.standing == standing);
        let standing = if gateway.revoked_at.is_some() {
            GatewayStanding::Revoked
        } else if followers.is_empty() {
            GatewayStanding::Unseen
        } else if has(Standing::Silent) {
            GatewayStanding::Silent
        } else if has(Standing::Pending) {
            GatewayStanding::Pending
        } else {
            GatewayStanding::Applied
        };
        Self { gateway, standing, followers }
    }
}

impl GatewayStanding {
    /// The word in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Silent => "silent",
            Self::Unseen => "unseen",
            Self::Revoked => "revoked",
        }
    }
}
