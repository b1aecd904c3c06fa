//! What one admitted call costs, warm: instructions, time, writes. `cargo bench-call`.
//!
//! Instructions are counted by valgrind, as the difference between two runs of which one has twice the calls: what happens once is in neither. Beside the gateway run
//! the floor (`tests/floor`) and the floor with one write through DynamoDB's SDK, on the same runtime, upstream and database.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on has failed, and says why"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use bench::callgrind::Profile;
use bench::figures::{Promise, judge, milliseconds, percentile, table};
use bench::payload;
use bench::sandbox::Sandbox;
use dev::say;
use dev::workspace::{self, Profile as Build};
use journeys::{Market, Platform, Settings, alone};
use serde_json::json;

/// Calls of the shorter run under valgrind, after those that warm it up.
const COUNTED: i64 = 200;
const WARM: i64 = 20;
/// Calls of each program for their time.
const TIMED: usize = 1_000;
/// Calls for what they write: one after the other, and by so many callers at once.
const WRITES: usize = 400;
const CALLERS: usize = 8;
/// A gateway's instructions are at most so many times the floor's.
const TIMES_FLOOR_MAX: f64 = 2.0;
const WRITES_MAX: f64 = 1.0;
/// A sandbox looks for a new version of the API every ten seconds, which two reads cost.
const READS_MAX: f64 = 0.05;
const WRITES_CONTENDED_MAX: f64 = 1.1;

/// A program that is measured.
struct Program {
    name: &'static str,
    binary: PathBuf,
    environment: BTreeMap<String, String>,
}

fn main() -> ExitCode {
    let measured = workspace::build_some(Build::Symbols, ["gateway", "floor"].map(str::to_owned)).unwrap();
    let around = workspace::build(Build::Local).unwrap();
    let mut good = false;
    alone(Settings { binaries: Some(around), ..Settings::default() }, async |platform| {
        let market =
            platform.market(json!({ "quota": { "calls": 1_000_000, "period": "month", "kind": "hard" } })).await;
        let programs = programs(platform, &market, &measured);
        let call = || {
            let path = format!("/call/{}/weather/forecast/oslo", market.provider.slug);
            payload::call(&path, &market.key.secret)
        };
        let folder = workspace::target().join("bench");
        std::fs::create_dir_all(&folder).unwrap();
        let mut promises = instructions(&programs, &call, &folder).await;
        times(&programs, &call, &folder).await;
        promises.extend(writes(platform, &market).await);
        say("");
        good = judge(&promises);
    });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn programs(platform: &Platform, market: &Market, binaries: &Path) -> [Program; 3] {
    let environment = platform.cloud().environment("Gateway").unwrap();
    let mut floor = environment.clone();
    floor.insert("UPSTREAM".to_owned(), market.upstream.url());
    let mut writing = floor.clone();
    writing.insert("WRITE".to_owned(), "yes".to_owned());
    [
        Program { name: "floor", binary: binaries.join("floor"), environment: floor },
        Program { name: "floor and one write", binary: binaries.join("floor"), environment: writing },
        Program { name: "gateway", binary: binaries.join("gateway"), environment },
    ]
}

async fn instructions(programs: &[Program], call: &impl Fn() -> bytes::Bytes, folder: &Path) -> Vec<Promise> {
    let mut profiles = Vec::new();
    for program in programs {
        say(&format!("{}: {} calls under valgrind …", program.name, 3 * COUNTED + 2 * WARM));
        let short = counted(program, WARM + COUNTED, call, folder).await;
        profiles.push(counted(program, WARM + 2 * COUNTED, call, folder).await.since(&short, COUNTED));
    }
    let names: Vec<&str> = programs.iter().map(|program| program.name).collect();
    let parts: Vec<BTreeMap<_, _>> = profiles.iter().map(|profile| profile.parts().into_iter().collect()).collect();
    let mut rows: Vec<Vec<String>> = profiles[2]
        .parts()
        .iter()
        .map(|(part, _)| {
            let counts = parts.iter().map(|parts| parts.get(part).copied().unwrap_or(0).to_string());
            [(*part).to_owned()].into_iter().chain(counts).collect()
        })
        .collect();
    rows.push(
        ["in all".to_owned()].into_iter().chain(profiles.iter().map(|profile| profile.total().to_string())).collect(),
    );
    say("\nInstructions of one call:\n");
    say(&table(&[&["part"], names.as_slice()].concat(), &rows));
    if std::env::args().any(|argument| argument == "--top") {
        for (name, cost) in profiles[2].top(60) {
            say(&format!("{cost:>8}  {name}"));
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "instructions are far below 2^52")]
    let [floor, writing, gateway] = [0, 1, 2].map(|program: usize| profiles[program].total() as f64);
    say(&format!(
        "the write through the SDK alone: {:.2} floors; the gateway without it: {:.2} floors\n",
        (writing - floor) / floor,
        (gateway - writing + floor) / floor
    ));
    vec![Promise::at_most(
        "instructions of the gateway, the SDK's included, in floors",
        gateway / floor,
        TIMES_FLOOR_MAX,
    )]
}

async fn counted(program: &Program, calls: i64, call: &impl Fn() -> bytes::Bytes, folder: &Path) -> Profile {
    let out = folder.join(format!("{}-{calls}.callgrind", program.name.replace(' ', "-")));
    let command = [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", out.display()),
        program.binary.display().to_string(),
    ];
    let mut sandbox = Sandbox::start(&command, &program.environment, &folder.join("valgrind.log")).await;
    for _ in 0..calls {
        assert_eq!(sandbox.invoke(call()).await.status(), 200);
    }
    sandbox.end().await;
    Profile::read(&out)
}

async fn times(programs: &[Program], call: &impl Fn() -> bytes::Bytes, folder: &Path) {
    let mut running = Vec::new();
    for program in programs {
        let command = [program.binary.display().to_string()];
        running.push((Sandbox::start(&command, &program.environment, &folder.join("times.log")).await, Vec::new()));
    }
    for round in 0..TIMED + 50 {
        for (sandbox, times) in &mut running {
            let began = Instant::now();
            let answer = sandbox.invoke(call()).await;
            if round >= 50 {
                times.push(answer.at - began);
            }
            assert_eq!(answer.status(), 200);
        }
    }
    let mut rows = Vec::new();
    for (program, (sandbox, mut times)) in programs.iter().zip(running) {
        let [middle, most] = [50, 99].map(|percent| milliseconds(percentile(&mut times, percent)));
        let processor = sandbox.processor() / u32::try_from(TIMED + 50).unwrap();
        rows.push(vec![
            program.name.to_owned(),
            format!("{middle:.3}"),
            format!("{most:.3}"),
            format!("{:.3}", milliseconds(processor)),
            format!("{:.1}", f64::from(u32::try_from(sandbox.memory_kb()).unwrap()) / 1_000.0),
        ]);
        sandbox.kill().await;
    }
    say(&format!("Time of one call, {TIMED} each in turns, upstream and database included:\n"));
    say(&table(&["program", "p50 ms", "p99 ms", "its processor time ms", "memory MB"], &rows));
}

/// Write units of admitted calls, as DynamoDB counts them.
async fn writes(platform: &Platform, market: &Market) -> Vec<Promise> {
    let pass = || async {
        assert_eq!(market.pass(platform, "/forecast/oslo").await.status, 200);
    };
    // Warm, in every sandbox that will be used.
    together(CALLERS, CALLERS * 10, &pass).await;
    let mut promises = Vec::new();
    for (callers, most, what) in [(1, WRITES_MAX, "alone"), (CALLERS, WRITES_CONTENDED_MAX, "contended")] {
        let before = platform.cloud().consumed("Gateway");
        together(callers, WRITES, &pass).await;
        let after = platform.cloud().consumed("Gateway");
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let calls = WRITES as f64;
        let written = (after.write_units - before.write_units) / calls;
        let read = (after.read_units - before.read_units) / calls;
        promises.push(Promise::at_most(&format!("write units of an admitted call, {what}"), written, most));
        promises.push(Promise::at_most(&format!("read units of an admitted call, {what}"), read, READS_MAX));
    }
    promises
}

/// So many calls by so many callers.
async fn together<F: Future<Output = ()>>(callers: usize, calls: usize, pass: &impl Fn() -> F) {
    let callers = (0..callers).map(|_| async {
        for _ in 0..calls / callers {
            pass().await;
        }
    });
    futures_util::future::join_all(callers).await;
}
