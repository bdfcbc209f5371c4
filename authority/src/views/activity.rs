//! Activity as it is shown.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock;
use crate::store::usage::activity::{Activity, Point};

/// Activity over a range. Steps and outcomes with nothing in them are left out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActivityView {
    /// When the first step begins, in Unix seconds.
    pub from: i64,
    /// When the last step ends.
    pub to: i64,
    /// How long a step is, in seconds.
    pub step: i64,
    /// How often each outcome came in the whole range.
    pub totals: BTreeMap<String, i64>,
    /// The sums, in order of time.
    pub points: Vec<Point>,
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        let totals = activity.totals().into_iter().collect();
        let Activity { from, to, step, points } = activity;
        Self { from, to, step, totals, points }
    }
}

/// Comma-separated values: a line for each step and outcome.
#[must_use]
pub fn to_csv(activity: &Activity) -> String {
    let line = |point: &Point| format!("{},{},{}\n", clock::to_text(point.start), point.outcome, point.count);
    std::iter::once("start,outcome,count\n".to_owned()).chain(activity.points.iter().map(line)).collect()
}
