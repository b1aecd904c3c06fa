//! Months are sealed once, with exact units, whoever dies in between.

use aws_sdk_dynamodb::types::AttributeValue;
use gateway::grant::{Beside, admission, counted};
use gateway::seal::{Step, due};
use gateway::settlement::{Settlement, settling};
use gateway::store::Tried;
use serde_json::json;
use shared::chassis::table::Table;

use crate::wire::Wire;
use crate::{Gate, SUBSCRIPTION, Told, at, subscription, terms, told, with, writing};

/// Five calls under two revisions of the terms, two of them given back, the last one after the month's turn.
async fn october() -> Gate {
    let gate = Gate::with(&subscription(&json!({}))).await;
    let given_back = gate.call("2026-10-20T12:00:00Z").await;
    gate.call("2026-10-20T12:00:01Z").await;
    gate.call("2026-10-20T13:00:00Z").await;
    assert!(gate.back(&given_back).await);
    let heavier = terms(&json!({"plan_version": 2, "weights": {"heavy": 2}}));
    let changes = json!({"revision": 2, "terms": heavier, "terms_revision": 2, "terms_since": "2026-10-25T00:00:00Z"});
    gate.told(&subscription(&changes), at("2026-10-25T00:00:00Z")).await;
    gate.call_for(at("2026-10-25T01:00:00Z"), "heavy").await;
    let last = gate.call_for(at("2026-10-31T23:59:59Z"), "heavy").await;
    gate.call("2026-11-01T00:00:05Z").await;
    assert!(gate.back(&last).await);
    gate
}

fn october_told() -> Told<'static> {
    (".2026-10", [0, 0], vec![[1, 3, 1], [2, 4, 2]])
}

#[tokio::test]
async fn a_month_is_sealed_by_its_terms_with_the_refunds_that_came_after_its_turn() {
    let gate = october().await;
    let late = &gate.grant().await.f;
    assert_eq!(late.get("1.1.1.7-"), Some(&1), "the refund names the earlier month: {late:?}");
    assert_eq!(gate.sweep("2026-11-01T00:01:29Z").await.1, 0);
    assert_eq!(gate.sweep("2026-11-01T00:01:30Z").await.1, 1);
    assert_eq!(gate.sweep("2026-11-01T00:06:30Z").await.1, 0);
    let seals = gate.seals().await;
    assert_eq!(told(&seals), [october_told()]);
    let seal = &seals[0];
    assert_eq!((seal.from, seal.to), (at("2026-10-01T00:00:00Z"), at("2026-11-01T00:00:00Z")));
    assert_eq!(seal.terms[1].since, at("2026-10-25T00:00:00Z"));
    assert_eq!((seal.terms[0].terms.plan_version, seal.terms[1].terms.plan_version), (1, 2));
    assert_eq!((seal.organization.slug.as_str(), seal.provider.slug.as_str()), ("beta", "acme"));
    assert_eq!(seal.sealed_at, at("2026-11-01T00:01:30Z"));
    assert_eq!(gate.balanced().await.sa, 7);

    gate.call("2026-11-30T23:00:00Z").await;
    assert_eq!(gate.sweep("2026-12-01T00:05:00Z").await.1, 1);
    assert_eq!(told(&gate.seals().await)[1..], [(".2026-11", [7, 3], vec![[2, 2, 0]])]);
    gate.balanced().await;
}

#[tokio::test]
async fn months_without_a_call_are_sealed_until_the_subscriptions_end() {
    let gate = Gate::with(&subscription(&json!({}))).await;
    let cancelled = json!({"revision": 2, "state": "cancelled", "cancelled_at": "2026-12-15T10:00:00Z"});
    gate.told(&subscription(&cancelled), at("2026-12-15T10:00:00Z")).await;
    assert_eq!(gate.sweep("2027-04-01T00:05:00Z").await.1, 3);
    let seals = gate.seals().await;
    let none = |month| (month, [0, 0], vec![[1, 0, 0]]);
    assert_eq!(told(&seals), [none(".2026-10"), none(".2026-11"), none(".2026-12")]);
    assert_eq!(seals[0].activated_at, Some(at("2026-10-10T08:00:00Z")));
    assert!(seals.iter().all(|seal| seal.cancelled_at == Some(at("2026-12-15T10:00:00Z"))));
    assert_eq!(gate.sweep("2027-05-01T00:05:00Z").await.1, 0);
}

#[tokio::test]
async fn a_subscription_that_is_told_after_the_months_turn_owes_the_month_it_was_made_in() {
    let gate = Gate::new().await;
    gate.told(&subscription(&json!({})), at("2026-11-02T00:00:00Z")).await;
    gate.sweep("2026-11-02T00:05:00Z").await;
    assert_eq!(told(&gate.seals().await), [(".2026-10", [0, 0], vec![[1, 0, 0]])]);
}

#[tokio::test]
async fn whoever_dies_after_any_write_leaves_one_seal_and_exact_units() {
    let now = at("2026-12-01T00:05:00Z");
    let november = (".2026-11", [7, 3], vec![[2, 1, 0]]);
    let mut deaths = 0;
    loop {
        let gate = october().await;
        let wire = Wire::that_dies_after(deaths + 1);
        if wire.store(&gate.house.table).sweep(SUBSCRIPTION, now).await.is_ok() {
            break;
        }
        deaths += 1;
        gate.balanced().await;
        gate.store.sweep(SUBSCRIPTION, now).await.unwrap();
        assert_eq!(told(&gate.seals().await), [october_told(), november.clone()], "died after write {deaths}");
        let grant = gate.balanced().await;
        assert_eq!((grant.sa, grant.sf, grant.se.len(), grant.p.len()), (8, 3, 0, 0));
    }
    // A turn, and for each of the two months: its units moved, its seal told, and the grant told so.
    assert_eq!(deaths, 7);
}

#[tokio::test]
async fn sweeps_together_seal_a_month_once() {
    let gate = october().await;
    let now = at("2026-12-01T00:05:00Z");
    let sweep = || gate.store.sweep(SUBSCRIPTION, now);
    let (one, two, three) = tokio::join!(sweep(), sweep(), sweep());
    for swept in [one, two, three] {
        swept.unwrap();
    }
    assert_eq!(told(&gate.seals().await), [october_told(), (".2026-11", [7, 3], vec![[2, 1, 0]])]);
    assert_eq!(gate.balanced().await.sa, 8);
}

#[tokio::test]
async fn a_sweep_that_slept_through_a_whole_seal_tells_nothing_again() {
    let gate = october().await;
    let now = at("2026-11-01T00:05:00Z");
    let asleep = gate.grant().await;
    assert_eq!(due(&asleep, now), Some(Step::Move));
    let moved = gate.store.seal(SUBSCRIPTION, asleep.clone(), Step::Move, now).await.unwrap().unwrap();
    assert_eq!(due(&moved, now), Some(Step::Tell));
    gate.store.sweep(SUBSCRIPTION, now).await.unwrap();
    for (image, step) in [(asleep, Step::Move), (moved, Step::Tell)] {
        gate.store.seal(SUBSCRIPTION, image, step, now.plus_ms(1)).await.unwrap();
    }
    assert_eq!(told(&gate.seals().await), [october_told()]);
    assert_eq!(gate.balanced().await.sa, 7);
}

#[tokio::test]
async fn what_comes_after_the_seal_changes_nothing_of_the_month() {
    let gate = Gate::with(&subscription(&json!({}))).await;
    let passed = gate.call("2026-10-31T23:59:58Z").await;
    // A second call's write is on its way for a long time, and so is the first one's refund.
    let seen = gate.seen(at("2026-10-31T23:59:59Z")).await;
    let late = writing(&gate.sandbox, at("2026-10-31T23:59:59Z"));
    let admission = admission(&seen.grant, &seen.plan, &late, false, &Beside::default());
    gate.call("2026-11-01T00:00:00Z").await;
    let image = gate.grant().await;
    let sequence = gate.sandbox.next_sequence();
    let refund_on_its_way =
        settling(&image, &Settlement::refund(&passed.call, &passed.counted), &passed.call.writer, sequence);
    assert_eq!(counted(&image, &seen.plan, &passed.call, false).period, format!("{}.1", image.bh));

    gate.sweep("2026-11-01T00:05:00Z").await;
    let sealed = gate.balanced().await;
    for update in [&admission, &refund_on_its_way] {
        assert!(matches!(gate.store.update(SUBSCRIPTION, update).await, Tried::Stale(_)));
    }
    assert!(!gate.back(&passed).await);
    assert_eq!(gate.balanced().await.la, sealed.la);
    assert_eq!(gate.grant().await.lf, 0);
    assert_eq!(told(&gate.seals().await), [(".2026-10", [0, 0], vec![[1, 1, 0]])]);
}

#[tokio::test]
async fn a_month_with_more_terms_than_one_write_moves_is_sealed_whole() {
    let gate = Gate::with(&subscription(&json!({}))).await;
    let start = at("2026-10-11T00:00:00Z");
    let mut expected = vec![[1, 0, 0]];
    for revision in 2..=20_u64 {
        let now = start.plus_ms(i64::try_from(revision).unwrap() * 1_000);
        let changes = json!({"revision": revision, "terms_revision": revision, "terms_since": now});
        gate.told(&subscription(&changes), now).await;
        gate.call_for(now, "light").await;
        expected.push([revision, 1, 0]);
    }
    let now = at("2026-11-01T00:05:00Z");
    for died_after in [2, 3] {
        let dead = Wire::that_dies_after(died_after).store(&gate.house.table);
        assert!(dead.sweep(SUBSCRIPTION, now).await.is_err());
        gate.balanced().await;
    }
    gate.store.sweep(SUBSCRIPTION, now).await.unwrap();
    assert_eq!(told(&gate.seals().await), [(".2026-10", [0, 0], expected)]);
    gate.balanced().await;
}

#[tokio::test]
async fn an_operator_can_have_it_all_said_again() {
    let gate = october().await;
    gate.sweep("2026-12-01T00:05:00Z").await;
    let before = gate.house.table.get::<serde_json::Value>(SUBSCRIPTION, "G").await.unwrap().unwrap();
    let (mut grants, mut seals) = (0, 0);
    for shard in 0..gateway::store::Store::shards() {
        let answer = gate.house.send(&json!({"schedule": "republish", "shard": shard})).await;
        assert!(answer["after"].is_null(), "{answer}");
        grants += answer["grants"].as_u64().unwrap();
        seals += answer["seals"].as_u64().unwrap();
    }
    assert_eq!((grants, seals), (1, 2));
    let months: Vec<_> = gate.seals().await.iter().map(|seal| seal.from).collect();
    assert_eq!(months.len(), 4);
    assert!(months[0] == months[1] && months[2] == months[3]);
    let after = gate.house.table.get::<serde_json::Value>(SUBSCRIPTION, "G").await.unwrap().unwrap();
    let v = before["v"].as_u64().unwrap();
    assert_eq!(after, with(before, &json!({"v": v + 1})));
}

#[tokio::test]
async fn only_what_is_known_is_taken_from_an_operator() {
    let gate = Gate::new().await;
    for bad in [
        json!({}),
        json!({"schedule": "x"}),
        json!({"schedule": "sweep", "more": 1}),
        json!({"schedule": "sweep", "time": "x"}),
    ] {
        let answer = gate.house.send(&bad).await;
        assert_eq!(answer["problem"]["status"], 422, "{bad}: {answer}");
    }
    assert_eq!(gate.house.send(&json!({"schedule": "sweep"})).await, json!({"turned": 0, "sealed": 0}));
}

#[tokio::test]
async fn a_grant_that_cannot_be_sealed_holds_up_no_other_and_fails_the_sweep() {
    let gate = Gate::with(&subscription(&json!({}))).await;
    gate.call("2026-10-20T12:00:00Z").await;
    let other = "sub_01h455vb4pex5vsknk084sn03q";
    gate.told(&subscription(&json!({ "id": other })), at("2026-10-10T08:00:00Z")).await;
    let row = |sk: &str| {
        [("pk", SUBSCRIPTION), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())))
    };
    let Table { client, name } = &gate.house.table;
    client.delete_item().table_name(name).set_key(Some(row("T#1").into())).send().await.unwrap();
    let sweep = json!({"schedule": "sweep", "time": "2026-11-01T00:05:00Z"}).to_string();
    let failure = shared::chassis::handle(&gate.house.app, &sweep, "lambda").await.unwrap_err();
    assert!(failure.to_string().contains("1 grants were not swept"), "{failure}");
    assert_eq!(gate.house.outbox(other).await.len(), 1);
    assert_eq!(gate.seals().await.len(), 0);
    gate.balanced().await;
}
