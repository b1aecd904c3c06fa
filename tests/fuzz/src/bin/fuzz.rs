//! `cargo fuzz-readers`: every target, or those that are named, two at a time. `--seconds 120 --seed 1`; `--input FILE` reads one file again, with one target.
#![allow(clippy::expect_used, reason = "a fuzzer that cannot go on has failed, and says why")]

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use dev::{complain, say, workspace};
use fuzz::target::Target;
use fuzz::worker::{self, Summary};

const USAGE: &str = "cargo fuzz-readers [openapi] [yaml] [graphql] [protobuf] [archive] [unpack] [--seconds 120] [--seed 1] [--input FILE]";
/// How many targets run at a time.
const AT_A_TIME: usize = 2;

struct Options {
    targets: Vec<Target>,
    seconds: u64,
    seed: u64,
    input: Option<PathBuf>,
    is_worker: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options { targets: Vec::new(), seconds: 120, seed: 1, input: None, is_worker: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|number| number.parse().ok()).ok_or(USAGE.to_owned());
        match argument.as_str() {
            "--seconds" => options.seconds = number()?,
            "--seed" => options.seed = number()?,
            "--worker" => options.is_worker = true,
            "--input" => options.input = Some(PathBuf::from(arguments.next().ok_or(USAGE)?)),
            name => {
                let target = Target::ALL.into_iter().find(|target| target.name() == name);
                options.targets.push(target.ok_or(USAGE)?);
            }
        }
    }
    if options.targets.is_empty() {
        options.targets = Target::ALL.to_vec();
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(usage) => {
            complain(&usage);
            return ExitCode::from(2);
        }
    };
    let folder = workspace::target().join("fuzz");
    fs::create_dir_all(&folder).expect("the folder for findings can be made");
    if let Some(input) = &options.input {
        let bytes = fs::read(input).expect("the input can be read");
        for target in &options.targets {
            say(&format!("{}: {} features", target.name(), target.run(&bytes).0.len()));
        }
        return ExitCode::SUCCESS;
    }
    if options.is_worker {
        return options.targets.first().map_or(ExitCode::FAILURE, |target| work(*target, &options, &folder));
    }
    let waiting: Mutex<VecDeque<Target>> = Mutex::new(options.targets.iter().copied().collect());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("no thread panics").pop_front();
                    let Some(target) = next else { break };
                    if !watched(target, &options, &folder) {
                        failed.lock().expect("no thread panics").push(target.name());
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no thread panics");
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    complain(&format!("something was found: {}", failed.join(", ")));
    ExitCode::FAILURE
}

fn scratch(target: Target, folder: &Path) -> PathBuf {
    folder.join(format!("{}.running", target.name()))
}

/// Runs a target in a process of its own. Whether nothing was found.
fn watched(target: Target, options: &Options, folder: &Path) -> bool {
    let program = std::env::current_exe().expect("a program knows where it is");
    let output = Command::new(program)
        .args([
            target.name(),
            "--worker",
            "--seconds",
            &options.seconds.to_string(),
            "--seed",
            &options.seed.to_string(),
        ])
        .stdin(Stdio::null())
        .output()
        .expect("a program can start itself");
    if let Some(summary) =
        Summary::parse(String::from_utf8_lossy(&output.stdout).trim()).filter(|_| output.status.success())
    {
        say(&format!(
            "{:<9} {:>9} executions in {} s, {} features, {} inputs kept, the slowest took {} ms",
            target.name(),
            summary.executions,
            options.seconds,
            summary.features,
            summary.pool,
            summary.slowest_ms
        ));
        let _gone = fs::remove_file(scratch(target, folder));
        return true;
    }
    let kept = folder.join(format!("{}-{}.{}", target.name(), options.seed, target.ending()));
    // A worker that panicked has left a smaller input there; one that was ended has not.
    if output.status.code() != Some(1) {
        let _kept = fs::copy(scratch(target, folder), &kept);
    }
    complain(&format!(
        "{}: {}\n{}\nthe input: {}",
        target.name(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim(),
        kept.display()
    ));
    false
}

fn work(target: Target, options: &Options, folder: &Path) -> ExitCode {
    match worker::fuzz(target, options.seed, Duration::from_secs(options.seconds), &scratch(target, folder)) {
        Ok(summary) => {
            say(&summary.line());
            ExitCode::SUCCESS
        }
        Err(found) => {
            let kept = folder.join(format!("{}-{}.{}", target.name(), options.seed, target.ending()));
            fs::write(kept, &found.input).expect("the input can be written");
            complain(&found.message);
            ExitCode::from(1)
        }
    }
}
