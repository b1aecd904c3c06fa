//! The steps, what they took, and the count of the tests.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use dev::say;

/// How many tests did what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
    ignored: usize,
}

#[derive(Debug)]
struct Step {
    name: String,
    took: Duration,
    good: bool,
}

/// What happened so far.
#[derive(Debug)]
pub(crate) struct Report {
    started: Instant,
    steps: Vec<Step>,
    counts: Counts,
    skipped: Vec<(String, String)>,
}

impl Report {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), steps: Vec::new(), counts: Counts::default(), skipped: Vec::new() }
    }

    /// Runs a command, with its output as it comes. Whether it ended well.
    pub(crate) fn run(&mut self, name: &str, command: &mut Command) -> bool {
        let started = self.announce(name);
        let status = command.stdin(Stdio::null()).status();
        self.note(name, started, outcome(status))
    }

    /// The same, and whatever the command prints is a failure.
    pub(crate) fn run_silent(&mut self, name: &str, command: &mut Command) -> bool {
        let started = self.announce(name);
        let result = match command.stdin(Stdio::null()).output() {
            Ok(output) => {
                let text = [output.stdout, output.stderr].concat();
                let text = String::from_utf8_lossy(&text);
                if output.status.success() && text.trim().is_empty() {
                    Ok(())
                } else {
                    Err(format!("{}\n{}", text.trim_end(), output.status))
                }
            }
            Err(error) => Err(error.to_string()),
        };
        self.note(name, started, result)
    }

    /// Runs tests and counts them.
    pub(crate) fn run_tests(&mut self, name: &str, command: &mut Command) -> bool {
        let started = self.announce(name);
        let (result, counts, ignored) = follow(command);
        self.skipped.extend(ignored);
        self.add(name, started, result, counts)
    }

    fn add(&mut self, name: &str, started: Instant, result: Result<(), String>, counts: Counts) -> bool {
        self.counts.passed += counts.passed;
        self.counts.failed += counts.failed;
        self.counts.ignored += counts.ignored;
        let result = if counts.failed > 0 { Err(format!("{} tests failed", counts.failed)) } else { result };
        let good = self.note(name, started, result);
        if !good {
            // The step counts as a failure too, so one of its tests does not.
            self.counts.failed -= counts.failed.min(1);
        }
        good
    }

    /// Runs tests that the plain run had ignored: they are not skipped any more.
    pub(crate) fn run_ignored(&mut self, name: &str, command: &mut Command) -> bool {
        let before = self.counts;
        let good = self.run_tests(name, command);
        let ran = (self.counts.passed - before.passed) + (self.counts.failed - before.failed);
        self.counts.ignored = self.counts.ignored.saturating_sub(ran);
        // Their reason names what they needed.
        self.skipped.retain(|(_, why)| !why.contains(name));
        good
    }

    /// A step that was not taken, and why.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        say(&format!("\n==> {name}: skipped: {why}"));
        self.skipped.push((name.to_owned(), why.to_owned()));
    }

    /// A step that failed before it began.
    pub(crate) fn fail(&mut self, name: &str, why: &str) {
        let started = self.announce(name);
        self.note(name, started, Err(why.to_owned()));
    }

    /// A step that went on beside others.
    pub(crate) fn record(&mut self, name: &str, started: Instant, result: Result<(), String>) -> bool {
        self.note(name, started, result)
    }

    /// The table, what was skipped, and the closing line.
    pub(crate) fn finish(self) -> ExitCode {
        say("\n==> all steps");
        for step in &self.steps {
            say(&format!(
                "{:>8.1} s  {}  {}",
                step.took.as_secs_f64(),
                if step.good { "ok    " } else { "FAILED" },
                step.name
            ));
        }
        say(&format!("{:>8.1} s  in all", self.started.elapsed().as_secs_f64()));
        if !self.skipped.is_empty() {
            say("\nskipped:");
            for (name, why) in &self.skipped {
                say(&format!("  {name}: {why}"));
            }
        }
        let steps_failed = self.steps.iter().filter(|step| !step.good).count();
        let Counts { passed, failed, ignored } = self.counts;
        let failed = failed + steps_failed;
        say(&format!("\n{passed} passed, {failed} failed, {ignored} skipped"));
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn announce(&self, name: &str) -> Instant {
        show(&format!("\n==> {name}   (at {:.0} s)", self.started.elapsed().as_secs_f64()));
        Instant::now()
    }

    fn note(&mut self, name: &str, started: Instant, result: Result<(), String>) -> bool {
        let took = started.elapsed();
        let good = result.is_ok();
        match result {
            Ok(()) => show(&format!("    {name}: ok in {:.1} s", took.as_secs_f64())),
            Err(reason) => show(&format!("    {name}: FAILED after {:.1} s: {reason}", took.as_secs_f64())),
        }
        self.steps.push(Step { name: name.to_owned(), took, good });
        good
    }
}

/// Says it, but not in the tests of this file: their made-up failures would stand in the output of the real run.
fn show(line: &str) {
    if !cfg!(test) {
        say(line);
    }
}

fn outcome(status: std::io::Result<std::process::ExitStatus>) -> Result<(), String> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs tests, shows what they print, and reads the results off it.
fn follow(command: &mut Command) -> (Result<(), String>, Counts, Vec<(String, String)>) {
    let mut counts = Counts::default();
    let mut ignored = Vec::new();
    let mut child = match command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return (Err(error.to_string()), counts, ignored),
    };
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            say(&line);
            if let Some(seen) = result(&line) {
                counts.passed += seen.passed;
                counts.failed += seen.failed;
                counts.ignored += seen.ignored;
            }
            ignored.extend(not_run(&line));
        }
    }
    (outcome(child.wait()), counts, ignored)
}

/// `test result: ok. 3 passed; 0 failed; 1 ignored; …`
fn result(line: &str) -> Option<Counts> {
    let (_, counted) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut counts = Counts::default();
    for part in counted.split("; ") {
        let Some((number, what)) = part.split_once(' ') else {
            continue;
        };
        let Ok(number) = number.parse() else { continue };
        match what {
            "passed" => counts.passed = number,
            "failed" => counts.failed = number,
            "ignored" => counts.ignored = number,
            _ => {}
        }
    }
    Some(counts)
}

/// `test some::name ... ignored, why`
fn not_run(line: &str) -> Option<(String, String)> {
    let (name, rest) = line.strip_prefix("test ")?.split_once(" ... ignored")?;
    let why = rest.strip_prefix(", ").unwrap_or("marked #[ignore]");
    Some((name.to_owned(), why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_off_the_lines_of_the_test_harness() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s";
        assert_eq!(result(line), Some(Counts { passed: 12, failed: 2, ignored: 1 }));
        assert_eq!(result("test a::b ... ok"), None);
    }

    #[test]
    fn a_test_that_was_not_run_is_named_with_its_reason() {
        let with = not_run("test door::slow ... ignored, needs schemathesis");
        assert_eq!(with, Some(("door::slow".to_owned(), "needs schemathesis".to_owned())));
        assert_eq!(not_run("test a ... ignored"), Some(("a".to_owned(), "marked #[ignore]".to_owned())));
        assert_eq!(not_run("test a ... ok"), None);
    }

    #[test]
    fn a_failed_test_is_counted_once_and_a_broken_step_too() {
        let mut report = Report::start();
        // Not through a command that prints it: the run that counts this very test would count that too.
        let two = Counts { passed: 1, failed: 2, ignored: 0 };
        assert!(!report.add("tests", Instant::now(), Err("exit status: 101".to_owned()), two));
        let steps = report.steps.iter().filter(|step| !step.good).count();
        assert_eq!(report.counts.failed + steps, 2);
        assert!(!report.run("broken", &mut Command::new("false")));
        let steps = report.steps.iter().filter(|step| !step.good).count();
        assert_eq!(report.counts.failed + steps, 3);
    }
}
