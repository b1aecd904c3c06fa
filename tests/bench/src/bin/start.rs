//! From the start of a process to its first answer: every function, and the gateway's handler in Node and Python. `cargo bench-start`.
//!
//! Each program's first call is waiting for it on a Runtime API of its own, on the same local database. All of them are started in turns.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on has failed, and says why"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use bench::figures::{Promise, judge, megabytes, milliseconds, percentile, table};
use bench::payload;
use bench::sandbox::Sandbox;
use bytes::Bytes;
use dev::workspace::{self, Profile};
use dev::{say, tools};
use journeys::{Platform, Settings, alone};
use serde_json::{Value, json};
use shared::seal::Secret;

/// So many starts of each program.
const STARTS: usize = 30;
const GATEWAY_MS_MAX: f64 = 5.0;
const OTHERS_MS_MAX: f64 = 8.0;
const NODE_TIMES_MIN: f64 = 15.0;
const PYTHON_TIMES_MIN: f64 = 25.0;

/// A program that is started, and its first call.
struct Program {
    name: String,
    command: Vec<String>,
    environment: BTreeMap<String, String>,
    payload: Bytes,
    /// The function whose table it reads.
    function: String,
    bytes: Option<u64>,
    times: Vec<Duration>,
    memory_kb: u64,
    requests: u64,
    status: u64,
}

fn main() -> ExitCode {
    say("installing the SDKs for Node and Python …");
    let node = tools::node("bench-node", "tests/bench/runtimes/node").unwrap_or_else(|error| panic!("{error}"));
    let python = tools::python("bench-python", "tests/bench/runtimes/requirements.txt")
        .unwrap_or_else(|error| panic!("{error}"));
    let measured = workspace::build(Profile::Release).unwrap_or_else(|error| panic!("{error}"));
    let around = workspace::build(Profile::Local).unwrap_or_else(|error| panic!("{error}"));
    let mut good = false;
    alone(Settings { binaries: Some(around), ..Settings::default() }, async |platform| {
        let mut programs = functions(platform, &measured).await;
        programs.extend(others(&programs[0], &node, &python));
        let folder = workspace::target().join("bench");
        fs::create_dir_all(&folder).unwrap();
        for round in 1..=STARTS {
            say(&format!("round {round} of {STARTS}"));
            for program in &mut programs {
                start(platform, program, &folder.join("start.log")).await;
            }
        }
        good = judge(&report(&mut programs));
    });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The gateway with a key that nobody knows comes first, then its first admitted call, then every other function.
async fn functions(platform: &Platform, binaries: &Path) -> Vec<Program> {
    let market = platform.market(json!({ "quota": { "calls": 1_000_000, "period": "month", "kind": "hard" } })).await;
    let program = |name: &str, function: &str, payload: Bytes| {
        let binary = binaries.join(function);
        Program {
            name: name.to_owned(),
            bytes: Some(fs::metadata(&binary).unwrap().len()),
            command: vec![binary.display().to_string()],
            environment: platform.cloud().environment(&workspace::logical_id(function)).unwrap(),
            payload,
            function: workspace::logical_id(function),
            times: Vec::new(),
            memory_kb: 0,
            requests: 0,
            status: 0,
        }
    };
    let path = format!("/call/{}/weather/forecast/oslo", market.provider.slug);
    let secret = &platform.cloud().environment("Gateway").unwrap()["DOOR_SECRET"];
    let unknown = shared::secret_key::mint(&Secret::new(secret));
    let mut programs = vec![
        program("gateway", "gateway", payload::call(&path, &unknown)),
        program("gateway, admitted", "gateway", payload::call(&path, &market.key.secret)),
    ];
    for function in workspace::functions().unwrap().iter().filter(|function| *function != "gateway") {
        programs.push(program(function, function, sample(function)));
    }
    programs
}

/// The gateway's handler for a key that nobody knows, in other languages.
fn others(gateway: &Program, node: &Path, python: &Path) -> [Program; 2] {
    let source = workspace::root().join("tests/bench/runtimes");
    let program = |name: &str, command: [String; 2]| {
        let mut environment = gateway.environment.clone();
        for (variable, value) in [
            ("AWS_DEFAULT_REGION", environment["AWS_REGION"].clone()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("PACKAGES", node.display().to_string()),
            // Where Python keeps what it compiled: on Lambda a package brings it along.
            ("PYTHONPYCACHEPREFIX", workspace::target().join("bench-pycache").display().to_string()),
        ] {
            environment.insert(variable.to_owned(), value);
        }
        Program {
            name: name.to_owned(),
            command: command.to_vec(),
            environment,
            payload: gateway.payload.clone(),
            function: gateway.function.clone(),
            bytes: None,
            times: Vec::new(),
            memory_kb: 0,
            requests: 0,
            status: 0,
        }
    };
    let file = |name: &str| source.join(name).display().to_string();
    [
        program("Node, one read", ["node".to_owned(), file("handler.mjs")]),
        program("Python, one read", [python.join("python").display().to_string(), file("handler.py")]),
    ]
}

/// A sample call of a function: one that only reads.
fn sample(function: &str) -> Bytes {
    let folder = workspace::root().join("functions").join(function).join("events");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut samples = files.iter().filter_map(|file| serde_json::from_slice::<Value>(&fs::read(file).unwrap()).ok());
    // What an authorizer is asked looks like a call, but has no HTTP answer.
    let reads =
        samples.find(|sample| sample["requestContext"]["http"]["method"] == "GET" && sample["routeArn"].is_null());
    Bytes::from(reads.unwrap_or_else(|| panic!("{function} has no sample of a GET")).to_string())
}

async fn start(platform: &Platform, program: &mut Program, log: &Path) {
    let before = platform.cloud().consumed(&program.function).calls;
    let mut sandbox = Sandbox::start(&program.command, &program.environment, log).await;
    let answer = sandbox.invoke(program.payload.clone()).await;
    program.times.push(answer.at - sandbox.started);
    program.memory_kb = sandbox.memory_kb();
    program.status = answer.status();
    sandbox.kill().await;
    program.requests = platform.cloud().consumed(&program.function).calls - before;
}

fn report(programs: &mut [Program]) -> Vec<Promise> {
    let mut rows = Vec::new();
    let mut medians = Vec::new();
    for program in &mut *programs {
        let [least, median, most] = [0, 50, 90].map(|percent| milliseconds(percentile(&mut program.times, percent)));
        medians.push(median);
        rows.push(vec![
            program.name.clone(),
            program.bytes.map_or("-".to_owned(), |bytes| format!("{:.2}", megabytes(bytes))),
            format!("{median:.1}"),
            format!("{least:.1}"),
            format!("{most:.1}"),
            program.status.to_string(),
            program.requests.to_string(),
            format!("{:.1}", f64::from(u32::try_from(program.memory_kb).unwrap()) / 1_000.0),
        ]);
    }
    let head =
        ["program", "binary MB", "median ms", "least ms", "p90 ms", "answer", "requests to the database", "memory MB"];
    say(&format!("\nFrom the start of a process to its first answer, {STARTS} starts of each in turns:\n"));
    say(&table(&head, &rows));
    let gateway = medians[0];
    let mut promises = vec![Promise::at_most("gateway, ms", gateway, GATEWAY_MS_MAX)];
    for (program, median) in programs.iter().zip(&medians) {
        promises.push(match program.name.as_str() {
            "gateway" | "gateway, admitted" => continue,
            "Node, one read" => Promise::at_least("Node, in times of the gateway", median / gateway, NODE_TIMES_MIN),
            "Python, one read" => {
                Promise::at_least("Python, in times of the gateway", median / gateway, PYTHON_TIMES_MIN)
            }
            other => Promise::at_most(&format!("{other}, ms"), *median, OTHERS_MS_MAX),
        });
    }
    promises
}
