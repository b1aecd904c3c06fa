//! Checks by programs that are not ours, against the running system: schemathesis over every function's API document, and a parser of structured fields over
//! what the door tells of limits. `cargo ci` installs them and names their folder; without that they are skipped.
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
    process::Stdio,
};

use dev::workspace;
use futures_util::{StreamExt as _, stream};
use journeys::{Call, Market, Settings, VERSION, alone};
use serde_json::json;
use tempfile::TempDir;
use tokio::{io::AsyncWriteExt as _, process::Command};

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

/// What the draft demands of limits (draft-ietf-httpapi-ratelimit-headers-10, 3 and 4), and RFC 9745 of a deprecation, of a JSON object of headers.
const FIELDS: &str = r#"
import datetime, json, sys
import http_sfv

headers = json.load(sys.stdin)

def members(name):
    fields = http_sfv.List()
    fields.parse(headers[name].encode())
    assert len(fields) > 0, name
    for item in fields:
        assert isinstance(item, http_sfv.Item) and type(item.value) is str, f"{name}: a member is a String"
    names = [item.value for item in fields]
    assert len(set(names)) == len(names), f"{name}: {names}"
    return {item.value: dict(item.params) for item in fields}

def natural(value):
    return type(value) is int and 0 <= value <= 999_999_999_999_999

policies, limits = members("ratelimit-policy"), members("ratelimit")
assert set(limits) == set(policies) == {"quota", "rate"}, (limits, policies)
for policy in policies.values():
    assert natural(policy["q"]) and natural(policy["w"]) and policy["w"] > 0, policy
    assert set(policy) <= {"q", "w", "qu", "pk"}, policy
for name, limit in limits.items():
    assert natural(limit["r"]) and natural(limit["t"]), limit
    assert limit["r"] <= policies[name]["q"] and set(limit) <= {"r", "t", "pk"}, limit
expected = json.loads(sys.argv[1])
assert policies == expected["policies"] and limits["quota"]["r"] == expected["left"], (policies, limits)

deprecation = http_sfv.Item()
deprecation.parse(headers["deprecation"].encode())
assert isinstance(deprecation.value, datetime.datetime), headers["deprecation"]
print("read")
"#;

#[test]
#[ignore = "needs a parser of structured fields, which cargo ci installs with schemathesis"]
fn limits_and_deprecation_are_structured_fields_to_a_parser_that_is_not_ours() {
    let Some(tools) = env::var_os(workspace::TOOLS).map(PathBuf::from) else {
        eprintln!("SKIPPED: {} does not name the folder of Python", workspace::TOOLS);
        return;
    };
    alone(Settings::default(), async |platform| {
        let terms = json!({ "quota": { "calls": 1_000_000_000_000_u64, "period": "day", "kind": "soft" }, "rate": { "calls": 100, "per_seconds": 60, "burst": 20 } });
        let market = platform.market(terms).await;
        platform
            .post(
                &market.provider.token,
                "/v1/catalog/apis/weather/versions/1.0.0/deprecate",
                &json!({ "sunset_at": "2099-01-01T00:00:00Z" }),
            )
            .await;
        let answer = market.pass(platform, "/forecast/oslo").await;
        assert_eq!(answer.status, 200, "{}", answer.refused());
        let names = ["ratelimit-policy", "ratelimit", "deprecation"];
        let headers: serde_json::Map<_, _> =
            names.iter().map(|name| ((*name).to_owned(), json!(answer.header(*name)))).collect();
        let expected = json!({
            "policies": { "quota": { "q": 1_000_000_000_000_u64, "w": 86_400 }, "rate": { "q": 20, "w": 12 } },
            "left": 999_999_999_999_u64
        });
        let mut python = Command::new(tools.join("python"));
        python.args(["-c", FIELDS, &expected.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(serde_json::to_string(&headers).unwrap().as_bytes()).await.unwrap();
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "read\n", "of {headers:?}");
    });
}
