//! What the door lets through, and what it keeps to itself.

use http::Method;
use journeys::{Call, Key, Offer, Upstream, together};
use serde_json::{Value, json};

use crate::problem;

#[test]
fn the_upstream_gets_the_call_and_never_the_key() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let path = market.address("weather", "/echo?a=1&b=%C3%A4%20%2B");
        let bearer = Call::new(Method::PUT, &path)
            .bearer(&market.key.secret)
            .header("x-custom", "kept")
            .header("proxy-authorization", "Basic Zm9v")
            .header("te", "trailers")
            .header("accept-encoding", "identity")
            .body("application/json", "{\"näme\": 1}");
        let answer = platform.send(bearer).await;
        assert_eq!(answer.status, 200, "{}", answer.refused());
        let echo = answer.json().unwrap();
        assert_eq!(
            (&echo["method"], &echo["path"], &echo["body"]),
            (&json!("PUT"), &json!("/echo"), &json!("{\"näme\": 1}"))
        );
        assert_eq!(echo["query"], "a=1&b=%C3%A4%20%2B", "the query as it was sent");
        assert_eq!(echo["headers"]["x-custom"], json!(["kept"]));
        assert_eq!(echo["headers"]["content-type"], json!(["application/json"]));
        assert!(echo["headers"]["via"][0].as_str().is_some_and(|via| via.contains("127.0.0.1:")), "{echo}");
        for gone in ["proxy-authorization", "te", "connection", "authorization"] {
            assert_eq!(echo["headers"][gone], Value::Null, "{gone}: {echo}");
        }
        assert!(!echo.to_string().contains(&market.key.secret), "the key reached the upstream");

        // With the key in a header of its own, `Authorization` is the upstream's.
        let own = Call::get(market.address("weather", "/echo"))
            .header("x-api-key", &market.key.secret)
            .header("authorization", "Basic Zm9vOmJhcg==");
        let echo = platform.expect(own, 200).await;
        assert_eq!(echo["headers"]["authorization"], json!(["Basic Zm9vOmJhcg=="]));
        assert_eq!(echo["headers"]["x-api-key"], Value::Null);
        // A key in both places is taken out of both.
        let both = Call::get(market.address("weather", "/echo"))
            .header("x-api-key", &market.key.secret)
            .bearer(&market.key.secret);
        assert!(!platform.expect(both, 200).await.to_string().contains(&market.key.secret));
    });
}

#[test]
fn bytes_that_are_no_text_pass_unchanged() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let call = Call::new(Method::POST, market.address("weather", "/echo"))
            .bearer(&market.key.secret)
            .body("application/octet-stream", bytes.clone());
        assert_eq!(platform.expect(call, 200).await["body_bytes"], bytes.len());
    });
}

#[test]
fn who_has_no_key_of_this_product_does_not_get_in() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let other = platform.market(json!({})).await;
        let path = market.address("weather", "/forecast/oslo");
        let secret = &market.key.secret;
        // The last character is a part of the checksum.
        let (body, last) = secret.split_at(secret.len() - 1);
        let mistyped = format!("{body}{}", if last == "a" { "b" } else { "a" });
        for (call, status, kind) in [
            (Call::get(&path), 401, "key-missing"),
            (Call::get(&path).bearer(&mistyped), 401, "key-invalid"),
            (Call::get(&path).bearer("dw_abc"), 401, "key-invalid"),
            (Call::get(&path).bearer(&market.consumer.token), 401, "key-invalid"),
            (Call::get(&path).bearer(&other.key.secret), 404, "not-found"),
            (Call::get(market.address("weather", "/nothing")).bearer(secret), 404, "not-found"),
            (Call::get(market.address("other-api", "/forecast/oslo")).bearer(secret), 404, "not-found"),
            (Call::get("/call/nobody/weather/forecast/oslo").bearer(secret), 404, "not-found"),
            (
                Call::new(Method::DELETE, market.address("weather", "/stations")).bearer(secret),
                405,
                "method-not-allowed",
            ),
        ] {
            let what = format!("{call:?}");
            let answer = platform.send(call).await;
            assert_eq!(
                (answer.status.as_u16(), problem(&answer).as_str()),
                (status, kind),
                "{what}: {}",
                answer.refused()
            );
        }
        assert_eq!((market.upstream.calls(), other.upstream.calls()), (0, 0));
        let usage = market.usage(platform).await;
        assert_eq!((&usage["admitted"], &usage["units"]), (&json!(0), &json!(0)), "{usage}");
    });
}

#[test]
fn private_addresses_are_not_reached_whatever_the_provider_says() {
    together(async |platform| {
        let apis = vec![
            ("metadata", Upstream::At("http://169.254.169.254/".to_owned())),
            ("ten", Upstream::At("http://10.1.2.3/".to_owned())),
            ("home", Upstream::At("https://192.168.0.1/".to_owned())),
            ("private", Upstream::At("http://127.0.0.2:9/".to_owned())),
            ("carrier", Upstream::At("http://100.64.0.1:8080/".to_owned())),
        ];
        let market = platform.market_of(Offer { apis: apis.clone(), visibility: "public", terms: json!({}) }).await;
        for (slug, _) in &apis {
            let answer =
                platform.send(Call::get(market.address(slug, "/forecast/oslo")).bearer(&market.key.secret)).await;
            assert_eq!(
                (answer.status.as_u16(), problem(&answer).as_str()),
                (502, "upstream-forbidden"),
                "{slug}: {}",
                answer.refused()
            );
        }
        let usage = market.usage(platform).await;
        assert_eq!(
            (&usage["admitted"], &usage["failed"], &usage["units"]),
            (&json!(5), &json!(5), &json!(0)),
            "{usage}"
        );
    });
}

#[test]
fn ones_own_private_api_is_called_with_a_subscription_too() {
    together(async |platform| {
        let upstream = weather::Weather::start(0).await.unwrap();
        let own = platform.found("solo").await;
        platform.describe(&own, "inside", "private", Some(&upstream.url())).await;
        // The operator allowed this address to private APIs; nobody listens there.
        platform.describe(&own, "private", "private", Some("http://127.0.0.2:9")).await;
        platform
            .post(
                &own.token,
                "/v1/products",
                &json!({ "slug": "weather", "name": "Inside", "visibility": "private", "apis": ["inside", "private"] }),
            )
            .await;
        platform.plan(&own, "standard", &json!({})).await;
        let app = platform.post(&own.token, "/v1/subscriptions/apps", &json!({ "name": "Ours" })).await;
        let wish = json!({ "app": app["id"], "product": "weather", "plan": "standard" });
        let subscription = platform.post(&own.token, "/v1/subscriptions", &wish).await;
        let key: Key = platform.key(&own, subscription["id"].as_str().unwrap()).await;
        let answer =
            platform.send(Call::get(format!("/call/{}/inside/forecast/oslo", own.slug)).bearer(&key.secret)).await;
        assert_eq!(answer.status, 200, "{}", answer.refused());
        assert_eq!(upstream.calls(), 1);
        let answer =
            platform.send(Call::get(format!("/call/{}/private/forecast/oslo", own.slug)).bearer(&key.secret)).await;
        assert_eq!(
            (answer.status.as_u16(), problem(&answer).as_str()),
            (502, "upstream-failed"),
            "{}",
            answer.refused()
        );
    });
}

#[test]
fn a_call_that_came_through_the_door_before_is_refused() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let host = platform.cloud().url().trim_start_matches("http://");
        let answer = platform.send(market.call("/echo").header("via", &format!("1.1 cache, 1.1 {host}"))).await;
        assert_eq!((answer.status.as_u16(), problem(&answer).as_str()), (508, "loop-detected"), "{}", answer.refused());
        assert_eq!(market.upstream.calls(), 0);
    });
}
