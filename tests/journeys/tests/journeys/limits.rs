//! Quotas, rates, weights, refunds: exact, whatever comes at once.

use std::time::Duration;

use journeys::{Settings, alone, together};
use serde_json::json;

use crate::{problem, tally};

#[test]
fn of_500_calls_at_once_over_8_processes_exactly_the_quota_is_admitted_counted_and_billed() {
    alone(Settings { instances_max: 10, upstream_timeout_ms: 18_000, ..Settings::default() }, async |platform| {
        let market = platform
            .market(json!({ "currency": "EUR", "monthly_price": "10", "included_calls": 150, "price_per_call": "0.01", "quota": { "calls": 200, "period": "month", "kind": "hard" } }))
            .await;
        let answers = platform.send_all((0..500).map(|_| market.call("/forecast/oslo"))).await;
        let processes = platform.cloud().processes("Gateway").len();
        assert!(processes >= 8, "the calls went through {processes} processes only");
        let counts = tally(&answers);
        assert_eq!(counts.get("200"), Some(&200), "{counts:?}");
        assert_eq!(counts.get("429 quota-exceeded"), Some(&300), "{counts:?}");
        assert_eq!(market.upstream.calls(), 200, "calls that reached the upstream");
        for refused in answers.iter().filter(|answer| answer.status == 429) {
            let seconds: u64 =
                refused.header("retry-after").parse().unwrap_or_else(|_| panic!("Retry-After: {:?}", refused.headers));
            assert!((1..=31 * 86_400).contains(&seconds), "Retry-After: {seconds}");
            assert_eq!(refused.header("content-type"), "application/problem+json");
        }

        let usage = market.usage(platform).await;
        assert_eq!(
            (&usage["admitted"], &usage["units"], &usage["failed"]),
            (&json!(200), &json!(200), &json!(0)),
            "{usage}"
        );
        assert!(usage["rejected"].as_u64().unwrap() <= 300, "{usage}");
        let bill = market.bill(platform).await;
        assert_eq!(bill["lines"][2]["quantity"], "50", "{bill}");
        assert_eq!(bill["total"], "10.50", "{bill}");

        platform.cloud().recycle("Gateway").await;
        let usage = market.usage(platform).await;
        assert_eq!(
            (&usage["admitted"], &usage["rejected"]),
            (&json!(200), &json!(300)),
            "once the processes have stopped: {usage}"
        );
    });
}

#[test]
fn a_burst_is_exactly_as_large_as_the_plan_says() {
    together(async |platform| {
        let market = platform.market(json!({ "rate": { "calls": 1, "per_seconds": 3600, "burst": 5 } })).await;
        let answers = platform.send_all((0..20).map(|_| market.call("/forecast/oslo"))).await;
        let counts = tally(&answers);
        assert_eq!((counts.get("200"), counts.get("429 rate-limited")), (Some(&5), Some(&15)), "{counts:?}");
        assert_eq!(market.upstream.calls(), 5);
        // A call that is later than all of them: of those, one may have arrived before the first that was admitted.
        let refused = market.pass(platform, "/forecast/oslo").await;
        assert_eq!(problem(&refused), "rate-limited");
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((3_000..=3_600).contains(&seconds), "the next call is possible in an hour: {seconds}");
    });
}

#[test]
fn a_rate_lets_calls_in_again_after_retry_after_and_not_one_too_many() {
    together(async |platform| {
        // A unit takes long enough for six calls on a slow machine.
        let market = platform.market(json!({ "rate": { "calls": 1, "per_seconds": 15, "burst": 2 } })).await;
        // One after another: of two at once the earlier may come to the limiter second, and is then measured at its own time.
        for _ in 0..2 {
            assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        }
        let counts = tally(&platform.send_all((0..4).map(|_| market.call("/forecast/oslo"))).await);
        assert_eq!(counts.get("429 rate-limited"), Some(&4), "{counts:?}");
        let refused = market.pass(platform, "/forecast/oslo").await;
        assert_eq!(problem(&refused), "rate-limited");
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((1..=15).contains(&seconds), "one unit takes fifteen seconds: {seconds}");
        // The clock itself is what is tested here.
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        assert_eq!(problem(&market.pass(platform, "/forecast/oslo").await), "rate-limited");
    });
}

#[test]
fn calls_beyond_a_soft_quota_are_admitted_and_charged() {
    together(async |platform| {
        let market = platform
            .market(json!({ "currency": "USD", "monthly_price": "0", "included_calls": 2, "price_per_call": "1.50", "quota": { "calls": 3, "period": "day", "kind": "soft" } }))
            .await;
        let answers = platform.send_all((0..5).map(|_| market.call("/forecast/oslo"))).await;
        assert_eq!(tally(&answers).get("200"), Some(&5));
        let bill = market.bill(platform).await;
        assert_eq!(bill["total"], "4.50", "{bill}");
    });
}

#[test]
fn an_operation_weighs_what_its_plan_says() {
    together(async |platform| {
        let market = platform
            .market(json!({ "quota": { "calls": 12, "period": "month", "kind": "hard" }, "weights": { "echo": 5 } }))
            .await;
        for (path, status) in [
            ("/echo", 200),
            ("/echo", 200),
            ("/echo", 429),
            ("/forecast/oslo", 200),
            ("/forecast/oslo", 200),
            ("/forecast/oslo", 429),
        ] {
            assert_eq!(market.pass(platform, path).await.status, status, "{path}");
        }
        let usage = market.usage(platform).await;
        assert_eq!((&usage["admitted"], &usage["units"]), (&json!(4), &json!(12)), "{usage}");
    });
}

#[test]
fn a_call_that_the_upstream_failed_is_given_back_once() {
    together(async |platform| {
        let market = platform.market(json!({ "quota": { "calls": 2, "period": "month", "kind": "hard" } })).await;
        for (path, status, kind) in [
            ("/failures/503", 503, ""),
            ("/failures/500", 500, ""),
            ("/drop", 502, "upstream-failed"),
            ("/failures/404", 404, ""),
            ("/slow?delay_ms=8000", 504, "upstream-timeout"),
        ] {
            let answer = market.pass(platform, path).await;
            assert_eq!(
                (answer.status.as_u16(), problem(&answer).as_str()),
                (status, kind),
                "{path}: {}",
                answer.refused()
            );
        }
        // The 404 was an answer of the upstream's, so one is used up.
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        assert_eq!(problem(&market.pass(platform, "/forecast/oslo").await), "quota-exceeded");
        let usage = market.usage(platform).await;
        assert_eq!(
            (&usage["admitted"], &usage["failed"], &usage["units"]),
            (&json!(6), &json!(4), &json!(2)),
            "{usage}"
        );
    });
}

#[test]
fn many_failures_at_once_leave_the_quota_whole() {
    together(async |platform| {
        let market = platform.market(json!({ "quota": { "calls": 40, "period": "month", "kind": "hard" } })).await;
        let answers = platform.send_all((0..40).map(|_| market.call("/failures/503"))).await;
        assert_eq!(tally(&answers).get("503"), Some(&40), "{:?}", tally(&answers));
        let answers = platform.send_all((0..50).map(|_| market.call("/forecast/oslo"))).await;
        assert_eq!(tally(&answers).get("200"), Some(&40), "{:?}", tally(&answers));
        let usage = market.usage(platform).await;
        assert_eq!(
            (&usage["admitted"], &usage["failed"], &usage["units"]),
            (&json!(80), &json!(40), &json!(40)),
            "{usage}"
        );
    });
}
