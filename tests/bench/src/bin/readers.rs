//! Our readers beside their formats' own tools: `cargo bench-readers`, with `--times 7` and `--write` to put the table into the README.
//!
//! Every run is a process of its own, which says what it took from the bytes (in a file) to the result: the start of a language's runtime is no part of the time, but
//! its memory is. Ours are built as they are deployed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on has failed, and says why"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fs};

use bench::documents::{self, GITHUB_AFTER, GITHUB_SCHEMA, STRIPE_AFTER};
use bench::figures::{Promise, judge, megabytes, table};
use bench::run::Run;
use bench::{generated, readme};
use dev::workspace::{self, Profile};
use dev::{say, tools};

const BEGIN: &str = "<!-- the table of cargo bench-readers -->\n";
const END: &str = "<!-- the end of bench-readers -->";
/// Bytes that the function may have as it is deployed.
const BINARY_MB_MAX: f64 = 8.0;

/// Parses, resolves every reference, and checks, as ours does.
const OPENAPI: &str = r"
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const { validate } = createRequire(process.argv[1] + '/')('@readme/openapi-parser');
const text = readFileSync(process.argv[2], 'utf8');
const from = performance.now();
const result = await validate(JSON.parse(text));
const took = performance.now() - from;
if (result.valid === undefined) throw new Error('not checked');
const used = process.resourceUsage();
console.log(took * 1e6, (used.userCPUTime + used.systemCPUTime) * 1e3, used.maxRSS * 1024);
";
/// Parses, and builds the schema without the checks that ours makes: GitHub's has a field twice.
const GRAPHQL: &str = r"
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const { buildASTSchema, parse } = createRequire(process.argv[1] + '/')('graphql');
const text = readFileSync(process.argv[2], 'utf8');
const from = performance.now();
const schema = buildASTSchema(parse(text), { assumeValidSDL: true });
const took = performance.now() - from;
if (!schema.getQueryType()) throw new Error('no query');
const used = process.resourceUsage();
console.log(took * 1e6, (used.userCPUTime + used.systemCPUTime) * 1e3, used.maxRSS * 1024);
";
/// The compiler, without any code generated.
const PROTOC: &str = r"
import os, resource, sys, sysconfig, time
from grpc_tools import protoc
folder = sys.argv[1]
packages = sysconfig.get_paths()['purelib']
files = sorted(os.path.relpath(os.path.join(base, name), folder) for base, _, names in os.walk(folder) for name in names if name.endswith('.proto'))
start = time.perf_counter()
code = protoc.main(['protoc', '-I', folder, '-I', packages, '-I', os.path.join(os.path.dirname(protoc.__file__), '_proto'), '--descriptor_set_out=/dev/null'] + files)
took = time.perf_counter() - start
if code: sys.exit(code)
used = resource.getrusage(resource.RUSAGE_SELF)
print(took * 1e9, (used.ru_utime + used.ru_stime) * 1e9, used.ru_maxrss * 1024)
";

/// A document (or a folder of protos), and what reads it beside ours.
struct Case {
    name: &'static str,
    format: &'static str,
    path: PathBuf,
    tool: &'static str,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [first, format, path] = &arguments[..]
        && first == "--read"
    {
        ours(format, Path::new(path));
        return ExitCode::SUCCESS;
    }
    let times =
        arguments.iter().position(|argument| argument == "--times").map_or(7, |at| arguments[at + 1].parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let cases = cases(folder.path());
    let packages = tools::node("node", "tests/dev/node").unwrap().join("node_modules");
    let python = tools::python("tools", "tests/dev/requirements.txt").unwrap().join("python");
    let (mut rows, mut promises) = (Vec::new(), Vec::new());
    for case in &cases {
        let (mut own, mut their) = (Vec::new(), Vec::new());
        for _ in 0..times {
            // In turns, so that whatever else the machine does hits both.
            own.push(Run::of(Command::new(env::current_exe().unwrap()).args(["--read", case.format]).arg(&case.path)));
            their.push(Run::of(&mut case.theirs(&packages, &python)));
        }
        let (own, their) = (Run::median(&own), Run::median(&their));
        for (who, run) in [("ours", own), (case.tool, their)] {
            rows.push(vec![
                case.name.to_owned(),
                who.to_owned(),
                format!("{:.1}", run.time.as_secs_f64() * 1e3),
                format!("{:.1}", run.processor.as_secs_f64() * 1e3),
                format!("{:.1}", megabytes(run.memory_bytes)),
                if who == "ours" {
                    format!("{:.1}", their.time.as_secs_f64() / own.time.as_secs_f64())
                } else {
                    String::new()
                },
            ]);
        }
        promises.extend(promised(case, own, their));
    }
    let binaries = workspace::build_some(Profile::Release, ["catalog".to_owned()]).unwrap();
    let bytes = fs::metadata(binaries.join("catalog")).unwrap().len();
    promises.push(Promise::at_most("the function's binary, MB", megabytes(bytes), BINARY_MB_MAX));
    let head = ["document", "reader", "time, ms", "processor, ms", "peak memory, MB", "times as fast"];
    let table = table(&head, &rows);
    say(&format!("\n{table}"));
    if arguments.iter().any(|argument| argument == "--write") {
        readme::write(BEGIN, END, &format!("{}\n\n{table}", readme::medians(times)));
    }
    if judge(&promises) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn promised(case: &Case, own: Run, their: Run) -> Vec<Promise> {
    let say = |what: &str| format!("{}, {what}", case.name);
    let faster = their.time.as_secs_f64() / own.time.as_secs_f64();
    let mut promises = match case.format {
        "openapi" => vec![
            Promise::at_least(&say("times as fast as openapi-parser"), faster, 10.0),
            Promise::at_most(
                &say("share of its memory"),
                megabytes(own.memory_bytes) / megabytes(their.memory_bytes),
                0.25,
            ),
        ],
        "graphql" => vec![Promise::at_least(&say("times as fast as graphql-js"), faster, 3.0)],
        _ => vec![Promise::at_least(&say("times as fast as protoc"), faster, 1.0)],
    };
    if case.name == GITHUB {
        promises.push(Promise::at_most(&say("seconds"), own.time.as_secs_f64(), 0.35));
        promises.push(Promise::at_most(&say("MB"), megabytes(own.memory_bytes), 150.0));
    }
    promises
}

const GITHUB: &str = "GitHub's OpenAPI, 13 MB";

/// The documents: ours, and those of the corpora where they are there.
fn cases(folder: &Path) -> Vec<Case> {
    let ours = |name: &'static str, format: &'static str, tool: &'static str, file: &str, text: String| {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        Case { name, format, path: if format == "protobuf" { path.parent().unwrap().to_owned() } else { path }, tool }
    };
    let openapi = "@readme/openapi-parser";
    let mut cases = vec![
        ours("OpenAPI, 1,000 operations", "openapi", openapi, "a/things.json", generated::openapi(1_000)),
        ours("GraphQL, 1,000 operations", "graphql", "graphql-js", "b/things.graphql", generated::graphql(1_000)),
        ours("protobuf, 1,000 operations", "protobuf", "protoc", "c/things.proto", generated::protobuf(1_000)),
    ];
    if !documents::are_there() {
        say("skipped: the documents of the corpora, which are absent");
        return cases;
    }
    cases.push(ours(GITHUB, "openapi", openapi, "d/github.json", documents::unpacked(GITHUB_AFTER)));
    cases.push(ours("Stripe's OpenAPI, 4 MB", "openapi", openapi, "e/stripe.json", documents::unpacked(STRIPE_AFTER)));
    let schema = documents::unpacked(GITHUB_SCHEMA);
    cases.push(ours("GitHub's GraphQL, 1.2 MB", "graphql", "graphql-js", "f/github.graphql", schema));
    let protos = folder.join("g");
    documents::protos(&protos);
    cases.push(Case { name: "419 protos of googleapis", format: "protobuf", path: protos, tool: "protoc" });
    cases
}

impl Case {
    fn theirs(&self, packages: &Path, python: &Path) -> Command {
        let script = match self.format {
            "openapi" => OPENAPI,
            "graphql" => GRAPHQL,
            _ => {
                let mut command = Command::new(python);
                command.args(["-c", PROTOC]).arg(&self.path);
                return command;
            }
        };
        let mut command = Command::new("node");
        command.args(["--input-type=module", "--eval", script]).arg(packages).arg(&self.path);
        command
    }
}

/// Reads a document, or the protos of a folder, and says what it took.
fn ours(format: &str, path: &Path) {
    let files = documents::load(path);
    let start = Instant::now();
    let (surface, _) = documents::read(format, &files);
    let time = start.elapsed();
    assert!(!surface.operations.is_empty());
    Run::own(time).say();
}
