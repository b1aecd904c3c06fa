//! Several calls at a time in one sandbox: each is counted once, and they share the writes of a leased plan.

use futures_util::future::join_all;
use gateway::admission::{Admitted, admit, settle_leases};
use gateway::grant::Refusal;
use gateway::sandbox::Sandbox;
use gateway::store::Store;
use serde_json::json;
use shared::chassis::table::StoreError;
use shared::time::Time;

use crate::wire::{Fate, Wire};
use crate::{Gate, SUBSCRIPTION, at, call_of, subscription, terms, wish};

const NOON: &str = "2026-10-20T12:00:00Z";

async fn gate(admission: &str, quota: u64) -> Gate {
    let mut of = terms(&json!({"quota": {"calls": quota, "period": "day"}}));
    of["admission"] = json!(admission);
    Gate::with(&subscription(&json!({ "terms": of }))).await
}

/// So many calls at once in a sandbox.
async fn calls(sandbox: &Sandbox, store: &Store, now: Time, calls: usize) -> Vec<Result<Admitted, StoreError>> {
    join_all((0..calls).map(async |_| {
        let seen = sandbox.grant(store, SUBSCRIPTION, now).await?.unwrap();
        admit(sandbox, store, SUBSCRIPTION, seen, &mut call_of(now), wish("light")).await
    }))
    .await
}

#[tokio::test]
async fn eight_calls_at_once_in_each_of_two_sandboxes_are_counted_once_and_pass_no_quota() {
    const QUOTA: u64 = 150;
    for admission in ["exact", "leased"] {
        let gate = gate(admission, QUOTA).await;
        let fates = [Fate::Pass, Fate::Unanswered, Fate::Pass, Fate::Lost, Fate::Pass, Fate::Pass];
        let wires = [(); 2].map(|()| Wire::new(fates.repeat(100)));
        let (stores, sandboxes) =
            (wires.map(|wire| wire.store(&gate.house.table)), [(); 2].map(|()| Sandbox::default()));
        let (mut yes, mut unknown, mut refused) = (0, 0, 0);
        for round in 0..16 {
            let now = at(NOON).plus_ms(round * 20);
            let both = sandboxes.iter().zip(&stores).map(|(sandbox, store)| calls(sandbox, store, now, 8));
            for asked in join_all(both).await.into_iter().flatten() {
                match asked {
                    Ok(Admitted::Yes { .. }) => yes += 1,
                    Ok(Admitted::No(Refusal::Quota { .. }, _)) => refused += 1,
                    Ok(Admitted::Closed { unknown: true, .. }) => unknown += 1,
                    // The wire mistakes a read for a write now and then: certainly nothing was counted.
                    Err(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            assert!(gate.grant().await.u <= 150, "{admission}");
        }
        for sandbox in &sandboxes {
            settle_leases(sandbox, &gate.store, None, usize::MAX).await;
        }
        let grant = gate.balanced().await;
        assert!(yes > 100 && refused > 50, "{admission}: {yes} {refused} {unknown}");
        assert!((yes..=yes + unknown).contains(&grant.la), "{admission}: {} counted of {yes}", grant.la);
        assert_eq!((grant.c["1.1.1.7"], grant.lo), (grant.la, 0), "{admission}");
        assert!(grant.la <= QUOTA && i64::try_from(grant.la).unwrap() == grant.u, "{admission}");
    }
}

#[tokio::test]
async fn a_sandbox_has_as_many_names_as_writes_at_once_and_one_where_calls_come_one_by_one() {
    let gate = gate("exact", 10_000).await;
    for n in 0..5 {
        calls(&gate.sandbox, &gate.store, at(NOON).plus_ms(n), 1).await;
    }
    let names = |grant: gateway::grant::Grant| grant.w0.keys().chain(grant.w1.keys()).cloned().collect::<Vec<_>>();
    assert_eq!(names(gate.grant().await), std::slice::from_ref(&gate.sandbox.writer));
    for n in 5..15 {
        calls(&gate.sandbox, &gate.store, at(NOON).plus_ms(n), 4).await;
    }
    assert_eq!((names(gate.grant().await).len(), gate.grant().await.la), (4, 45));
}

#[tokio::test]
async fn calls_that_find_a_block_used_up_wait_for_the_next_one_instead_of_writing_each() {
    let gate = gate("leased", 100_000).await;
    for n in 0..20 {
        calls(&gate.sandbox, &gate.store, at(NOON).plus_ms(n), 1).await;
    }
    let before = gate.grant().await.v;
    for n in 0..10 {
        let asked = calls(&gate.sandbox, &gate.store, at(NOON).plus_ms(20 + n), 32).await;
        assert!(asked.iter().all(|asked| matches!(asked, Ok(Admitted::Yes { .. }))));
    }
    let writes = gate.grant().await.v - before;
    assert!(writes <= 12, "{writes} writes for 320 calls");
    settle_leases(&gate.sandbox, &gate.store, None, usize::MAX).await;
    let grant = gate.balanced().await;
    assert_eq!((grant.la, grant.u, grant.lo), (340, 340, 0));
}
