//! Checks of proposed versions over the whole system: who is named, who may publish, who is told, and the gate in CI.

mod gate;
mod publishing;
mod told;

use std::time::Duration;

use journeys::{Answer, Call, Consumer, Market, Organization, Platform, Settings, alone, together};
use serde_json::{Value, json};
use shared::time::Time;

/// The weather's document without the city of a forecast, which `getForecast` answers and no other operation.
pub(crate) fn without_city() -> String {
    changed(
        "      required: [city, units, days]\n      properties:\n        city: { type: string }\n",
        "      required: [units, days]\n      properties:\n",
    )
}

/// The weather's document with one more operation: nobody breaks.
pub(crate) fn with_more(name: &str) -> String {
    let operation = format!(
        "paths:\n  /{name}:\n    get:\n      operationId: {name}\n      responses:\n        \"204\": {{ description: Nothing. }}\n"
    );
    changed("paths:\n", &operation)
}

fn changed(from: &str, to: &str) -> String {
    assert_eq!(weather::DOCUMENT.matches(from).count(), 1, "{from} is not in the weather's document, or not alone");
    weather::DOCUMENT.replacen(from, to, 1)
}

/// So many days ahead.
pub(crate) fn ahead(platform: &Platform, days: i64) -> Time {
    Time::from_ms(platform.cloud().clock().now_ms()).plus_ms(days * 24 * 3_600_000)
}

/// Has a document checked as a version of the API `weather`. `more` goes behind the query.
pub(crate) async fn check(
    platform: &Platform,
    provider: &Organization,
    version: &str,
    more: &str,
    document: &str,
) -> Answer {
    let path = format!("/v1/contracts/checks?api=weather&version={version}{more}");
    let call = Call::post(path).bearer(&provider.token).body("application/yaml", document.to_owned());
    platform.send(call).await
}

/// The report of a check that is answered so.
async fn report(platform: &Platform, provider: &Organization, version: &str, document: &str, status: u16) -> Value {
    let answer = check(platform, provider, version, "", document).await;
    assert_eq!(answer.status.as_u16(), status, "{}", answer.refused());
    answer.json().unwrap()
}

/// Uploads a document as a version of the API `weather`.
pub(crate) async fn upload(platform: &Platform, provider: &Organization, version: &str, document: &str) {
    let call = Call::post(format!("/v1/catalog/apis/weather/versions?version={version}"))
        .bearer(&provider.token)
        .body("application/yaml", document.to_owned());
    platform.expect(call, 201).await;
}

/// Publishes a version, once everything has been told of its check.
pub(crate) async fn publish(platform: &Platform, provider: &Organization, version: &str) -> Answer {
    platform.settled().await;
    let path = format!("/v1/catalog/apis/weather/versions/{version}/publish");
    let answer = platform.send(Call::post(path).bearer(&provider.token)).await;
    platform.settled().await;
    answer
}

/// Calls a path of the weather so often.
async fn call(platform: &Platform, market: &Market, consumer: &Consumer, path: &str, times: usize) {
    for _ in 0..times {
        let answer = platform.send(market.call_with(&consumer.key, path)).await;
        assert_eq!(answer.status, 200, "{}", answer.refused());
    }
}

/// A market with three consumers: 3 calls of `getForecast`, 2 of it, and 4 of `listStations`.
async fn market(platform: &Platform) -> (Market, [Consumer; 3]) {
    let market = platform.market(json!({})).await;
    let callers = [market.first(), platform.join(&market, "bolt").await, platform.join(&market, "cargo").await];
    for (caller, path, times) in
        [(&callers[0], "/forecast/oslo", 3), (&callers[1], "/forecast/bergen", 2), (&callers[2], "/stations", 4)]
    {
        call(platform, &market, caller, path, times).await;
    }
    platform.settled().await;
    (market, callers)
}

/// The only breaking finding of a report.
fn broken(report: &Value) -> &Value {
    let findings = report["findings"].as_array().unwrap_or_else(|| panic!("no findings in {report}"));
    let breaking: Vec<&Value> = findings.iter().filter(|finding| finding["severity"] == "breaking").collect();
    assert_eq!(breaking.len(), 1, "{report:#}");
    breaking[0]
}

/// The callers of a finding: organization and calls.
fn callers(finding: &Value) -> Vec<(&str, u64)> {
    let callers = finding["callers"].as_array().unwrap_or_else(|| panic!("no callers in {finding}"));
    callers.iter().map(|one| (one["organization"].as_str().unwrap(), one["calls"].as_u64().unwrap())).collect()
}

/// Lets the only breaking finding of a report pass.
async fn approve(platform: &Platform, provider: &Organization, report: &Value) {
    let approval =
        json!({ "fingerprint": broken(report)["fingerprint"], "reason": "They know", "until": ahead(platform, 1) });
    platform.post(&provider.token, "/v1/contracts/apis/weather/approvals", &approval).await;
}

/// Days pass, and the door closes what it had counted.
async fn days_pass(platform: &Platform, days: u64) {
    platform.settled().await;
    platform.cloud().clock().advance(Duration::from_hours(24 * days));
    platform.cloud().events().fire("Gateway").await.unwrap();
    platform.settled().await;
}

#[test]
fn of_three_callers_the_two_who_use_what_is_removed_are_named_with_their_counts_and_the_third_is_not() {
    together(async |platform| {
        let (market, consumers) = market(platform).await;
        let provider = &market.provider;
        let report = report(platform, provider, "2.0.0", &without_city(), 409).await;
        assert_eq!(
            (&report["verdict"], &report["passed"], &report["may_publish"], &report["complete"]),
            (&json!("breaking-affecting"), &json!(false), &json!(false), &json!(true)),
            "{report:#}"
        );
        assert_eq!(report["reasons"].as_array().unwrap().len(), 1, "{report:#}");
        assert_eq!(report["reasons"][0]["code"], "affecting", "{report:#}");
        let finding = broken(&report);
        assert_eq!(
            (&finding["rule"], &finding["effect"], &finding["reached"]),
            (&json!("response-field-removed"), &json!("affecting"), &json!(["getForecast"])),
            "{finding:#}"
        );
        assert_eq!(
            callers(finding),
            [(consumers[0].organization.slug.as_str(), 3), (consumers[1].organization.slug.as_str(), 2)]
        );
        assert_eq!((&finding["callers_total"], &finding["calls_total"]), (&json!(2), &json!(5)), "{finding:#}");
        for (caller, consumer) in finding["callers"].as_array().unwrap().iter().zip(&consumers) {
            assert_eq!(
                (&caller["app"], &caller["subscription"], &caller["key"], &caller["app_name"]),
                (&json!(consumer.app), &json!(consumer.subscription), &json!(consumer.key.id), &json!("Trip planner"))
            );
            assert_eq!(caller["service"], Value::Null, "which service a caller is, is its own affair");
        }
        assert!(!report.to_string().contains(&consumers[2].organization.slug), "{report:#}");

        // What was answered is kept, in every form.
        let id = report["id"].as_str().unwrap();
        let path = format!("/v1/contracts/checks/{id}");
        assert_eq!(platform.get(&provider.token, &path).await, report);
        let text = platform.send(Call::get(&path).bearer(&provider.token).header("accept", "text/plain")).await;
        let text = String::from_utf8(text.body.to_vec()).unwrap();
        assert!(text.starts_with("failed, breaking-affecting: "), "{text}");
        for (consumer, calls) in consumers.iter().zip([3, 2]) {
            let named = format!("Trip planner of {} ({calls} calls, last ", consumer.organization.slug);
            assert!(text.contains(&named), "{text}");
        }
        let list = platform.get(&provider.token, "/v1/contracts/checks?api=weather").await;
        assert_eq!((&list["items"][0]["id"], &list["items"][0]["state"]), (&json!(id), &json!("failed")), "{list}");
        // Nobody of them is told of what was not published, and nobody else may read it.
        for consumer in &consumers {
            let token = &consumer.organization.token;
            assert_eq!(platform.send(Call::get(&path).bearer(token)).await.status, 404);
            assert_eq!(platform.get(token, "/v1/contracts/notices").await["items"], json!([]));
        }
    });
}

#[test]
fn a_check_fails_from_where_it_is_asked_to_and_one_that_breaks_nobody_passes() {
    together(async |platform| {
        let (market, _) = market(platform).await;
        let provider = &market.provider;
        let passed = report(platform, provider, "2.0.0", &with_more("snow"), 200).await;
        assert_eq!(
            (&passed["verdict"], &passed["passed"], &passed["may_publish"]),
            (&json!("compatible"), &json!(true), &json!(true)),
            "{passed:#}"
        );
        let same = report(platform, provider, "2.0.0", &format!("# Said otherwise.\n{}", weather::DOCUMENT), 200).await;
        assert_eq!(same["verdict"], "identical", "{same:#}");
        // Nobody calls what is gone.
        let unused = weather::DOCUMENT.replacen("/stations/{station}:", "/places/{station}:", 1);
        for (more, status) in
            [("", 200), ("&fail_on=affecting", 200), ("&fail_on=breaking", 409), ("&fail_on=none", 200)]
        {
            let answer = check(platform, provider, "2.0.0", more, &unused).await;
            assert_eq!(answer.status.as_u16(), status, "{more}: {}", answer.refused());
            assert_eq!(answer.json().unwrap()["verdict"], "breaking-unused", "{}", answer.refused());
        }
        // For information alone: it passes, and nothing may be published with it.
        let answer = check(platform, provider, "2.0.0", "&fail_on=none", &without_city()).await;
        assert_eq!(answer.status, 200, "{}", answer.refused());
        let report = answer.json().unwrap();
        assert_eq!(
            (&report["verdict"], &report["passed"], &report["may_publish"]),
            (&json!("breaking-affecting"), &json!(true), &json!(false)),
            "{report:#}"
        );
        upload(platform, provider, "2.0.0", &without_city()).await;
        let refused = publish(platform, provider, "2.0.0").await;
        assert_eq!((refused.status.as_u16(), crate::problem(&refused).as_str()), (409, "check-failed"));
    });
}

#[test]
fn a_private_apis_caller_is_named_by_the_service_that_calls_through_the_door_with_its_own_key() {
    together(async |platform| {
        let upstream = weather::Weather::start(0).await.unwrap();
        let own = platform.found("solo").await;
        platform.describe(&own, "weather", "private", Some(&upstream.url())).await;
        let product = json!({ "slug": "weather", "name": "Inside", "visibility": "private", "apis": ["weather"] });
        platform.post(&own.token, "/v1/products", &product).await;
        platform.plan(&own, "standard", &json!({})).await;
        let mut keys = Vec::new();
        for service in ["reports", "billing-run"] {
            let wish = json!({ "slug": service, "name": service, "owner": "team", "domain": "inside" });
            platform.post(&own.token, "/v1/catalog/services", &wish).await;
            keys.push(platform.subscribe(&own, &own, Some(service)).await.key);
        }
        for (key, path, times) in [(&keys[0], "/forecast/oslo", 2), (&keys[1], "/stations", 3)] {
            for _ in 0..times {
                let call = Call::get(format!("/call/{}/weather{path}", own.slug)).bearer(&key.secret);
                assert_eq!(platform.send(call).await.status, 200);
            }
        }
        platform.settled().await;
        let failed = report(platform, &own, "2.0.0", &without_city(), 409).await;
        let finding = broken(&failed);
        assert_eq!(callers(finding), [(own.slug.as_str(), 2)], "{finding:#}");
        assert_eq!(finding["callers"][0]["service"], "reports", "{finding:#}");
        assert!(!failed.to_string().contains("billing-run"), "{failed:#}");
        let path = format!("/v1/contracts/checks/{}", failed["id"].as_str().unwrap());
        let text = platform.send(Call::get(path).bearer(&own.token).header("accept", "text/plain")).await;
        let text = String::from_utf8(text.body.to_vec()).unwrap();
        assert!(text.contains(&format!("Called by the service reports of {} (2 calls, last ", own.slug)), "{text}");
    });
}

#[test]
fn the_same_check_passes_when_its_callers_have_stopped_and_the_window_is_over_and_not_before() {
    alone(Settings::default(), async |platform| {
        let (market, consumers) = market(platform).await;
        let provider = &market.provider;
        upload(platform, provider, "2.0.0", &without_city()).await;
        report(platform, provider, "2.0.0", &without_city(), 409).await;
        days_pass(platform, 29).await;
        let failed = report(platform, provider, "2.0.0", &without_city(), 409).await;
        assert_eq!(failed["verdict"], "breaking-affecting", "{failed:#}");
        // The others go on.
        call(platform, &market, &consumers[2], "/stations", 1).await;
        days_pass(platform, 2).await;
        let passed = report(platform, provider, "2.0.0", &without_city(), 200).await;
        assert_eq!(
            (&passed["verdict"], &passed["complete"], &broken(&passed)["effect"], &broken(&passed)["callers_total"]),
            (&json!("breaking-unused"), &json!(true), &json!("unused"), &json!(0)),
            "{passed:#}"
        );
        let published = publish(platform, provider, "2.0.0").await;
        assert_eq!(published.status, 200, "{}", published.refused());
        // It concerns nobody's calls.
        for consumer in &consumers {
            let notices = platform.get(&consumer.organization.token, "/v1/contracts/notices").await;
            assert_eq!(notices["items"], json!([]));
        }
    });
}
