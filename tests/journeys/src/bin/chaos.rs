//! `cargo chaos`: calls through the door while everything goes wrong, and the ledger of what came of them. See [`journeys::chaos`].
#![allow(clippy::panic, reason = "a run that cannot go on has failed, and says why")]

use std::{env, process::ExitCode};

use dev::{
    complain, say,
    workspace::{self, Profile},
};
use journeys::{Settings, alone, chaos};

const USAGE: &str = "cargo chaos [--calls N] [--seed S] [--processes P] [--release]

  --calls N       so many calls; 20,000 unless said
  --seed S        chooses the calls and all that goes wrong; 1 unless said
  --processes P   most processes of one function; 8 unless said
  --release       the functions as they are deployed

For a million calls, optimize the local cloud too: cargo run --profile local --bin chaos -- --release --calls 1000000

Ends with 1 if a rule of the ledger does not hold.";

fn main() -> ExitCode {
    let (mut calls, mut seed, mut processes, mut profile) = (20_000, 1, 8, Profile::Dev);
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.replace(['_', ','], "").parse::<u64>().ok());
        let understood = match argument.as_str() {
            "--calls" => number().filter(|n| (100..=10_000_000).contains(n)).map(|n| calls = n),
            "--seed" => number().map(|n| seed = n),
            "--processes" => number().filter(|n| (1..=64).contains(n)).map(|n| processes = n),
            "--release" => {
                profile = Profile::Release;
                Some(())
            }
            _ => None,
        };
        if understood.is_none() {
            complain(USAGE);
            return ExitCode::from(2);
        }
    }
    let binaries = workspace::build(profile).unwrap_or_else(|error| panic!("{error}"));
    let processes = usize::try_from(processes).unwrap_or(8);
    // A call may wait for long on a machine that does all of this at once: what is slow has not failed.
    let settings = Settings {
        instances_max: processes,
        upstream_timeout_ms: 18_000,
        binaries: Some(binaries),
        ..Settings::default()
    };
    let mut broken = false;
    alone(settings, async |platform| {
        let ledger = chaos::run(platform, chaos::Wish { calls, seed, callers: processes }).await;
        say(&ledger.to_string());
        broken = !ledger.broken().is_empty();
    });
    ExitCode::from(u8::from(broken))
}
