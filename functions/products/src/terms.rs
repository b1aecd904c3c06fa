//! Terms: what a plan version says, with its defaults and limits. No async, no AWS, no HTTP.

use std::collections::BTreeMap;

use shared::event::{Admission, Approval, Quota, Rate};
use shared::money::{Currency, Decimal};

use crate::error::Error;

/// A quota allows so many units at most.
pub const QUOTA_CALLS_MAX: u64 = 1_000_000_000_000;
/// A month's price includes so many calls at most.
pub const INCLUDED_CALLS_MAX: u64 = 1_000_000_000_000;
/// A rate speaks of so many units at most.
pub const RATE_CALLS_MAX: u32 = 1_000_000;
/// A rate speaks of so many seconds at most: a day.
pub const RATE_SECONDS_MAX: u32 = 86_400;
/// So many operations have a weight at most.
pub const WEIGHTS_MAX: usize = 500;
/// A call costs so many units at most.
pub const WEIGHT_MAX: u32 = 1_000;
/// An operation's id has so many characters at most.
pub const OPERATION_CHARS_MAX: usize = 200;
/// All terms together, so that they travel in events.
pub const TERMS_BYTES_MAX: usize = 100_000;

/// Terms as somebody wishes them; what is left out has a default.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// USD where nothing has a price.
    pub currency: Option<Currency>,
    /// 0 when left out.
    pub monthly_price: Option<Decimal>,
    /// 0 when left out.
    pub included_calls: Option<u64>,
    /// 0 when left out.
    pub price_per_call: Option<Decimal>,
    /// Unlimited when left out.
    pub quota: Option<Quota>,
    /// Unlimited when left out.
    pub rate: Option<Rate>,
    /// Every call costs one unit when left out.
    pub weights: Option<BTreeMap<String, u32>>,
    /// Automatic when left out.
    pub approval: Option<Approval>,
    /// Exact when left out.
    pub admission: Option<Admission>,
}

/// The terms of a plan version, complete.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct PlanTerms {
    /// The currency of the prices.
    pub currency: Currency,
    /// The price of a month.
    pub monthly_price: Decimal,
    /// Units included in the month's price.
    pub included_calls: u64,
    /// The price of every further unit.
    pub price_per_call: Decimal,
    /// How many units a window allows; unlimited when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// How fast calls may come; unlimited when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Units of a call by operation id; 1 for those that are not named.
    #[serde(default)]
    pub weights: BTreeMap<String, u32>,
    /// Whether a subscription waits for the provider.
    pub approval: Approval,
    /// How the door admits; `exact` when absent.
    #[serde(default, skip_serializing_if = "Admission::is_exact")]
    pub admission: Admission,
}

fn within(pointer: &str, value: u64, max: u64) -> Result<(), Error> {
    if (1..=max).contains(&value) {
        Ok(())
    } else {
        Err(Error::Field { pointer: pointer.to_owned(), detail: format!("must be between 1 and {max}") })
    }
}

fn rate(rate: &Rate) -> Result<(), Error> {
    within("/rate/calls", rate.calls.into(), RATE_CALLS_MAX.into())?;
    within("/rate/per_seconds", rate.per_seconds.into(), RATE_SECONDS_MAX.into())?;
    rate.burst.map_or(Ok(()), |burst| within("/rate/burst", burst.into(), RATE_CALLS_MAX.into()))
}

/// A call that costs more than ever fits would never be admitted.
fn weights(weights: &BTreeMap<String, u32>, quota: Option<&Quota>, rate: Option<&Rate>) -> Result<(), Error> {
    if weights.len() > WEIGHTS_MAX {
        return Err(Error::Field {
            pointer: "/weights".into(),
            detail: format!("must have at most {WEIGHTS_MAX} operations"),
        });
    }
    let burst = rate.map(|rate| rate.burst.unwrap_or(rate.calls));
    for (operation, weight) in weights {
        let wrong = |detail: String| {
            Err(Error::Field {
                pointer: format!("/weights/{}", operation.replace('~', "~0").replace('/', "~1")),
                detail,
            })
        };
        if operation.is_empty()
            || operation.chars().count() > OPERATION_CHARS_MAX
            || operation.chars().any(char::is_control)
        {
            return wrong(format!(
                "must be an operation's id, 1 to {OPERATION_CHARS_MAX} characters without control characters"
            ));
        }
        if !(1..=WEIGHT_MAX).contains(weight) {
            return wrong(format!("must be between 1 and {WEIGHT_MAX}"));
        }
        if quota.is_some_and(|quota| u64::from(*weight) > quota.calls) {
            return wrong("is more than the whole quota, so that the operation could never be called".into());
        }
        if burst.is_some_and(|burst| *weight > burst) {
            return wrong("is more than the rate's burst, so that the operation could never be called".into());
        }
    }
    Ok(())
}

impl PlanTerms {
    /// Completes a wish, unless something in it is out of bounds.
    pub fn new(wish: Wish) -> Result<Self, Error> {
        let monthly_price = wish.monthly_price.unwrap_or_default();
        let price_per_call = wish.price_per_call.unwrap_or_default();
        let costs = monthly_price > Decimal::ZERO || price_per_call > Decimal::ZERO;
        let currency = match wish.currency {
            Some(currency) => currency,
            None if costs => {
                return Err(Error::Field {
                    pointer: "/currency".into(),
                    detail: "is required where something has a price".into(),
                });
            }
            None => "USD".parse().map_err(|_| Error::Unexpected("currency"))?,
        };
        let included_calls = wish.included_calls.unwrap_or_default();
        if included_calls > INCLUDED_CALLS_MAX {
            return Err(Error::Field {
                pointer: "/included_calls".into(),
                detail: format!("must be at most {INCLUDED_CALLS_MAX}"),
            });
        }
        if let Some(quota) = &wish.quota {
            within("/quota/calls", quota.calls, QUOTA_CALLS_MAX)?;
        }
        if let Some(wished) = &wish.rate {
            rate(wished)?;
        }
        let weighted = wish.weights.unwrap_or_default();
        weights(&weighted, wish.quota.as_ref(), wish.rate.as_ref())?;
        let terms = Self {
            currency,
            monthly_price,
            included_calls,
            price_per_call,
            quota: wish.quota,
            rate: wish.rate,
            weights: weighted,
            approval: wish.approval.unwrap_or_default(),
            admission: wish.admission.unwrap_or_default(),
        };
        if serde_json::to_vec(&terms).map_or(usize::MAX, |text| text.len()) > TERMS_BYTES_MAX {
            return Err(Error::Field {
                pointer: "/weights".into(),
                detail: format!("are too long: all terms together have at most {TERMS_BYTES_MAX} bytes as JSON"),
            });
        }
        Ok(terms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::event::{Period, QuotaKind};

    use super::*;

    fn quota(calls: u64) -> Quota {
        Quota { calls, period: Period::Month, kind: QuotaKind::Hard }
    }

    fn pointer(wish: Wish) -> String {
        match PlanTerms::new(wish) {
            Err(Error::Field { pointer, .. }) => pointer,
            other => panic!("{other:?}"),
        }
    }

    fn some_quota() -> impl Strategy<Value = Option<Quota>> {
        proptest::option::of((0_u64..50).prop_map(quota))
    }

    fn some_rate() -> impl Strategy<Value = Option<Rate>> {
        proptest::option::of(
            (0_u32..50, 0_u32..100_000, proptest::option::of(0_u32..50)).prop_map(|(calls, per_seconds, burst)| Rate {
                calls,
                per_seconds,
                burst,
            }),
        )
    }

    proptest! {
        #[test]
        fn every_operation_of_accepted_terms_can_be_called(
            quota in some_quota(), rate in some_rate(),
            weights in proptest::option::of(proptest::collection::btree_map("[a-z]{0,3}", 0_u32..1_100, 0..4)),
        ) {
            if let Ok(terms) = PlanTerms::new(Wish { quota, rate, weights: weights.clone(), ..Wish::default() }) {
                prop_assert_eq!(&terms.weights, &weights.unwrap_or_default());
                for weight in terms.weights.values().chain([&1]) {
                    prop_assert!((1..=WEIGHT_MAX).contains(weight));
                    prop_assert!(terms.quota.is_none_or(|quota| u64::from(*weight) <= quota.calls));
                    prop_assert!(terms.rate.is_none_or(|rate| *weight <= rate.burst.unwrap_or(rate.calls) && rate.per_seconds >= 1));
                }
            }
        }

        #[test]
        fn accepted_terms_survive_being_stored_and_keep_what_was_wished(
            monthly in "[0-9]{1,12}(\\.[0-9]{1,12})?", per_call in "[0-9]{1,12}(\\.[0-9]{1,12})?", included in 0..=INCLUDED_CALLS_MAX, calls in 1..=QUOTA_CALLS_MAX,
        ) {
            let (monthly_price, price_per_call): (Decimal, Decimal) = (monthly.parse().unwrap(), per_call.parse().unwrap());
            let wish = Wish {
                currency: Some("EUR".parse().unwrap()), monthly_price: Some(monthly_price), price_per_call: Some(price_per_call),
                included_calls: Some(included), quota: Some(quota(calls)), ..Wish::default()
            };
            let terms = PlanTerms::new(wish).unwrap();
            prop_assert_eq!((terms.monthly_price, terms.price_per_call, terms.included_calls), (monthly_price, price_per_call, included));
            let stored = serde_json::to_string(&terms).unwrap();
            prop_assert_eq!(serde_json::from_str::<PlanTerms>(&stored).unwrap(), terms);
        }
    }

    #[test]
    fn what_is_left_out_has_its_documented_default() {
        let terms = PlanTerms::new(Wish::default()).unwrap();
        assert_eq!(
            serde_json::to_value(&terms).unwrap(),
            serde_json::json!({"currency": "USD", "monthly_price": "0", "included_calls": 0, "price_per_call": "0", "weights": {}, "approval": "automatic"})
        );
    }

    #[test]
    fn a_price_needs_its_currency() {
        assert_eq!(pointer(Wish { monthly_price: Some(Decimal::whole(9)), ..Wish::default() }), "/currency");
        assert_eq!(pointer(Wish { price_per_call: Some("0.001".parse().unwrap()), ..Wish::default() }), "/currency");
        assert!(PlanTerms::new(Wish { monthly_price: Some(Decimal::ZERO), ..Wish::default() }).is_ok());
    }

    #[test]
    fn a_fault_names_its_field() {
        let of = |operation: &str, weight: u32| Some(BTreeMap::from([(operation.to_owned(), weight)]));
        assert_eq!(pointer(Wish { quota: Some(quota(0)), ..Wish::default() }), "/quota/calls");
        assert_eq!(pointer(Wish { quota: Some(quota(QUOTA_CALLS_MAX + 1)), ..Wish::default() }), "/quota/calls");
        assert_eq!(
            pointer(Wish { included_calls: Some(INCLUDED_CALLS_MAX + 1), ..Wish::default() }),
            "/included_calls"
        );
        let rate = |calls, per_seconds, burst| Some(Rate { calls, per_seconds, burst });
        assert_eq!(pointer(Wish { rate: rate(0, 1, None), ..Wish::default() }), "/rate/calls");
        assert_eq!(pointer(Wish { rate: rate(1, 86_401, None), ..Wish::default() }), "/rate/per_seconds");
        assert_eq!(pointer(Wish { rate: rate(1, 1, Some(0)), ..Wish::default() }), "/rate/burst");
        assert_eq!(pointer(Wish { weights: of("GET /a~b", 0), ..Wish::default() }), "/weights/GET ~1a~0b");
        assert_eq!(pointer(Wish { weights: of("", 1), ..Wish::default() }), "/weights/");
        assert_eq!(pointer(Wish { weights: of("x", 11), quota: Some(quota(10)), ..Wish::default() }), "/weights/x");
        assert_eq!(pointer(Wish { weights: of("x", 11), rate: rate(10, 1, None), ..Wish::default() }), "/weights/x");
        let many = (0..=WEIGHTS_MAX).map(|n| (n.to_string(), 1)).collect();
        assert_eq!(pointer(Wish { weights: Some(many), ..Wish::default() }), "/weights");
        let long = (0..WEIGHTS_MAX).map(|n| (format!("{n:\"<200}"), 1)).collect();
        assert_eq!(pointer(Wish { weights: Some(long), ..Wish::default() }), "/weights");
    }
}
