//! Leases: what is admitted without a write is counted all the same, and no limit is passed for long.

use gateway::admission::{Admitted, admit, give_back, settle_leases};
use gateway::grant::{Grant, Refusal};
use gateway::lease::{BLOCK_MAX, LEASE_MS};
use gateway::sandbox::Sandbox;
use gateway::store::Store;
use serde_json::{Value, json};
use shared::meter::{GRANT_SK, GrantImage};
use shared::time::Time;

use crate::wire::{Fate, Wire};
use crate::{Gate, Passed, SUBSCRIPTION, at, call_of, subscription, terms, told, wish};

const NOON: &str = "2026-10-20T12:00:00Z";

async fn leased(members: &Value) -> Gate {
    let mut of = terms(members);
    of["admission"] = json!("leased");
    Gate::with(&subscription(&json!({ "terms": of }))).await
}

/// Calls in a row, a millisecond apart; all are admitted.
async fn burst(gate: &Gate, from: Time, calls: i64) -> Passed {
    for ms in 0..calls - 1 {
        gate.call_for(from.plus_ms(ms), "light").await;
    }
    gate.call_for(from.plus_ms(calls - 1), "light").await
}

async fn settled(gate: &Gate) -> Grant {
    settle_leases(&gate.sandbox, &gate.store, None, usize::MAX).await;
    gate.balanced().await
}

/// How often the grant was written.
async fn version(gate: &Gate) -> u64 {
    let image = gate.house.table.get::<GrantImage>(SUBSCRIPTION, GRANT_SK).await.unwrap().unwrap();
    image.v
}

/// Units that are there for the calls of the only sandbox.
async fn sandbox_holds(gate: &Gate) -> i64 {
    gate.call_for(at(NOON), "light").await.seen.held
}

/// Another sandbox of the same door.
fn another(gate: Gate) -> Gate {
    Gate { sandbox: Sandbox::default(), store: Store::new(gate.house.table.clone()), house: gate.house }
}

#[tokio::test]
async fn rare_calls_are_as_exact_as_without_leases() {
    let gate = leased(&json!({"quota": {"calls": 1_000, "period": "day"}})).await;
    for n in 0..12 {
        let passed = gate.call_for(at(NOON).plus_ms(n * 700), "light").await;
        let grant = gate.grant().await;
        assert_eq!((grant.la, grant.u, grant.lo), (n.unsigned_abs() + 1, n + 1, 0));
        assert_eq!(passed.seen.held, 0);
    }
}

#[tokio::test]
async fn quick_calls_write_seldom_and_are_all_counted_in_the_end() {
    let gate = leased(&json!({"quota": {"calls": 100_000, "period": "day"}})).await;
    let before = version(&gate).await;
    burst(&gate, at(NOON), 1_000).await;
    let grant = settled(&gate).await;
    assert_eq!((grant.la, grant.u, grant.lo, grant.c["1.1.1.7"]), (1_000, 1_000, 0, 1_000));
    let writes = version(&gate).await - before;
    assert!(writes <= 50, "{writes} writes for 1,000 calls");
}

#[tokio::test]
async fn an_answer_tells_what_is_left_for_the_caller_and_not_what_the_block_took() {
    let gate = leased(&json!({"quota": {"calls": 1_000, "period": "day"}})).await;
    for n in 1..200 {
        let Passed { seen, .. } = gate.call_for(at(NOON).plus_ms(n), "light").await;
        assert_eq!(seen.grant.u - seen.held, n);
    }
}

#[tokio::test]
async fn a_hard_quota_is_used_to_the_last_unit_and_not_beyond_by_sandboxes_that_hold_blocks() {
    let mut gate = leased(&json!({"quota": {"calls": 300, "period": "day"}, "weights": {"heavy": 3}})).await;
    let now = at(NOON);
    burst(&gate, now, 60).await;
    let held = sandbox_holds(&gate).await;
    let first = gate.sandbox;
    gate = Gate { sandbox: Sandbox::default(), store: gate.store, house: gate.house };
    let mut units = 61;
    let operations = ["light", "heavy"];
    let mut refused = 0;
    for n in 0..400 {
        let operation = operations[n % 2];
        match gate.ask(now, operation).await.1 {
            Admitted::Yes { .. } => units += if n % 2 == 0 { 1 } else { 3 },
            Admitted::No(Refusal::Quota { .. }, _) => refused += 1,
            other => panic!("{other:?}"),
        }
        assert!(gate.grant().await.u <= 300);
    }
    // The first sandbox still holds a block; what it gives back is there for the others.
    assert!(held > 0 && refused > 0 && units == 300 - held, "{units} {held} {refused}");
    settle_leases(&first, &gate.store, None, usize::MAX).await;
    while let Admitted::Yes { .. } = gate.ask(now, "light").await.1 {
        units += 1;
    }
    let grant = settled(&gate).await;
    assert_eq!((units, grant.u, grant.la, grant.lo), (300, 300, 300, 0));
}

#[tokio::test]
async fn a_sandbox_whose_memory_is_old_takes_nothing_beyond_a_hard_quota() {
    let gate = leased(&json!({"quota": {"calls": 40, "period": "day"}})).await;
    let old = Sandbox::default();
    let seen = old.grant(&gate.store, SUBSCRIPTION, at(NOON)).await.unwrap().unwrap();
    // The first call turns the bucket, so that the old image is of this one.
    gate.call(NOON).await;
    let seen = crate::Seen { grant: gate.grant().await.into(), ..seen };
    while let Admitted::Yes { .. } = gate.ask(at(NOON), "light").await.1 {}
    let mut call = call_of(at(NOON));
    let asked = admit(&old, &gate.store, SUBSCRIPTION, seen, &mut call, wish("light")).await.unwrap();
    assert!(matches!(asked, Admitted::No(Refusal::Quota { .. }, _)), "{asked:?}");
    assert_eq!(settled(&gate).await.u, 40);
}

#[tokio::test]
async fn what_was_told_holds_two_seconds_later_in_every_sandbox_and_blocks_are_no_way_around() {
    for members in [
        json!({"state": "suspended"}),
        json!({"terms": terms(&json!({"quota": {"calls": 1, "period": "day"}})), "terms_revision": 2}),
    ] {
        let gate = leased(&json!({"quota": {"calls": 1_000, "period": "day"}})).await;
        let now = at(NOON);
        burst(&gate, now, 40).await;
        gate.told(&subscription(&crate::with(json!({"revision": 2, "terms_since": now}), &members)), now).await;
        // The block was taken by one of the calls before.
        let end = now.plus_ms(40 + LEASE_MS);
        assert!(!matches!(gate.ask(end, "light").await.1, Admitted::Yes { .. }), "{members}");
        let grant = gate.grant().await;
        assert_eq!((grant.la, grant.lo), (40, 0), "a refused call settles what its sandbox held");
    }
}

#[tokio::test]
async fn a_key_that_the_block_was_not_taken_with_is_judged_by_its_own_end() {
    let gate = leased(&json!({})).await;
    burst(&gate, at(NOON), 40).await;
    let (seen, mut call) = (gate.seen(at(NOON)).await, call_of(at(NOON).plus_ms(50)));
    call.counter.key = 2;
    let asked = admit(&gate.sandbox, &gate.store, SUBSCRIPTION, seen, &mut call, wish("light")).await.unwrap();
    assert!(matches!(asked, Admitted::No(Refusal::Key, _)), "{asked:?}");
}

#[tokio::test]
async fn the_rate_moves_when_a_block_is_taken() {
    let gate = leased(&json!({"rate": {"calls": 1, "per_seconds": 1, "burst": 40}})).await;
    let now = at(NOON);
    let mut admitted = 0;
    while let Admitted::Yes { .. } = gate.ask(now, "light").await.1 {
        admitted += 1;
    }
    assert_eq!(admitted, 40, "all of the burst, and no more");
    gate.call_for(now.plus_ms(1_000), "light").await;
    assert!(matches!(gate.ask(now.plus_ms(1_000), "light").await.1, Admitted::No(Refusal::Rate { .. }, _)));
}

#[tokio::test]
async fn a_failed_call_goes_back_to_its_block_and_is_told_with_it() {
    let gate = leased(&json!({"quota": {"calls": 1_000, "period": "day"}})).await;
    let passed = burst(&gate, at(NOON), 30).await;
    let before = gate.grant().await;
    let Passed { call, counted, seen } = &passed;
    let after = give_back(&gate.sandbox, &gate.store, SUBSCRIPTION, seen, call, counted).await.unwrap();
    assert_eq!((after.held, gate.grant().await.lf), (passed.seen.held + 1, before.lf), "no write");
    let grant = settled(&gate).await;
    assert_eq!((grant.la, grant.lf, grant.u, grant.f["1.1.1.7"]), (30, 1, 29, 1));
    // Once it is settled, by a write of its own.
    let passed = gate.call_for(at(NOON).plus_ms(9_000), "light").await;
    assert!(gate.back(&passed).await);
    assert_eq!(gate.balanced().await.lf, 2);
}

#[tokio::test]
async fn a_sandbox_that_is_killed_leaves_one_block_that_counts_and_is_not_billed() {
    let gate = leased(&json!({"quota": {"calls": 100_000, "period": "month"}})).await;
    burst(&gate, at(NOON), 2_000).await;
    let counted = gate.grant().await.la;
    let gate = another(gate);
    let grant = gate.balanced().await;
    assert!((1..=BLOCK_MAX).contains(&grant.lo) && grant.u == i64::try_from(counted).unwrap() + grant.lo, "{grant:?}");
    assert!(2_000 - counted <= grant.lo.unsigned_abs());
    gate.sweep("2026-11-01T00:02:00Z").await;
    assert_eq!(told(&gate.seals().await), [(".2026-10", [0, 0], vec![[1, counted, 0]])]);
}

#[tokio::test]
async fn a_lost_answer_settles_a_lease_once_and_takes_the_next_block_once() {
    for fate in [Fate::Unanswered, Fate::Lost] {
        let gate = leased(&json!({})).await;
        // The next call finds the block used up: its write settles it and takes another one.
        burst(&gate, at(NOON), 12).await;
        let before = gate.grant().await;
        let (seen, mut call) = (gate.seen(at(NOON)).await, call_of(at(NOON).plus_ms(20)));
        let wire = Wire::new([fate]);
        let store = wire.store(&gate.house.table);
        let admitted = admit(&gate.sandbox, &store, SUBSCRIPTION, seen, &mut call, wish("light")).await.unwrap();
        assert!(matches!(admitted, Admitted::Yes { .. }), "{admitted:?}");
        let grant = gate.grant().await;
        assert_eq!((wire.left(), before.la, grant.la, grant.lo), (0, 4, 13, 16), "{fate:?}");
        burst(&gate, at(NOON).plus_ms(30), 6).await;
        let store = Wire::new([fate]).store(&gate.house.table);
        settle_leases(&gate.sandbox, &store, None, usize::MAX).await;
        let grant = gate.balanced().await;
        assert_eq!((grant.la, grant.lo, grant.u), (19, 0, 19), "{fate:?}");
    }
}

#[tokio::test]
async fn a_lease_is_settled_in_its_month_as_long_as_that_is_open() {
    let last = at("2026-10-31T23:59:59Z");
    for sealed in [false, true] {
        let gate = leased(&json!({})).await;
        burst(&gate, last, 10).await;
        if sealed {
            gate.sweep("2026-11-01T00:02:00Z").await;
        } else {
            // Another sandbox turned the bucket.
            let other = Sandbox::default();
            let seen = other.grant(&gate.store, SUBSCRIPTION, last).await.unwrap().unwrap();
            let mut call = call_of(at("2026-11-01T00:00:01Z"));
            let asked = admit(&other, &gate.store, SUBSCRIPTION, seen, &mut call, wish("light")).await.unwrap();
            assert!(matches!(asked, Admitted::Yes { .. }), "{asked:?}");
        }
        let grant = settled(&gate).await;
        if sealed {
            assert_eq!((grant.la, grant.lo), (4, 8), "what comes after the seal is left behind");
        } else {
            assert_eq!((grant.la, grant.lo, grant.c["1.1.1.7-"], grant.c["1.1.1.7"]), (11, 0, 6, 1));
            gate.sweep("2026-11-01T00:02:00Z").await;
            assert_eq!(told(&gate.seals().await), [(".2026-10", [0, 0], vec![[1, 10, 0]])]);
        }
    }
}

#[tokio::test]
async fn a_lease_outlives_changes_of_terms_and_turns_of_buckets() {
    let gate = leased(&json!({"quota": {"calls": 1_000, "period": "day"}})).await;
    let now = at(NOON);
    burst(&gate, now, 10).await;
    let mut other = terms(&json!({"quota": {"calls": 1_000, "period": "day"}}));
    other["admission"] = json!("leased");
    gate.told(&subscription(&json!({"revision": 2, "terms": other, "terms_revision": 2, "terms_since": now})), now)
        .await;
    gate.sweep("2026-10-20T13:00:00Z").await;
    // The next call settles the lease of the terms before, and then asks under the new ones.
    gate.call("2026-10-20T13:00:01Z").await;
    let grant = settled(&gate).await;
    let period = |revision: u64| shared::meter::period_key(now.hour(), revision);
    assert_eq!((grant.p[&period(1)], grant.p[&period(2)], grant.u, grant.lo), (10, 1, 11, 0));
}

#[tokio::test]
async fn what_is_over_is_settled_whenever_there_is_time_and_nothing_else_is() {
    let gate = leased(&json!({})).await;
    burst(&gate, at(NOON), 10).await;
    let over = at(NOON).plus_ms(LEASE_MS);
    settle_leases(&gate.sandbox, &gate.store, Some(over.plus_ms(-1)), usize::MAX).await;
    assert_eq!(gate.grant().await.lo, 8, "it is not over yet");
    settle_leases(&gate.sandbox, &gate.store, Some(over.plus_ms(10)), usize::MAX).await;
    assert_eq!((gate.grant().await.lo, gate.balanced().await.la), (0, 10));
}
