//! Leases over the real processes: what they give up and what they do not.

use std::time::Duration;

use journeys::{Market, Platform, Settings, alone};
use serde_json::{Value, json};

/// No call is admitted from a lease so long after it was taken.
const LEASE: Duration = Duration::from_secs(2);
/// So many calls are tried until a process takes a lease: it does where they come quickly.
const CALLS_MAX: u64 = 300;

/// Units that are out on leases, and units counted.
fn grant(platform: &Platform, market: &Market) -> (u64, u64) {
    let key = json!({ "pk": { "S": market.subscription }, "sk": { "S": "G" } });
    let grant = platform.cloud().item("GatewayTable", &key).unwrap();
    let number = |name: &str| grant[name]["N"].as_str().unwrap().parse().unwrap();
    (number("lo"), number("la"))
}

/// Calls until the only process of the door holds a lease, and then a few more from it. Answers how many were let through.
async fn hold(platform: &Platform, market: &Market) -> u64 {
    let (mut calls, mut since) = (0, 0);
    while since < 3 {
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        calls += 1;
        assert!(calls < CALLS_MAX, "no lease is taken");
        since = if grant(platform, market).0 > 0 { since + 1 } else { 0 };
    }
    calls
}

async fn leased(platform: &Platform) -> Market {
    let quota = json!({ "calls": 100_000, "period": "month", "kind": "hard" });
    platform.market(json!({ "quota": quota, "admission": "leased" })).await
}

#[test]
fn a_process_that_ends_in_order_returns_what_it_holds_and_every_call_is_shown() {
    alone(Settings { instances_max: 1, ..Settings::default() }, async |platform| {
        let market = leased(platform).await;
        let calls = hold(platform, &market).await;
        let (out, counted) = grant(platform, &market);
        assert!(out > 0 && counted < calls, "{counted} of {calls} calls are counted, {out} units are out");
        platform.cloud().recycle("Gateway").await;
        assert_eq!(grant(platform, &market), (0, calls));
        let usage = market.usage(platform).await;
        assert_eq!((&usage["admitted"], &usage["units"]), (&json!(calls), &json!(calls)));
    });
}

#[test]
fn what_is_told_holds_two_seconds_later_by_the_requests_times() {
    alone(Settings { instances_max: 1, ..Settings::default() }, async |platform| {
        let market = leased(platform).await;
        let path = format!("/v1/keys/{}/revoke", market.key.id);
        let calls = hold(platform, &market).await;
        platform.post(&market.consumer.token, path, &Value::Null).await;
        platform.cloud().clock().advance(LEASE);
        let refused = market.pass(platform, "/forecast/oslo").await;
        assert_eq!((refused.status.as_u16(), crate::problem(&refused)), (401, "key-invalid".to_owned()));
        // The refused call gave the lease back.
        assert_eq!(grant(platform, &market), (0, calls));
        assert_eq!(market.upstream.calls(), calls);
    });
}
