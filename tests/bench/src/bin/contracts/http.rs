//! A comparison over HTTP, through `contracts` and `catalog` on the local cloud.

use std::path::Path;
use std::time::Duration;

use bench::figures::percentile;
use dev::client::Call;
use dev::say;
use journeys::alone;
use serde_json::{Value, json};

use crate::Figure;
use crate::served::{self, gunzip, gzip};

/// Seconds that a comparison may take.
const COMPARISON_S_MAX: f64 = 1.5;

pub(crate) fn figures(binaries: &Path, times: usize) -> Vec<Figure> {
    let mut figures = Vec::new();
    alone(served::settings(binaries), async |platform| {
        let (name, [before, after]) = served::pair();
        let what = format!("POST /v1/contracts/comparisons: {name}");
        say(&format!("{what} …"));
        let side = |text: String| json!({ "files": { "api.json": text } });
        let body = json!({ "before": side(before), "after": side(after) }).to_string();
        let caller = platform.found("nimbus").await;
        let call = Call::post("/v1/contracts/comparisons")
            .bearer(&caller.token)
            .header("accept-encoding", "gzip")
            .body("application/gzip", gzip(body.as_bytes()));
        let answers = served::timed(platform, call, 200, times).await;
        let first = &answers[0].1;
        assert!(answers.iter().all(|(_, answer)| answer.body == first.body), "another answer for the same documents");
        let report: Value = serde_json::from_slice(&gunzip(first)).unwrap();
        assert_eq!(report["verdict"], "breaking");
        say(&format!("  {} findings, the same bytes each time", report["findings"].as_array().unwrap().len()));
        let mut taken: Vec<Duration> = answers.iter().map(|(time, _)| *time).collect();
        figures.push(Figure::ours(&what, percentile(&mut taken, 50), COMPARISON_S_MAX));
        figures.extend(served::memory(platform, &what, &["Contracts", "Catalog"]));
    });
    figures
}
