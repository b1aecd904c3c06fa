//! What the checks of an API go by: set by its organization, stored with a revision, shown in every report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::event::CheckMode;
use shared::window::Window;
use utoipa::ToSchema;

use crate::compare::Level;
use crate::finding::{Comparison, Severity};
use crate::rules;

/// Rules that a policy may give another severity.
const RULES_MAX: usize = 200;
/// Days that a policy may ask for.
const DAYS_MAX: u32 = 3_650;
/// Days of silence that a policy may ask for: usage looks back so far.
const SILENT_DAYS_MAX: u32 = 90;

/// From where on a check fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailOn {
    /// It never fails: the report is for information.
    None,
    /// Something breaks that somebody calls, or nobody can say whether.
    #[default]
    Affecting,
    /// Something breaks, whether it is called or not.
    Breaking,
    /// Something may break, or could not be compared.
    Dangerous,
}

/// When an operation may be removed, although it breaks callers: as soon as one of these holds. Until then its removal fails, even if nobody calls it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Removal {
    /// It has been deprecated for so many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 3650)]
    pub deprecated_days: Option<u32>,
    /// The sunset date of the published version is over.
    #[serde(default)]
    pub after_sunset: bool,
    /// Nobody has called it for so many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 90)]
    pub silent_days: Option<u32>,
}

/// What the checks of an API go by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Whether a version is published only after a check that it passes: `required`, unless it is turned `off`.
    #[serde(default)]
    pub check: CheckMode,
    /// How strictly Protocol Buffers are compared, `FILE` where it is left out.
    #[serde(default)]
    #[schema(default = "FILE")]
    pub level: Level,
    /// From where on a check fails; `affecting` where it is left out.
    #[serde(default)]
    pub fail_on: FailOn,
    /// How far back callers are looked for: so many hours (`1h` to `999h`) or days (`1d` to `90d`); `30d` where it is left out.
    #[serde(default)]
    #[schema(value_type = String, pattern = r"^([1-9][0-9]{0,2}h|([1-9]|[1-8][0-9]|90)d)$", default = "30d")]
    pub window: Window,
    /// Severities of rules, where they are not those of the rule's page: at most 200.
    #[serde(default)]
    pub rules: BTreeMap<String, Severity>,
    /// Whether a breaking change needs a major version: the first number of the version's name must be greater than the published one's.
    #[serde(default)]
    pub semver: bool,
    /// When an operation may be removed; without it, as soon as nobody calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
}

/// A policy with its revision, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ApiPolicy)]
pub struct PolicyView {
    /// Raised by every change; 0 while nothing was set.
    pub revision: u64,
    /// Whether a version is published only after a check that it passes.
    pub check: CheckMode,
    /// How strictly Protocol Buffers are compared.
    pub level: Level,
    /// From where on a check fails.
    pub fail_on: FailOn,
    /// How far back callers are looked for.
    #[schema(value_type = String)]
    pub window: Window,
    /// Severities of rules, where they are not those of the rule's page.
    pub rules: BTreeMap<String, Severity>,
    /// Whether a breaking change needs a major version.
    pub semver: bool,
    /// When an operation may be removed; absent: as soon as nobody calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
}

impl PolicyView {
    /// Of a policy of this revision.
    #[must_use]
    pub fn of(revision: u64, policy: &Policy) -> Self {
        let Policy { check, level, fail_on, window, rules, semver, removal } = policy.clone();
        Self { revision, check, level, fail_on, window, rules, semver, removal }
    }
}

impl Policy {
    /// What is wrong with it: a pointer, and what to do.
    #[must_use]
    pub fn wrong(&self) -> Option<(String, String)> {
        if self.rules.len() > RULES_MAX {
            return Some(("/rules".into(), format!("must name at most {RULES_MAX} rules")));
        }
        let known = |name: &String| rules::ALL.iter().any(|rule| rule.id == *name);
        if let Some(name) = self.rules.keys().find(|name| !known(name)) {
            let pointer = format!("/rules/{}", name.replace('~', "~0").replace('/', "~1"));
            return Some((pointer, "must be a rule of `GET /v1/contracts/rules`".into()));
        }
        let removal = self.removal?;
        let within = |days: Option<u32>, most: u32| days.is_none_or(|days| (1..=most).contains(&days));
        if !within(removal.deprecated_days, DAYS_MAX) {
            return Some(("/removal/deprecated_days".into(), format!("must be 1 to {DAYS_MAX} days")));
        }
        if !within(removal.silent_days, SILENT_DAYS_MAX) {
            return Some(("/removal/silent_days".into(), format!("must be 1 to {SILENT_DAYS_MAX} days")));
        }
        let says_something = removal.after_sunset || removal.deprecated_days.or(removal.silent_days).is_some();
        (!says_something).then(|| ("/removal".into(), "must have a condition at least, or be left out".into()))
    }

    /// Gives findings the severities that this policy wants.
    pub fn apply(&self, comparison: &mut Comparison) {
        for finding in &mut comparison.findings {
            if let Some(severity) = self.rules.get(finding.rule) {
                finding.severity = *severity;
            }
        }
        // Stable: within a severity the order stays by rule and place.
        comparison.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    }
}

/// The first number of a version's name: `2` of `v2.1.0`.
#[must_use]
pub fn major(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(['v', 'V']).unwrap_or(name);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (number, rest) = digits.split_at(end);
    (rest.is_empty() || rest.starts_with(['.', '-', '+'])).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_major_version_is_the_first_number_of_a_name() {
        assert_eq!(["1.2.0", "v2", "10-rc.1", "V3.0"].map(major), [Some(1), Some(2), Some(10), Some(3)]);
        assert_eq!(["", "v", "2026x", "spring", "-1"].map(major), [None; 5]);
    }

    #[test]
    fn a_policy_names_rules_that_are_there_and_days_that_can_be() {
        let wrong = |text: &str| serde_json::from_str::<Policy>(text).unwrap().wrong().map(|(pointer, _)| pointer);
        assert_eq!(wrong("{}"), None);
        assert_eq!(wrong(r#"{"rules": {"operation-removed": "dangerous"}, "removal": {"silent_days": 90}}"#), None);
        assert_eq!(wrong(r#"{"rules": {"a/b": "breaking"}}"#).as_deref(), Some("/rules/a~1b"));
        assert_eq!(wrong(r#"{"removal": {}}"#).as_deref(), Some("/removal"));
        assert_eq!(wrong(r#"{"removal": {"silent_days": 91}}"#).as_deref(), Some("/removal/silent_days"));
        assert_eq!(wrong(r#"{"removal": {"deprecated_days": 0}}"#).as_deref(), Some("/removal/deprecated_days"));
    }
}
