//! Publish, sell, call, meter, bill.

use std::time::Duration;

use journeys::{Call, together};
use serde_json::{Value, json};

use crate::{checks, problem, tally};

/// The bill's lines, short: description, quantity, price, amount.
fn lines(bill: &Value) -> Vec<[&str; 4]> {
    let lines = bill["lines"].as_array().unwrap_or_else(|| panic!("no lines in {bill}"));
    lines
        .iter()
        .map(|line| ["description", "quantity", "unit_price", "amount"].map(|name| line[name].as_str().unwrap()))
        .collect()
}

#[test]
fn one_call_is_admitted_counted_and_on_the_bill() {
    together(async |platform| {
        let market = platform
            .market(json!({ "currency": "EUR", "monthly_price": "9.00", "included_calls": 1, "price_per_call": "0.005", "quota": { "calls": 100, "period": "month", "kind": "hard" } }))
            .await;
        let answer = market.pass(platform, "/forecast/oslo?days=1").await;
        assert_eq!(answer.status, 200, "{}", answer.refused());
        assert_eq!(answer.json().unwrap()["city"], "oslo");
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(answer.header("ratelimit").contains("\"quota\";r=99"), "{:?}", answer.headers);
        assert!(answer.header("ratelimit-policy").contains("\"quota\";q=100"), "{:?}", answer.headers);
        assert_eq!(market.upstream.calls(), 1);

        let usage = market.usage(platform).await;
        for (name, want) in [("admitted", 1), ("rejected", 0), ("failed", 0), ("units", 1)] {
            assert_eq!(usage[name], want, "{name} in {usage}");
        }
        assert_eq!(usage["by_operation"].as_array().unwrap().len(), 1, "{usage}");
        assert_eq!(usage["by_operation"][0]["operation"], "getForecast", "{usage}");
        assert_eq!(usage["by_operation"][0]["admitted"], 1, "{usage}");
        assert_eq!(usage["by_key"][0]["key"], market.key.id.as_str(), "{usage}");
        assert_eq!(usage["by_hour"].as_array().unwrap().len(), 1, "{usage}");
        // The provider sees the same.
        assert_eq!(
            platform.get(&market.provider.token, format!("/v1/usage?subscription={}", market.subscription)).await,
            usage
        );

        let callers = platform
            .get(&market.provider.token, "/v1/usage/callers?api=weather&operation=getForecast&window=30d")
            .await;
        let callers = callers["callers"].as_array().unwrap();
        assert_eq!(callers.len(), 1);
        assert_eq!(
            (&callers[0]["organization"], &callers[0]["app"]),
            (&json!(market.consumer.slug), &json!(market.app))
        );
        assert_eq!((&callers[0]["key"], &callers[0]["calls"]), (&json!(market.key.id), &json!(1)));

        let bill = market.bill(platform).await;
        assert_eq!((&bill["currency"], &bill["total"]), (&json!("EUR"), &json!("9.00")), "{bill}");
        assert_eq!(lines(&bill)[0], ["Plan standard, version 1: month", "1", "9.00", "9.00"]);
        assert_eq!(lines(&bill)[1][1], "1", "the included call: {bill}");

        for _ in 0..3 {
            assert_eq!(market.pass(platform, "/stations").await.status, 200);
        }
        let bill = market.bill(platform).await;
        assert_eq!(lines(&bill).last().unwrap()[1..], ["3", "0.005", "0.02"], "{bill}");
        assert_eq!(bill["total"], "9.02", "0.015 is rounded away from zero: {bill}");
    });
}

#[test]
fn a_key_works_on_the_call_after_its_201() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        for number in 2..12 {
            let key = platform.key(&market.consumer, &market.subscription).await;
            let answer = platform.send(market.call_with(&key, "/forecast/oslo")).await;
            assert_eq!(answer.status, 200, "key {number}: {}", answer.refused());
        }
    });
}

#[test]
fn a_requested_subscription_opens_the_door_when_it_is_approved_and_not_before() {
    together(async |platform| {
        let market = platform.market(json!({ "approval": "manual" })).await;
        let path = format!("/v1/subscriptions/{}", market.subscription);
        assert_eq!(platform.get(&market.consumer.token, &path).await["state"], "requested");
        let early = platform
            .send(
                Call::post("/v1/keys")
                    .bearer(&market.consumer.token)
                    .json(&json!({ "subscription": market.subscription, "name": "early" })),
            )
            .await;
        assert_eq!((early.status.as_u16(), problem(&early).as_str()), (409, "state-conflict"));
        assert_eq!(
            platform.post(&market.provider.token, format!("{path}/approve"), &Value::Null).await["state"],
            "active"
        );
        let key = platform.key(&market.consumer, &market.subscription).await;
        assert_eq!(platform.send(market.call_with(&key, "/forecast/oslo")).await.status, 200);
    });
}

#[test]
fn a_new_version_is_served_and_counted_under_its_own_operations() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let missing = market.pass(platform, "/observations/7").await;
        assert_eq!((missing.status.as_u16(), problem(&missing).as_str()), (404, "not-found"));
        let document = weather::DOCUMENT
            .replace("/stations/{station}:", "/observations/{station}:")
            .replace("operationId: getStation", "operationId: getObservation");
        let provider = &market.provider;
        // Nobody called what it takes away.
        let checked = checks::check(platform, provider, "2.0.0", "", &document).await;
        assert_eq!(checked.status, 200, "{}", checked.refused());
        checks::upload(platform, provider, "2.0.0", &document).await;
        assert_eq!(checks::publish(platform, provider, "2.0.0").await.status, 200);
        // A path that was not there is looked for again, in a sandbox that has just done so half a second later.
        tokio::time::sleep(Duration::from_millis(600)).await;
        let answers = platform.send_all((0..2).map(|_| market.call("/observations/7"))).await;
        assert_eq!(tally(&answers).into_keys().collect::<Vec<_>>(), ["404"], "the upstream's own answer: {answers:?}");
        assert_eq!(market.upstream.calls_of("/observations/7"), 2);
        let usage = market.usage(platform).await;
        let counted = usage["by_operation"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["operation"] == "getObservation")
            .unwrap_or_else(|| panic!("{usage}"));
        assert_eq!((&counted["admitted"], &counted["version"]), (&json!(2), &json!(2)), "{usage}");
    });
}
