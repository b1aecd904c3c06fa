//! A subscription's terms as the door uses them: compiled once for each revision of the terms.

use std::collections::{BTreeMap, HashSet};

use shared::event::{Period, QuotaKind, Terms};
use shared::id::ApiId;
use shared::time::Time;

/// Microseconds in a millisecond.
const US: i64 = 1000;
/// The end of a window that never ends, as an hour number: about the year 3100.
const NEVER: i64 = 9_999_999;

/// Compiled terms.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The terms' revision: the admission's condition compares it.
    pub revision: u64,
    apis: HashSet<ApiId>,
    /// The quota, if there is one.
    pub quota: Option<PlanQuota>,
    /// The rate limit, if there is one.
    pub rate: Option<PlanRate>,
    weights: BTreeMap<String, u32>,
}

/// A quota.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanQuota {
    /// Units in a window.
    pub units: i64,
    /// The window.
    pub period: Period,
    /// Whether calls beyond are refused.
    pub hard: bool,
}

/// A rate limit: GCRA, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanRate {
    /// The time that one unit takes at the sustained rate. Rounded up, so that the limit is never exceeded.
    pub unit_us: i64,
    /// How many units may come at once.
    pub burst: i64,
}

impl PlanRate {
    /// How far ahead of now the theoretical arrival time may be for a call of this weight.
    #[must_use]
    pub fn tolerance_us(&self, weight: i64) -> i64 {
        (self.burst - weight).max(0) * self.unit_us
    }
}

impl Plan {
    /// Compiles terms.
    #[must_use]
    pub fn new(revision: u64, terms: &Terms) -> Self {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Self {
            revision,
            apis: terms.apis.iter().map(|api| api.id).collect(),
            quota: terms.quota.map(|quota| PlanQuota {
                units: whole(quota.calls),
                period: quota.period,
                hard: quota.kind == QuotaKind::Hard,
            }),
            rate: terms.rate.map(|rate| PlanRate {
                unit_us: (i64::from(rate.per_seconds) * 1_000_000 + i64::from(rate.calls) - 1)
                    / i64::from(rate.calls.max(1)),
                burst: i64::from(rate.burst.unwrap_or(rate.calls)),
            }),
            weights: terms.weights.clone(),
        }
    }

    /// The plan of a grant that nothing was told of yet: it covers nothing.
    #[must_use]
    pub fn none() -> Self {
        Self { revision: 0, apis: HashSet::new(), quota: None, rate: None, weights: BTreeMap::new() }
    }

    /// Whether a key of the subscription may call this API.
    #[must_use]
    pub fn covers(&self, api: ApiId) -> bool {
        self.apis.contains(&api)
    }

    /// The units of a call.
    #[must_use]
    pub fn weight(&self, operation: &str) -> i64 {
        self.weights.get(operation).map_or(1, |weight| i64::from(*weight))
    }

    /// The kind of the quota's window, as the grant names it.
    #[must_use]
    pub fn window_kind(&self) -> &'static str {
        match self.quota.map(|quota| quota.period) {
            None => "N",
            Some(Period::Month) => "M",
            Some(Period::Day) => "D",
        }
    }

    /// The end of the quota window that a moment is in, as an hour number.
    #[must_use]
    pub fn window_end(&self, now: Time) -> i64 {
        match self.quota.map(|quota| quota.period) {
            None => NEVER,
            Some(Period::Month) => now.month().1.hour(),
            Some(Period::Day) => now.day().1.hour(),
        }
    }

    /// The length of the quota window that ends with this hour, in seconds.
    #[must_use]
    pub fn window_s(&self, end_hour: i64) -> i64 {
        let end = Time::of_hour(end_hour);
        let last = end.plus_ms(-1);
        let start = match self.quota.map(|quota| quota.period) {
            Some(Period::Month) => last.month().0,
            Some(Period::Day) => last.day().0,
            None => end,
        };
        end.seconds() - start.seconds()
    }
}

/// A moment in microseconds.
#[must_use]
pub fn us(now: Time) -> i64 {
    now.ms() * US
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn terms(json: &serde_json::Value) -> Terms {
        let mut base = serde_json::json!({
            "plan": "plan_01h455vb4pex5vsknk084sn02q", "plan_slug": "basic", "plan_version": 1,
            "apis": [{"id": "api_01h455vb4pex5vsknk084sn02q", "slug": "weather"}],
            "currency": "USD", "monthly_price": "0", "included_calls": 0, "price_per_call": "0", "approval": "automatic"
        });
        for (name, value) in json.as_object().unwrap() {
            base[name] = value.clone();
        }
        serde_json::from_value(base).unwrap()
    }

    #[test]
    fn windows_end_on_utc_hours() {
        let at = |text: &str| text.parse::<Time>().unwrap();
        let month = Plan::new(1, &terms(&serde_json::json!({"quota": {"calls": 5, "period": "month"}})));
        assert_eq!(Time::of_hour(month.window_end(at("2026-12-31T23:59:59Z"))), at("2027-01-01T00:00:00Z"));
        assert_eq!(month.window_s(month.window_end(at("2028-02-10T00:00:00Z"))), 29 * 86_400);
        let day = Plan::new(1, &terms(&serde_json::json!({"quota": {"calls": 5, "period": "day"}})));
        assert_eq!(Time::of_hour(day.window_end(at("2026-12-31T23:59:59Z"))), at("2027-01-01T00:00:00Z"));
        assert_eq!(day.window_s(day.window_end(at("2028-02-10T00:00:00Z"))), 86_400);
    }

    #[test]
    fn a_rate_is_never_rounded_up() {
        let plan = Plan::new(1, &terms(&serde_json::json!({"rate": {"calls": 3, "per_seconds": 1}})));
        let rate = plan.rate.unwrap();
        assert_eq!((rate.unit_us, rate.burst), (333_334, 3));
        assert_eq!(rate.tolerance_us(1), 666_668);
        assert_eq!(rate.tolerance_us(9), 0);
    }
}
