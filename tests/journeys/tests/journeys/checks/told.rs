//! What consumers are told, and what they may see of it.

use std::time::Duration;

use journeys::{Call, Consumer, Market, Platform, Settings, alone, together};
use serde_json::{Value, json};

use super::{ahead, approve, broken, callers, market, publish, report, upload, without_city};

/// Publishes what breaks two of three callers, with an approval; answers the report of its check.
async fn publish_approved(platform: &Platform, market: &Market) -> Value {
    let provider = &market.provider;
    upload(platform, provider, "2.0.0", &without_city()).await;
    let failed = report(platform, provider, "2.0.0", &without_city(), 409).await;
    approve(platform, provider, &failed).await;
    let passed = report(platform, provider, "2.0.0", &without_city(), 200).await;
    let published = publish(platform, provider, "2.0.0").await;
    assert_eq!(published.status, 200, "{}", published.refused());
    passed
}

async fn notices(platform: &Platform, consumer: &Consumer) -> Vec<Value> {
    let page = platform.get(&consumer.organization.token, "/v1/contracts/notices").await;
    page["items"].as_array().unwrap_or_else(|| panic!("{page}")).clone()
}

/// How many notices of which kinds each of them has.
async fn kinds(platform: &Platform, consumers: &[Consumer]) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for consumer in consumers {
        let own = notices(platform, consumer).await;
        all.push(own.iter().map(|notice| notice["kind"].as_str().unwrap().to_owned()).collect());
    }
    all
}

#[test]
fn when_it_is_published_the_two_who_call_it_are_told_and_each_sees_itself_alone() {
    together(async |platform| {
        let (market, consumers) = market(platform).await;
        let stranger = platform.found("stranger").await;
        let passed = publish_approved(platform, &market).await;
        assert_eq!(callers(broken(&passed)).len(), 2, "the provider sees both: {passed:#}");
        let check = format!("/v1/contracts/checks/{}", passed["id"].as_str().unwrap());
        let slugs = consumers.each_ref().map(|consumer| consumer.organization.slug.clone());
        for (consumer, calls) in consumers.iter().zip([3_u64, 2]) {
            let own = notices(platform, consumer).await;
            assert_eq!(own.len(), 1, "{own:?}");
            let notice = &own[0];
            for (name, want) in [
                ("kind", "change"),
                ("version", "2.0.0"),
                ("subscription", consumer.subscription.as_str()),
                ("check", passed["id"].as_str().unwrap()),
            ] {
                assert_eq!(notice[name], want, "{name} of {notice}");
            }
            assert_eq!(
                (&notice["api"]["slug"], &notice["provider"]["slug"], &notice["sunset_at"]),
                (&json!("weather"), &json!(market.provider.slug), &Value::Null),
                "{notice}"
            );
            let seen = platform.get(&consumer.organization.token, &check).await;
            let findings = seen["findings"].as_array().unwrap();
            assert_eq!(findings.len(), 1, "{seen:#}");
            assert_eq!(callers(&findings[0]), [(consumer.organization.slug.as_str(), calls)], "{seen:#}");
            assert_eq!((&findings[0]["callers_total"], &findings[0]["calls_total"]), (&json!(1), &json!(calls)));
            // Who else calls, and how the provider decided, is nobody else's business, in no form.
            assert_eq!((&seen["approvals"], &seen["reasons"]), (&json!([]), &json!([])), "{seen:#}");
            for form in
                ["application/json", "text/plain", "text/markdown", "application/sarif+json", "application/junit+xml"]
            {
                let answer =
                    platform.send(Call::get(&check).bearer(&consumer.organization.token).header("accept", form)).await;
                assert_eq!(answer.status, 200, "{form}: {}", answer.refused());
                let text = String::from_utf8(answer.body.to_vec()).unwrap();
                let others = slugs.iter().filter(|slug| **slug != consumer.organization.slug);
                for foreign in others.map(String::as_str).chain(["They know", "fail_on\":\"breaking"]) {
                    assert!(!text.contains(foreign), "{form} shows {foreign}: {text}");
                }
            }
        }
        assert_eq!(notices(platform, &consumers[2]).await, Vec::<Value>::new());
        for token in [&consumers[2].organization.token, &stranger.token] {
            assert_eq!(platform.send(Call::get(&check).bearer(token)).await.status, 404);
        }
        // Told once, however often it is published.
        assert_eq!(publish(platform, &market.provider, "2.0.0").await.status, 200);
        assert_eq!(kinds(platform, &consumers).await, [vec!["change"], vec!["change"], vec![]]);
        // Of one API's checks another organization has no list.
        let list = format!("/v1/contracts/checks?api={}", market.api);
        assert_eq!(platform.send(Call::get(list).bearer(&consumers[0].organization.token)).await.status, 404);
    });
}

#[test]
fn a_version_that_is_going_to_end_is_said_at_the_door_and_to_every_live_subscription_once() {
    together(async |platform| {
        let (market, consumers) = market(platform).await;
        let provider = &market.provider;
        let old = platform.send(market.call("/observations")).await;
        assert_eq!(old.status, 200, "{}", old.refused());
        assert!(old.header("deprecation").starts_with('@'), "the document calls it deprecated: {:?}", old.headers);
        assert_eq!(market.pass(platform, "/stations").await.header("deprecation"), "");
        platform.settled().await;
        let sunsets = platform.get(&provider.token, "/v1/contracts/sunsets/weather").await;
        assert_eq!((&sunsets["version"], &sunsets["sunset_at"]), (&json!("1.0.0"), &Value::Null), "{sunsets}");
        let operations = sunsets["operations"].as_array().unwrap();
        assert_eq!(operations.len(), 1, "{sunsets}");
        assert_eq!(
            (&operations[0]["operation"], &operations[0]["calls"], &operations[0]["callers"]),
            (&json!("listObservations"), &json!(1), &json!(1)),
            "{sunsets}"
        );
        assert!(operations[0]["deprecated_since"].is_string(), "{sunsets}");

        // One of the three has left.
        let gone = format!("/v1/subscriptions/{}/cancel", consumers[1].subscription);
        platform.post(&consumers[1].organization.token, gone, &Value::Null).await;
        platform.settled().await;
        let deprecate = "/v1/catalog/apis/weather/versions/1.0.0/deprecate";
        let sunset_at = ahead(platform, 60);
        let deprecated = platform.post(&provider.token, deprecate, &json!({ "sunset_at": sunset_at })).await;
        platform.settled().await;
        // A process of the door looks for an API's news every ten seconds; a new one at once.
        platform.cloud().recycle("Gateway").await;
        let answer = market.pass(platform, "/stations").await;
        assert!(answer.header("deprecation").starts_with('@'), "{:?}", answer.headers);
        assert!(answer.header("sunset").ends_with("GMT"), "{:?}", answer.headers);
        assert_eq!(kinds(platform, &consumers).await, [vec!["deprecation"], vec![], vec!["deprecation"]]);
        let notice = &notices(platform, &consumers[0]).await[0];
        assert_eq!(
            (&notice["version"], &notice["sunset_at"], &notice["check"]),
            (&json!("1.0.0"), &deprecated["sunset_at"], &Value::Null),
            "{notice}"
        );

        platform.settled().await;
        let sunsets = platform.get(&provider.token, "/v1/contracts/sunsets/weather").await;
        assert_eq!(sunsets["sunset_at"], deprecated["sunset_at"], "{sunsets}");
        let found = |id: &str| {
            let operations = sunsets["operations"].as_array().unwrap();
            operations
                .iter()
                .find(|one| one["operation"] == id)
                .unwrap_or_else(|| panic!("no {id} in {sunsets}"))
                .clone()
        };
        for (id, calls, callers) in
            [("getForecast", 5, 2), ("listStations", 6, 2), ("listObservations", 1, 1), ("getStation", 0, 0)]
        {
            let operation = found(id);
            assert_eq!((&operation["calls"], &operation["callers"]), (&json!(calls), &json!(callers)), "{operation}");
            let days = operation["days"].as_array().unwrap();
            assert_eq!(days.iter().map(|day| day["calls"].as_u64().unwrap()).sum::<u64>(), calls, "{operation}");
        }
        // And when it has ended, that.
        platform.post(&provider.token, "/v1/catalog/apis/weather/versions/1.0.0/retire", &Value::Null).await;
        platform.settled().await;
        let both = vec!["sunset".to_owned(), "deprecation".to_owned()];
        assert_eq!(kinds(platform, &consumers).await, [both.clone(), vec![], both]);
    });
}

#[test]
fn events_twice_shuffled_late_and_replayed_change_no_check_and_tell_nobody_twice() {
    alone(Settings { instances_max: 4, ..Settings::default() }, async |platform| {
        let misbehave = |seed| {
            let faults = platform.faults();
            faults.duplicate_events(true);
            faults.shuffle_events(Some(seed));
            faults.delay_events(Duration::from_millis(300));
            faults.redelivery(Some(Duration::from_millis(100)));
        };
        misbehave(3);
        let (market, consumers) = market(platform).await;
        let passed = publish_approved(platform, &market).await;
        assert_eq!(
            callers(broken(&passed)),
            [(consumers[0].organization.slug.as_str(), 3), (consumers[1].organization.slug.as_str(), 2)]
        );
        let deprecate = "/v1/catalog/apis/weather/versions/2.0.0/deprecate";
        let until = json!({ "sunset_at": ahead(platform, 60) });
        platform.post(&market.provider.token, deprecate, &until).await;
        platform.settled().await;
        let want = [vec!["deprecation", "change"], vec!["deprecation", "change"], vec!["deprecation"]];
        assert_eq!(kinds(platform, &consumers).await, want);
        let mut before = Vec::new();
        for consumer in &consumers {
            before.push(notices(platform, consumer).await);
        }
        for seed in [11, 12] {
            misbehave(seed);
            assert!(platform.cloud().events().replay("BusArchive").unwrap() > 0);
            platform.settled().await;
        }
        platform.faults().clear();
        for (consumer, before) in consumers.iter().zip(before) {
            assert_eq!(notices(platform, consumer).await, before);
        }
        let path = format!("/v1/contracts/checks/{}", passed["id"].as_str().unwrap());
        assert_eq!(platform.get(&market.provider.token, path).await, passed);
    });
}
