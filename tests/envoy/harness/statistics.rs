//! Envoy's statistics.

use std::collections::BTreeMap;

use serde_json::Value;

/// Every counter and gauge at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statistics(BTreeMap<String, u64>);

// === impl Statistics ===

impl Statistics {
    /// Reads `/stats?format=json`.
    pub(super) fn parse(text: &str) -> Self {
        let page: Value = serde_json::from_str(text).expect("statistics are JSON");
        let all = page["stats"].as_array().cloned().unwrap_or_default();
        let pair = |stat: &Value| Some((stat["name"].as_str()?.to_owned(), stat["value"].as_u64()?));
        Self(all.iter().filter_map(pair).collect())
    }

    /// The value of one; absent is 0.
    pub(crate) fn value(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The value of a metric of the filter, by its name without `flint_`.
    pub(crate) fn flint(&self, name: &str) -> u64 {
        self.value(&format!("wasmcustom.flint_{name}"))
    }

    /// All whose name holds this text.
    pub(crate) fn holding<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        self.0
            .iter()
            .filter(move |(name, _)| name.contains(text))
            .map(|(name, value)| (name.as_str(), *value))
    }
}
