//! How the calls of an operation went, as its provider sees it.

use journeys::together;
use serde_json::json;

#[test]
fn a_provider_sees_how_its_operations_went_once_the_processes_have_stopped() {
    together(async |platform| {
        let market = platform
            .market(json!({ "quota": { "calls": 8, "period": "month", "kind": "hard" }, "weights": { "echo": 3 } }))
            .await;
        for (path, status) in [
            ("/forecast/oslo", 200),
            ("/forecast/oslo", 200),
            ("/failures/503", 503),
            ("/failures/404", 404),
            ("/slow?delay_ms=300", 200),
            ("/echo", 200),
            ("/echo", 429),
        ] {
            assert_eq!(market.pass(platform, path).await.status, status, "{path}");
        }
        platform.cloud().recycle("Gateway").await;
        platform.settled().await;
        let token = &market.provider.token;
        let told = platform.get(token, "/v1/usage/operations?api=weather").await;
        let operation = |id: &str| {
            let found = told["operations"].as_array().unwrap().iter().find(|operation| operation["operation"] == id);
            found.unwrap_or_else(|| panic!("no {id} in {told}")).clone()
        };
        assert_eq!(told["operations"].as_array().unwrap().len(), 4, "{told}");
        for (id, counts, error_rate) in [
            ("getForecast", [2, 0, 0, 0], Some(0.0)),
            ("fail", [0, 1, 1, 0], Some(0.5)),
            ("slow", [1, 0, 0, 0], Some(0.0)),
            ("echo", [1, 0, 0, 1], Some(0.0)),
        ] {
            let own = operation(id);
            let names = ["status_2xx", "status_4xx", "status_5xx", "refused"];
            assert_eq!(names.map(|name| own[name].as_u64().unwrap()), counts, "{own}");
            assert_eq!(own["error_rate"].as_f64(), error_rate, "{own}");
        }
        // The upstream waits so long, and the call takes longer still.
        let slow = operation("slow");
        let (upstream, whole) = (&slow["upstream"]["p50_ms"], &slow["latency"]["p50_ms"]);
        assert!(upstream.as_u64().unwrap() >= 300 && whole.as_u64() >= upstream.as_u64(), "{slow}");

        let told = platform.get(token, "/v1/usage/operations?api=weather&operation=getForecast").await;
        let hours = told["operations"][0]["by_hour"].as_array().unwrap();
        let calls: u64 = hours.iter().map(|hour| hour["status_2xx"].as_u64().unwrap()).sum();
        assert_eq!(calls, 2, "{told}");
    });
}
