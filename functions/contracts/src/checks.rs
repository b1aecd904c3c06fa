//! A check: a proposed document against the published one, and whom its changes would break.
//!
//! What was found is joined with what `usage` counted: the operations that a finding reaches, and who called them in the window. From that, the policy
//! and the approvals, [`judge`] makes the verdict, and says every reason why the check fails. It is never clean by not knowing: where calls could not be
//! asked for, or the counts do not reach the window, what breaks counts as called.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shared::event::ApiName;
use shared::id::{CheckId, VersionId};
use shared::time::Time;
use shared::window::Window;
use utoipa::ToSchema;

use crate::approvals::Approval;
use crate::finding::{Comparison, Finding, Location, NotCompared, Severity, Verdict};
use crate::policy::{FailOn, Policy, PolicyView, Removal, major};
use crate::report::Warnings;
use crate::traffic::{CallerView, Lookup, Published, Traffic};

/// Callers that are named with one finding: those with the most calls.
const CALLERS_SHOWN: usize = 20;
/// Callers that are named in one report, over all findings, from the worst on.
const CALLERS_SHOWN_IN_ALL: usize = 4_000;
const DAY_MS: i64 = 24 * 3_600_000;

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CheckVerdict {
    /// Nothing was published: there is nobody to break.
    First,
    /// Both documents mean the same.
    Identical,
    /// They differ, and no caller breaks.
    Compatible,
    /// Some callers may break, something was not compared, or what breaks was approved.
    Dangerous,
    /// Something breaks that nobody called in the window.
    BreakingUnused,
    /// Something breaks that somebody called in the window.
    BreakingAffecting,
    /// Something breaks, and nobody can say who called it: never clean.
    Incomplete,
}

impl CheckVerdict {
    /// Its word, as JSON has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Identical => "identical",
            Self::Compatible => "compatible",
            Self::Dangerous => "dangerous",
            Self::BreakingUnused => "breaking-unused",
            Self::BreakingAffecting => "breaking-affecting",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What a finding does to those who call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Somebody called what it reaches.
    Affecting,
    /// Nobody called what it reaches.
    Unused,
    /// It is not known whether anybody called what it reaches.
    Unknown,
    /// An approval holds for it.
    Approved,
    /// The policy allows the removal.
    Allowed,
    /// It changes nothing for callers.
    None,
}

/// A finding and whom it concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckFinding {
    /// Which rule, for example `response-field-removed`.
    pub rule: String,
    /// What it does to callers who use it, as the policy judges it.
    pub severity: Severity,
    /// Tells it from all others of an API, and stays the same when something else changes. Approvals name it.
    pub fingerprint: String,
    /// What has changed, in one sentence for people.
    pub summary: String,
    /// The ids of the operations that it reaches.
    pub operations: Vec<String>,
    /// The published operations whose callers it concerns; none where it concerns nobody.
    pub reached: Vec<String>,
    /// Where it stood.
    pub before: Option<Location>,
    /// Where it stands.
    pub after: Option<Location>,
    /// What it does to those who call.
    pub effect: Effect,
    /// Who called these operations in the window, those with the most calls first: at most 20, and 4,000 in one report.
    pub callers: Vec<CallerView>,
    /// How many there are in all.
    pub callers_total: usize,
    /// Their calls in all.
    pub calls_total: u64,
}

/// Why a check fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// `affecting`, `incomplete`, `breaking`, `dangerous`, `semver` or `removal`.
    pub code: String,
    /// What it is, and what to do, in one sentence for people.
    pub detail: String,
}

/// The policy that a check goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyUsed {
    /// Its revision; 0 where the API has none of its own.
    pub revision: u64,
    /// What it says.
    pub policy: Policy,
}

/// What a check says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckReport {
    /// The check.
    pub id: CheckId,
    /// The API.
    pub api: ApiName,
    /// What the proposed version is called.
    pub version: String,
    /// The published version's name; none where nothing was published.
    pub base_version: Option<String>,
    /// The published version.
    pub base: Option<VersionId>,
    /// SHA-256 of the proposed document's bytes, in hexadecimal: what may be published.
    pub document_sha256: String,
    /// The digest of what the proposed document means.
    pub digest: String,
    /// When it was made.
    pub created_at: Time,
    /// What it says.
    pub verdict: CheckVerdict,
    /// Whether it passes.
    pub passed: bool,
    /// Whether the document may be published with it, as the API's policy wants.
    pub may_publish: bool,
    /// Why it does not pass.
    pub reasons: Vec<Reason>,
    /// From where on it fails.
    pub fail_on: FailOn,
    /// How far back callers were looked for.
    #[schema(value_type = String)]
    pub window: Window,
    /// Whether the calls in the window are known whole, as far as they were needed.
    pub complete: bool,
    /// Why they are not, and what to do, in one sentence for people; absent where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete_because: Option<String>,
    /// Every hour before is counted whole; absent where nobody needed to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_to: Option<Time>,
    /// What callers are told apart by: the operation that they called. Which fields they read, nobody sees.
    pub precision: String,
    /// What was found, the worst first.
    pub findings: Vec<CheckFinding>,
    /// What was not compared.
    pub not_compared: Vec<NotCompared>,
    /// Approvals that hold for findings of this report.
    pub approvals: Vec<Approval>,
    /// The policy that it went by.
    pub policy: PolicyView,
    /// What is wrong with the documents themselves.
    pub warnings: Warnings,
}

/// Rules of an operation that is gone.
const REMOVALS: [&str; 3] = ["operation-removed", "protobuf-rpc-removed", "protobuf-service-removed"];
/// Rules that say that something is going to end.
const DEPRECATIONS: [&str; 4] =
    ["operation-deprecated", "request-deprecated", "response-deprecated", "protobuf-deprecation-changed"];

/// Whether callers are looked for.
#[must_use]
pub fn concerns_callers(rule: &str, severity: Severity) -> bool {
    severity >= Severity::Dangerous || DEPRECATIONS.contains(&rule)
}

/// The published operations whose callers are to be asked for.
#[must_use]
pub fn asked(comparison: &Comparison, published: &Published) -> BTreeSet<String> {
    let findings = comparison.findings.iter().filter(|finding| concerns_callers(finding.rule, finding.severity));
    let reached = findings.flat_map(|finding| published.reached(&finding.operations));
    reached.map(str::to_owned).collect()
}

/// What is known of the calls.
#[derive(Debug)]
pub enum Known {
    /// Nobody needed to be asked.
    NotNeeded,
    /// Who called.
    Traffic(Traffic),
    /// Nobody can say: why, and what to do, in a sentence for people.
    Unknown(String),
}

impl Known {
    /// Who called, where that is known.
    #[must_use]
    pub fn traffic(&self) -> Option<&Traffic> {
        match self {
            Self::Traffic(traffic) => Some(traffic),
            Self::NotNeeded | Self::Unknown(_) => None,
        }
    }

    /// Why it is not known whole, and what to do; nothing where it is.
    #[must_use]
    pub fn gap(&self) -> Option<String> {
        match self {
            Self::NotNeeded => None,
            Self::Traffic(traffic) => (!traffic.complete).then(|| {
                format!(
                    "The counts of `usage` are whole only up to {}: check again when they have caught up, or have what breaks approved.",
                    traffic.complete_to
                )
            }),
            Self::Unknown(why) => Some(why.clone()),
        }
    }
}

/// What a check is judged by, besides what was found.
#[derive(Debug)]
pub struct Scales<'a> {
    /// The proposed version's name.
    pub version: &'a str,
    /// The published version's name.
    pub base_version: &'a str,
    /// The operations of the published version.
    pub published: &'a Published,
    /// Who called.
    pub known: &'a Known,
    /// Who called what is removed in the time for which the policy wants silence.
    pub silence: &'a Known,
    /// The policy, and its revision; 0 where the API has none of its own.
    pub policy: &'a PolicyUsed,
    /// From where on it fails.
    pub fail_on: FailOn,
    /// How far back was asked.
    pub window: Window,
    /// Approvals of the API, by fingerprint.
    pub approvals: &'a BTreeMap<String, Approval>,
    /// Since when operations of the published version are deprecated.
    pub deprecated_since: &'a BTreeMap<String, Time>,
    /// When the published version ends.
    pub sunset_at: Option<Time>,
    /// When it is judged.
    pub now: Time,
}

/// What a check comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What it says.
    pub verdict: CheckVerdict,
    /// Why it does not pass.
    pub reasons: Vec<Reason>,
    /// Whether the document may be published with it.
    pub may_publish: bool,
    /// The findings, with whom they concern.
    pub findings: Vec<CheckFinding>,
    /// Approvals that hold for findings.
    pub approvals: Vec<Approval>,
    /// Until when it may be published, where approvals end.
    pub valid_until: Option<Time>,
}

/// Judges what was found.
#[must_use]
pub fn judge(comparison: &Comparison, scales: &Scales<'_>) -> Judgement {
    let lookup = scales.known.traffic().map(|traffic| Lookup::new(traffic, None));
    let mut room = CALLERS_SHOWN_IN_ALL;
    let mut findings = Vec::with_capacity(comparison.findings.len());
    let mut approvals: BTreeMap<&str, &Approval> = BTreeMap::new();
    let mut kept = Vec::new();
    for finding in &comparison.findings {
        let reached = if concerns_callers(finding.rule, finding.severity) {
            scales.published.reached(&finding.operations)
        } else {
            BTreeSet::new()
        };
        let callers = lookup.as_ref().map(|lookup| lookup.callers(reached.iter().copied())).unwrap_or_default();
        let approval = scales.approvals.get(&finding.fingerprint).filter(|approval| approval.until > scales.now);
        let effect = if finding.severity == Severity::Compatible {
            Effect::None
        } else if let Some(approval) = approval {
            approvals.insert(&approval.fingerprint, approval);
            Effect::Approved
        } else {
            let removal = scales.policy.policy.removal.filter(|_| REMOVALS.contains(&finding.rule));
            match removal {
                Some(removal) if may_go(&removal, &reached, scales) => Effect::Allowed,
                removal => {
                    if removal.is_some() {
                        kept.push(finding);
                    }
                    effect(scales.known, !callers.is_empty())
                }
            }
        };
        let shown = room.min(CALLERS_SHOWN);
        let views: Vec<_> =
            callers.iter().take(shown).map(|(caller, calls, last)| caller.view(*calls, *last)).collect();
        room -= views.len();
        let calls: Vec<u64> = callers.iter().map(|(_, calls, _)| *calls).collect();
        findings.push(shown_finding(finding, effect, &reached, &calls, views));
    }
    let verdict = verdict(comparison, &findings);
    let mut always = Vec::new();
    semver(&findings, scales, &mut always);
    if let Some(first) = kept.first() {
        let more = if kept.len() > 1 { format!(" and {} more", kept.len() - 1) } else { String::new() };
        let unsure = match scales.silence.gap() {
            Some(gap) => format!(" Whether nobody called it is not known: {gap}"),
            None => String::new(),
        };
        let detail = format!(
            "The policy does not allow this removal yet: {}{more} Deprecate the operation first, and remove it when a condition of `removal` holds.{unsure}",
            first.summary
        );
        always.push(Reason { code: "removal".into(), detail });
    }
    let reasons_of = |fail_on: FailOn| {
        let mut reasons = reasons(fail_on, &findings, comparison, scales.known);
        if fail_on != FailOn::None {
            reasons.extend(always.iter().cloned());
        }
        reasons
    };
    let binding = scales.policy.revision > 0;
    // A check for information alone publishes nothing, and a policy of the API's own is not passed by asking for less.
    let publishing = if binding { scales.policy.policy.fail_on } else { scales.fail_on.max(FailOn::Affecting) };
    let asks_enough = !binding || scales.window.hours() >= scales.policy.policy.window.hours();
    let may_publish = asks_enough && reasons_of(publishing.max(FailOn::Affecting)).is_empty();
    Judgement {
        verdict,
        reasons: reasons_of(scales.fail_on),
        may_publish,
        valid_until: approvals.values().map(|approval| approval.until).min(),
        approvals: approvals.into_values().cloned().collect(),
        findings,
    }
}

fn effect(known: &Known, is_called: bool) -> Effect {
    match known {
        _ if is_called => Effect::Affecting,
        Known::Traffic(traffic) if traffic.complete => Effect::Unused,
        // Nothing that could be asked about is reached.
        Known::NotNeeded => Effect::Unused,
        Known::Traffic(_) | Known::Unknown(_) => Effect::Unknown,
    }
}

fn shown_finding(
    finding: &Finding,
    effect: Effect,
    reached: &BTreeSet<&str>,
    calls: &[u64],
    callers: Vec<CallerView>,
) -> CheckFinding {
    CheckFinding {
        rule: finding.rule.to_owned(),
        severity: finding.severity,
        fingerprint: finding.fingerprint.clone(),
        summary: finding.summary.clone(),
        operations: finding.operations.clone(),
        reached: reached.iter().map(|id| (*id).to_owned()).collect(),
        before: finding.before.clone(),
        after: finding.after.clone(),
        effect,
        callers,
        callers_total: calls.len(),
        calls_total: calls.iter().fold(0, |sum, calls| sum.saturating_add(*calls)),
    }
}

fn verdict(comparison: &Comparison, findings: &[CheckFinding]) -> CheckVerdict {
    if comparison.verdict == Verdict::Identical {
        return CheckVerdict::Identical;
    }
    let breaks = |effect: Effect| {
        findings.iter().any(|finding| finding.severity == Severity::Breaking && finding.effect == effect)
    };
    if breaks(Effect::Affecting) {
        CheckVerdict::BreakingAffecting
    } else if breaks(Effect::Unknown) {
        CheckVerdict::Incomplete
    } else if breaks(Effect::Unused) {
        CheckVerdict::BreakingUnused
    } else if findings.iter().any(|finding| finding.severity > Severity::Compatible)
        || !comparison.not_compared.is_empty()
    {
        CheckVerdict::Dangerous
    } else {
        CheckVerdict::Compatible
    }
}

/// Why what was found fails from a severity on.
fn reasons(fail_on: FailOn, findings: &[CheckFinding], comparison: &Comparison, known: &Known) -> Vec<Reason> {
    let open = |severity: Severity, effects: &[Effect]| {
        findings.iter().filter(|finding| finding.severity == severity && effects.contains(&finding.effect)).count()
    };
    let mut reasons = Vec::new();
    let mut add = |code: &str, count: usize, what: &str| {
        if count > 0 {
            reasons.push(Reason { code: code.into(), detail: format!("{count} {what}") });
        }
    };
    let breaking = [Effect::Affecting, Effect::Unknown, Effect::Unused];
    match fail_on {
        FailOn::None => {}
        FailOn::Affecting => {
            let what = "breaking findings reach operations that callers use: keep what they use, or have each finding approved.";
            add("affecting", open(Severity::Breaking, &[Effect::Affecting]), what);
            let gap = known.gap().unwrap_or_default();
            let what = format!("breaking findings reach operations of which nobody can say who calls them. {gap}");
            add("incomplete", open(Severity::Breaking, &[Effect::Unknown]), &what);
        }
        FailOn::Breaking | FailOn::Dangerous => {
            let what = "findings are breaking: keep what they take away, or have each one approved.";
            add("breaking", open(Severity::Breaking, &breaking), what);
        }
    }
    if fail_on == FailOn::Dangerous {
        let what = "findings are dangerous, or were not compared: have each one approved, or fail on less.";
        add("dangerous", open(Severity::Dangerous, &breaking) + comparison.not_compared.len(), what);
    }
    reasons
}

fn semver(findings: &[CheckFinding], scales: &Scales<'_>, reasons: &mut Vec<Reason>) {
    let breaks = |finding: &CheckFinding| {
        finding.severity == Severity::Breaking && !matches!(finding.effect, Effect::Approved | Effect::Allowed)
    };
    if !scales.policy.policy.semver || !findings.iter().any(breaks) {
        return;
    }
    let detail = match (major(scales.base_version), major(scales.version)) {
        (Some(before), Some(after)) if after > before => return,
        (Some(_), Some(_)) => format!(
            "A breaking change needs a major version: `{}` must begin with a greater number than `{}`.",
            scales.version, scales.base_version
        ),
        _ => format!(
            "A breaking change needs a major version, and `{}` or `{}` does not begin with a number.",
            scales.base_version, scales.version
        ),
    };
    reasons.push(Reason { code: "semver".into(), detail });
}

/// Whether operations may be removed, as the policy has it.
fn may_go(removal: &Removal, operations: &BTreeSet<&str>, scales: &Scales<'_>) -> bool {
    let ago = |days: u32| scales.now.plus_ms(-i64::from(days) * DAY_MS);
    let deprecated = removal.deprecated_days.is_some_and(|days| {
        let is_long =
            |operation: &&str| scales.deprecated_since.get(*operation).is_some_and(|since| *since <= ago(days));
        !operations.is_empty() && operations.iter().all(is_long)
    });
    let is_over = removal.after_sunset && scales.sunset_at.is_some_and(|at| at <= scales.now);
    let is_silent = removal.silent_days.is_some_and(|_| match scales.silence {
        Known::Traffic(traffic) => {
            traffic.complete && Lookup::new(traffic, None).callers(operations.iter().copied()).is_empty()
        }
        Known::NotNeeded | Known::Unknown(_) => false,
    });
    deprecated || is_over || is_silent
}

/// The published operations that are removed.
#[must_use]
pub fn removed(comparison: &Comparison, published: &Published) -> BTreeSet<String> {
    let findings = comparison.findings.iter().filter(|finding| REMOVALS.contains(&finding.rule));
    findings.flat_map(|finding| published.reached(&finding.operations)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
