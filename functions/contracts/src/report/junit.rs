//! `JUnit`'s XML: every finding is a test. What breaks has failed; what is dangerous, or was not compared, was skipped; all else has passed.

use std::fmt::Write as _;

use super::foreign::xml;
use super::{Report, SEVERITIES, Scene, place};
use crate::finding::{Location, Severity};

/// Writes a report.
pub(super) fn write(report: &Report, scene: &Scene) -> String {
    let counts = report.counts();
    let skipped = counts.dangerous + counts.not_compared;
    let tests = (report.findings.len() + report.not_compared.len()).max(1);
    let totals = format!("tests=\"{tests}\" failures=\"{}\" errors=\"0\" skipped=\"{skipped}\"", counts.breaking);
    // Writing to a `String` cannot fail, here and below.
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"contracts\" {totals}>\n<testsuite name=\"contracts\" {totals}>\n"
    );
    let _ = writeln!(out, "<properties><property name=\"verdict\" value=\"{}\"/></properties>", xml(report.headline()));
    for (severity, _) in SEVERITIES {
        for finding in report.of_severity(severity) {
            let (before, after) = (finding.before.as_ref(), finding.after.as_ref());
            open(&mut out, scene, finding.rule, &finding.summary, place(before, after));
            let message = xml(&finding.summary);
            let outcome = match severity {
                Severity::Breaking => format!(
                    "<failure type=\"{}\" message=\"{message}\">{}</failure>",
                    finding.rule,
                    details(before, after, &finding.operations)
                ),
                Severity::Dangerous => format!("<skipped message=\"dangerous: {message}\"/>"),
                Severity::Compatible => String::new(),
            };
            let property = format!("<property name=\"fingerprint\" value=\"{}\"/>", xml(&finding.fingerprint));
            let _ = writeln!(out, "<properties>{property}</properties>{outcome}</testcase>");
        }
    }
    for part in &report.not_compared {
        open(&mut out, scene, "not-compared", &part.summary, place(part.before.as_ref(), part.after.as_ref()));
        let _ = writeln!(out, "<skipped message=\"not compared: {}\"/></testcase>", xml(&part.summary));
    }
    if report.findings.is_empty() && report.not_compared.is_empty() {
        // A file without tests is an error to some readers.
        let _ =
            writeln!(out, "<testcase classname=\"contracts\" name=\"{}\" time=\"0\"></testcase>", report.headline());
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

fn open(out: &mut String, scene: &Scene, rule: &str, summary: &str, place: Option<&Location>) {
    let file = xml(place.map_or(&scene.file, |place| &place.file));
    let line = place.filter(|place| place.line > 0).map_or(String::new(), |place| format!(" line=\"{}\"", place.line));
    let _ = write!(
        out,
        "<testcase classname=\"contracts.{rule}\" name=\"{}\" file=\"{file}\"{line} time=\"0\">",
        xml(summary)
    );
}

/// Where it stood and stands, and whom it reaches: a line each.
fn details(before: Option<&Location>, after: Option<&Location>, operations: &[String]) -> String {
    let mut out = String::new();
    for (side, location) in [("before", before), ("after", after)] {
        if let Some(location) = location {
            let _ = writeln!(out, "{side}: {}:{}:{}", xml(&location.file), location.line, location.column);
        }
    }
    for operation in operations {
        let _ = writeln!(out, "operation: {}", xml(operation));
    }
    out
}
