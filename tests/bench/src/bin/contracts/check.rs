//! A check of a proposed document with ten thousand callers, through `contracts`, `catalog` and `usage` on the local cloud.

use std::path::Path;
use std::time::Duration;

use bench::figures::percentile;
use dev::client::Call;
use dev::say;
use journeys::{Organization, Platform, alone};
use serde_json::{Value, json};

use crate::served::{self, gunzip, gzip};
use crate::{Figure, callers};

/// Seconds that a check may take.
const CHECK_S_MAX: f64 = 3.0;
const FUNCTIONS: [&str; 3] = ["Contracts", "Catalog", "Usage"];

pub(crate) fn figures(binaries: &Path, times: usize) -> Vec<Figure> {
    let mut figures = Vec::new();
    alone(served::settings(binaries), async |platform| {
        let (name, [before, after]) = served::pair();
        let what = format!("POST /v1/contracts/checks: {name}, {} callers", callers::CALLERS);
        say(&format!("{what} …"));
        let provider = platform.found("nimbus").await;
        sold(platform, &provider, &before).await;
        let operations = callers::call(platform, &provider).await;
        // What it took to get there is no part of what is measured.
        for function in FUNCTIONS {
            platform.cloud().recycle(function).await;
        }
        known(platform, &provider, &operations).await;
        let call = Call::post("/v1/contracts/checks?api=github&version=2.0.0")
            .bearer(&provider.token)
            .header("accept-encoding", "gzip")
            .body("application/gzip", gzip(after.as_bytes()));
        let answers = served::timed(platform, call, 409, times).await;
        let report: Value = serde_json::from_slice(&gunzip(&answers[0].1)).unwrap();
        assert_eq!((&report["verdict"], &report["complete"]), (&json!("breaking-affecting"), &json!(true)));
        let callers = |finding: &Value| finding["callers_total"].as_u64().unwrap();
        let findings = report["findings"].as_array().unwrap();
        say(&format!(
            "  {} findings, at most {} callers of one",
            findings.len(),
            findings.iter().map(callers).max().unwrap_or(0)
        ));
        let mut taken: Vec<Duration> = answers.iter().map(|(time, _)| *time).collect();
        figures.push(Figure::ours(&what, percentile(&mut taken, 50), CHECK_S_MAX));
        figures.extend(served::memory(platform, &what, &FUNCTIONS));
    });
    figures
}

/// Publishes the document, and sells it to one consumer: whatever other functions tell of it is real.
async fn sold(platform: &Platform, provider: &Organization, document: &str) {
    let api =
        json!({ "slug": "github", "name": "GitHub", "visibility": "public", "upstream_url": "http://127.0.0.1:9" });
    platform.post(&provider.token, "/v1/catalog/apis", &api).await;
    let upload = Call::post("/v1/catalog/apis/github/versions?version=1.0.0")
        .bearer(&provider.token)
        .body("application/gzip", gzip(document.as_bytes()));
    platform.expect(upload, 201).await;
    platform.post(&provider.token, "/v1/catalog/apis/github/versions/1.0.0/publish", &Value::Null).await;
    let product = json!({ "slug": "weather", "name": "GitHub", "visibility": "public", "apis": ["github"] });
    platform.post(&provider.token, "/v1/products", &product).await;
    platform.plan(provider, "standard", &json!({})).await;
    let consumer = platform.found("acme").await;
    platform.subscribe(&consumer, provider, None).await;
    platform.settled().await;
}

/// Whether `usage` knows all callers, before a check relies on it.
async fn known(platform: &Platform, provider: &Organization, operations: &[String]) {
    let asked = json!({ "api": "github", "operations": operations, "window": "30d" });
    let call = Call::post("/v1/usage/callers").bearer(&provider.token).header("accept-encoding", "gzip").json(&asked);
    say("  POST /v1/usage/callers, of all operations");
    let answers = served::timed(platform, call, 200, 1).await;
    let answer: Value = serde_json::from_slice(&gunzip(&answers[0].1)).unwrap();
    let of = |operation: &Value| operation["calls"].as_array().unwrap().len();
    let counts: usize = answer["operations"].as_array().unwrap().iter().map(of).sum();
    assert_eq!(answer["callers"].as_array().unwrap().len(), callers::CALLERS);
    assert_eq!(counts, callers::CALLERS * callers::OPERATIONS_EACH);
    assert_eq!(answer["complete"], true);
    say(&format!("  {} operations, {} callers, {counts} counts", operations.len(), callers::CALLERS));
}
