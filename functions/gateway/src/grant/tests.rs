//! Every branch of the expressions, as text, and what an image refuses.

use super::*;
use crate::plan::tests::terms;
use crate::settlement::{Calls, settling};
use serde_json::json;

fn grant() -> Grant {
    let map = || HashMap::new();
    Grant {
        v: 1,
        s: "A".into(),
        pr: 3,
        wk: "D".into(),
        pe: 1000,
        u: 5,
        t: 0,
        g: [].into(),
        b: 7,
        bh: 499,
        lo: 0,
        w0: map(),
        w1: map(),
        k: [("1".to_owned(), 9_999_999_999)].into(),
        c: map(),
        f: map(),
        p: map(),
        q: map(),
        la: 0,
        lf: 0,
        sh: 0,
        sl: 0,
        st: 0,
        sa: 0,
        sf: 0,
        se: map(),
        sq: map(),
    }
}

fn call(now_ms: i64) -> Call {
    let counter = Counter { key: 1, api: 1, version: 1, operation: 7 };
    Call { now: Time::from_ms(now_ms), counter, weight: 2, writer: "me".into(), sequence: 41, lease: None }
}

/// Years 2000 and later only: hours since 1970 begin at 262,968.
const HOUR: i64 = 300_000;

pub(crate) fn recent() -> Grant {
    Grant { pe: HOUR + 100, bh: HOUR, ..grant() }
}

#[test]
fn every_name_and_value_of_an_expression_is_used_and_every_use_has_one() {
    for (quota, rate) in [
        (json!(null), json!(null)),
        (json!({"calls": 10, "period": "day"}), json!({"calls": 5, "per_seconds": 1})),
        (json!({"calls": 10, "period": "month", "kind": "soft"}), json!(null)),
        (json!(null), json!({"calls": 100, "per_seconds": 1})),
    ] {
        let mut with = json!({});
        if !quota.is_null() {
            with["quota"] = quota;
        }
        if !rate.is_null() {
            with["rate"] = rate;
        }
        let plan = Plan::new(3, &terms(&with));
        for t in [0, HOUR * 3_600_000_000 + 1_500_000] {
            for now_hour in [HOUR, HOUR + 1, HOUR + 100] {
                for turn in [false, true] {
                    let grain = now_hour * 3_600_000_000 / 123_750;
                    for g in [
                        [].into(),
                        [(grain.to_string(), t)].into(),
                        [(grain.to_string(), 1), ("1".to_owned(), t)].into(),
                        [("1".to_owned(), t)].into(),
                    ] {
                        let grant = Grant { t, g, ..recent() };
                        let (call, turn) = (call(now_hour * HOUR_MS + 1), turn || now_hour > HOUR);
                        check(&admission(&grant, &plan, &call, turn, &Beside::default()));
                        check(&admission(&grant, &plan, &call, turn, &Beside { block: 9, ..Beside::default() }));
                        for settled in settlements().iter().filter(|_| !turn) {
                            for block in [0, 2, 9] {
                                let beside = Beside { block, settled: Some(settled), attempt: 3 };
                                check(&admission(&grant, &plan, &call, turn, &beside));
                            }
                        }
                    }
                }
            }
        }
    }
    for settled in settlements() {
        for grant in [recent(), Grant { pe: HOUR, ..recent() }, Grant { u: 0, ..recent() }] {
            check(&settling(&grant, &settled, "me", 42));
        }
    }
    check(&turn(&recent(), HOUR));
    check(&voiding(&recent(), &call(HOUR * HOUR_MS), 42));
    let rate = json!({"calls": 5, "per_seconds": 1});
    let day = json!({"calls": 9, "period": "day"});
    for json in [json!({}), json!({"quota": day}), json!({"rate": rate}), json!({"quota": day, "rate": rate})] {
        let plan = Plan::new(4, &terms(&json));
        check(&change(&recent(), None, &plan, Time::of_hour(HOUR)));
        check(&change(&recent(), Some(&plan), &plan, Time::of_hour(HOUR)));
    }
}

fn place() -> Counted {
    Counted { kind: "D", window: HOUR + 100, period: period_key(HOUR, 3), hour: HOUR }
}

/// A refund, and leases: unused, used by as many counters as fit, with calls that were given back.
fn settlements() -> Vec<Settlement> {
    let counter = |operation| Counter { key: 1, api: 1, version: 1, operation };
    let counts = |calls| (0..11).map(|operation| (counter(operation), calls)).collect();
    let lease =
        |counts, admitted, back, unused| Settlement { counted: place(), counts, admitted, back, unused, taken: 64 };
    vec![
        Settlement::refund(&call(HOUR * HOUR_MS), &place()),
        lease(Counts::new(), 0, 0, 64),
        lease(counts(Calls { admitted: 5, back: 0 }), 55, 0, 9),
        lease(counts(Calls { admitted: 5, back: 2 }), 55, 22, 31),
        lease(counts(Calls { admitted: 0, back: 1 }), 0, 11, 75),
    ]
}

pub(crate) fn check(update: &Update) {
    assert!(update.update.len() < 4_096 && update.condition.len() < 4_096);
    let text = format!("{} {}", update.update, update.condition);
    let used: std::collections::HashSet<String> = text
        .split(|character: char| !(character.is_alphanumeric() || character == '#' || character == ':'))
        .filter(|word| word.starts_with('#') || word.starts_with(':'))
        .map(str::to_owned)
        .collect();
    let given: Vec<String> = update
        .names
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .chain(update.values.iter().map(|(name, _)| (*name).to_owned()))
        .collect();
    assert_eq!(given.len(), given.iter().collect::<std::collections::HashSet<_>>().len(), "{given:?}");
    assert_eq!(used, given.into_iter().collect(), "{text}");
    // Of two letters DynamoDB reserves these, of one letter none (Reserved words in DynamoDB, Developer Guide).
    let reserved = ["as", "at", "by", "do", "go", "if", "in", "is", "no", "of", "on", "or", "to"];
    let known = ["SET", "REMOVE", "AND", "OR", "if_not_exists", "attribute_exists", "attribute_not_exists"];
    let bare = text.split(|character: char| !(character.is_alphanumeric() || "#:_".contains(character)));
    for word in bare.filter(|word| word.starts_with(char::is_alphabetic) && !known.contains(word)) {
        assert!(word.len() <= 2 && !reserved.contains(&word.to_lowercase().as_str()), "{word} in {text}");
    }
}

#[test]
fn refusals_come_in_their_order() {
    let plan = Plan::new(
        3,
        &terms(&json!({"quota": {"calls": 6, "period": "day"}, "rate": {"calls": 1, "per_seconds": 10, "burst": 2}})),
    );
    let call = call(HOUR * HOUR_MS);
    let full = Grant { t: i64::MAX / 2, ..recent() };
    assert_eq!(refusal(&Grant { s: "S".into(), ..full.clone() }, &plan, &call), Some(Refusal::Inactive));
    assert_eq!(refusal(&Grant { k: [("1".to_owned(), 0)].into(), ..full.clone() }, &plan, &call), Some(Refusal::Key));
    assert_eq!(refusal(&full, &plan, &call), Some(Refusal::Quota { until: Time::of_hour(HOUR + 100) }));
    let room = Grant { u: 4, ..full };
    assert!(matches!(refusal(&room, &plan, &call), Some(Refusal::Rate { .. })));
    assert_eq!(refusal(&Grant { t: 0, ..room }, &plan, &call), None);
}

#[test]
fn a_window_that_is_over_has_all_its_units_again() {
    let plan = Plan::new(3, &terms(&json!({"quota": {"calls": 6, "period": "day"}})));
    let grant = Grant { u: 6, pe: HOUR, ..recent() };
    assert_eq!(refusal(&grant, &plan, &call(HOUR * HOUR_MS)), None);
    assert!(refusal(&grant, &plan, &call(HOUR * HOUR_MS - 1)).is_some());
}

#[test]
fn going_to_other_terms_and_back_gives_no_quota_and_no_burst_twice() {
    let day = Plan::new(
        4,
        &terms(&json!({"quota": {"calls": 9, "period": "day"}, "rate": {"calls": 1, "per_seconds": 1, "burst": 10}})),
    );
    let none = Plan::new(5, &terms(&json!({})));
    let now = Time::of_hour(HOUR);
    let same = change(&recent(), Some(&day), &day, now);
    assert!(!same.update.contains("u = "), "{}", same.update);
    let away = change(&recent(), Some(&day), &none, now);
    assert!(away.update.contains("#ua = u, #ea = pe, u = if_not_exists(#ub, :z)"), "{}", away.update);
    assert!(away.names.contains(&("#ua", "uD".to_owned())) && away.names.contains(&("#ub", "uN".to_owned())));
    let ahead = Grant { t: us(now) + 4_000_000, ..recent() };
    let faster = Plan::new(5, &terms(&json!({"rate": {"calls": 2, "per_seconds": 1, "burst": 10}})));
    let write = change(&ahead, Some(&day), &faster, now);
    assert!(write.values.contains(&(":t", Value::N(us(now) + 2_000_000))), "{:?}", write.values);
}

#[test]
fn a_page_turns_when_it_is_full_and_not_near_another_turn() {
    let full = Grant { c: (0..100).map(|n| (format!("1.1.1.{n}"), 1)).collect(), ..recent() };
    let middle = HOUR * HOUR_MS + HOUR_MS / 2;
    assert!(turns(&full, &call(middle), middle - TURN_PAUSE_MS));
    assert!(!turns(&full, &call(middle), middle - TURN_PAUSE_MS + 1));
    assert!(!turns(&full, &call((HOUR + 1) * HOUR_MS - 5_000), 0));
    assert!(!turns(&recent(), &call(middle), 0));
    assert!(turns(&recent(), &call((HOUR + 1) * HOUR_MS), HOUR_MS));
}

#[test]
fn a_writer_is_recognised_in_both_generations() {
    let grant = Grant { w0: [("me".to_owned(), 41)].into(), ..recent() };
    assert_eq!((grant.last_of("me"), grant.last_of("you")), (Some(41), None));
    let turned = Grant { w1: [("me".to_owned(), 43)].into(), ..grant };
    assert_eq!(turned.last_of("me"), Some(43));
}

#[test]
fn a_call_is_counted_in_the_month_of_its_bucket_and_given_back_to_it() {
    let plan = Plan::new(3, &terms(&json!({})));
    let at = |text: &str| text.parse::<Time>().unwrap();
    let (october, november) = (at("2026-10-31T23:30:00Z"), at("2026-11-01T00:00:00Z"));
    let before = Grant { bh: october.hour(), ..recent() };
    let entry = |grant: &Grant, now: Time| {
        let call = call(now.ms());
        counted(grant, &plan, &call, turns(grant, &call, now.ms())).period
    };
    let last = format!("{}.3", at("2026-10-01T00:00:00Z").hour());
    assert_eq!(entry(&before, october), last);
    assert_eq!(entry(&before, november), format!("{}.3", november.hour()));
    // A call that comes late counts in the bucket that is there.
    let after = Grant { bh: november.hour(), ..recent() };
    assert_eq!(entry(&after, october), format!("{}.3", november.hour()));
    let name = |grant: &Grant| {
        let call = call(november.ms());
        let counted = Counted { kind: "D", window: 0, period: last.clone(), hour: october.hour() };
        let write = settling(grant, &Settlement::refund(&call, &counted), "me", 42);
        write.names.into_iter().find(|(name, _)| *name == "#o0").unwrap().1
    };
    assert_eq!((name(&before).as_str(), name(&after).as_str()), ("1.1.1.7", "1.1.1.7-"));
}
