//! `cargo ci`: every check of the repository, with its time, on a machine that has only Rust, Python 3 and perhaps root.

mod report;
mod tools;

use std::process::ExitCode;

use dev::workspace::{self, Profile};
use report::Report;
use tools::{Installation, Tools};

/// The test programs that drive tools of Python; what is in them is ignored in a plain `cargo test`, because it needs the tools.
const DRIVERS: [&str; 2] = ["schemathesis", "protoc"];

/// The test program in which the door stands beside nginx.
const PROXY: &str = "proxy";
const NGINX: &str = "nginx";

/// The readers of documents against others' tools; these tests are ignored in a plain `cargo test`, because they need those.
const REFERENCE: &str = "reference tools";

/// For each target, two at a time; a development build, in which overflows panic.
const FUZZ_SECONDS: &str = "10";

fn main() -> ExitCode {
    let mut report = Report::start();
    let installation = Installation::begin();

    let mut fmt = workspace::cargo();
    report.run("cargo fmt", fmt.args(["fmt", "--all", "--check"]));
    let mut clippy = workspace::cargo();
    report.run("cargo clippy", clippy.args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]));
    deny(&mut report);

    let tools = installation.finish(&mut report);
    template(&mut report, tools.as_ref());

    // Tests first, functions second: what the end-to-end tests run is then what stands in the target folder.
    let mut compile = workspace::cargo();
    let compiled = report.run("tests, compiled", compile.args(["test", "--workspace", "--no-run"]));
    let built = compiled && functions(&mut report);
    if built {
        test(&mut report, tools.as_ref());
        report.run(
            "readers, fuzzed",
            workspace::cargo().args(["run", "--bin", "fuzz-readers", "--", "--seconds", FUZZ_SECONDS]),
        );
        report.run("sizes of binaries", workspace::cargo().args(["run", "--bin", "bench-size"]));
    } else {
        report.skip("cargo test", "the code does not compile");
    }
    report.finish()
}

/// Odd requests, to the door and to nginx. Without nginx a developer's run goes on, one for others (`CI` is set) has failed.
fn side_by_side(report: &mut Report) {
    match tools::nginx() {
        Ok(()) => {
            let mut command = workspace::cargo();
            command.args(["test", "--workspace", "--test", PROXY, "--", "nginx", "--ignored"]);
            report.run_ignored(NGINX, &mut command);
        }
        Err(reason) if std::env::var_os("CI").is_some() => report.fail(NGINX, &reason),
        Err(reason) => report.skip(NGINX, &reason),
    }
}

/// Licences, bans and sources are checked by `tidy`, from the same deny.toml; cargo-deny itself takes minutes to install.
fn deny(report: &mut Report) {
    let mut version = workspace::cargo();
    let installed = version.args(["deny", "--version"]).output().is_ok_and(|output| output.status.success());
    if installed {
        let mut command = workspace::cargo();
        report.run("cargo deny", command.args(["--offline", "deny", "check", "bans", "licenses", "sources"]));
    } else {
        report.skip(
            "cargo deny",
            "it is not installed; tidy holds the dependencies to deny.toml, but nobody looks for advisories",
        );
    }
}

fn template(report: &mut Report, tools: Option<&Tools>) {
    let Some(tools) = tools else {
        report.skip("cfn-lint, sam validate --lint", "the tools are not there");
        return;
    };
    report.run_silent("cfn-lint", tools.command("cfn-lint").arg("template.yaml"));
    report.run("sam validate --lint", tools.command("sam").args(["validate", "--lint", "--template", "template.yaml"]));
}

fn functions(report: &mut Report) -> bool {
    match workspace::build_arguments(Profile::Dev) {
        Ok(arguments) => report.run("functions, built", workspace::cargo().args(arguments)),
        Err(error) => {
            report.fail("functions, built", &error.to_string());
            false
        }
    }
}

fn test(report: &mut Report, tools: Option<&Tools>) {
    let binaries = workspace::target().join("debug");
    let mut all = workspace::cargo();
    all.args(["test", "--workspace", "--no-fail-fast"]).env(workspace::BINARIES, &binaries);
    report.run_tests("cargo test", &mut all);
    side_by_side(report);
    references(report);

    for driver in DRIVERS {
        let Some(tools) = tools else {
            report.skip(driver, "the tools are not there");
            continue;
        };
        let mut command = workspace::cargo();
        command
            .args(["test", "--workspace", "--test", driver, "--", "--ignored", "--nocapture"])
            .env(workspace::BINARIES, &binaries)
            .env(workspace::TOOLS, tools.folder());
        report.run_ignored(driver, &mut command);
    }
}

fn references(report: &mut Report) {
    match tools::node_packages() {
        Ok(packages) => {
            let mut command = workspace::cargo();
            command
                .args(["test", "--workspace", "--lib", "reference_", "--", "--ignored", "--nocapture"])
                .env(workspace::NODE_PACKAGES, packages);
            report.run_ignored(REFERENCE, &mut command);
        }
        Err(reason) if std::env::var_os("CI").is_some() => report.fail(REFERENCE, &reason),
        Err(reason) => report.skip(REFERENCE, &reason),
    }
}
