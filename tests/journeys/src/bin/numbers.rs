//! Measures what the system is judged by, with the functions as they are deployed: `cargo run -p journeys --bin numbers`.
//!
//! Size of each function's binary, time from the start of a process to its first response, what the door adds to a call, and what an admitted call costs at DynamoDB.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on has failed, and says why"
)]

use std::{
    fs,
    time::{Duration, Instant},
};

use dev::{
    client::Client,
    say,
    workspace::{self, Profile},
};
use journeys::{Call, Market, Platform, Settings, alone};
use serde_json::{Value, json};

/// So many starts of each function.
const STARTS: usize = 30;
/// So many calls, one after the other.
const CALLS: usize = 1_000;
/// A warm door's calls, for what they cost.
const COUNTED: u32 = 200;

fn main() {
    let binaries = workspace::build(Profile::Release).unwrap_or_else(|error| panic!("{error}"));
    alone(Settings { binaries: Some(binaries.clone()), ..Settings::default() }, async |platform| {
        say("function         binary   start to first response, median of 30");
        for function in workspace::functions().unwrap() {
            let bytes = fs::metadata(binaries.join(&function)).unwrap().len();
            let start = start(platform, &function).await;
            say(&format!("{function:<14} {:>5.1} MB   {:>6.1} ms", megabytes(bytes), milliseconds(start)));
        }
        let market =
            platform.market(json!({ "quota": { "calls": 1_000_000, "period": "month", "kind": "hard" } })).await;
        latency(platform, &market).await;
        cost(platform, &market).await;
    });
}

fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes / 1_000).unwrap()) / 1_000.0
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// A sample call of a function: one that only reads, if it has one.
fn sample(function: &str) -> Value {
    let folder = workspace::root().join("functions").join(function).join("events");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let samples: Vec<Value> = files
        .iter()
        .filter_map(|file| serde_json::from_slice(&fs::read(file).unwrap()).ok())
        .filter(|sample: &Value| sample["requestContext"]["http"].is_object())
        .collect();
    let reads = samples.iter().find(|sample| sample["requestContext"]["http"]["method"] == "GET");
    reads.or(samples.first()).unwrap_or_else(|| panic!("{function} has no sample of an HTTP call")).clone()
}

async fn start(platform: &Platform, function: &str) -> Duration {
    let (first, rest) = function.split_at(1);
    let id = first.to_uppercase() + rest;
    let payload = sample(function);
    let mut times = Vec::new();
    for _ in 0..STARTS {
        platform.cloud().recycle(&id).await;
        let began = Instant::now();
        platform.cloud().invoke(&id, payload.clone()).await.unwrap_or_else(|error| panic!("{function}: {error}"));
        times.push(began.elapsed());
    }
    percentile(&mut times, 50)
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

async fn latency(platform: &Platform, market: &Market) {
    let upstream = Client::new(&market.upstream.url());
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does hits both.
    for call in 0..CALLS + 100 {
        let began = Instant::now();
        assert_eq!(upstream.send(Call::get("/forecast/oslo")).await.unwrap().status, 200);
        let alone = began.elapsed();
        let began = Instant::now();
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
        if call >= 100 {
            direct.push(alone);
            through.push(began.elapsed());
        }
    }
    say(&format!("\n{CALLS} calls, one after the other, warm:"));
    for percent in [50, 99] {
        let (alone, door) = (percentile(&mut direct, percent), percentile(&mut through, percent));
        let added = milliseconds(door) - milliseconds(alone);
        say(&format!(
            "p{percent}: {:.2} ms direct, {:.2} ms through the door, {added:.2} ms added",
            milliseconds(alone),
            milliseconds(door)
        ));
    }
}

async fn cost(platform: &Platform, market: &Market) {
    let before = platform.cloud().consumed("Gateway");
    for _ in 0..COUNTED {
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
    }
    let after = platform.cloud().consumed("Gateway");
    let calls = u32::try_from(after.calls - before.calls).unwrap();
    say(&format!(
        "\nAn admitted call costs {:.3} DynamoDB calls, {:.3} write units and {:.3} read units ({COUNTED} calls, warm, one after the other): {:?}",
        f64::from(calls) / f64::from(COUNTED),
        (after.write_units - before.write_units) / f64::from(COUNTED),
        (after.read_units - before.read_units) / f64::from(COUNTED),
        after
            .by_action
            .iter()
            .map(|(action, count)| (action, count - before.by_action.get(action).copied().unwrap_or(0)))
            .filter(|(_, count)| *count > 0)
            .collect::<Vec<_>>(),
    ));
}
