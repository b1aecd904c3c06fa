//! Rating: from terms and units to lines and a total.

use shared::event::{SubscriptionState, Terms};
use shared::money::Decimal;
use shared::time::Time;

/// What a line charges for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charge {
    /// The plan's price of a month.
    Month,
    /// Units that the month's price includes.
    Included,
    /// Units beyond those, or all of them where none are included.
    Further,
}

/// A line of a bill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Line {
    /// What it charges for.
    pub charge: Charge,
    /// How many.
    pub quantity: u64,
    /// The price of one, as the terms say it.
    pub unit_price: Decimal,
    /// The price of all, rounded to the currency's minor unit, half away from zero.
    pub amount: Decimal,
}

/// The lines of a period, and their sum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bill {
    /// The lines.
    pub lines: Vec<Line>,
    /// The sum of the lines' amounts as they are shown.
    pub total: Decimal,
}

/// An amount that is beyond what money is counted in here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the amount is beyond what a decimal holds")]
pub struct TooMuch;

/// Rates a period: `month` is whether the month's price is owed, `units` what was admitted and not given back.
pub fn rate(terms: &Terms, month: bool, units: u64) -> Result<Bill, TooMuch> {
    let places = terms.currency.places();
    let mut bill = Bill { lines: Vec::new(), total: Decimal::ZERO };
    let mut add = |charge, quantity: u64, unit_price: Decimal| {
        let amount = unit_price.times(quantity).ok_or(TooMuch)?.rounded(places);
        bill.total = bill.total.plus(amount).ok_or(TooMuch)?;
        bill.lines.push(Line { charge, quantity, unit_price, amount });
        Ok(())
    };
    if month {
        add(Charge::Month, 1, terms.monthly_price)?;
    }
    let included = units.min(terms.included_calls);
    let further = units - included;
    if terms.included_calls > 0 {
        add(Charge::Included, included, Decimal::ZERO)?;
    }
    if further > 0 || terms.included_calls == 0 {
        add(Charge::Further, further, terms.price_per_call)?;
    }
    Ok(bill)
}

/// Whether a subscription owes the month's price: it was active in some of the period.
#[must_use]
pub fn owes_month(subscription: &SubscriptionState, (from, to): (Time, Time)) -> bool {
    subscription.activated_at.is_some_and(|at| at < to) && subscription.cancelled_at.is_none_or(|at| at >= from)
}

/// Units to bill. Where more was given back than admitted (a call at the end of a month is given back in the next), nothing
/// is owed for calls.
#[must_use]
pub fn billable(units: i64) -> u64 {
    u64::try_from(units).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms(currency: &str, monthly: &str, included: u64, per_call: &str) -> Terms {
        serde_json::from_value(serde_json::json!({
            "plan": "plan_01h455vb4pex5vsknk084sn02n", "plan_slug": "basic", "plan_version": 1, "apis": [],
            "currency": currency, "monthly_price": monthly, "included_calls": included, "price_per_call": per_call, "approval": "automatic"
        }))
        .unwrap()
    }

    fn lines(bill: &Bill) -> Vec<(Charge, u64, String)> {
        bill.lines.iter().map(|line| (line.charge, line.quantity, line.amount.to_string())).collect()
    }

    #[test]
    fn a_month_included_calls_and_further_calls_are_a_line_each() {
        let bill = rate(&terms("EUR", "10", 100, "0.0025"), true, 203).unwrap();
        assert_eq!(
            lines(&bill),
            [
                (Charge::Month, 1, "10".into()),
                (Charge::Included, 100, "0".into()),
                (Charge::Further, 103, "0.26".into())
            ]
        );
        assert_eq!(bill.total.with_places(2), "10.26");
        let bill = rate(&terms("EUR", "10", 100, "0.0025"), true, 1).unwrap();
        assert_eq!(lines(&bill), [(Charge::Month, 1, "10".into()), (Charge::Included, 1, "0".into())]);
        let bill = rate(&terms("JPY", "0", 0, "0.5"), false, 3).unwrap();
        assert_eq!(lines(&bill), [(Charge::Further, 3, "2".into())]);
        assert_eq!(bill.total.with_places(0), "2");
    }

    #[test]
    fn an_amount_beyond_counting_is_an_error_and_no_wrong_number() {
        assert_eq!(rate(&terms("EUR", "0", 0, "999999999999"), true, u64::MAX), Err(TooMuch));
    }

    #[test]
    fn a_month_is_owed_only_when_the_subscription_was_active_in_it() {
        let time = |text: &str| text.parse::<Time>().unwrap();
        let period = time("2026-02-10T00:00:00Z").month();
        let sample: serde_json::Value =
            serde_json::from_str(include_str!("../events/queue-subscription.json")).unwrap();
        let body: serde_json::Value = serde_json::from_str(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
        let mut state: SubscriptionState = serde_json::from_str(body["detail"]["data"].as_str().unwrap()).unwrap();
        for (activated, cancelled, owed) in [
            (None, None, false),
            (None, Some("2026-02-05T00:00:00Z"), false),
            (Some("2026-01-05T00:00:00Z"), None, true),
            (Some("2026-02-28T23:00:00Z"), None, true),
            (Some("2026-03-01T00:00:00Z"), None, false),
            (Some("2026-01-05T00:00:00Z"), Some("2026-01-31T23:59:59Z"), false),
            (Some("2026-01-05T00:00:00Z"), Some("2026-02-01T00:00:00Z"), true),
        ] {
            (state.activated_at, state.cancelled_at) = (activated.map(time), cancelled.map(time));
            assert_eq!(owes_month(&state, period), owed, "{activated:?} {cancelled:?}");
        }
        assert_eq!((billable(-3), billable(7)), (0, 7));
    }

    /// Published examples of billing engines and price pages, where their models are ours: the price of a unit, and a flat
    /// price with included units.
    #[test]
    fn published_examples_come_out_as_published() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/rating.json");
        let Ok(text) = std::fs::read_to_string(path) else {
            eprintln!("skipped: {path} is not here");
            return;
        };
        let vectors: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let mut tried = 0;
        for vector in vectors {
            let price = |name: &str| vector["price_definition"][name].as_str().unwrap().to_owned();
            let terms = match vector["model"].as_str().unwrap() {
                "per_unit" => terms("USD", "0", 0, &price("unit")),
                "flat+overage" => terms(
                    "USD",
                    &price("flat"),
                    vector["price_definition"]["included"].as_u64().unwrap(),
                    &price("overage_unit"),
                ),
                _ => continue,
            };
            let expected: Decimal = vector["expected_total"].as_str().unwrap().parse().unwrap();
            let bill = rate(&terms, true, vector["usage"].as_u64().unwrap()).unwrap();
            // A vector may say the amount before it is rounded to the currency.
            assert_eq!(bill.total, expected.rounded(2), "{}", vector["id"]);
            tried += 1;
        }
        assert!(tried >= 4, "{tried}");
    }

    fn price() -> impl Strategy<Value = String> {
        (0_u64..1_000_000, 0_u64..1_000_000_000_000).prop_map(|(whole, fraction)| format!("{whole}.{fraction:012}"))
    }

    proptest! {
        #[test]
        fn nothing_is_lost_between_units_lines_and_total(
            currency in prop::sample::select(vec!["EUR", "JPY", "KWD"]), monthly in price(), included in 0_u64..10_000, per_call in price(), units in 0_u64..1_000_000, month: bool
        ) {
            let terms = terms(currency, &monthly, included, &per_call);
            let bill = rate(&terms, month, units).unwrap();
            let calls: u64 = bill.lines.iter().filter(|line| line.charge != Charge::Month).map(|line| line.quantity).sum();
            prop_assert_eq!(calls, units);
            let total = bill.lines.iter().try_fold(Decimal::ZERO, |sum, line| sum.plus(line.amount)).unwrap();
            prop_assert_eq!(total, bill.total);
            prop_assert!(bill.lines.iter().all(|line| line.amount == line.amount.rounded(terms.currency.places())));
            prop_assert_eq!(bill.lines.iter().any(|line| line.charge == Charge::Month), month);
        }

        #[test]
        fn a_further_call_never_makes_it_cheaper(monthly in price(), included in 0_u64..1000, per_call in price(), units in 0_u64..2000) {
            let terms = terms("EUR", &monthly, included, &per_call);
            prop_assert!(rate(&terms, true, units).unwrap().total <= rate(&terms, true, units + 1).unwrap().total);
        }

        #[test]
        fn included_calls_cost_the_month_alone(monthly in price(), included in 1_u64..1000, per_call in price(), part in 0.0_f64..=1.0) {
            let terms = terms("EUR", &monthly, included, &per_call);
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let units = ((included as f64) * part) as u64;
            prop_assert_eq!(rate(&terms, true, units).unwrap().total, terms.monthly_price.rounded(2));
        }
    }
}
