//! Plain text, for people.

use std::fmt::Write as _;

use super::foreign::clean;
use super::{Report, SEVERITIES};
use crate::finding::{Location, Severity, Verdict};

/// Operations that are named of one finding.
const OPERATIONS_SHOWN: usize = 5;

/// Writes a report, with the colours of a terminal or without.
pub(super) fn write(report: &Report, color: bool) -> String {
    let paint = |code: &str, text: &str| if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let mut out = String::new();
    let code = match report.verdict {
        Verdict::Breaking => "1;31",
        Verdict::Dangerous => "1;33",
        Verdict::Compatible | Verdict::Identical => "1;32",
    };
    // Writing to a `String` cannot fail, here and below.
    let _ = writeln!(out, "{}: {}", paint(code, report.headline()), report.counts());
    for note in &report.notes {
        let _ = writeln!(out, "{}", clean(note));
    }
    for (severity, name) in SEVERITIES {
        let code = match severity {
            Severity::Breaking => "31",
            Severity::Dangerous => "33",
            Severity::Compatible => "32",
        };
        for finding in report.of_severity(severity) {
            let _ = writeln!(out, "\n{} {}", paint(code, name), paint("1", finding.rule));
            entry(&mut out, &finding.summary, &finding.operations, finding.before.as_ref(), finding.after.as_ref());
        }
    }
    for part in &report.not_compared {
        let _ = writeln!(out, "\n{}", paint("33", "not compared"));
        entry(&mut out, &part.summary, &part.operations, part.before.as_ref(), part.after.as_ref());
    }
    for (side, warning) in report.warnings() {
        let _ = writeln!(out, "\n{} {side} {}", paint("33", "warning"), clean(&warning.code));
        let _ = writeln!(out, "  {}", clean(&warning.message));
        let file = if warning.file.is_empty() { "line " } else { &format!("{}:", clean(&warning.file)) };
        let _ = writeln!(out, "  {file}{} {}", warning.line, clean(&warning.pointer));
    }
    out
}

fn entry(out: &mut String, summary: &str, operations: &[String], before: Option<&Location>, after: Option<&Location>) {
    let _ = writeln!(out, "  {}", clean(summary));
    match (before.map(shown), after.map(shown)) {
        (Some(before), Some(after)) => {
            let _ = writeln!(out, "  {before} -> {after}");
        }
        (Some(place), None) => {
            let _ = writeln!(out, "  was at {place}");
        }
        (None, Some(place)) => {
            let _ = writeln!(out, "  at {place}");
        }
        (None, None) => {}
    }
    if !operations.is_empty() {
        let named: Vec<String> = operations.iter().take(OPERATIONS_SHOWN).map(|operation| clean(operation)).collect();
        let more = operations.len().saturating_sub(OPERATIONS_SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(out, "  operations: {}{more}", named.join(", "));
    }
}

fn shown(location: &Location) -> String {
    let file = clean(&location.file);
    match (location.line, location.column) {
        (0, _) => format!("{file} {}", clean(&location.pointer)),
        (line, 0) => format!("{file}:{line}"),
        (line, column) => format!("{file}:{line}:{column}"),
    }
}
