//! The report of a check, in the forms of a comparison: what it says stands first, and behind each finding whom it concerns.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use shared::id::OrganizationId;

use super::{Form, Report, Warnings};
use crate::checks::{CheckFinding, CheckReport, CheckVerdict, Effect};
use crate::finding::{Finding, Severity, Verdict};
use crate::policy::{FailOn, Policy, PolicyView};
use crate::rules;
use crate::traffic::{Lookup, Traffic};

/// Callers that are named behind a finding.
const NAMED: usize = 5;

impl Report {
    /// Of a check. Where a program reads the form (`JUnit`'s XML, annotations, SARIF), what does not make the check fail is no error.
    #[must_use]
    pub fn of_check(report: &CheckReport, form: Form) -> Self {
        let lowered = !matches!(form, Form::Json | Form::Text | Form::Markdown);
        let findings = report.findings.iter().filter_map(|finding| {
            let rule = rules::ALL.iter().find(|rule| rule.id == finding.rule)?;
            let counts = match finding.effect {
                Effect::Affecting | Effect::Unknown => report.fail_on != FailOn::None,
                Effect::Unused => report.fail_on >= FailOn::Breaking,
                Effect::Approved | Effect::Allowed | Effect::None => false,
            };
            let severity =
                if lowered && !counts { finding.severity.min(Severity::Dangerous) } else { finding.severity };
            Some(Finding {
                rule: rule.id,
                severity,
                summary: format!("{}{}", finding.summary, whom(finding)),
                operations: finding.operations.clone(),
                before: finding.before.clone(),
                after: finding.after.clone(),
                fingerprint: finding.fingerprint.clone(),
            })
        });
        let mut findings: Vec<Finding> = findings.collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let verdict = match report.verdict {
            CheckVerdict::First | CheckVerdict::Compatible => Verdict::Compatible,
            CheckVerdict::Identical => Verdict::Identical,
            CheckVerdict::Dangerous => Verdict::Dangerous,
            CheckVerdict::BreakingUnused if report.passed => Verdict::Dangerous,
            CheckVerdict::BreakingUnused | CheckVerdict::BreakingAffecting | CheckVerdict::Incomplete => {
                Verdict::Breaking
            }
        };
        let outcome = if report.passed { "passed" } else { "failed" };
        Self {
            verdict,
            findings,
            not_compared: report.not_compared.clone(),
            warnings: report.warnings.clone(),
            headline: Some(format!("{outcome}, {}", report.verdict.word())),
            notes: notes(report),
        }
    }
}

fn notes(report: &CheckReport) -> Vec<String> {
    let base = report.base_version.as_deref().map_or_else(
        || "nothing was published before".to_owned(),
        |base| format!("compared with {base}, callers of the last {}", report.window),
    );
    let mut notes = vec![format!("{} {}: {base} ({}).", report.api.slug, report.version, report.id)];
    notes.extend(report.reasons.iter().map(|reason| reason.detail.clone()));
    // A reason may say it already.
    if let Some(because) =
        report.incomplete_because.as_ref().filter(|because| !notes.iter().any(|note| note.contains(*because)))
    {
        notes.push(format!("Who calls is not known whole. {because}"));
    }
    for approval in &report.approvals {
        notes.push(format!(
            "{} is approved by {} until {}: {}",
            approval.fingerprint, approval.by, approval.until, approval.reason
        ));
    }
    notes
}

/// Whom a finding concerns, behind its summary.
fn whom(finding: &CheckFinding) -> String {
    let mut text = match finding.effect {
        Effect::None if finding.callers.is_empty() => String::new(),
        Effect::None | Effect::Affecting => " Called by".to_owned(),
        Effect::Unused => " Nobody called it.".to_owned(),
        Effect::Unknown => " Nobody can say who calls it.".to_owned(),
        Effect::Approved => " It is approved.".to_owned(),
        Effect::Allowed => " The policy allows the removal.".to_owned(),
    };
    if !matches!(finding.effect, Effect::None | Effect::Affecting) {
        return text;
    }
    for (n, caller) in finding.callers.iter().take(NAMED).enumerate() {
        let separator = if n == 0 { " " } else { ", " };
        let app =
            caller.service.as_ref().map_or_else(|| caller.app_name.clone(), |service| format!("the service {service}"));
        // Writing to a `String` cannot fail.
        let _ = write!(
            text,
            "{separator}{app} of {} ({} calls, last {})",
            caller.organization, caller.calls, caller.last_seen
        );
    }
    if finding.callers_total > NAMED {
        let _ = write!(text, " and {} more", finding.callers_total - NAMED);
    }
    if !finding.callers.is_empty() || finding.callers_total > 0 {
        text.push('.');
    }
    text
}

impl CheckReport {
    /// As an organization sees it that was told of the change: the findings that concern its own calls, and itself alone as the caller. Of the published
    /// operations that a finding reaches it is shown those that it called. What has no callers of its own (an operation that the later document names
    /// anew, a webhook) stays: it says under which name the change is found.
    #[must_use]
    pub fn as_seen_by(mut self, organization: OrganizationId, traffic: &Traffic) -> Self {
        let lookup = Lookup::new(traffic, Some(organization));
        self.findings.retain_mut(|finding| {
            let callers = lookup.callers(finding.reached.iter().map(String::as_str));
            finding.callers_total = callers.len();
            finding.calls_total = callers.iter().map(|(_, calls, _)| calls).sum();
            let is_others = |id: &String| lookup.callers([id.as_str()]).is_empty();
            let others: BTreeSet<String> = finding.reached.iter().filter(|id| is_others(id)).cloned().collect();
            finding.reached.retain(|id| !others.contains(id));
            finding.operations.retain(|id| !others.contains(id));
            finding.callers = callers.iter().map(|(caller, calls, last)| caller.view(*calls, *last)).collect();
            for caller in &mut finding.callers {
                // Which service an app is, its own organization tells whom it likes.
                caller.service = None;
            }
            !finding.callers.is_empty()
        });
        // How the provider decided is its own.
        self.reasons.clear();
        self.approvals.clear();
        self.not_compared.clear();
        self.incomplete_because = None;
        // What is wrong with the provider's documents, and where in its files, helps no caller.
        self.warnings = Warnings::default();
        self.policy = PolicyView::of(0, &Policy::default());
        self
    }
}
