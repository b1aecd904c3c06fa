use std::collections::BTreeMap;

use serde_json::json;
use shared::meter::{GrantImage, period_key};
use shared::time::Time;

use super::*;
use crate::domain::{Bucket, Ended, Head, month_of};

const FEBRUARY: i64 = 491_640;

fn seal(admitted: u64, refunded: u64) -> SealState {
    let terms = json!({"plan": "plan_01h455vb4pex5vsknk084sn02n", "plan_slug": "basic", "plan_version": 1, "apis": [],
        "currency": "EUR", "monthly_price": "10", "included_calls": 0, "price_per_call": "1", "approval": "automatic"});
    let party = |end: &str| json!({"id": format!("org_01h455vb4pex5vsknk084sn02{end}"), "slug": "acme"});
    serde_json::from_value(json!({
        "id": "sub_01h455vb4pex5vsknk084sn02q.2026-01", "revision": 1, "subscription": "sub_01h455vb4pex5vsknk084sn02q",
        "organization": party("c"), "provider": party("p"), "app_name": "App", "product_slug": "weather",
        "from": Time::of_hour(month_of(FEBRUARY - 1)), "to": Time::of_hour(FEBRUARY), "activated_at": null, "cancelled_at": null,
        "admitted_before": 0, "refunded_before": 0, "sealed_at": Time::of_hour(FEBRUARY).plus_ms(120_000),
        "terms": [
            {"revision": 1, "since": Time::of_hour(FEBRUARY - 99), "terms": terms, "admitted": admitted, "refunded": refunded},
            {"revision": 2, "since": Time::of_hour(FEBRUARY - 1), "terms": terms, "admitted": 0, "refunded": 0}
        ]
    }))
    .unwrap()
}

/// A grant with 5 calls of 10 units in January, one of them given back after its end, just before the seal.
fn numbers(hour: i64, seal_seen: bool) -> Numbers {
    let p = BTreeMap::from([(period_key(FEBRUARY - 1, 1), 50)]);
    let (c, f) = (BTreeMap::from([("1.1.1.0".to_owned(), 5)]), BTreeMap::from([("1.1.1.0-".to_owned(), 1)]));
    let january = GrantImage { v: 6, b: 1, bh: FEBRUARY - 3, pr: 1, c, p, ..GrantImage::default() };
    let february = GrantImage { v: 9, b: 2, bh: FEBRUARY, pr: 1, f, ..GrantImage::default() };
    let ended = Ended { month: month_of(FEBRUARY - 1), terms: 1, net: 40, b: 2, revision: 1 };
    Numbers {
        head: Some(Head { first: 1, next: 2, hour }),
        buckets: vec![Bucket::of(january, true), Bucket::of(february, false)],
        ended: if seal_seen { vec![ended] } else { vec![] },
        ..Numbers::default()
    }
}

#[test]
fn a_period_is_compared_when_its_hours_and_its_last_refunds_are_in() {
    let seal = seal(50, 10);
    assert_eq!(Period::of(&seal, &Numbers::default()).unwrap(), None);
    assert_eq!(Period::of(&seal, &numbers(FEBRUARY - 1, true)).unwrap(), None);
    assert_eq!(Period::of(&seal, &numbers(FEBRUARY, false)).unwrap(), None);
    let period = Period::of(&seal, &numbers(FEBRUARY, true)).unwrap().unwrap();
    let state = &period.state;
    assert_eq!((state.admitted, state.failed, state.units, state.sealed_units, state.revision), (5, 1, 40, 40, 1));
    assert_eq!(period.by_terms, [TermsUnits { revision: 1, units: 40, sealed_units: 40 }]);
    assert!(period.equal());
}

#[test]
fn a_difference_is_told_and_not_waited_for() {
    // The record of the seal was lost, and with it the refund's units.
    let lost = Period::of(&seal(50, 10), &numbers(FEBRUARY + 1, false)).unwrap().unwrap();
    assert_eq!((lost.state.units, lost.state.sealed_units, lost.equal()), (50, 40, false));
    let other = Period::of(&seal(51, 10), &numbers(FEBRUARY, true)).unwrap().unwrap();
    assert_eq!((other.state.units, other.state.sealed_units, other.equal()), (40, 41, false));
    // The same sum under other terms is not the same.
    let mut moved = seal(40, 10);
    moved.terms[1].admitted = 10;
    let mut known = numbers(FEBRUARY, true);
    assert_eq!(Period::of(&moved, &known).unwrap(), None, "what the other terms came to is still on its way");
    known.ended.push(Ended { terms: 2, net: 10, ..known.ended[0] });
    let moved = Period::of(&moved, &known).unwrap().unwrap();
    assert_eq!((moved.state.units, moved.state.sealed_units, moved.equal()), (40, 40, false));
}

#[test]
fn a_month_without_calls_waits_for_no_refund() {
    let idle = Numbers { buckets: vec![], ..numbers(FEBRUARY, false) };
    let period = Period::of(&seal(0, 0), &idle).unwrap().unwrap();
    assert_eq!((period.state.units, period.state.sealed_units, period.equal(), period.by_terms), (0, 0, true, vec![]));
}
