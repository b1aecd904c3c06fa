//! What a block is worth: how large it is, which calls it admits, and what comes back.

use serde_json::json;
use shared::meter::{Counter, period_key};
use shared::time::Time;

use super::*;
use crate::grant::tests::recent;
use crate::plan::tests::terms;

const REVISION: u64 = 3;

fn plan(limits: &serde_json::Value) -> Plan {
    Plan::new(REVISION, &terms(limits))
}

fn call(now_ms: i64, weight: i64) -> Call {
    let counter = Counter { key: 1, api: 1, version: 1, operation: 7 };
    Call { now: Time::from_ms(now_ms), counter, weight, writer: "me".into(), sequence: 8, lease: None }
}

/// Half past the hour of the grant's bucket.
fn now_ms() -> i64 {
    recent().bh * 3_600_000 + 1_800_000
}

/// A block of ten units that a call of weight two took now.
fn lease() -> Lease {
    let call = call(now_ms(), 2);
    let window = recent().pe;
    let counted = Counted { kind: "D", window, period: period_key(call.now.hour(), REVISION), hour: call.now.hour() };
    Lease::new(&call, counted, 10, &recent())
}

#[test]
fn a_hard_quota_gives_an_eighth_of_what_is_left_and_its_last_units_one_by_one() {
    let plan = plan(&json!({"quota": {"calls": 1_005, "period": "day", "kind": "hard"}}));
    let grant = |used| Grant { u: used, ..recent() };
    let of = |used, unused| block(&grant(used), &plan, &call(now_ms(), 1), 256, unused);
    assert_eq!(of(4, 0), 125, "a thousand are left beside the call's own");
    assert_eq!(of(4, 80), 135, "what the lease before did not use comes back first");
    assert_eq!(of(988, 0), 2);
    assert_eq!(of(989, 0), 0, "one unit more saves no write");
    assert_eq!(of(1_005, 0), 0);
    let tomorrow = Call { now: Time::of_hour(recent().pe), ..call(0, 1) };
    assert_eq!(block(&grant(1_005), &plan, &tomorrow, 64, 0), 64, "a new window has all of its units");
}

#[test]
fn a_soft_quota_and_none_give_what_is_wished() {
    for limits in [json!({}), json!({"quota": {"calls": 10, "period": "day", "kind": "soft"}})] {
        assert_eq!(block(&Grant { u: 9, ..recent() }, &plan(&limits), &call(now_ms(), 1), 256, 0), 256);
    }
}

#[test]
fn a_rate_gives_an_eighth_of_what_it_admits_at_once() {
    let plan = plan(&json!({"rate": {"calls": 100, "per_seconds": 10, "burst": 41}}));
    let of = |ahead_ms: i64, unused| {
        let grant = Grant { t: (now_ms() + ahead_ms) * 1_000, ..recent() };
        block(&grant, &plan, &call(now_ms(), 1), 256, unused)
    };
    assert_eq!(of(0, 0), 5);
    assert_eq!(of(2_000, 0), 2, "two seconds ahead are 20 units");
    assert_eq!(of(2_000, 6), 8, "what the lease before holds has moved the limiter already");
    assert_eq!(of(4_100, 0), 0);
}

#[test]
fn a_call_takes_its_weight_until_too_little_is_left() {
    let (mut lease, plan) = (lease(), plan(&json!({})));
    let mut admit = |weight| lease.admit(&recent(), &plan, &call(now_ms(), weight));
    assert!(admit(4) && admit(5));
    assert!(!admit(2), "one unit is left");
    assert!(admit(1));
    assert!(!admit(1));
    assert_eq!((lease.open.admitted, lease.open.unused, lease.open.taken), (10, 0, 10));
    assert_eq!(lease.open.counts.values().map(|calls| calls.admitted).sum::<u64>(), 3);
}

#[test]
fn nothing_is_admitted_two_seconds_after_the_block_was_taken_nor_in_another_hour() {
    let plan = plan(&json!({}));
    for (later_ms, admits) in [(0, true), (1_999, true), (2_000, false), (-5_000, true)] {
        assert_eq!(lease().admit(&recent(), &plan, &call(now_ms() + later_ms, 1)), admits, "{later_ms}");
    }
    // Taken in the last second of an hour.
    let mut late = lease();
    late.until_ms += 3_600_000;
    assert!(!late.admit(&recent(), &plan, &call(now_ms() + 1_800_000, 1)), "the next hour is another bucket's");
}

#[test]
fn a_block_admits_only_what_the_newest_image_would() {
    let plan = plan(&json!({}));
    let admits = |grant: &Grant, plan: &Plan| lease().admit(grant, plan, &call(now_ms(), 1));
    assert!(admits(&recent(), &plan));
    assert!(!admits(&Grant { s: "S".into(), ..recent() }, &plan), "suspended");
    assert!(!admits(&Grant { k: [].into(), ..recent() }, &plan), "without the key");
    let over = [("1".to_owned(), now_ms() / 1_000)].into();
    assert!(!admits(&Grant { k: over, ..recent() }, &plan), "revoked");
    assert!(!admits(&recent(), &Plan::new(REVISION + 1, &terms(&json!({})))), "under other terms");
}

#[test]
fn a_call_that_failed_comes_back_to_its_block_and_to_no_other() {
    let (mut lease, plan) = (lease(), plan(&json!({})));
    let call = call(now_ms(), 4);
    assert!(lease.admit(&recent(), &plan, &call));
    let counted = lease.open.counted.clone();
    assert!(
        !lease.take_back(&call, &Counted { hour: counted.hour - 1, ..counted.clone() }),
        "counted in another bucket"
    );
    assert!(lease.take_back(&call, &counted));
    assert_eq!((lease.open.admitted, lease.open.back, lease.open.unused), (4, 4, 10));
}

#[test]
fn blocks_begin_with_the_fourth_quick_call_double_when_used_up_and_shrink_when_not() {
    let mut pace = Pace::default();
    let wish = |pace: &mut Pace, at_ms: i64, lease: Option<&Lease>| {
        pace.count(at_ms);
        pace.wish(lease, &call(at_ms, 1))
    };
    let begin = now_ms();
    let first: Vec<i64> = (0..5).map(|n| wish(&mut pace, begin + n * 600, None)).collect();
    assert_eq!(first, [0, 0, 0, 8, 8], "four calls within two seconds");
    let used = |unused, admitted| {
        let mut lease = lease();
        (lease.open.unused, lease.open.admitted) = (unused, admitted);
        lease
    };
    let grown: Vec<i64> = (5..11).map(|n| wish(&mut pace, begin + n * 600, Some(&used(0, 10)))).collect();
    assert_eq!(grown, [16, 32, 64, 128, 256, 256]);
    assert_eq!(wish(&mut pace, begin + 6_600, Some(&used(4, 6))), 256, "more than half was used");
    assert_eq!(wish(&mut pace, begin + 7_200, Some(&used(6, 4))), 128);
    assert_eq!(wish(&mut pace, begin + 20_000, None), 0, "rare again");
}
