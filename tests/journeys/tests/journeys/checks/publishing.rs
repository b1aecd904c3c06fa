//! What is published, and with which check.

use http::Method;
use journeys::{Answer, Call, Organization, Platform, Settings, alone, together};
use serde_json::{Value, json};

use super::{approve, broken, check, market, publish, report, upload, with_more, without_city};
use crate::problem;

/// What a refusal says, and where it sends the reader.
fn refused(answer: &Answer, kind: &str, hint: &str) {
    assert_eq!((answer.status.as_u16(), problem(answer).as_str()), (409, kind), "{}", answer.refused());
    let json = answer.json().unwrap();
    assert!(json["detail"].as_str().unwrap().contains(hint), "{json}");
    assert_eq!(json["errors"][0]["pointer"], "/path/version", "{json}");
}

async fn policy(platform: &Platform, provider: &Organization, tag: &str, policy: &Value) -> Answer {
    let path = "/v1/contracts/apis/weather/policy";
    let answer =
        platform.send(Call::new(Method::PUT, path).bearer(&provider.token).header("if-match", tag).json(policy)).await;
    platform.settled().await;
    answer
}

/// Whether publishing needs a check, as the API says to all who may see it.
async fn mode(platform: &Platform, provider: &Organization) -> Value {
    platform.get(&provider.token, "/v1/catalog/apis/weather").await["check"].clone()
}

#[test]
fn another_document_is_published_after_a_check_that_it_passed_and_not_before() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let provider = &market.provider;
        let document = with_more("snow");
        upload(platform, provider, "2.0.0", &document).await;
        let hint = "`POST /v1/contracts/checks?api=weather&version=2.0.0`";
        refused(&publish(platform, provider, "2.0.0").await, "check-required", hint);
        // A check of another document is none.
        report(platform, provider, "2.0.0", &with_more("hail"), 200).await;
        refused(&publish(platform, provider, "2.0.0").await, "check-required", hint);
        report(platform, provider, "2.0.0", &document, 200).await;
        let published = publish(platform, provider, "2.0.0").await;
        assert_eq!(published.status, 200, "{}", published.refused());
        // The same again needs no check, and going back needs one.
        assert_eq!(publish(platform, provider, "2.0.0").await.status, 200);
        let hint = "`POST /v1/contracts/checks?api=weather&version=1.0.0`";
        refused(&publish(platform, provider, "1.0.0").await, "check-required", hint);
    });
}

#[test]
fn a_failed_check_is_named_where_publishing_is_refused_and_an_approval_of_its_finding_lets_it_pass() {
    together(async |platform| {
        let (market, _) = market(platform).await;
        let provider = &market.provider;
        upload(platform, provider, "2.0.0", &without_city()).await;
        let failed = report(platform, provider, "2.0.0", &without_city(), 409).await;
        let address = format!("/v1/contracts/checks/{}", failed["id"].as_str().unwrap());
        refused(&publish(platform, provider, "2.0.0").await, "check-failed", &address);
        approve(platform, provider, &failed).await;
        // An approval changes no check that was made before it.
        refused(&publish(platform, provider, "2.0.0").await, "check-failed", &address);
        let passed = report(platform, provider, "2.0.0", &without_city(), 200).await;
        assert_eq!(
            (&passed["verdict"], &broken(&passed)["effect"], &passed["approvals"][0]["reason"]),
            (&json!("dangerous"), &json!("approved"), &json!("They know")),
            "{passed:#}"
        );
        // It holds for this finding alone.
        let more =
            without_city().replacen("units: { $ref: \"#/components/schemas/Units\" }\n        days:", "days:", 1);
        assert_ne!(more, without_city());
        report(platform, provider, "2.0.0", &more, 409).await;
        let published = publish(platform, provider, "2.0.0").await;
        assert_eq!(published.status, 200, "{}", published.refused());
    });
}

#[test]
fn a_check_that_passed_counts_no_more_when_its_approval_has_ended() {
    alone(Settings::default(), async |platform| {
        let (market, _) = market(platform).await;
        let provider = &market.provider;
        upload(platform, provider, "2.0.0", &without_city()).await;
        let failed = report(platform, provider, "2.0.0", &without_city(), 409).await;
        approve(platform, provider, &failed).await;
        report(platform, provider, "2.0.0", &without_city(), 200).await;
        super::days_pass(platform, 2).await;
        refused(&publish(platform, provider, "2.0.0").await, "check-required", "because of an approval that ended");
        report(platform, provider, "2.0.0", &without_city(), 409).await;
    });
}

#[test]
fn a_check_against_a_version_that_was_replaced_meanwhile_publishes_nothing() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let provider = &market.provider;
        for (version, name) in [("2.0.0", "snow"), ("2.1.0", "hail")] {
            upload(platform, provider, version, &with_more(name)).await;
            report(platform, provider, version, &with_more(name), 200).await;
        }
        assert_eq!(publish(platform, provider, "2.1.0").await.status, 200);
        let hint = "`POST /v1/contracts/checks?api=weather&version=2.0.0`";
        refused(&publish(platform, provider, "2.0.0").await, "check-required", hint);
        // Against what is published now it takes an operation away, which nobody calls.
        let unused = report(platform, provider, "2.0.0", &with_more("snow"), 200).await;
        assert_eq!(unused["verdict"], "breaking-unused", "{unused:#}");
        assert_eq!(publish(platform, provider, "2.0.0").await.status, 200);
    });
}

#[test]
fn of_two_that_are_published_at_once_against_one_base_one_is_and_the_other_is_refused() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let provider = &market.provider;
        let versions = [("2.0.0", "snow"), ("2.1.0", "hail")];
        for (version, name) in versions {
            upload(platform, provider, version, &with_more(name)).await;
            report(platform, provider, version, &with_more(name), 200).await;
        }
        platform.settled().await;
        let calls = versions.map(|(version, _)| {
            Call::post(format!("/v1/catalog/apis/weather/versions/{version}/publish")).bearer(&provider.token)
        });
        let counts = crate::tally(&platform.send_all(calls).await);
        assert_eq!((counts.get("200"), counts.get("409 check-required")), (Some(&1), Some(&1)), "{counts:?}");
    });
}

#[test]
fn a_policy_that_is_off_lets_anything_be_published_and_everybody_sees_it() {
    together(async |platform| {
        let (market, _) = market(platform).await;
        let provider = &market.provider;
        upload(platform, provider, "2.0.0", &without_city()).await;
        assert_eq!(mode(platform, provider).await, "required");
        refused(&publish(platform, provider, "2.0.0").await, "check-required", "/v1/contracts/checks");
        assert_eq!(policy(platform, provider, "\"0\"", &json!({ "check": "off" })).await.status, 200);
        assert_eq!(mode(platform, provider).await, "off");
        let published = publish(platform, provider, "2.0.0").await;
        assert_eq!(published.status, 200, "{}", published.refused());
        // On again, and what it says binds: nobody asks for less.
        let strict = json!({ "check": "required", "fail_on": "breaking", "semver": true });
        assert_eq!(policy(platform, provider, "\"0\"", &strict).await.status, 412);
        assert_eq!(policy(platform, provider, "\"1\"", &strict).await.status, 200);
        assert_eq!(mode(platform, provider).await, "required");
        let unused = without_city().replacen("/stations/{station}:", "/places/{station}:", 1);
        upload(platform, provider, "2.1.0", &unused).await;
        let answer = check(platform, provider, "2.1.0", "&fail_on=none", &unused).await;
        assert_eq!(answer.status, 200, "{}", answer.refused());
        refused(&publish(platform, provider, "2.1.0").await, "check-failed", "/v1/contracts/checks/");
        let failed = report(platform, provider, "2.1.0", &unused, 409).await;
        let codes: Vec<&Value> = failed["reasons"].as_array().unwrap().iter().map(|reason| &reason["code"]).collect();
        assert_eq!(codes, ["breaking", "semver"], "{failed:#}");
        assert_eq!(failed["policy"]["revision"], 2, "{failed:#}");
    });
}
