//! Our door beside others, in one run on one machine: does a limit hold, and what does a call cost. `cargo bench-door`.
//!
//! Every peer has one worker per instance. Calls a second and core are calls by the processor time that the door's own processes used, so that whatever else runs here
//! does not count. Ours is the whole path: the local HTTP API, the Runtime API, the gateway's process and the local DynamoDB, whose shares are shown apart.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on has failed, and says why"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use bench::figures::{Promise, judge, megabytes, milliseconds, percentile, table};
use bench::peers::{self, Installed, KEY, LIMIT, PEERS, Peer};
use bench::readme;
use bench::sandbox::{peak_bytes, processor, used};
use dev::client::{Call, Client};
use dev::say;
use dev::workspace::{self, Profile};
use futures_util::future::join_all;
use journeys::{Market, Platform, Settings, alone};
use serde_json::json;
use weather::Weather;

/// Calls at once against a limit of [`LIMIT`] a minute.
const RUSH: usize = 400;
/// Calls one after the other, for the latency.
const CALLS: usize = 500;
/// Callers at once and calls of each, for what a call takes of a processor.
const CALLERS: usize = 16;
const CALLS_EACH: usize = 150;
/// Our door's processes.
const INSTANCES: usize = 2;
const PATH: &str = "/forecast/oslo";
const BEGIN: &str = "<!-- the table of cargo bench-door -->\n";
const END: &str = "<!-- its end -->\n";

/// What a call of a door is.
struct Target {
    clients: Vec<Client>,
    path: String,
    key: String,
}

impl Target {
    async fn call(&self, number: usize) -> u16 {
        let client = &self.clients[number % self.clients.len()];
        client.send(Call::get(&*self.path).header(KEY, &self.key)).await.unwrap().status.as_u16()
    }
}

/// What was found out about a door that has no limit.
struct Cost {
    added_p50_ms: f64,
    added_p99_ms: f64,
    calls_per_core: f64,
    memory_mb: f64,
}

fn main() -> ExitCode {
    say("installing the peers …");
    let installed = peers::install().unwrap_or_else(|error| panic!("{error}"));
    let binaries = binaries();
    let folder = workspace::target().join("bench/door");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut good = false;
    let settings = Settings { binaries: Some(binaries), instances_max: INSTANCES, ..Settings::default() };
    alone(settings, async |platform| {
        let (mut rows, mut promises) = (Vec::new(), Vec::new());
        rows.push(ours(platform, &mut promises).await);
        let upstream = Weather::start(0).await.unwrap();
        for peer in PEERS {
            rows.push(theirs(peer, &installed, &upstream, &folder).await);
        }
        let head = [
            "door",
            "over the limit, 1 instance",
            "2 instances",
            "added p50 ms",
            "added p99 ms",
            "calls a second and core",
            "memory MB",
        ];
        let table = table(&head, &rows);
        say(&format!("\n{table}"));
        write(&table);
        good = judge(&promises);
    });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The gateway as it is deployed among functions that were built in less time.
fn binaries() -> PathBuf {
    let around = workspace::build(Profile::Local).unwrap();
    let gateway = workspace::build_some(Profile::Release, ["gateway".to_owned()]).unwrap().join("gateway");
    let folder = workspace::target().join("bench/binaries");
    fs::create_dir_all(&folder).unwrap();
    for function in workspace::functions().unwrap() {
        let from = if function == "gateway" { gateway.clone() } else { around.join(&function) };
        fs::copy(from, folder.join(function)).unwrap();
    }
    folder
}

async fn ours(platform: &Platform, promises: &mut Vec<Promise>) -> Vec<String> {
    say("Doorway …");
    let limited = json!({ "rate": { "calls": LIMIT, "per_seconds": 60, "burst": LIMIT } });
    let market = platform.market(limited).await;
    let over = rush(&target(platform, &market)).await;
    promises.push(Promise::at_most("Doorway's calls over the limit, beyond what the minute's rate adds", over, 0.0));
    let market = platform.market(json!({ "quota": { "calls": 10_000_000, "period": "month", "kind": "hard" } })).await;
    let target = target(platform, &market);
    let direct = Client::new(&market.upstream.url());
    let database = || thread("dynamodb");
    let (mut shares, before) = (Vec::new(), database());
    let own_before = processor(std::process::id());
    let cost = cost(&target, &direct, || platform.cloud().processes("Gateway")).await;
    let calls = u32::try_from(CALLERS * CALLS_EACH + 2 * CALLS).unwrap();
    for (name, used) in [
        ("the local DynamoDB", database().saturating_sub(before)),
        ("the local cloud, the upstream and the callers", processor(std::process::id()).saturating_sub(own_before)),
    ] {
        shares.push(format!("{name} {:.3} ms", milliseconds(used / calls)));
    }
    say(&format!("processor time of a call beside the gateway's: {}", shares.join(", ")));
    row("Doorway, the gateway's processes", [None, Some(over)], &cost)
}

fn target(platform: &Platform, market: &Market) -> Target {
    Target {
        clients: vec![Client::new(platform.cloud().url())],
        path: format!("/call/{}/weather{PATH}", market.provider.slug),
        key: market.key.secret.clone(),
    }
}

async fn theirs(peer: Peer, installed: &Installed, upstream: &Weather, folder: &Path) -> Vec<String> {
    say(&format!("{} …", peer.name()));
    let mut over = [None; 2];
    for (instances, over) in [1, 2].into_iter().zip(&mut over) {
        let running = peer.start(installed, &upstream.url(), true, instances, folder).await;
        let clients = running.urls.iter().map(|url| Client::new(url)).collect();
        *over = Some(rush(&Target { clients, path: PATH.to_owned(), key: "somebody".to_owned() }).await);
    }
    let running = peer.start(installed, &upstream.url(), false, 1, folder).await;
    let clients = running.urls.iter().map(|url| Client::new(url)).collect();
    let target = Target { clients, path: PATH.to_owned(), key: "somebody".to_owned() };
    let cost = cost(&target, &Client::new(&upstream.url()), || running.pids()).await;
    row(&format!("{} {}", peer.name(), peer.version(installed)), over, &cost)
}

fn row(name: &str, over: [Option<f64>; 2], cost: &Cost) -> Vec<String> {
    let [middle, most] = [cost.added_p50_ms, cost.added_p99_ms].map(|ms| format!("{ms:.2}"));
    let [one, two] = over.map(|over| over.map_or("-".to_owned(), |over| format!("{over:.0}")));
    vec![
        name.to_owned(),
        one,
        two,
        middle,
        most,
        format!("{:.0}", cost.calls_per_core),
        format!("{:.1}", cost.memory_mb),
    ]
}

/// Calls admitted beyond the limit and beyond what came free while they were made.
async fn rush(target: &Target) -> f64 {
    let began = Instant::now();
    let answers = join_all((0..RUSH).map(|number| target.call(number))).await;
    let free = (began.elapsed().as_secs_f64() * f64::from(LIMIT) / 60.0).ceil();
    let admitted = u32::try_from(answers.iter().filter(|status| **status == 200).count()).unwrap();
    let refused = answers.iter().filter(|status| **status == 429).count();
    say(&format!(
        "  of {RUSH} calls at once {admitted} admitted, {refused} refused in {:.2} s",
        began.elapsed().as_secs_f64()
    ));
    (f64::from(admitted) - f64::from(LIMIT) - free).max(0.0)
}

async fn cost(target: &Target, direct: &Client, pids: impl Fn() -> Vec<u32>) -> Cost {
    let (mut alone, mut through) = (Vec::new(), Vec::new());
    // All of its processes are warm before anything is measured.
    join_all((0..CALLERS * 8).map(|number| target.call(number))).await;
    for call in 0..CALLS {
        let began = Instant::now();
        assert_eq!(direct.send(Call::get(PATH)).await.unwrap().status, 200);
        alone.push(began.elapsed());
        let began = Instant::now();
        assert_eq!(target.call(call).await, 200);
        through.push(began.elapsed());
    }
    let all = || pids().into_iter().map(processor).sum::<Duration>();
    let before = all();
    let callers = (0..CALLERS).map(|_| async {
        for call in 0..CALLS_EACH {
            assert_eq!(target.call(call).await, 200);
        }
    });
    join_all(callers).await;
    let used = all().saturating_sub(before);
    let added = |percent, alone: &mut [Duration], through: &mut [Duration]| {
        milliseconds(percentile(through, percent)) - milliseconds(percentile(alone, percent))
    };
    let calls = f64::from(u32::try_from(CALLERS * CALLS_EACH).unwrap());
    Cost {
        added_p50_ms: added(50, &mut alone, &mut through),
        added_p99_ms: added(99, &mut alone, &mut through),
        calls_per_core: calls / used.as_secs_f64(),
        memory_mb: pids().into_iter().map(peak_bytes).map(megabytes).sum(),
    }
}

/// The processor time of the threads of this name.
fn thread(name: &str) -> Duration {
    let named = |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name);
    let tasks = fs::read_dir("/proc/self/task").unwrap().filter_map(|task| Some(task.ok()?.path()));
    tasks.filter(named).map(|task| used(&task)).sum()
}

/// Into `tests/bench/README.md`, with where it comes from.
fn write(table: &str) {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let cores = std::thread::available_parallelism().unwrap();
    let (day, kernel) = (said("date", &["-u", "+%Y-%m-%d"]), said("uname", &["-srm"]));
    let rustc = said("rustc", &["--version"]);
    let source = format!("`cargo bench-door`, {day}, {cores} cores, {kernel}, {rustc}.");
    readme::write(BEGIN, END, &format!("{source}\n\n{table}"));
}
