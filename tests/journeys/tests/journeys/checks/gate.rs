//! The gate in CI: the very lines of the README, run by a shell. Whatever happens that is not a check that passed, their exit code is not 0.

use std::{fs, path::Path, process::Stdio, time::Duration};

use dev::workspace;
use journeys::{Consumer, Market, Platform, Settings, alone};
use serde_json::{Value, json};
use tokio::{io::AsyncReadExt as _, io::AsyncWriteExt as _, net::TcpListener, process::Command};

use super::{ahead, market, with_more, without_city};

/// Exit codes of curl: the contract of the gate.
const PASSED: i32 = 0;
const NO_CONNECTION: i32 = 7;
const CUT_OFF: i32 = 18;
const REFUSED: i32 = 22;
const NO_FILE: i32 = 26;
const TIMED_OUT: i32 = 28;
const REDIRECTED: i32 = 47;

/// How a vendor runs the lines of its block.
const SHELLS: [(&str, &[&str]); 3] = [
    ("a plain shell", &["sh"]),
    ("GitHub Actions", &["bash", "--noprofile", "--norc", "-eo", "pipefail"]),
    ("GitLab", &["sh", "-e"]),
];

/// The shell's lines of the section's blocks: a block of `sh` as it is, of one of `yaml` what stands under its only `|`.
fn scripts() -> Vec<String> {
    let readme = fs::read_to_string(workspace::root().join("README.md")).unwrap();
    let section = readme.split_once("\n## The gate: a check in CI\n").expect("the README has the section").1;
    let section = section.split("\n## ").next().unwrap();
    let blocks = section.split("\n```").skip(1).step_by(2);
    let scripts = blocks.map(|block| {
        let (language, lines) = block.split_once('\n').unwrap();
        match language {
            "sh" => lines.to_owned(),
            "yaml" => within(lines),
            other => panic!("a block of {other}"),
        }
    });
    scripts.collect()
}

fn within(yaml: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = yaml.lines().skip_while(|line| !line.ends_with('|'));
    let outer = indent(lines.next().unwrap_or_else(|| panic!("no shell's lines in {yaml}")));
    let script: Vec<&str> = lines.take_while(|line| indent(line) > outer).collect();
    assert_eq!(yaml.matches("|\n").count(), 1, "{yaml}");
    let inner = indent(script[0]);
    script.iter().flat_map(|line| [&line[inner..], "\n"]).collect()
}

/// What the lines are told by their environment.
struct Job<'a> {
    url: &'a str,
    token: &'a str,
    api: &'a str,
    version: &'a str,
    document: &'a str,
}

/// Runs the lines of all three blocks; answers what each has printed. All end with this code, or one of these.
async fn run(job: &Job<'_>, files: &[(&str, &str)], codes: impl Into<Vec<i32>>, what: &str) -> Vec<String> {
    let (mut printed, codes) = (Vec::new(), codes.into());
    let scripts = scripts();
    assert_eq!(scripts.len(), SHELLS.len(), "{scripts:#?}");
    for ((vendor, shell), script) in SHELLS.iter().zip(&scripts) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::write(folder.path().join("script.sh"), script).unwrap();
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).arg("script.sh").current_dir(folder.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
        for (name, value) in [
            ("DOORWAY_URL", job.url),
            ("DOORWAY_TOKEN", job.token),
            ("API", job.api),
            ("VERSION", job.version),
            ("DOCUMENT", job.document),
            ("TIMEOUT_SECONDS", if codes == [TIMED_OUT] { "1" } else { "60" }),
        ] {
            command.env(name, value);
        }
        let output = command.output().await.unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let code = output.status.code();
        assert!(code.is_some_and(|code| codes.contains(&code)), "{what} in {vendor}: {code:?}: {text}\n{script}");
        printed.push(text + &kept(folder.path()));
    }
    printed
}

/// What a step keeps for the vendor to show.
fn kept(folder: &Path) -> String {
    ["contracts.sarif", "contracts.xml"].iter().filter_map(|name| fs::read_to_string(folder.join(name)).ok()).collect()
}

/// Somebody who is not Doorway: what is answered to everyone; nothing and no end where there is no answer.
async fn somebody(answer: Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut read = vec![0; 64 * 1024];
                let _some = stream.read(&mut read).await;
                match answer {
                    Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                    None => tokio::time::sleep(Duration::from_mins(10)).await,
                }
            });
        }
    });
    url
}

/// A token that can do what the README says, and no more.
async fn token(platform: &Platform, market: &Market, expires_at: Option<shared::time::Time>) -> (String, String) {
    let scopes = ["contracts:write", "contracts:read", "catalog:read", "usage:read"];
    let mut wish = json!({ "name": "CI", "role": "publisher", "scopes": scopes });
    if let Some(end) = expires_at {
        wish["expires_at"] = json!(end);
    }
    let made = platform.post(&market.provider.token, "/v1/accounts/tokens", &wish).await;
    let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("no {name} in {made}")).to_owned();
    (text("id"), text("secret"))
}

#[test]
fn the_readmes_lines_end_with_0_when_the_check_passes_and_with_22_and_the_report_when_it_does_not() {
    alone(Settings::default(), async |platform| {
        let (market, consumers): (Market, [Consumer; 3]) = market(platform).await;
        let (_, secret) = token(platform, &market, None).await;
        let url = platform.cloud().url();
        let job = Job { url, token: &secret, api: "weather", version: "2.0.0", document: "openapi.yaml" };
        let document = with_more("snow");
        let printed = run(&job, &[("openapi.yaml", &document)], [PASSED], "a check that passes").await;
        for (text, word) in printed.iter().zip(["passed, compatible", "passed, compatible", "<testsuite"]) {
            assert!(text.contains(word), "{text}");
        }
        assert!(printed[1].contains("\"version\":\"2.1.0\""), "the report as SARIF: {}", printed[1]);

        let printed = run(&job, &[("openapi.yaml", &without_city())], [REFUSED], "a check that fails").await;
        for text in &printed {
            for word in ["response-field-removed", &consumers[0].organization.slug, &consumers[1].organization.slug] {
                assert!(text.contains(word), "no {word} in {text}");
            }
            assert!(!text.contains(&consumers[2].organization.slug), "{text}");
        }
        assert!(printed[1].contains("\"level\":\"error\""), "{}", printed[1]);
        assert!(printed[2].contains("<failure"), "{}", printed[2]);
    });
}

#[test]
fn whatever_else_happens_the_readmes_lines_do_not_end_with_0() {
    alone(Settings::default(), async |platform| {
        let (market, _) = market(platform).await;
        let (_, good) = token(platform, &market, None).await;
        let (revoked_id, revoked) = token(platform, &market, None).await;
        let revoke = format!("/v1/accounts/tokens/{revoked_id}/revoke");
        platform.post(&market.provider.token, revoke, &Value::Null).await;
        let viewer = platform.token(&market.provider, "viewer").await;
        let (_, expired) = token(platform, &market, Some(ahead(platform, 1))).await;
        let url = platform.cloud().url();
        let document = with_more("snow");
        let files: &[(&str, &str)] =
            &[("openapi.yaml", &document), ("broken.yaml", "openapi: 3.1.0\npaths: [\n"), ("empty.yaml", "")];
        let job = Job { url, token: &good, api: "weather", version: "2.0.0", document: "openapi.yaml" };
        run(&job, files, [PASSED], "where nothing is wrong").await;

        let all_say = |printed: Vec<String>, word: &str| {
            for text in printed {
                assert!(text.contains(word), "no {word} in {text}");
            }
        };
        for (wrong, word) in [
            (Job { token: &revoked, ..job }, "token-invalid"),
            (Job { token: &viewer, ..job }, "forbidden"),
            (Job { token: "", ..job }, "token-invalid"),
            (Job { api: "wether", ..job }, "not-found"),
            (Job { api: "", ..job }, "invalid-parameter"),
            (Job { version: "", ..job }, "invalid-parameter"),
            (Job { document: "broken.yaml", ..job }, "document-invalid"),
            (Job { document: "empty.yaml", ..job }, "urn:doorway:problem:"),
        ] {
            all_say(run(&wrong, files, [REFUSED], word).await, word);
        }
        // Some of curl's versions say that there is no such file, others send nothing, which is no document.
        let missing = Job { document: "missing.yaml", ..job };
        run(&missing, files, [NO_FILE, REFUSED], "no such file").await;

        let away = somebody(None).await;
        run(&Job { url: &away, ..job }, files, [TIMED_OUT], "no answer").await;
        let moved = somebody(Some("HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n")).await;
        run(&Job { url: &moved, ..job }, files, [REDIRECTED], "an answer from elsewhere").await;
        let half = somebody(Some("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\npassed, ")).await;
        run(&Job { url: &half, ..job }, files, [CUT_OFF], "half an answer").await;
        let gone = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            format!("http://{}", listener.local_addr().unwrap())
        };
        run(&Job { url: &gone, ..job }, files, [NO_CONNECTION], "nobody there").await;

        // The platform's own parts are away.
        platform.faults().throttle("CatalogTable", u64::MAX);
        all_say(run(&job, files, [REFUSED], "no catalog").await, "unavailable");
        platform.faults().throttle("CatalogTable", 0);
        platform.faults().throttle("ContractsTable", u64::MAX);
        all_say(run(&job, files, [REFUSED], "nowhere to keep the check").await, "unavailable");
        platform.faults().throttle("ContractsTable", 0);
        let breaking = without_city();
        let files = [("openapi.yaml", breaking.as_str())];
        platform.faults().throttle("UsageTable", u64::MAX);
        all_say(run(&job, &files, [REFUSED], "nobody can say who calls").await, "Nobody can say who calls it.");
        platform.faults().throttle("UsageTable", 0);

        platform.cloud().clock().advance(Duration::from_hours(48));
        let late = Job { token: &expired, ..job };
        all_say(run(&late, &files, [REFUSED], "an expired token").await, "token-expired");
    });
}
