use proptest::prelude::*;
use serde_json::json;

use super::*;

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

/// A part, its plan named after the revision.
fn part(revision: u64, since: &str, price: (&str, &str, u64, &str), units: (u64, u64)) -> SealedTerms {
    let (currency, monthly, included, per_call) = price;
    serde_json::from_value(json!({"revision": revision, "since": since, "admitted": units.0, "refunded": units.1, "terms": {
        "plan": "plan_01h455vb4pex5vsknk084sn02n", "plan_slug": format!("p{revision}"), "plan_version": 1, "apis": [],
        "currency": currency, "monthly_price": monthly, "included_calls": included, "price_per_call": per_call, "approval": "automatic"
    }}))
    .unwrap()
}

/// A month of 30 days.
fn november(activated_at: Option<&str>, cancelled_at: Option<&str>) -> Month {
    let (from, to) = time("2026-11-01T00:00:00Z").month();
    Month { from, to, activated_at: activated_at.map(time), cancelled_at: cancelled_at.map(time) }
}

const EARLIER: &str = "2026-05-05T12:00:00Z";

fn whole() -> Month {
    november(Some(EARLIER), None)
}

fn lines(bill: &Bill<'_>) -> Vec<[String; 4]> {
    let line = |line: &Line<'_>| {
        let BillLine { description, quantity, unit_price, amount } = BillLine::of(line);
        [description, quantity, unit_price, amount]
    };
    bill.lines.iter().map(line).collect()
}

/// The one bill of the parts.
#[track_caller]
fn only(parts: &[SealedTerms], month: Month) -> Bill<'_> {
    let mut bills = rate(parts, month).unwrap();
    assert_eq!(bills.len(), 1);
    bills.remove(0)
}

#[test]
fn a_month_included_calls_and_further_calls_are_a_line_each() {
    let parts = [part(1, EARLIER, ("EUR", "10", 100, "0.0025"), (205, 2))];
    let bill = only(&parts, whole());
    assert_eq!(
        lines(&bill),
        [
            ["Plan p1, version 1: month", "1", "10.00", "10.00"],
            ["Plan p1, version 1: included calls, up to 100", "100", "0.00", "0.00"],
            ["Plan p1, version 1: further calls", "103", "0.0025", "0.26"],
        ]
    );
    assert_eq!(bill.total.with_places(2), "10.26");
    let parts = [part(1, EARLIER, ("EUR", "10", 100, "0.0025"), (1, 0))];
    assert_eq!(
        lines(&only(&parts, whole()))[1..],
        [["Plan p1, version 1: included calls, up to 100", "1", "0.00", "0.00"]]
    );
    let parts = [part(1, EARLIER, ("JPY", "0", 0, "0.5"), (3, 0))];
    let bill = only(&parts, whole());
    assert_eq!(
        lines(&bill),
        [["Plan p1, version 1: month", "1", "0", "0"], ["Plan p1, version 1: calls", "3", "0.5", "2"]]
    );
}

#[test]
fn terms_that_change_inside_a_month_share_it_by_days() {
    // A day belongs to the terms that held last on it: the 13th is the second's, whenever on it they began.
    for since in ["2026-11-13T00:00:00Z", "2026-11-13T23:59:59.999Z"] {
        let parts = [
            // Not in their order, because nothing depends on it.
            part(2, since, ("EUR", "40", 1000, "0.01"), (700, 0)),
            part(1, EARLIER, ("EUR", "10", 100, "0.02"), (50, 5)),
        ];
        let bill = only(&parts, whole());
        assert_eq!(
            lines(&bill),
            [
                ["Plan p1, version 1: 12 of 30 days", "0.4", "10.00", "4.00"],
                ["Plan p1, version 1: included calls, up to 40", "40", "0.00", "0.00"],
                ["Plan p1, version 1: further calls", "5", "0.02", "0.10"],
                ["Plan p2, version 1: 18 of 30 days", "0.6", "40.00", "24.00"],
                ["Plan p2, version 1: included calls, up to 600", "600", "0.00", "0.00"],
                ["Plan p2, version 1: further calls", "100", "0.01", "1.00"],
            ]
        );
        assert_eq!(bill.total.with_places(2), "29.10");
    }
}

#[test]
fn only_days_on_which_the_subscription_ran_are_shared() {
    // It ran from the 11th to the 20th: ten days, of which the second terms held the last four.
    let month = november(Some("2026-11-11T18:00:00Z"), Some("2026-11-20T06:00:00Z"));
    let parts = [
        part(1, "2026-11-10T08:00:00Z", ("EUR", "10", 0, "0.1"), (0, 0)),
        part(2, "2026-11-17T08:00:00Z", ("EUR", "20", 0, "0.1"), (0, 0)),
        // Never held: the subscription had ended.
        part(3, "2026-11-20T06:00:00Z", ("EUR", "999", 0, "0.1"), (0, 0)),
    ];
    let descriptions = |bill: &Bill<'_>| lines(bill).into_iter().map(|[text, _, _, amount]| format!("{text} {amount}"));
    assert_eq!(
        descriptions(&only(&parts, month)).collect::<Vec<_>>(),
        [
            "Plan p1, version 1: 6 of 10 days 6.00",
            "Plan p1, version 1: calls 0.00",
            "Plan p2, version 1: 4 of 10 days 8.00",
            "Plan p2, version 1: calls 0.00",
        ]
    );
    // Terms that held for a moment have their calls rated, and no share of the month.
    let parts = [
        part(1, EARLIER, ("EUR", "10", 1000, "0.1"), (2, 0)),
        part(2, "2026-11-01T09:00:00Z", ("EUR", "20", 1000, "0.1"), (5, 0)),
    ];
    assert_eq!(
        descriptions(&only(&parts, whole())).collect::<Vec<_>>(),
        [
            "Plan p1, version 1: calls 0.20",
            "Plan p2, version 1: month 20.00",
            "Plan p2, version 1: included calls, up to 1000 0.00",
        ]
    );
}

#[test]
fn a_month_is_owed_only_when_the_subscription_was_active_in_it() {
    let parts = [part(1, "2026-01-01T00:00:00Z", ("EUR", "9", 10, "0.1"), (0, 0))];
    for (activated, cancelled, owed) in [
        (None, None, false),
        (None, Some("2026-11-05T00:00:00Z"), false),
        (Some("2026-10-05T00:00:00Z"), None, true),
        (Some("2026-11-30T23:00:00Z"), None, true),
        (Some("2026-12-01T00:00:00Z"), None, false),
        (Some("2026-10-05T00:00:00Z"), Some("2026-10-31T23:59:59Z"), false),
        // Its last moment was in October.
        (Some("2026-10-05T00:00:00Z"), Some("2026-11-01T00:00:00Z"), false),
        (Some("2026-10-05T00:00:00Z"), Some("2026-11-01T00:00:00.001Z"), true),
        (Some("2026-11-05T00:00:00Z"), Some("2026-11-05T12:00:00Z"), true),
    ] {
        let bill = only(&parts, november(activated, cancelled));
        let expected = if owed { "9.00" } else { "0.00" };
        assert_eq!(bill.total.with_places(2), expected, "{activated:?} {cancelled:?}");
        assert_eq!(bill.is_nothing(), !owed);
    }
    // What the door let in at the edge of the month is within the included calls all the same.
    let parts = [part(1, EARLIER, ("EUR", "9", 10, "0.1"), (12, 0))];
    let bill = only(&parts, november(Some(EARLIER), Some("2026-10-31T23:59:59.999Z")));
    assert_eq!((bill.total.with_places(2).as_str(), bill.is_nothing()), ("0.20", false));
    assert_eq!((billable(-3), billable(7)), (0, 7));
}

#[test]
fn a_bill_has_one_currency() {
    let parts = [
        part(1, EARLIER, ("EUR", "10", 100, "0.1"), (45, 0)),
        part(2, "2026-11-11T00:00:00Z", ("JPY", "1000", 100, "1"), (10, 0)),
        part(3, "2026-11-21T00:00:00Z", ("EUR", "20", 100, "0.1"), (0, 0)),
    ];
    let bills = rate(&parts, whole()).unwrap();
    let totals: Vec<_> = bills.iter().map(|bill| (bill.currency.to_string(), bill.total.to_string())).collect();
    // A third of a hundred included calls each, and the one that is left for the first: 34, 33, 33.
    assert_eq!(totals, [("EUR".to_owned(), "11.1".to_owned()), ("JPY".to_owned(), "333".to_owned())]);
    assert_eq!(bills.iter().map(|bill| bill.admitted).collect::<Vec<_>>(), [45, 10]);
}

#[test]
fn nothing_counted_and_nothing_owed_is_nothing() {
    let free = |units| part(1, EARLIER, ("EUR", "0", 100, "0.1"), units);
    assert!(only(&[free((0, 0))], whole()).is_nothing());
    // What was counted stands in an invoice, also where all of it was given back.
    assert!(!only(&[free((3, 3))], whole()).is_nothing());
}

#[test]
fn an_amount_beyond_counting_is_an_error_and_no_wrong_number() {
    let parts = [part(1, EARLIER, ("EUR", "0", 0, "999999999999"), (u64::MAX, 0))];
    assert_eq!(rate(&parts, whole()), Err(TooMuch));
}

/// Published examples of billing engines and price pages, where their models are ours: the price of a unit, a flat price with
/// included units, and the share of a price by days.
#[test]
fn published_examples_come_out_as_published() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/rating.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("skipped: {path} is not here");
        return;
    };
    let vectors: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let mut tried = std::collections::BTreeMap::<&str, u32>::new();
    for vector in &vectors {
        let definition = &vector["price_definition"];
        let price = |name: &str| definition[name].as_str().unwrap();
        // A vector may say the amount before it is rounded to the currency.
        let expected = || vector["expected_total"].as_str().unwrap().parse::<Decimal>().unwrap().rounded(2);
        let model = vector["model"].as_str().unwrap();
        if model == "proration" {
            let number = |names: [&str; 2]| names.iter().find_map(|name| definition[name].as_u64());
            let (days, of) = (number(["days", "days_unused"]), number(["days_in_period", "days_in_year"]));
            let (Some(days), Some(of)) = (days, of) else { continue };
            let fee: Decimal = price("plan_fee").parse().unwrap();
            assert_eq!(fee.share(days, of, 2), Some(expected()), "{}", vector["id"]);
            if of == 30 {
                // The same through all of the rating: those days under the plan, the others under a free one.
                let since = Time::from_ms(whole().from.ms() + i64::try_from(days).unwrap() * 86_400_000);
                let parts = [
                    part(1, EARLIER, ("USD", price("plan_fee"), 0, "0"), (0, 0)),
                    part(2, &since.to_string(), ("USD", "0", 0, "0"), (0, 0)),
                ];
                assert_eq!(only(&parts, whole()).total, expected(), "{}", vector["id"]);
            }
        } else {
            let price = match model {
                "per_unit" => ("USD", "0", 0, price("unit")),
                "flat+overage" => {
                    ("USD", price("flat"), definition["included"].as_u64().unwrap(), price("overage_unit"))
                }
                _ => continue,
            };
            let parts = [part(1, EARLIER, price, (vector["usage"].as_u64().unwrap(), 0))];
            assert_eq!(only(&parts, whole()).total, expected(), "{}", vector["id"]);
        }
        *tried.entry(model).or_default() += 1;
    }
    let tried: Vec<_> = tried.into_iter().collect();
    assert!(matches!(tried[..], [("flat+overage", 1..), ("per_unit", 3..), ("proration", 7..)]), "{tried:?}");
}

fn price() -> impl Strategy<Value = String> {
    (0_u64..1_000_000, 0_u64..1_000_000_000_000).prop_map(|(whole, fraction)| format!("{whole}.{fraction:012}"))
}

/// A moment of November, to the hour.
fn moment() -> impl Strategy<Value = String> {
    (0_i64..720).prop_map(|hour| Time::from_ms(whole().from.ms() + hour * 3_600_000).to_string())
}

/// Up to six revisions of the terms, the first from before the month; and when in it the subscription began and ended.
fn months() -> impl Strategy<Value = (Vec<SealedTerms>, Month)> {
    let terms = (price(), 0_u64..10_000, price(), moment(), (0_u64..20_000, 0_u64..100));
    (prop::collection::vec(terms, 1..=6), prop::option::of(moment()), prop::option::of(moment())).prop_map(
        |(mut terms, begin, end)| {
            terms.sort_by(|left, right| left.3.cmp(&right.3));
            let parts = terms.iter().zip(1..).map(|((monthly, included, per_call, since, (units, back)), revision)| {
                let since = if revision == 1 { EARLIER } else { since };
                part(revision, since, ("EUR", monthly, *included, per_call), (*units, *units.min(back)))
            });
            (parts.collect(), november(Some(begin.as_deref().unwrap_or(EARLIER)), end.as_deref()))
        },
    )
}

proptest! {
    #[test]
    fn nothing_is_lost_between_counts_lines_and_total((parts, month) in months()) {
        let bill = only(&parts, month);
        for part in &parts {
            let units: u64 = bill
                .lines
                .iter()
                .filter(|line| line.part.revision == part.revision && !matches!(line.charge, Charge::Month { .. }))
                .map(|line| line.quantity.to_string().parse::<u64>().unwrap())
                .sum();
            prop_assert_eq!(units, part.admitted - part.refunded);
        }
        let total = bill.lines.iter().try_fold(Decimal::ZERO, |sum, line| sum.plus(line.amount)).unwrap();
        prop_assert_eq!(total, bill.total);
        prop_assert!(bill.lines.iter().all(|line| line.amount == line.amount.rounded(2)));
    }

    #[test]
    fn the_shares_are_one_month((parts, month) in months()) {
        let bill = only(&parts, month);
        let shares: Vec<_> = bill
            .lines
            .iter()
            .filter_map(|line| match line.charge {
                Charge::Month { days, of } => Some((line.part, days, of)),
                _ => None,
            })
            .collect();
        // One that ended with the month before did not run in this one.
        let ran = month.cancelled_at.is_none_or(|at| at > month.activated_at.unwrap().max(month.from));
        prop_assert_eq!(shares.is_empty(), !ran);
        let Some((_, _, of)) = shares.first().copied() else { return Ok(()) };
        prop_assert_eq!(shares.iter().map(|(_, days, _)| days).sum::<u64>(), of);
        // Included calls are what the days say, to the next whole one for each of the terms and for all together.
        let included = |revision: u64| {
            let up_to = |line: &Line<'_>| match line.charge {
                Charge::Included { up_to } if line.part.revision == revision => Some(up_to),
                _ => None,
            };
            bill.lines.iter().find_map(up_to).unwrap_or(0)
        };
        let exact = |part: &SealedTerms, days: u64| part.terms.included_calls * days;
        for (part, days, of) in &shares {
            let share = included(part.revision);
            prop_assert!(share == exact(part, *days) / of || share == exact(part, *days).div_ceil(*of));
        }
        let all: u64 = shares.iter().map(|(part, _, _)| included(part.revision)).sum();
        prop_assert_eq!(all, shares.iter().map(|(part, days, _)| exact(part, *days)).sum::<u64>().div_ceil(of));
    }

    #[test]
    fn terms_that_hold_all_month_are_owed_in_full(monthly in price(), included in 0_u64..1000, per_call in price(), units in 0_u64..2000, begin in moment()) {
        let parts = [part(1, EARLIER, ("EUR", &monthly, included, &per_call), (units, 0))];
        let month = monthly.parse::<Decimal>().unwrap().rounded(2);
        let calls = per_call.parse::<Decimal>().unwrap().times(units.saturating_sub(included)).unwrap().rounded(2);
        prop_assert_eq!(only(&parts, whole()).total, month.plus(calls).unwrap());
        // A month that it begins in is owed in full too.
        prop_assert_eq!(only(&parts, november(Some(&begin), None)).total, month.plus(calls).unwrap());
    }

    #[test]
    fn a_further_call_never_makes_it_cheaper((parts, month) in months(), which in any::<prop::sample::Index>()) {
        let mut more = parts.clone();
        let index = which.index(more.len());
        more[index].admitted += 1;
        prop_assert!(only(&parts, month).total <= only(&more, month).total);
    }

    #[test]
    fn where_the_terms_are_the_same_a_change_changes_nothing_but_rounding(monthly in price(), included in 0_u64..10_000, since in moment()) {
        let price = ("EUR", &*monthly, included, "0.01");
        let parts = [part(1, EARLIER, price, (0, 0)), part(2, &since, price, (0, 0))];
        let bill = only(&parts, whole());
        let up_to = |line: &Line<'_>| if let Charge::Included { up_to } = line.charge { up_to } else { 0 };
        prop_assert_eq!(bill.lines.iter().map(up_to).sum::<u64>(), included);
        let (total, month) = (bill.total, monthly.parse::<Decimal>().unwrap().rounded(2));
        let cent: Decimal = "0.01".parse().unwrap();
        prop_assert!(total <= month.plus(cent).unwrap() && month <= total.plus(cent).unwrap());
    }
}
