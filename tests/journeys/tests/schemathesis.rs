//! schemathesis over every function's API document, against the running system. `cargo ci` installs it and names its folder; without that it is skipped.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed, and says why"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use dev::workspace;
use futures_util::{StreamExt as _, stream};
use journeys::{Call, Market, Settings, VERSION, alone};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

/// What is checked of every answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance";
/// The same requests in every run.
const SEED: &str = "20";
/// Its own threads trip over a fault of Python's compiler; two programs do not.
const AT_ONCE: usize = 2;

/// One run over one document.
struct Run {
    name: String,
    url: String,
    token: String,
    arguments: [&'static str; 6],
    folder: TempDir,
}

impl Run {
    /// What it found, if anything, or a line that says what it did.
    async fn go(self, tools: &Path) -> Result<String, String> {
        let output = Command::new(tools.join("schemathesis"))
            .args(["run", &self.url, "--header", &format!("Authorization: Bearer {}", self.token)])
            .args(["--checks", CHECKS, "--seed", SEED, "--workers", "1", "--no-color", "--generation-database", "none"])
            .args(["--request-timeout", "40", "--suppress-health-check", "all", "--max-failures", "20"])
            .args(self.arguments)
            // It reads its configuration and leaves its files where it runs.
            .current_dir(self.folder.path())
            .output()
            .await
            .map_err(|error| format!("{}: {error}", self.name))?;
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let cases = text.lines().find(|line| line.contains(" generated, ")).unwrap_or_default();
        if output.status.success() {
            Ok(format!("{}: {} {}", self.name, cases.trim(), last.trim_matches('=')))
        } else {
            Err(format!("{}:\n{text}", self.name))
        }
    }
}

/// Names what is there, so that not every answer is a 404.
fn configuration(market: &Market) -> String {
    let names = [
        ("path.organization", market.provider.slug.as_str()),
        ("path.api", "weather"),
        ("path.product", "weather"),
        ("path.plan", "standard"),
        ("path.app", &market.app),
        ("path.subscription", &market.subscription),
        ("path.key", &market.key.id),
        ("query.subscription", &market.subscription),
        ("query.api", "weather"),
        ("query.operation", "getForecast"),
    ];
    let lines: Vec<String> = names.iter().map(|(name, value)| format!("\"{name}\" = \"{value}\"\n")).collect();
    format!("[parameters]\n{}", lines.concat())
}

#[test]
#[ignore = "needs schemathesis, which cargo ci installs"]
fn no_request_that_schemathesis_makes_up_is_answered_otherwise_than_documented() {
    let Some(tools) = env::var_os(workspace::TOOLS).map(PathBuf::from) else {
        eprintln!("SKIPPED: {} does not name the folder of schemathesis", workspace::TOOLS);
        return;
    };
    alone(Settings::default(), async |platform| {
        let market = platform.market(json!({})).await;
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        platform.settled().await;
        let list = platform.expect(Call::get("/v1/openapi.json"), 200).await;
        let mut runs = Vec::new();
        for document in list["documents"].as_array().unwrap() {
            let name = document["name"].as_str().unwrap();
            let url = format!("{}{}", platform.cloud().url(), document["path"].as_str().unwrap());
            let consumers = ["subscriptions", "keys", "usage", "billing"].contains(&name);
            let token = if consumers { &market.consumer.token } else { &market.provider.token };
            let run = |how: &str, arguments| Run {
                name: format!("{name}, {how}"),
                url: url.clone(),
                token: token.clone(),
                arguments,
                folder: tempfile::tempdir().unwrap(),
            };
            runs.push(run(
                "anything",
                ["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--mode", "all"],
            ));
            let known = run("what is there", ["--phases", "fuzzing", "--max-examples", "5", "--mode", "positive"]);
            let versions =
                if name == "catalog" { format!("\"path.version\" = \"{VERSION}\"\n") } else { String::new() };
            fs::write(known.folder.path().join("schemathesis.toml"), configuration(&market) + &versions).unwrap();
            runs.push(known);
        }
        let outcomes: Vec<Result<String, String>> =
            stream::iter(runs.into_iter().map(|run| run.go(&tools))).buffer_unordered(AT_ONCE).collect().await;
        let mut failures = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(line) => eprintln!("{line}"),
                Err(failure) => failures.push(failure),
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    });
}
