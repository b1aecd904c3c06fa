//! `cargo dev` as a person meets it: the real program, the real functions, the printed lines.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of tests fail like tests"
)]

use std::{
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use dev::{
    client::{Call, Client},
    demo::Demo,
    workspace,
};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(1);

/// A data folder that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("doorway-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// A running `cargo dev`. It is killed if the test ends early.
struct Running {
    child: Child,
    printed: String,
    out: BufReader<ChildStdout>,
}

impl Running {
    /// Starts, and waits until it says that it is up.
    fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = command(data, more).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut printed = String::new();
        while !printed.contains("For scripts:") && !printed.contains("All this for scripts:") {
            let read = out.read_line(&mut printed).unwrap();
            assert!(read > 0, "it ended before it was up:\n{printed}\n{}", logs(data));
        }
        Self { child, printed, out }
    }

    /// Ctrl-C, then the end.
    fn interrupt(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        // Its output ends when nobody holds the pipe any more: neither itself nor a function that it left behind.
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.out, &mut rest).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn command(data: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dev"));
    command
        .arg("--data")
        .arg(data)
        .args(more)
        .env(workspace::BINARIES, workspace::binaries().unwrap())
        .stdin(Stdio::null());
    command
}

/// What the functions said, for whoever reads the failure.
fn logs(data: &Path) -> String {
    let mut tails = Vec::new();
    for entry in std::fs::read_dir(data.join("logs")).into_iter().flatten().filter_map(Result::ok) {
        let content = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let tail: Vec<&str> = content.lines().rev().take(5).collect();
        tails.push(format!("{}:\n{}", entry.path().display(), tail.into_iter().rev().collect::<Vec<_>>().join("\n")));
    }
    tails.join("\n")
}

/// Splits a printed `curl` line, quotes and all, as a shell does, and runs it.
fn curl(line: &str) -> (u16, Value) {
    let output = Command::new("sh")
        .arg("-c")
        .arg(line.trim().replacen("curl", "curl -sS -o - -w '\\n%{http_code}'", 1).replace(" -i ", " "))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

/// Asks until the answer is as wanted: usage and bill follow the calls, they are not part of them.
fn until(line: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let (status, body) = curl(line);
        assert_eq!(status, 200, "{line}: {body}");
        if wanted(&body) || begun.elapsed() > PATIENCE {
            return body;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_printed_call_is_admitted_counted_and_on_the_bill_and_the_data_survives_a_restart() {
    let folder = Folder::new("dev");
    let first = Running::start(&folder.0, &["--port", "0"]);
    let lines: Vec<String> =
        first.printed.lines().filter(|line| line.trim().starts_with("curl")).map(str::to_owned).collect();
    let [call, usage, preview] = lines.as_slice() else { panic!("three lines to copy:\n{}", first.printed) };
    assert_eq!(curl(call).0, 200, "{call}");
    assert_eq!(until(usage, |usage| usage["admitted"] == 1)["admitted"], 1);
    let bill = until(preview, |bill| bill["lines"].as_array().is_some_and(|lines| !lines.is_empty()));
    assert_eq!(bill["currency"], "EUR", "{bill}");

    let demo = Demo::load(&folder.0.join("dev.json")).unwrap();
    for (name, value) in serde_json::to_value(&demo).unwrap().as_object().unwrap() {
        assert_ne!(value, "", "dev.json: {name}");
    }
    assert!(first.interrupt().success());

    let again = Running::start(&folder.0, &["--port", "0"]);
    let later = Demo::load(&folder.0.join("dev.json")).unwrap();
    let moved = Demo {
        url: later.url.clone(),
        call_url: later.call_url.clone(),
        operator_url: later.operator_url.clone(),
        ..demo
    };
    assert_eq!(later, moved, "the demo was made once");
    let line = again.printed.lines().find(|line| line.trim().starts_with("curl")).unwrap();
    assert_eq!(curl(line).0, 200, "the key of the first run");
    assert!(again.interrupt().success());
}

#[test]
fn an_empty_one_has_no_demo_and_shows_how_the_first_organization_is_made() {
    let folder = Folder::new("empty");
    let running = Running::start(&folder.0, &["--port", "0", "--empty"]);
    let ready: Value = serde_json::from_slice(&std::fs::read(folder.0.join("dev.json")).unwrap()).unwrap();
    let url = ready["url"].as_str().unwrap().to_owned();
    let printed = running.printed.replace("\\\n", " ");
    let line = printed.lines().find(|line| line.trim().starts_with("curl")).unwrap();
    let (status, made) = curl(line);
    assert_eq!(status, 200);
    let token = made["token"]["secret"].as_str().unwrap().to_owned();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = runtime.block_on(Client::new(&url).send(Call::get("/v1/catalog/apis").bearer(&token))).unwrap();
    assert_eq!(answer.status, 200, "the token works");
    assert!(running.interrupt().success());
}

#[test]
fn a_taken_port_and_a_taken_folder_are_clear_errors() {
    let folder = Folder::new("taken");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = command(&folder.0, &["--port", &port]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        !refused.status.success() && said.starts_with(&format!("cargo dev: port {port} of 127.0.0.1 cannot be had")),
        "{said}"
    );

    let running = Running::start(&folder.0, &["--port", "0", "--empty"]);
    let refused = command(&folder.0, &["--port", "0"]).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.starts_with("cargo dev: another cargo dev uses "), "{said}");
    assert!(running.interrupt().success());
}
