//! What each caller has consumed, counted as DynamoDB bills it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// What one function has used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Consumed {
    /// Requests, refused ones included.
    pub calls: u64,
    /// Read units.
    pub read_units: f64,
    /// Write units, those of failed conditions included.
    pub write_units: f64,
    /// Requests by operation.
    pub by_action: BTreeMap<String, u64>,
}

/// The counts of all callers.
#[derive(Default)]
pub(crate) struct Meter(Mutex<BTreeMap<String, Consumed>>);

impl Meter {
    fn with(&self, caller: &str, change: impl FnOnce(&mut Consumed)) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(counts.entry(caller.to_owned()).or_default());
    }

    /// Counts a request.
    pub(crate) fn call(&self, caller: &str, operation: &str) {
        self.with(caller, |consumed| {
            consumed.calls += 1;
            *consumed.by_action.entry(operation.to_owned()).or_default() += 1;
        });
    }

    /// Counts the units of an answer.
    pub(crate) fn answer(&self, caller: &str, write: bool, answer: &Value) {
        let (mut read, mut written) = (0.0, 0.0);
        for capacity in crate::policy::list(answer.get("ConsumedCapacity").unwrap_or(&Value::Null)) {
            let units = |name: &str| capacity.get(name).and_then(Value::as_f64);
            match (units("ReadCapacityUnits"), units("WriteCapacityUnits")) {
                (None, None) if write => written += units("CapacityUnits").unwrap_or(0.0),
                (None, None) => read += units("CapacityUnits").unwrap_or(0.0),
                (reads, writes) => {
                    read += reads.unwrap_or(0.0);
                    written += writes.unwrap_or(0.0);
                }
            }
        }
        self.with(caller, |consumed| {
            consumed.read_units += read;
            consumed.write_units += written;
        });
    }

    /// Counts write units that no answer states.
    pub(crate) fn written(&self, caller: &str, units: f64) {
        self.with(caller, |consumed| consumed.write_units += units);
    }

    /// What a caller has used.
    pub(crate) fn of(&self, caller: &str) -> Consumed {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(caller).cloned().unwrap_or_default()
    }
}
