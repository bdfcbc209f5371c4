//! Envoy's metrics: counts handed over on ticks, and gauges.

use std::cell::RefCell;

use proxy_wasm::types::MetricType;

use super::calls;
use crate::report::telemetry::{Counter, Counters};

/// The metrics of one VM. A metric that Envoy refuses to define is left out; that costs nothing
/// else.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    counters: RefCell<Counters>,
    ids: RefCell<Vec<Option<u32>>>,
}

impl Metrics {
    /// Counts, for the next [`Metrics::flush`].
    pub(super) fn add(&self, counter: Counter, by: u64) {
        self.counters.borrow_mut().add(counter, by);
    }

    /// Counts several things at once.
    pub(super) fn count(&self, count: impl FnOnce(&mut Counters)) {
        count(&mut self.counters.borrow_mut());
    }

    /// Hands over what was counted. The first time, all counters are defined, so that they show
    /// from the start.
    pub(super) fn flush(&self) {
        let mut ids = self.ids.borrow_mut();
        if ids.is_empty() {
            let define = |counter: Counter| calls::define_metric(MetricType::Counter, &counter.name()).ok();
            ids.extend(Counter::all().map(define));
        }
        for (place, count) in self.counters.borrow_mut().take() {
            if let Some(Some(id)) = ids.get(place) {
                // A counter that was defined takes every number above 0.
                let _ = calls::increment_metric(*id, count);
            }
        }
    }
}

/// Sets a gauge of this name.
pub(super) fn gauge(name: &str, value: u64) {
    if let Ok(id) = calls::define_metric(MetricType::Gauge, name) {
        // A gauge that was defined takes every number.
        let _ = calls::record_metric(id, value);
    }
}
