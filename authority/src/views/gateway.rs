//! A gateway as it is shown, with its processes and how they stand.

use serde::Serialize;
use utoipa::ToSchema;

use crate::secret::Secret;
use crate::store::feed::gateways::Gateway;
use crate::store::feed::propagation::{Follower, Propagation, Standing};
use crate::store::feed::standing::{GatewayOverview, GatewayStanding, GatewayStatus};

/// A gateway and its processes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub struct GatewayView {
    /// Its public id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// When it was registered.
    pub created_at: i64,
    /// By whom.
    pub created_by: String,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
    /// `applied`, `pending` or `silent`, as the worst of its processes; `unseen` without any, and
    /// `revoked`.
    pub standing: GatewayStanding,
    /// The Envoy processes that were seen within a day.
    pub processes: Vec<ProcessView>,
}

/// An Envoy process, and how far it has come.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub struct ProcessView {
    /// The name of the gateway that it belongs to.
    pub gateway: String,
    /// What it calls itself.
    pub id: String,
    /// The number of the last change that all of its workers act on.
    pub applied_change: i64,
    /// How many changes it lacks.
    pub changes_behind: i64,
    /// When it first said so.
    pub applied_at: i64,
    /// When it was first seen.
    pub first_seen_at: i64,
    /// When it was last seen.
    pub seen_at: i64,
    /// `applied`, `pending` or `silent`.
    pub standing: Standing,
}

/// All gateways.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub struct GatewayList {
    /// By name.
    pub gateways: Vec<GatewayView>,
    /// The number of the latest change.
    pub latest_change: i64,
}

/// A gateway with a new token, which is in no other answer ever.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub struct GatewayWithToken {
    /// Its public id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// When it was registered.
    pub created_at: i64,
    /// The token itself.
    pub token: String,
}

/// How far the latest change of a key has come.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
pub struct PropagationView {
    /// How many gateway processes act on it.
    pub applied: usize,
    /// How many there are, silent ones included.
    pub of: usize,
    /// All of them, those that lag first.
    pub processes: Vec<ProcessView>,
}

impl ProcessView {
    /// How a process stands to a change.
    #[must_use]
    pub fn new(follower: &Follower, change: i64) -> Self {
        let process = &follower.process;
        Self {
            gateway: follower.gateway.clone(),
            id: process.process_id.clone(),
            applied_change: process.applied_seq,
            changes_behind: (change - process.applied_seq).max(0),
            applied_at: process.applied_at,
            first_seen_at: process.first_seen,
            seen_at: process.seen_at,
            standing: follower.standing,
        }
    }
}

impl From<(GatewayStatus, i64)> for GatewayView {
    /// A gateway as it stands to the latest change.
    fn from((status, latest_change): (GatewayStatus, i64)) -> Self {
        let GatewayStatus { gateway, standing, followers } = status;
        Self {
            processes: followers.iter().map(|one| ProcessView::new(one, latest_change)).collect(),
            id: gateway.id,
            name: gateway.name,
            created_at: gateway.created_at,
            created_by: gateway.created_by,
            revoked_at: gateway.revoked_at,
            standing,
        }
    }
}

impl From<GatewayOverview> for GatewayList {
    fn from(overview: GatewayOverview) -> Self {
        let latest_change = overview.latest_change;
        let view = |status| GatewayView::from((status, latest_change));
        Self { gateways: overview.gateways.into_iter().map(view).collect(), latest_change }
    }
}

impl GatewayWithToken {
    /// A gateway and the token that was just made for it.
    #[must_use]
    pub fn new(gateway: Gateway, token: &Secret) -> Self {
        let Gateway { id, name, created_at, .. } = gateway;
        Self { id, name, created_at, token: token.reveal().into() }
    }
}

impl From<Propagation> for PropagationView {
    fn from(told: Propagation) -> Self {
        let processes = told.followers.iter().map(|one| ProcessView::new(one, told.change)).collect();
        Self { applied: told.applied, of: told.of, processes }
    }
}
