//! What the door does to calls on their way, over the real processes: limits, headers, retries, the breaker, credentials.

use http::Method;
use journeys::{Answer, Call, Market, Offer, Platform, Settings, Upstream, alone, together};
use serde_json::{Value, json};

use crate::{problem, tally};

/// The weather, whose upstream is at another address.
fn at(url: String) -> Offer {
    Offer { apis: vec![("weather", Upstream::At(url))], visibility: "public", terms: json!({}) }
}

/// The address of a port that nobody listens at.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn credentials(platform: &Platform, market: &Market, body: &Value) -> Answer {
    let call = Call::new(Method::PUT, "/v1/gateway/apis/weather/credentials");
    platform.send(call.bearer(&market.provider.token).json(body)).await
}

#[test]
fn what_is_too_large_is_refused_by_a_problem_as_long_as_it_reaches_the_door() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let post = |bytes: usize| {
            let call = Call::new(Method::POST, market.address("weather", "/echo")).bearer(&market.key.secret);
            platform.send(call.body("application/octet-stream", vec![0xff; bytes]))
        };
        let refused = post(4_400_001).await;
        assert_eq!((refused.status.as_u16(), problem(&refused).as_str()), (413, "too-large"), "{}", refused.refused());
        assert_eq!(market.upstream.calls(), 0);
        // It arrives, and is more than this upstream takes, which may hang up before it has heard all of it.
        let answer = post(4_400_000).await;
        let failed = match (answer.status.as_u16(), problem(&answer).as_str()) {
            (413, "") => 0,
            (502, "upstream-failed") => 1,
            _ => panic!("{}", answer.refused()),
        };
        assert_eq!(market.upstream.calls(), 1);
        // Beyond Lambda's 6 MB the door never sees it.
        let beyond = post(4_800_000).await;
        assert_eq!(
            (beyond.status.as_u16(), beyond.json().unwrap()),
            (413, json!({ "message": "Request Entity Too Large" }))
        );
        let usage = market.usage(platform).await;
        assert_eq!(
            (&usage["admitted"], &usage["failed"], &usage["units"]),
            (&json!(1), &json!(failed), &json!(1 - failed)),
            "{usage}"
        );
    });
}

#[test]
fn the_caller_says_neither_where_a_call_came_from_nor_who_it_is() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let path = market.address("weather", &format!("/echo?a=1&key={}", market.key.secret));
        let call = Call::get(path)
            .bearer(&market.key.secret)
            .header("traceparent", trace)
            .header("tracestate", "congo=t61rcWkgMzE")
            .header("x-forwarded-for", "10.0.0.1")
            .header("x-forwarded-host", "evil.example")
            .header("forwarded", "for=10.0.0.1")
            .header("x-copy", &market.key.secret);
        let answer = platform.send(call).await;
        assert_eq!(answer.status, 200, "{}", answer.refused());
        let echo = answer.json().unwrap();
        assert_eq!(echo["query"], "a=1");
        let host = platform.cloud().url().trim_start_matches("http://");
        for (name, value) in [
            ("traceparent", json!([trace])),
            ("tracestate", json!(["congo=t61rcWkgMzE"])),
            ("x-forwarded-for", json!(["127.0.0.1"])),
            ("x-forwarded-host", json!([host])),
            ("x-forwarded-proto", json!(["http"])),
            ("x-request-id", json!([answer.header("x-request-id")])),
            ("forwarded", Value::Null),
            ("x-copy", Value::Null),
        ] {
            assert_eq!(echo["headers"][name], value, "{name}: {echo}");
        }
        assert!(!answer.header("x-request-id").is_empty());
    });
}

#[test]
fn an_upstream_that_is_away_is_left_alone_and_calls_cost_nothing() {
    // One process, so that it is the same one that learns.
    alone(Settings { instances_max: 1, ..Settings::default() }, async |platform| {
        let market = platform.market_of(at(nobody())).await;
        let mut answers = Vec::new();
        for _ in 0..5 {
            answers.push(market.pass(platform, "/forecast/oslo").await);
        }
        assert_eq!(tally(&answers).get("502 upstream-failed"), Some(&5), "{:?}", tally(&answers));
        let refused = market.pass(platform, "/forecast/oslo").await;
        assert_eq!((refused.status.as_u16(), problem(&refused).as_str()), (503, "upstream-unavailable"));
        assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1));
        // What the metrics are made of: six calls, all failed, of which five tried the upstream.
        let logs = platform.logs();
        let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let told: Vec<Value> = lines.filter(|line| line.get("_aws").is_some()).collect();
        let errors = told.iter().filter(|line| line["operation"] == "getForecast" && line["error"] == 1).count();
        let tried = told.iter().filter(|line| line["upstream_ms"].is_number()).count();
        assert_eq!((told.len(), errors, tried), (6, 6, 5), "{told:#?}");
        let usage = market.usage(platform).await;
        assert_eq!(
            (&usage["admitted"], &usage["failed"], &usage["units"]),
            (&json!(5), &json!(5), &json!(0)),
            "{usage}"
        );
    });
}

#[test]
fn a_retry_is_one_admission() {
    alone(Settings { instances_max: 1, ..Settings::default() }, async |platform| {
        let market = platform.market(json!({})).await;
        let answer = market.pass(platform, "/failures/503").await;
        assert_eq!(answer.status, 503, "{}", answer.refused());
        assert_eq!(market.upstream.calls(), 2, "once more, as a sandbox may from the beginning");
        let posted = Call::new(Method::POST, market.address("weather", "/failures/503")).bearer(&market.key.secret);
        assert_eq!(platform.send(posted).await.status, 503);
        assert_eq!(market.upstream.calls(), 3, "what may not come twice comes once");
        let usage = market.usage(platform).await;
        assert_eq!(
            (&usage["admitted"], &usage["failed"], &usage["units"]),
            (&json!(2), &json!(2), &json!(0)),
            "{usage}"
        );
    });
}

#[test]
fn credentials_reach_the_upstream_in_every_process_and_nobody_else() {
    together(async |platform| {
        let market = platform.market(json!({})).await;
        platform.settled().await;
        let secret = "s3cret-of-the-upstream";
        let set =
            credentials(platform, &market, &json!({ "type": "header", "name": "X-Upstream-Key", "value": secret }))
                .await;
        assert_eq!(set.status, 200, "{}", set.refused());
        assert!(!String::from_utf8_lossy(&set.body).contains(secret));
        // No process has looked this API up before, so every one of them finds the credentials.
        let call = || market.call("/echo").header("x-upstream-key", "guess");
        for answer in platform.send_all((0..8).map(|_| call())).await {
            assert_eq!(answer.json().unwrap()["headers"]["x-upstream-key"], json!([secret]), "{}", answer.refused());
        }
        let path = "/v1/gateway/apis/weather/credentials";
        let told = platform.get(&market.provider.token, path).await;
        assert_eq!((&told["type"], &told["header"]), (&json!("header"), &json!("x-upstream-key")), "{told}");
        assert!(!told.to_string().contains(secret));
        let stranger = platform.send(Call::get(path).bearer(&market.consumer.token)).await;
        assert_eq!((stranger.status.as_u16(), problem(&stranger).as_str()), (404, "not-found"));
        assert!(!platform.logs().contains(secret), "a secret is in a log");
    });
}
