//! The same thing again: updates from a stale reading, creations that are repeated.

use std::collections::BTreeSet;

use http::Method;
use journeys::{Call, Key, together};
use serde_json::{Value, json};

use crate::{bad_input::check, problem};

#[test]
fn an_update_names_the_revision_that_it_was_made_from() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let (seller, buyer) = (market.provider.token.as_str(), market.consumer.token.as_str());
        for (token, path) in [
            (seller, "/v1/accounts/organization".to_owned()),
            (seller, "/v1/catalog/apis/weather".to_owned()),
            (seller, "/v1/products/weather".to_owned()),
            (buyer, format!("/v1/subscriptions/apps/{}", market.app)),
            (buyer, format!("/v1/keys/{}", market.key.id)),
        ] {
            let patch = |name: &str| Call::new(Method::PATCH, &path).bearer(token).json(&json!({ "name": name }));
            check(&path, &platform.send(patch("A")).await, 428, "precondition-required", "/header/if-match");
            let read = platform.send(Call::get(&path).bearer(token)).await;
            let tag = read.header("etag").to_owned();
            assert!(tag.starts_with('"'), "{path}: {:?}", read.headers);
            let changed = platform.send(patch("B").header("if-match", &tag)).await;
            assert_eq!(changed.status, 200, "{path}: {}", changed.refused());
            assert_ne!(changed.header("etag"), tag, "{path}");
            for stale in [tag.as_str(), "\"999\"", "nonsense"] {
                let answer = platform.send(patch("C").header("if-match", stale)).await;
                assert_eq!(
                    (answer.status.as_u16(), problem(&answer).as_str()),
                    (412, "precondition-failed"),
                    "{path} {stale}: {}",
                    answer.refused()
                );
            }
            assert_eq!(platform.get(token, &path).await["name"], "B", "{path}: a refused change was made");
        }
    });
}

#[test]
fn a_repeated_creation_gets_the_same_answer_and_another_one_is_a_conflict() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let (seller, buyer) = (market.provider.token.as_str(), market.consumer.token.as_str());
        let slug = platform.name("daughter");
        for (token, path, body, other) in [
            (
                seller,
                "/v1/accounts/members",
                json!({ "email": "x@example.com", "name": "X", "role": "viewer" }),
                json!({ "email": "y@example.com", "name": "Y", "role": "viewer" }),
            ),
            (
                seller,
                "/v1/accounts/tokens",
                json!({ "name": "T", "role": "viewer" }),
                json!({ "name": "U", "role": "viewer" }),
            ),
            (
                seller,
                "/v1/accounts/organizations",
                json!({ "slug": slug, "name": "D" }),
                json!({ "slug": format!("{slug}-2"), "name": "D" }),
            ),
            (
                seller,
                "/v1/catalog/services",
                json!({ "slug": "s", "name": "S", "owner": "t", "domain": "d" }),
                json!({ "slug": "z", "name": "S", "owner": "t", "domain": "d" }),
            ),
            (
                seller,
                "/v1/catalog/apis",
                json!({ "slug": "again", "name": "A" }),
                json!({ "slug": "other", "name": "A" }),
            ),
            (
                seller,
                "/v1/products",
                json!({ "slug": "again", "name": "A", "apis": ["weather"] }),
                json!({ "slug": "other", "name": "A", "apis": ["weather"] }),
            ),
            (
                seller,
                "/v1/products/weather/plans",
                json!({ "slug": "again", "name": "A" }),
                json!({ "slug": "other", "name": "A" }),
            ),
            (buyer, "/v1/subscriptions/apps", json!({ "name": "Again" }), json!({ "name": "Other" })),
            (
                buyer,
                "/v1/subscriptions",
                json!({ "app": market.app, "product": format!("{}/weather", market.provider.slug), "plan": "standard" }),
                json!({ "app": market.app, "product": format!("{}/weather", market.provider.slug), "plan": "again" }),
            ),
            (
                buyer,
                "/v1/keys",
                json!({ "subscription": market.subscription, "name": "again" }),
                json!({ "subscription": market.subscription, "name": "other" }),
            ),
        ] {
            let name = format!("the key of {path}");
            let send = |body: &Value| {
                platform.send(Call::post(path).bearer(token).header("idempotency-key", &name).json(body))
            };
            let first = send(&body).await;
            assert_eq!(first.status, 201, "{path}: {}", first.refused());
            let second = send(&body).await;
            assert_eq!(
                (second.status.as_u16(), second.header("idempotency-replayed")),
                (201, "true"),
                "{path}: {}",
                second.refused()
            );
            let (mut first, mut second) = (first.json().unwrap(), second.json().unwrap());
            // A secret is in the first answer only.
            for (place, shows) in [(&mut first, true), (&mut second, false)] {
                let holder = if place["token"].is_object() { &mut place["token"] } else { place };
                let secret = holder.as_object_mut().unwrap().remove("secret");
                let shown = holder.as_object_mut().unwrap().remove("secret_shown");
                let expected = ["/v1/accounts/tokens", "/v1/accounts/organizations", "/v1/keys"].contains(&path);
                assert_eq!(
                    (secret.is_some(), shown),
                    if expected { (shows, (!shows).then_some(json!(true))) } else { (false, None) },
                    "{path}"
                );
            }
            assert_eq!(first, second, "{path}");
            let conflict = send(&other).await;
            assert_eq!(
                (conflict.status.as_u16(), problem(&conflict).as_str()),
                (409, "idempotency-conflict"),
                "{path}: {}",
                conflict.refused()
            );
            // The same key of another organization is another key.
            if path == "/v1/catalog/apis" {
                let elsewhere =
                    platform.send(Call::post(path).bearer(buyer).header("idempotency-key", &name).json(&other)).await;
                assert_eq!(elsewhere.status, 201, "{}", elsewhere.refused());
            }
            let wrong = platform
                .send(Call::post(path).bearer(token).header("idempotency-key", &"k".repeat(256)).json(&other))
                .await;
            check(path, &wrong, 400, "invalid-header", "/header/idempotency-key");
        }
    });
}

#[test]
fn five_creations_at_once_with_one_idempotency_key_make_one_thing() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let call = || {
            let wish = json!({ "subscription": market.subscription, "name": "at once" });
            Call::post("/v1/keys").bearer(&market.consumer.token).header("idempotency-key", "at once").json(&wish)
        };
        let answers = platform.send_all((0..5).map(|_| call())).await;
        let ids: BTreeSet<String> =
            answers.iter().map(|answer| answer.success().unwrap()["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 1, "{ids:?}");
        let secrets: Vec<Value> =
            answers.iter().map(|answer| answer.json().unwrap()).filter(|key| key["secret"].is_string()).collect();
        assert_eq!(secrets.len(), 1, "the secret is shown once");
        assert_eq!(platform.send(market.call_with(&Key::of(&secrets[0]), "/forecast/oslo")).await.status, 200);
    });
}
