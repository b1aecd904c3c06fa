//! A subscription's terms as the door uses them: compiled once for each revision of the terms.

use std::collections::{BTreeMap, HashSet};

use shared::event::{Admission, Period, QuotaKind, Terms};
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
    /// Whether units are taken in blocks where calls come quickly: see [`lease`](crate::lease).
    pub leased: bool,
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

/// The limiter's clock is coarse only where a unit takes at most this long, …
const COARSE_UNIT_US: i64 = 20_000;
/// … and where an eighth of the tolerance is at least this.
const GRAIN_US_MIN: i64 = 50_000;
/// … of which at most this is taken.
const GRAIN_US_MAX: i64 = 250_000;

/// A rate limit: GCRA, in microseconds.
///
/// On a clock of milliseconds nearly every call of a busy plan finds that another one has moved the theoretical arrival time
/// since it was read, and writes again. So a fast plan's clock moves in grains: `now` is rounded down, and one grain is taken
/// off the tolerance. Over a span of the real clock the coarse one goes at most one grain further, which is what was taken off:
/// no window admits more than the plan says. A slow plan's clock is exact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlanRate {
    /// The time that one unit takes at the sustained rate. Rounded up, so that the limit is never exceeded.
    pub unit_us: i64,
    /// How many units may come at once, on an exact clock.
    pub burst: i64,
    /// The coarse clock's grain; 0 where the clock is exact.
    pub grain_us: i64,
}

impl PlanRate {
    /// With the clock that fits.
    #[must_use]
    pub fn new(unit_us: i64, burst: i64) -> Self {
        let grain_us = ((burst - 1).max(0) * unit_us / 8).min(GRAIN_US_MAX);
        let coarse = unit_us <= COARSE_UNIT_US && grain_us >= GRAIN_US_MIN;
        Self { unit_us, burst, grain_us: if coarse { grain_us } else { 0 } }
    }

    /// The limiter's time.
    #[must_use]
    pub fn now_us(&self, now: Time) -> i64 {
        us(now) - us(now).rem_euclid(self.grain_us.max(1))
    }

    /// How far ahead of the limiter's time the theoretical arrival time may be for a call of this weight. Below zero it must
    /// be that far behind.
    #[must_use]
    pub fn tolerance_us(&self, weight: i64) -> i64 {
        (self.burst - weight).max(0) * self.unit_us - self.grain_us
    }

    /// How long a call of this weight has to wait for a theoretical arrival time; 0 when it need not.
    #[must_use]
    pub fn wait_ms(&self, arrival_us: i64, weight: i64, now: Time) -> i64 {
        let opens_us = arrival_us - self.tolerance_us(weight);
        if opens_us <= self.now_us(now) {
            return 0;
        }
        let grain_us = self.grain_us.max(1);
        let opens_us = (opens_us + grain_us - 1).div_euclid(grain_us) * grain_us;
        (opens_us - us(now) + US - 1) / US
    }

    /// Units that a grant with this theoretical arrival time admits at once, as calls of one unit.
    #[must_use]
    pub fn left(&self, arrival_us: i64, now: Time) -> i64 {
        let ahead_us = (arrival_us - self.now_us(now)).max(0);
        ((self.burst * self.unit_us - self.grain_us - ahead_us) / self.unit_us.max(1)).max(0)
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
            rate: terms.rate.map(|rate| {
                let (calls, window_us) = (i64::from(rate.calls.max(1)), i64::from(rate.per_seconds) * 1_000_000);
                PlanRate::new((window_us + calls - 1) / calls, i64::from(rate.burst.unwrap_or(rate.calls)))
            }),
            leased: terms.admission == Admission::Leased,
            weights: terms.weights.clone(),
        }
    }

    /// The plan of a grant that nothing was told of yet: it covers nothing.
    #[must_use]
    pub fn none() -> Self {
        Self { revision: 0, apis: HashSet::new(), quota: None, rate: None, leased: false, weights: BTreeMap::new() }
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
    use proptest::prelude::*;

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
        assert_eq!((rate.unit_us, rate.burst, rate.grain_us), (333_334, 3, 0));
        assert_eq!(rate.tolerance_us(1), 666_668);
        assert_eq!(rate.tolerance_us(9), 0);
    }

    #[test]
    fn only_a_fast_plan_with_room_for_it_has_a_coarse_clock() {
        let grain = |unit_us, burst| PlanRate::new(unit_us, burst).grain_us;
        assert_eq!(grain(20_000, 21), 50_000);
        assert_eq!(grain(20_000, 20), 0);
        assert_eq!(grain(20_001, 1_000), 0);
        assert_eq!(grain(10_000, 1_000), 250_000);
        assert_eq!(grain(1_000, 0), 0);
    }

    #[test]
    fn a_wait_ends_when_the_limiters_clock_has_come_far_enough() {
        let (rate, start) = (PlanRate::new(10_000, 41), Time::of_hour(300_000));
        assert_eq!(rate.grain_us, 50_000);
        for weight in [1, 40, 41, 50] {
            for ahead_us in [0, 1, 300_000, 349_999, 350_000, 350_001, 777_777] {
                for offset_ms in [0, 1, 49, 50, 51] {
                    let (arrival_us, now) = (us(start) + ahead_us, start.plus_ms(offset_ms));
                    let wait_ms = rate.wait_ms(arrival_us, weight, now);
                    assert_eq!(rate.wait_ms(arrival_us, weight, now.plus_ms(wait_ms)), 0);
                    assert!(wait_ms == 0 || rate.wait_ms(arrival_us, weight, now.plus_ms(wait_ms - 1)) > 0);
                }
            }
        }
        assert_eq!((rate.left(0, start), rate.left(us(start) + 20_000, start)), (36, 34));
    }

    /// Calls by how many milliseconds they come after the one before, and their weight.
    fn calls() -> impl Strategy<Value = Vec<(i64, i64)>> {
        proptest::collection::vec((prop_oneof![Just(0_i64), 0..4_i64, 0..600_i64], 1..60_i64), 1..120)
    }

    proptest! {
        #[test]
        fn no_window_admits_more_than_the_plan(
            unit_us in prop_oneof![1_000..=20_000_i64, Just(20_000_i64), 20_001..90_000_i64], burst in 1..200_i64, calls in calls()
        ) {
            let rate = PlanRate::new(unit_us, burst);
            let (mut now, mut arrival_us) = (Time::of_hour(300_000), 0);
            let mut admitted: Vec<(i64, i64)> = Vec::new();
            for (after_ms, weight) in calls {
                now = now.plus_ms(after_ms);
                // Heavier calls than the burst are let through one by one.
                if weight <= burst && rate.wait_ms(arrival_us, weight, now) == 0 {
                    arrival_us = arrival_us.max(rate.now_us(now)) + weight * unit_us;
                    admitted.push((us(now), weight));
                    let mut units = 0;
                    for (since_us, weight) in admitted.iter().rev() {
                        units += weight;
                        prop_assert!(units * unit_us <= us(now) - since_us + burst * unit_us);
                    }
                }
            }
        }
    }
}
