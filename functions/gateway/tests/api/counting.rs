//! What is admitted is counted once, whatever becomes of answers and terms.

use gateway::admission::{Admitted, admit, give_back};
use gateway::grant::{Beside, Refusal, admission, counted};
use gateway::plan::Plan;
use gateway::sandbox::Sandbox;
use gateway::settlement::{Settlement, settling};
use gateway::store::Tried;
use serde_json::{Value, json};
use shared::time::Time;

use crate::wire::{Fate, Wire};
use crate::{Gate, Passed, SUBSCRIPTION, at, call_of, subscription, terms, wish, writing};

fn under(members: &Value) -> shared::event::SubscriptionState {
    subscription(&json!({ "terms": terms(members) }))
}

#[tokio::test]
async fn every_branch_of_the_write_applies_and_counts() {
    let rate = json!({"calls": 1, "per_seconds": 1, "burst": 10});
    let fast = json!({"calls": 100, "per_seconds": 1, "burst": 100});
    let day = json!({"calls": 50, "period": "day"});
    for members in [
        json!({}),
        json!({"quota": day, "rate": rate}),
        json!({"quota": {"calls": 1, "period": "month", "kind": "soft"}, "rate": fast}),
        json!({"rate": rate}),
    ] {
        let gate = Gate::with(&under(&members)).await;
        let mut units = 0;
        // The rate limiter is behind the time, then ahead of it; the hour, the day and the month turn.
        for (now, turn) in [
            ("2026-10-20T12:00:00Z", true),
            ("2026-10-20T12:00:00.001Z", false),
            ("2026-10-20T12:30:00Z", true),
            ("2026-10-20T12:30:00.001Z", true),
            ("2026-10-20T13:00:00Z", true),
            ("2026-10-21T00:00:00Z", true),
            ("2026-11-01T00:00:00Z", true),
        ] {
            let (seen, mut call) = (gate.seen(at(now)).await, writing(&gate.sandbox, at(now)));
            call.weight = 3;
            let place = counted(&seen.grant, &seen.plan, &call, turn);
            let write = admission(&seen.grant, &seen.plan, &call, turn, &Beside::default());
            let Tried::Applied(grant) = gate.store.update(SUBSCRIPTION, &write).await else {
                panic!("{now} {members}")
            };
            units += 3;
            assert_eq!(grant.b, seen.grant.b + u64::from(turn));
            assert_eq!((grant.la, grant.pe), (units, place.window));
            assert!(grant.p[&place.period] >= 3 && grant.c["1.1.1.7"] >= 1);
            assert_eq!(grant.last_of(&call.writer), Some(call.sequence));
            // The same write again is known.
            assert!(matches!(gate.store.update(SUBSCRIPTION, &write).await, Tried::Stale(_)));
            let sequence = gate.sandbox.next_sequence();
            let refund = settling(&grant, &Settlement::refund(&call, &place), &call.writer, sequence);
            let used = grant.u;
            let Tried::Applied(grant) = gate.store.update(SUBSCRIPTION, &refund).await else {
                panic!("{now} {members}")
            };
            assert_eq!((grant.lf, grant.u, grant.q[&place.period] >= 3), (units, used - 3, true));
            assert!(matches!(gate.store.update(SUBSCRIPTION, &refund).await, Tried::Stale(_)));
            gate.sandbox.see(&gate.store, SUBSCRIPTION, *grant, at(now)).await.unwrap();
            gate.balanced().await;
        }
    }
}

#[tokio::test]
async fn a_lost_answer_to_an_admission_or_a_refund_counts_once() {
    for fate in [Fate::Unanswered, Fate::Lost] {
        let gate = Gate::with(&under(&json!({}))).await;
        let (now, wire) = (at("2026-10-20T12:00:00Z"), Wire::new([fate]));
        let (seen, mut call) = (gate.seen(now).await, call_of(now));
        let store = wire.store(&gate.house.table);
        let admitted = admit(&gate.sandbox, &store, SUBSCRIPTION, seen, &mut call, wish("light")).await.unwrap();
        let Admitted::Yes { seen, counted } = admitted else { panic!("{admitted:?}") };
        assert_eq!(wire.left(), 0);
        assert_eq!((gate.grant().await.la, gate.grant().await.lf), (1, 0), "{fate:?}");

        let store = Wire::new([fate]).store(&gate.house.table);
        give_back(&gate.sandbox, &store, SUBSCRIPTION, &seen, &call, &counted).await.unwrap();
        assert_eq!((gate.balanced().await.la, gate.grant().await.lf), (1, 1), "{fate:?}");
    }
}

#[tokio::test]
async fn a_call_that_is_refused_after_a_lost_try_takes_that_try_away() {
    let gate = Gate::with(&under(&json!({"quota": {"calls": 1, "period": "day"}}))).await;
    let first = gate.call("2026-10-20T12:00:00Z").await;
    assert!(gate.back(&first).await);
    let now = at("2026-10-20T12:00:01Z");
    let (seen, mut call) = (gate.seen(now).await, call_of(now));
    let (image, plan) = (seen.grant.clone(), seen.plan.clone());
    let another = Gate { sandbox: Sandbox::default(), store: gate.store.clone(), house: gate.house };
    let other = another.call_for(now, "light").await;
    // The first try is on its way, the second learns that the quota is used up, the third voids the first without an answer,
    // and the fourth finds that it did.
    let wire = Wire::new([Fate::Lost, Fate::Pass, Fate::Unanswered, Fate::Pass]);
    let store = wire.store(&another.house.table);
    let admitted = admit(&gate.sandbox, &store, SUBSCRIPTION, seen, &mut call, wish("light")).await.unwrap();
    assert!(matches!(admitted, Admitted::No(Refusal::Quota { .. }, _)), "{admitted:?}");
    assert_eq!(wire.left(), 0);
    // There is room again when the first try arrives at last.
    let lost = admission(&image, &plan, &call, false, &Beside::default());
    assert!(another.back(&other).await);
    assert!(matches!(another.store.update(SUBSCRIPTION, &lost).await, Tried::Stale(_)));
    let grant = another.balanced().await;
    assert_eq!((grant.la, grant.lf, grant.u), (2, 2, 0));
}

#[tokio::test]
async fn a_quota_of_another_kind_of_window_is_put_aside_and_found_again() {
    let month = json!({"quota": {"calls": 10, "period": "month"}});
    let day = json!({"quota": {"calls": 10, "period": "day"}});
    let gate = Gate::with(&under(&month)).await;
    let mut revision = 1;
    let mut change = async |members: &Value, now: Time| {
        revision += 1;
        let changes =
            json!({"revision": revision, "terms": terms(members), "terms_revision": revision, "terms_since": now});
        gate.told(&subscription(&changes), now).await;
        let grant = gate.grant().await;
        (grant.wk.clone(), grant.u, Time::of_hour(grant.pe))
    };
    let end_of_month = at("2026-11-01T00:00:00Z");
    for second in 0..3 {
        gate.call_for(at("2026-10-20T12:00:00Z").plus_ms(second * 1000), "light").await;
    }
    let end_of_day = at("2026-10-21T00:00:00Z");
    assert_eq!(change(&day, at("2026-10-20T12:01:00Z")).await, ("D".to_owned(), 0, end_of_day));
    gate.call("2026-10-20T12:01:01Z").await;
    assert_eq!(change(&json!({}), at("2026-10-20T12:02:00Z")).await.1, 0);
    gate.call("2026-10-20T12:02:01Z").await;
    assert_eq!(change(&month, at("2026-10-20T12:03:00Z")).await, ("M".to_owned(), 3, end_of_month));
    assert_eq!(change(&day, at("2026-10-20T12:04:00Z")).await, ("D".to_owned(), 1, end_of_day));
    // Found again in the next month, the window is over and the next call begins a new one.
    assert_eq!(change(&month, at("2026-11-03T00:00:00Z")).await, ("M".to_owned(), 3, end_of_month));
    gate.call("2026-11-03T00:00:01Z").await;
    let grant = gate.balanced().await;
    assert_eq!((grant.u, Time::of_hour(grant.pe)), (1, at("2026-12-01T00:00:00Z")));
}

#[tokio::test]
async fn weight_and_coverage_are_judged_by_the_terms_that_admit() {
    let gate = Gate::with(&under(&json!({}))).await;
    gate.call("2026-10-20T12:00:00Z").await;
    let change = async |revision: u64, members: &Value| {
        let now = at("2026-10-20T12:01:00Z");
        let changes =
            json!({"revision": revision, "terms": terms(members), "terms_revision": revision, "terms_since": now});
        gate.told(&subscription(&changes), now).await;
    };
    // The sandbox still remembers the terms of before.
    change(2, &json!({"weights": {"light": 5}})).await;
    let Passed { call, counted, .. } = gate.call("2026-10-20T12:02:00Z").await;
    let grant = gate.balanced().await;
    assert_eq!((call.weight, grant.p[&counted.period], grant.la), (5, 5, 6));
    assert!(counted.period.ends_with(".2"), "{counted:?}");
    change(3, &json!({"apis": []})).await;
    assert!(matches!(gate.ask(at("2026-10-20T12:03:00Z"), "light").await.1, Admitted::Unknown));
    assert_eq!(gate.grant().await.la, 6);
}

#[tokio::test]
async fn sandboxes_on_the_coarse_clock_admit_the_burst_less_a_grain_and_no_more() {
    let gate = Gate::with(&under(&json!({"rate": {"calls": 100, "per_seconds": 1, "burst": 81}}))).await;
    let plan = Plan::new(
        1,
        &serde_json::from_value(terms(&json!({"rate": {"calls": 100, "per_seconds": 1, "burst": 81}}))).unwrap(),
    );
    assert_eq!(plan.rate.unwrap().grain_us, 100_000);
    let now = at("2026-10-20T12:00:00.150Z");
    let mut admitted = 0;
    loop {
        match gate.ask(now, "light").await.1 {
            Admitted::Yes { .. } => admitted += 1,
            Admitted::No(Refusal::Rate { wait_ms }, seen) => {
                // The limiter's clock stands at .100; a unit of 10 ms is free after its next step.
                assert_eq!((wait_ms, plan.rate.unwrap().left(seen.grant.t, now)), (50, 0));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(admitted, 71);
    gate.call_for(now.plus_ms(50), "light").await;
}

#[tokio::test]
async fn stale_images_and_clocks_that_differ_move_the_limiter_as_one_that_knows() {
    let members = json!({"rate": {"calls": 100, "per_seconds": 1, "burst": 81}, "weights": {"heavy": 30}});
    let gate = Gate::with(&under(&members)).await;
    let rate = Plan::new(1, &serde_json::from_value(terms(&members)).unwrap()).rate.unwrap();
    let sandboxes: Vec<Sandbox> = (0..4).map(|_| Sandbox::default()).collect();
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let (mut now, mut admitted, mut refused) = (at("2026-10-20T12:00:00Z"), 0, 0);
    let mut arrival_us = gate.grant().await.t;
    for call in 0..250 {
        // Bursts and a stream that is a little too fast, with pauses; a request may be up to half a second late.
        let pause = if call % 50 == 0 { 1_500 } else { 0 };
        let after = pause + [0, 0, next(6), next(60)][usize::try_from(next(4)).unwrap()];
        now = now.plus_ms(i64::try_from(after).unwrap());
        let come = now.plus_ms(-i64::try_from([0, 0, next(500)][usize::try_from(next(3)).unwrap()]).unwrap());
        let sandbox = &sandboxes[usize::try_from(next(4)).unwrap()];
        let operation = if next(20) == 0 { "heavy" } else { "light" };
        let seen = sandbox.grant(&gate.store, SUBSCRIPTION, come).await.unwrap().unwrap();
        let mut call = call_of(come);
        let asked = admit(sandbox, &gate.store, SUBSCRIPTION, seen, &mut call, wish(operation)).await.unwrap();
        let may = rate.wait_ms(arrival_us, call.weight, come) == 0;
        match asked {
            Admitted::Yes { .. } => {
                assert!(may);
                arrival_us = arrival_us.max(rate.now_us(come)) + call.weight * rate.unit_us;
                admitted += 1;
            }
            Admitted::No(Refusal::Rate { .. }, _) => {
                assert!(!may);
                refused += 1;
            }
            // A machine that is slower than the budget.
            Admitted::Closed { .. } => arrival_us = gate.grant().await.t,
            other => panic!("{other:?}"),
        }
        let grant = gate.grant().await;
        assert_eq!(grant.t, arrival_us);
        assert!(grant.g.len() <= 5, "{:?}", grant.g);
    }
    assert!(admitted > 50 && refused > 10, "{admitted} {refused}");
}
