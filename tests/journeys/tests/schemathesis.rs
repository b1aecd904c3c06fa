//! schemathesis over every function's API document, against the running system. `cargo ci` installs it and names its folder; without that it is skipped.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and says why"
)]

use std::{env, path::PathBuf};

use dev::workspace;
use journeys::{Call, Settings, alone};
use serde_json::json;
use tokio::process::Command;

/// What is checked of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance";
/// The same requests in every run.
const SEED: &str = "20";
const EXAMPLES_MAX: &str = "20";

#[test]
#[ignore = "needs schemathesis, which cargo ci installs"]
fn no_request_that_schemathesis_makes_up_is_answered_otherwise_than_documented() {
    let Some(tools) = env::var_os(workspace::TOOLS).map(PathBuf::from) else {
        eprintln!("SKIPPED: {} does not name the folder of schemathesis", workspace::TOOLS);
        return;
    };
    alone(Settings::default(), async |platform| {
        // There is something to find, so that not every answer is a 404.
        let market = platform.market(json!({})).await;
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        platform.settled().await;
        let folder = tempfile::tempdir().unwrap();
        let mut failures = Vec::new();
        let list = platform.expect(Call::get("/v1/openapi.json"), 200).await;
        for document in list["documents"].as_array().unwrap() {
            let (name, path) = (document["name"].as_str().unwrap(), document["path"].as_str().unwrap());
            let output = Command::new(tools.join("schemathesis"))
                .args([
                    "run",
                    &format!("{}{path}", platform.cloud().url()),
                    "--header",
                    &format!("Authorization: Bearer {}", market.provider.token),
                ])
                .args([
                    "--checks",
                    CHECKS,
                    "--phases",
                    "examples,coverage,fuzzing",
                    "--max-examples",
                    EXAMPLES_MAX,
                    "--seed",
                    SEED,
                    "--workers",
                    "1",
                    "--no-color",
                ])
                .args([
                    "--generation-database",
                    "none",
                    "--request-timeout",
                    "40",
                    "--suppress-health-check",
                    "all",
                    "--max-failures",
                    "20",
                ])
                // It leaves its files where it runs.
                .current_dir(folder.path())
                .output()
                .await
                .unwrap();
            let text =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            eprintln!("{name}: {}", text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default());
            if !output.status.success() {
                failures.push(format!("{name}:\n{text}"));
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    });
}
