//! What was answered holds for the very next call, in every process of the door. Events come minutes late here, so that nothing but what the door was told counts.

use std::{collections::BTreeSet, time::Duration};

use cloud::Deed;
use journeys::{Call, Key, Market, Platform, Settings, alone};
use serde_json::{Value, json};

use crate::tally;

/// So many processes of the door know the grant before it changes.
const PROCESSES: usize = 6;
/// Longer than it takes to hand all calls over.
const HELD: Duration = Duration::from_millis(400);

fn settings() -> Settings {
    Settings { instances_max: PROCESSES, upstream_timeout_ms: 10_000, ..Settings::default() }
}

/// No event arrives while a test runs.
const LATE: Duration = Duration::from_hours(10);

/// Makes every process of the door know the market: slow calls keep them all busy at once.
async fn warm(platform: &Platform, market: &Market) {
    platform.settled().await;
    platform.faults().delay_events(LATE);
    let answers = platform.send_all((0..PROCESSES).map(|_| market.call("/slow?delay_ms=3000"))).await;
    assert_eq!(tally(&answers).get("200"), Some(&PROCESSES), "{:?}", tally(&answers));
    assert_eq!(platform.cloud().processes("Gateway").len(), PROCESSES);
}

/// One call to every process, all at once: each is held at its first question to the table, so that none can take a second call before all have one.
async fn everywhere(platform: &Platform, call: impl Fn() -> Call) -> Vec<String> {
    let before: BTreeSet<u32> = platform.cloud().processes("Gateway").into_iter().collect();
    assert_eq!(before.len(), PROCESSES);
    for _ in 0..PROCESSES {
        platform.faults().at_call("Gateway", None, 1, Deed::Slow(HELD));
    }
    let answers = platform.send_all((0..PROCESSES).map(|_| call())).await;
    platform.faults().clear();
    platform.faults().delay_events(LATE);
    let after: BTreeSet<u32> = platform.cloud().processes("Gateway").into_iter().collect();
    assert_eq!(after, before, "the processes that were warm are the ones that answered");
    let counts = tally(&answers);
    assert_eq!(counts.values().sum::<usize>(), PROCESSES);
    counts.into_keys().collect()
}

async fn act(platform: &Platform, token: &str, market: &Market, action: &str, body: Value) -> Value {
    platform.post(token, format!("/v1/subscriptions/{}/{action}", market.subscription), &body).await
}

fn quota(calls: u64) -> Value {
    json!({ "quota": { "calls": calls, "period": "month", "kind": "hard" } })
}

#[test]
fn a_revoked_key_is_refused_by_every_process_and_a_new_one_is_taken() {
    alone(settings(), async |platform| {
        let market = platform.market(json!({})).await;
        warm(platform, &market).await;
        let new = platform.key(&market.consumer, &market.subscription).await;
        assert_eq!(everywhere(platform, || market.call_with(&new, "/forecast/oslo")).await, ["200"]);

        let before = market.upstream.calls();
        platform.post(&market.consumer.token, format!("/v1/keys/{}/revoke", market.key.id), &Value::Null).await;
        assert_eq!(everywhere(platform, || market.call("/forecast/oslo")).await, ["401 key-invalid"]);
        assert_eq!(market.upstream.calls(), before, "a refused call reached the upstream");
        assert_eq!(
            everywhere(platform, || market.call_with(&new, "/forecast/oslo")).await,
            ["200"],
            "the other key is as it was"
        );
    });
}

#[test]
fn a_suspended_and_a_cancelled_subscription_is_refused_by_every_process() {
    alone(settings(), async |platform| {
        let market = platform.market(json!({})).await;
        warm(platform, &market).await;
        let before = market.upstream.calls();
        act(platform, &market.provider.token, &market, "suspend", json!({ "reason": "unpaid" })).await;
        assert_eq!(everywhere(platform, || market.call("/forecast/oslo")).await, ["403 subscription-inactive"]);
        assert_eq!(market.upstream.calls(), before);
        act(platform, &market.provider.token, &market, "resume", Value::Null).await;
        assert_eq!(everywhere(platform, || market.call("/forecast/oslo")).await, ["200"]);
        act(platform, &market.consumer.token, &market, "cancel", Value::Null).await;
        assert_eq!(everywhere(platform, || market.call("/forecast/oslo")).await, ["403 subscription-inactive"]);
    });
}

#[test]
fn a_lowered_and_a_raised_limit_hold_in_every_process() {
    alone(settings(), async |platform| {
        let market = platform.market(quota(1_000)).await;
        platform.plan(&market.provider, "small", &quota(u64::try_from(PROCESSES).unwrap())).await;
        platform
            .plan(&market.provider, "slow", &json!({ "rate": { "calls": 1, "per_seconds": 86_400, "burst": 1 } }))
            .await;
        warm(platform, &market).await;
        let before = market.upstream.calls();
        act(platform, &market.consumer.token, &market, "change-plan", json!({ "plan": "small" })).await;
        assert_eq!(everywhere(platform, || market.call("/forecast/oslo")).await, ["429 quota-exceeded"]);
        assert_eq!(market.upstream.calls(), before);
        act(platform, &market.consumer.token, &market, "change-plan", json!({ "plan": "standard" })).await;
        assert_eq!(everywhere(platform, || market.call("/forecast/oslo")).await, ["200"]);

        let before = market.upstream.calls();
        act(platform, &market.consumer.token, &market, "change-plan", json!({ "plan": "slow" })).await;
        assert_eq!(everywhere(platform, || market.call("/forecast/oslo")).await, ["200", "429 rate-limited"]);
        assert_eq!(market.upstream.calls(), before + 1, "a burst of one");

        // A new version of the plan that one has, with more in it.
        let terms = quota(5_000);
        platform.post(&market.provider.token, "/v1/products/weather/plans/small/versions", &terms).await;
        act(platform, &market.consumer.token, &market, "change-plan", json!({ "plan": "small" })).await;
        assert_eq!(everywhere(platform, || market.call("/forecast/oslo")).await, ["200"]);
    });
}

#[test]
fn a_rotated_key_overlaps_as_long_as_was_said_and_no_longer() {
    alone(settings(), async |platform| {
        let market = platform.market(json!({})).await;
        warm(platform, &market).await;
        let rotate = async |key: &Key, seconds: u32| {
            platform
                .post(
                    &market.consumer.token,
                    format!("/v1/keys/{}/rotate", key.id),
                    &json!({ "overlap_seconds": seconds }),
                )
                .await
        };
        let issued = rotate(&market.key, 0).await;
        let second = Key::of(&issued);
        assert_eq!(issued["rotated_from"], market.key.id.as_str(), "{issued}");
        assert_eq!(everywhere(platform, || market.call("/forecast/oslo")).await, ["401 key-invalid"]);
        assert_eq!(everywhere(platform, || market.call_with(&second, "/forecast/oslo")).await, ["200"]);

        let began = std::time::Instant::now();
        let third = Key::of(&rotate(&second, 5).await);
        let rotated = std::time::Instant::now();
        assert_eq!(everywhere(platform, || market.call_with(&third, "/forecast/oslo")).await, ["200"]);
        let still = everywhere(platform, || market.call_with(&second, "/forecast/oslo")).await;
        assert!(began.elapsed() > Duration::from_secs(3) || still == ["200"], "within the overlap: {still:?}");
        // The clock itself is what is tested here.
        tokio::time::sleep(Duration::from_secs(6).saturating_sub(rotated.elapsed())).await;
        assert_eq!(everywhere(platform, || market.call_with(&second, "/forecast/oslo")).await, ["401 key-invalid"]);
        assert_eq!(everywhere(platform, || market.call_with(&third, "/forecast/oslo")).await, ["200"]);
    });
}

#[test]
fn a_key_stops_at_its_time_in_every_process() {
    alone(settings(), async |platform| {
        let market = platform.market(json!({})).await;
        warm(platform, &market).await;
        let now = platform.get(&market.consumer.token, format!("/v1/keys/{}", market.key.id)).await;
        let second = |offset: u64| {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + offset;
            shared::time::Time::from_ms(i64::try_from(since * 1000).unwrap()).to_string()
        };
        assert!(now["created_at"].is_string(), "{now}");
        let began = std::time::Instant::now();
        let wish = json!({ "subscription": market.subscription, "name": "short", "expires_at": second(5) });
        let short = Key::of(&platform.post(&market.consumer.token, "/v1/keys", &wish).await);
        let alive = everywhere(platform, || market.call_with(&short, "/forecast/oslo")).await;
        assert!(began.elapsed() > Duration::from_secs(4) || alive == ["200"], "before its time: {alive:?}");
        // The clock itself is what is tested here.
        tokio::time::sleep(Duration::from_millis(5_100).saturating_sub(began.elapsed())).await;
        assert_eq!(everywhere(platform, || market.call_with(&short, "/forecast/oslo")).await, ["401 key-invalid"]);
        let past = Call::post("/v1/keys")
            .bearer(&market.consumer.token)
            .json(&json!({ "subscription": market.subscription, "name": "past", "expires_at": second(0) }));
        assert_eq!(platform.send(past).await.status, 422, "a key that never opens the door");
    });
}
