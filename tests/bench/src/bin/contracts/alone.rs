//! The engine alone, and from documents to a report in one process, beside other engines.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use bench::documents::{self, Edits, GITHUB_AFTER, GITHUB_BEFORE, GITHUB_SCHEMA, STRIPE_AFTER, STRIPE_BEFORE};
use bench::generated;
use bench::run::Run;
use contracts::compare::{Settings, compare};
use contracts::report::{Form, Report, Scene, Warnings};
use dev::{say, tools};

use crate::Figure;

/// The first argument of a process that measures.
pub(crate) const MEASURE: &str = "--measure";
/// Seconds that the engine may take for any of the pairs.
const ENGINE_S_MAX: f64 = 0.15;

/// Reads both schemas, without the checks that ours makes (GitHub's has a field twice), and lists all changes.
const INSPECTOR: &str = r"
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const require = createRequire(process.argv[1] + '/');
const { buildASTSchema, parse } = require('graphql');
const { diff } = require('@graphql-inspector/core');
const texts = process.argv.slice(2, 4).map(file => readFileSync(file, 'utf8'));
const from = performance.now();
const [before, after] = texts.map(text => buildASTSchema(parse(text), { assumeValidSDL: true }));
const changes = JSON.stringify(await diff(before, after));
const took = performance.now() - from;
if (changes.length < 100) throw new Error('nothing found');
const used = process.resourceUsage();
console.log(took * 1e6, (used.userCPUTime + used.systemCPUTime) * 1e3, used.maxRSS * 1024);
";
/// Its time has the start of its process, some milliseconds.
const BUF: &str = r"
import resource, subprocess, sys, time
buf, before, after = sys.argv[1:]
start = time.perf_counter()
done = subprocess.run([buf, 'breaking', after, '--against', before, '--error-format', 'json'], capture_output=True)
took = time.perf_counter() - start
if done.returncode != 100 or b'COMPILE' in done.stdout or not done.stdout: sys.exit(done.stdout[:1000] + done.stderr[:1000])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(took * 1e9, (used.ru_utime + used.ru_stime) * 1e9, used.ru_maxrss * 1024)
";

/// Two documents, or two folders of protos.
pub(crate) struct Pair {
    name: &'static str,
    format: &'static str,
    before: PathBuf,
    after: PathBuf,
    /// Seconds and MB from documents to a report.
    report_max: (f64, Option<f64>),
}

/// The pairs: ours, and those of the corpora where they are there.
fn pairs(folder: &Path, packages: &Path) -> Vec<Pair> {
    let pair = |name: &'static str, format: &'static str, report_max: (f64, Option<f64>), texts: [String; 2]| {
        let paths = ["before", "after"].map(|side| folder.join(name).join(side));
        for (path, text) in paths.iter().zip(texts) {
            fs::create_dir_all(path).unwrap();
            fs::write(path.join(if format == "protobuf" { "api.proto" } else { "api" }), text).unwrap();
        }
        let [before, after] = if format == "protobuf" { paths } else { paths.map(|path| path.join("api")) };
        Pair { name, format, before, after, report_max }
    };
    let edited = |format: &str, before: String| {
        let after = Edits::default().of(format, &before);
        [before, after]
    };
    let mut pairs = vec![
        pair("OpenAPI, 1,000 operations", "openapi", (0.15, None), edited("openapi", generated::openapi(1_000))),
        pair("GraphQL, 1,000 operations", "graphql", (0.15, None), edited("graphql", generated::graphql(1_000))),
        pair("protobuf, 1,000 operations", "protobuf", (0.15, None), edited("protobuf", generated::protobuf(1_000))),
    ];
    if documents::are_there() {
        let unpacked = |files: [&str; 2]| files.map(documents::unpacked);
        let schema = edited("graphql", documents::unpacked(GITHUB_SCHEMA));
        pairs.extend([
            pair(GITHUB, "openapi", (0.85, Some(200.0)), unpacked([GITHUB_BEFORE, GITHUB_AFTER])),
            pair("Stripe's OpenAPI", "openapi", (0.85, Some(200.0)), unpacked([STRIPE_BEFORE, STRIPE_AFTER])),
            pair("GitHub's GraphQL, edited", "graphql", (0.15, None), schema),
            protos(folder, packages),
        ]);
    }
    pairs
}

const GITHUB: &str = "GitHub's OpenAPI, 11 and 13 MB";

/// Those of googleapis with all that they import, and the same with edits.
fn protos(folder: &Path, packages: &Path) -> Pair {
    let [before, after] = ["protos/before", "protos/after"].map(|side| folder.join(side));
    documents::protos(&before);
    for file in documents::proto_files(&packages.join("google")) {
        let inside = file.strip_prefix(packages).unwrap();
        let to = before.join(inside);
        if !(to.exists() || inside.starts_with("google/protobuf")) {
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(file, to).unwrap();
        }
    }
    let mut edits = Edits::default();
    for file in documents::proto_files(&before) {
        let to = after.join(file.strip_prefix(&before).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, edits.of("protobuf", &fs::read_to_string(file).unwrap())).unwrap();
    }
    Pair { name: "419 protos of googleapis, edited", format: "protobuf", before, after, report_max: (0.5, None) }
}

pub(crate) fn figures(times: usize) -> Vec<Figure> {
    say("installing the peers …");
    let engines = tools::node("engines", "tests/bench/engines").unwrap().join("node_modules");
    let python = tools::python("tools", "tests/dev/requirements.txt").unwrap().join("python");
    let folder = tempfile::tempdir().unwrap();
    let pairs = pairs(folder.path(), &packages(&python));
    let (mut engine, mut reports) = (Vec::new(), Vec::new());
    for pair in &pairs {
        say(&format!("{} …", pair.name));
        let peer = pair.peer(&engines, &python);
        let (mut alone, mut whole, mut their) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..times {
            // In turns, so that whatever else the machine does hits all of them.
            alone.push(Run::of(&mut pair.ours("engine")));
            whole.push(Run::of(&mut pair.ours("report")));
            their.extend(peer().map(|(_, mut command)| Run::of(&mut command)));
        }
        let what = format!("engine: {}", pair.name);
        engine.push(Figure::ours(&what, Run::median(&alone).time, ENGINE_S_MAX));
        let (what, run) = (format!("documents to report: {}", pair.name), Run::median(&whole));
        let (seconds, mb) = pair.report_max;
        reports.push(Figure::ours(&what, run.time, seconds).memory(run.memory_bytes, mb));
        if let Some((name, _)) = peer() {
            let run = Run::median(&their);
            reports.push(Figure::plain(&what, name, run.time, run.memory_bytes));
        }
        if pair.name == GITHUB {
            // Neither npm nor PyPI nor crates.io has it: measured once elsewhere, on as many cores.
            let noted = Duration::from_millis(4_200);
            reports.push(Figure::plain(&what, "oasdiff, not in the same run", noted, 351_000_000));
        }
    }
    engine.extend(reports);
    engine
}

/// Where Python's packages are, protos of googleapis among them.
fn packages(python: &Path) -> PathBuf {
    let output =
        Command::new(python).args(["-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]).output();
    PathBuf::from(String::from_utf8(output.unwrap().stdout).unwrap().trim())
}

impl Pair {
    fn ours(&self, what: &str) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([MEASURE, what, self.format]).arg(&self.before).arg(&self.after);
        command
    }

    /// What is measured beside ours: its name, and its command, again and again.
    fn peer(&self, engines: &Path, python: &Path) -> impl Fn() -> Option<(&'static str, Command)> {
        move || {
            let (name, mut command) = match self.format {
                "graphql" => {
                    let mut command = Command::new("node");
                    command.args(["--input-type=module", "--eval", INSPECTOR]).arg(engines);
                    ("graphql-inspector", command)
                }
                "protobuf" => {
                    let mut command = Command::new(python);
                    command.args(["-c", BUF]).arg(engines.join(format!("@bufbuild/buf-linux-{ARCHITECTURE}/bin/buf")));
                    ("buf breaking", command)
                }
                _ => return None,
            };
            command.arg(&self.before).arg(&self.after);
            Some((name, command))
        }
    }
}

/// As its packages are named.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x64" };

/// In a process of its own: reads two documents, compares them, and makes the report; says what it took.
pub(crate) fn measure(arguments: &[String]) {
    let [what, format, paths @ ..] = arguments else { panic!("{arguments:?}") };
    let files = [0, 1].map(|side| documents::load(Path::new(&paths[side])));
    let start = Instant::now();
    // What was read of one document goes before the next is read, as in the catalog.
    let [(before, old), (after, new)] = files.map(|files| documents::read(format, &files));
    let start = if what == "engine" { Instant::now() } else { start };
    let comparison = compare(&before, &after, Settings::default());
    let compared = start.elapsed();
    assert!(comparison.findings.len() > 10, "{:?}", comparison.findings);
    let scene = Scene::of(&before, &after, "https://example.com");
    let report = Report::of(comparison, Warnings { before: old.finish(), after: new.finish() });
    let bytes = Form::Json.write(&report, &scene, false).unwrap();
    let reported = start.elapsed();
    assert!(!bytes.is_empty());
    Run::own(if what == "engine" { compared } else { reported }).say();
}
