use shared::id::{AppId, KeyId, OrganizationId, SubscriptionId};
use shared::principal::Party;
use shared::surface::{Builder, Format, OperationKind, Position, Surface, Words};

use super::*;
use crate::rules::{self, Rule};
use crate::traffic::{Caller, Calls, Operation};

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn now() -> Time {
    time("2027-01-15T08:00:00Z")
}

fn finding(rule: &Rule, operations: &[&str], print: &str) -> Finding {
    Finding {
        rule: rule.id,
        severity: rule.severity,
        summary: format!("{} happened.", rule.id),
        operations: operations.iter().map(|id| (*id).to_owned()).collect(),
        before: None,
        after: None,
        fingerprint: print.repeat(32),
    }
}

fn comparison(findings: Vec<Finding>) -> Comparison {
    Comparison { verdict: Verdict::Breaking, findings, not_compared: Vec::new() }
}

/// An API with these operations: `GET /{id}`, or a webhook where the name begins with `hook`.
fn surface(ids: &[(&str, &str)]) -> Surface {
    let mut builder = Builder::new(Format::OpenApi);
    builder.file("");
    for (id, path) in ids {
        let element = builder.element(Position::default());
        let kind = if id.starts_with("hook") {
            OperationKind::Webhook { method: "POST".into(), name: (*path).into() }
        } else {
            OperationKind::Http { method: "GET".into(), path: (*path).into() }
        };
        builder.operation(shared::surface::Operation {
            element,
            id: (*id).into(),
            kind,
            summary: Words::default(),
            tags: vec![],
            deprecated: false,
            inputs: vec![],
            outcomes: vec![],
            security: vec![],
            servers: vec![],
            http: vec![],
        });
    }
    builder.finish()
}

fn published() -> Published {
    let before = surface(&[("list", "/stations"), ("get", "/stations/{id}"), ("hookRain", "rain")]);
    let after = surface(&[("listStations", "/stations"), ("get", "/stations/{name}"), ("hookRain", "rain")]);
    Published::of(&before, &after)
}

fn caller(slug: &str) -> Caller {
    Caller {
        organization: Party { id: OrganizationId::new(), slug: slug.parse().unwrap() },
        app: AppId::new(),
        app_name: format!("{slug}'s app"),
        service: None,
        subscription: SubscriptionId::new(),
        key: Some(KeyId::new()),
        key_name: Some("main".into()),
    }
}

/// Two callers: the first called `list` 7 times and `get` twice, the second `list` 40 times.
fn traffic(complete: bool) -> Traffic {
    let calls = |caller, calls, last_seen| Calls { caller, calls, last_seen: time(last_seen) };
    Traffic {
        from: time("2026-12-16T08:00:00Z"),
        complete_to: time("2027-01-15T07:00:00Z"),
        complete,
        callers: vec![caller("beta"), caller("gamma")],
        operations: vec![
            Operation {
                operation: "list".into(),
                calls: vec![calls(1, 40, "2027-01-10T03:00:00Z"), calls(0, 7, "2027-01-02T00:00:00Z")],
                days: vec![],
            },
            Operation { operation: "get".into(), calls: vec![calls(0, 2, "2027-01-14T00:00:00Z")], days: vec![] },
        ],
    }
}

/// What a check is judged by, to be changed by a test.
struct Case {
    known: Known,
    silence: Known,
    policy: PolicyUsed,
    fail_on: FailOn,
    approvals: BTreeMap<String, Approval>,
    deprecated_since: BTreeMap<String, Time>,
    sunset_at: Option<Time>,
    versions: (&'static str, &'static str),
    window: Window,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            known: Known::Traffic(traffic(true)),
            silence: Known::NotNeeded,
            policy: PolicyUsed { revision: 0, policy: Policy::default() },
            fail_on: FailOn::Affecting,
            approvals: BTreeMap::new(),
            deprecated_since: BTreeMap::new(),
            sunset_at: None,
            versions: ("1.4.0", "1.5.0"),
            window: Window::default(),
        }
    }
}

impl Case {
    fn judge(&self, findings: Vec<Finding>) -> Judgement {
        let published = published();
        judge(
            &comparison(findings),
            &Scales {
                version: self.versions.1,
                base_version: self.versions.0,
                published: &published,
                known: &self.known,
                silence: &self.silence,
                policy: &self.policy,
                fail_on: self.fail_on,
                window: self.window,
                approvals: &self.approvals,
                deprecated_since: &self.deprecated_since,
                sunset_at: self.sunset_at,
                now: now(),
            },
        )
    }

    fn policy(policy: Policy) -> Self {
        Self { policy: PolicyUsed { revision: 3, policy }, ..Self::default() }
    }

    fn nobody() -> Self {
        let mut traffic = traffic(true);
        traffic.operations.clear();
        Self { known: Known::Traffic(traffic), ..Self::default() }
    }

    fn codes(&self, findings: Vec<Finding>) -> (CheckVerdict, Vec<String>, bool) {
        let judgement = self.judge(findings);
        let codes = judgement.reasons.into_iter().map(|reason| reason.code).collect();
        (judgement.verdict, codes, judgement.may_publish)
    }
}

fn approval(print: &str, until: &str) -> BTreeMap<String, Approval> {
    let approval = Approval {
        fingerprint: print.repeat(32),
        by: "token".into(),
        reason: "agreed".into(),
        until: time(until),
        created_at: now(),
    };
    BTreeMap::from([(approval.fingerprint.clone(), approval)])
}

#[test]
fn a_finding_names_who_called_what_it_reaches_with_the_sums_of_their_calls() {
    let judgement = Case::default().judge(vec![
        finding(&rules::RESPONSE_FIELD_REMOVED, &["get", "listStations"], "a"),
        finding(&rules::RESPONSE_BODY_REMOVED, &["get"], "b"),
    ]);
    let named = |finding: &CheckFinding| -> Vec<(String, u64)> {
        finding.callers.iter().map(|caller| (caller.organization.to_string(), caller.calls)).collect()
    };
    // `listStations` is what the later document calls `list`.
    assert_eq!(named(&judgement.findings[0]), [("gamma".into(), 40), ("beta".into(), 9)]);
    assert_eq!(named(&judgement.findings[1]), [("beta".into(), 2)]);
    assert_eq!((judgement.findings[0].callers_total, judgement.findings[0].calls_total), (2, 49));
    assert_eq!(judgement.findings[0].callers[1].last_seen, time("2027-01-14T00:00:00Z"));
    assert_eq!(judgement.verdict, CheckVerdict::BreakingAffecting);
}

#[test]
fn what_breaks_fails_only_where_somebody_calls_it_or_nobody_can_say() {
    let broken = || vec![finding(&rules::RESPONSE_FIELD_REMOVED, &["get"], "a")];
    let affecting = (CheckVerdict::BreakingAffecting, vec!["affecting".to_owned()], false);
    assert_eq!(Case::default().codes(broken()), affecting);
    // Who called is known, even where not everything is.
    assert_eq!(Case { known: Known::Traffic(traffic(false)), ..Case::default() }.codes(broken()), affecting);
    assert_eq!(Case::nobody().codes(broken()), (CheckVerdict::BreakingUnused, vec![], true));
    let mut unsure = traffic(false);
    unsure.operations.clear();
    for known in [Known::Traffic(unsure), Known::Unknown("usage is away".into())] {
        let why = known.gap().unwrap();
        let case = Case { known, ..Case::default() };
        assert_eq!(case.codes(broken()), (CheckVerdict::Incomplete, vec!["incomplete".to_owned()], false));
        let said = &case.judge(broken()).reasons[0].detail;
        assert!(said.ends_with(&why), "{said} has to say: {why}");
    }
}

#[test]
fn a_finding_without_an_operation_or_on_a_webhook_concerns_whoever_calls_the_api() {
    for operations in [&[][..], &["hookRain"][..]] {
        let judgement = Case::default().judge(vec![finding(&rules::RESPONSE_FIELD_REMOVED, operations, "a")]);
        assert_eq!(judgement.findings[0].calls_total, 49, "{operations:?}");
        assert_eq!(judgement.findings[0].reached, ["get", "list"]);
    }
}

#[test]
fn fail_on_says_from_where_on_a_check_fails_and_for_information_alone_nothing_is_published() {
    let breaking = || vec![finding(&rules::RESPONSE_FIELD_REMOVED, &["get"], "a")];
    let dangerous = || vec![finding(&rules::REQUEST_FIELD_REMOVED, &["get"], "a")];
    let with = |fail_on, case: Case| Case { fail_on, ..case };
    assert_eq!(with(FailOn::None, Case::default()).codes(breaking()), (CheckVerdict::BreakingAffecting, vec![], false));
    let unused = with(FailOn::Breaking, Case::nobody()).codes(breaking());
    assert_eq!(unused, (CheckVerdict::BreakingUnused, vec!["breaking".to_owned()], false));
    assert_eq!(with(FailOn::Breaking, Case::default()).codes(dangerous()), (CheckVerdict::Dangerous, vec![], true));
    let all = with(FailOn::Dangerous, Case::nobody()).codes(dangerous());
    assert_eq!(all, (CheckVerdict::Dangerous, vec!["dangerous".to_owned()], false));
}

#[test]
fn an_apis_own_policy_is_not_passed_by_asking_for_less() {
    let broken = || vec![finding(&rules::RESPONSE_FIELD_REMOVED, &["get"], "a")];
    let strict = Policy { fail_on: FailOn::Breaking, ..Policy::default() };
    let mut case = Case { known: Case::nobody().known, ..Case::policy(strict) };
    assert_eq!(case.codes(broken()), (CheckVerdict::BreakingUnused, vec![], false));
    case.policy.policy.fail_on = FailOn::Affecting;
    assert!(case.codes(broken()).2);
    // A shorter look back than the policy's sees fewer callers.
    case.window = "1h".parse().unwrap();
    assert!(!case.codes(broken()).2);
    // Without a policy of its own the question says how far.
    case.policy.revision = 0;
    assert!(case.codes(broken()).2);
}

#[test]
fn an_approval_lets_its_finding_pass_until_it_ends_and_no_other() {
    let broken = || vec![finding(&rules::RESPONSE_FIELD_REMOVED, &["get"], "a")];
    let case = Case { approvals: approval("a", "2027-02-01T00:00:00Z"), ..Case::default() };
    let judgement = case.judge(broken());
    assert_eq!((judgement.verdict, judgement.reasons.len()), (CheckVerdict::Dangerous, 0));
    assert!(judgement.may_publish);
    assert_eq!(judgement.valid_until, Some(time("2027-02-01T00:00:00Z")));
    assert_eq!(judgement.approvals.len(), 1);
    let other = case.codes(vec![finding(&rules::RESPONSE_FIELD_REMOVED, &["get"], "b")]);
    assert_eq!(other, (CheckVerdict::BreakingAffecting, vec!["affecting".to_owned()], false));
    let ended = Case { approvals: approval("a", "2027-01-15T08:00:00Z"), ..Case::default() };
    assert_eq!(ended.codes(broken()).0, CheckVerdict::BreakingAffecting);
    assert_eq!(ended.judge(broken()).valid_until, None);
}

#[test]
fn a_breaking_change_needs_a_major_version_where_the_policy_says_so_even_if_nobody_calls() {
    let broken = || vec![finding(&rules::RESPONSE_FIELD_REMOVED, &["get"], "a")];
    let semver = |versions| Case {
        known: Case::nobody().known,
        versions,
        ..Case::policy(Policy { semver: true, ..Policy::default() })
    };
    assert_eq!(semver(("1.4.0", "1.5.0")).codes(broken()).1, ["semver"]);
    assert_eq!(semver(("1.4.0", "spring")).codes(broken()).1, ["semver"]);
    assert_eq!(semver(("1.4.0", "2.0.0")).codes(broken()), (CheckVerdict::BreakingUnused, vec![], true));
    let harmless = vec![finding(&rules::REQUEST_FIELD_REMOVED, &["get"], "a")];
    assert_eq!(semver(("1.4.0", "1.5.0")).codes(harmless).1, Vec::<String>::new());
}

#[test]
fn an_operation_goes_when_a_condition_of_the_policy_holds_and_not_before() {
    let removed = || vec![finding(&rules::OPERATION_REMOVED, &["get"], "a")];
    let removal = Removal { deprecated_days: Some(90), after_sunset: true, silent_days: Some(60) };
    let case = || Case::policy(Policy { removal: Some(removal), ..Policy::default() });
    let allowed = (CheckVerdict::Dangerous, vec![], true);
    // Nobody calls it, and still it may not go.
    let unused = Case { known: Case::nobody().known, ..case() };
    assert_eq!(unused.codes(removed()), (CheckVerdict::BreakingUnused, vec!["removal".to_owned()], false));
    let since = |text: &str| BTreeMap::from([("get".to_owned(), time(text))]);
    let long = Case { deprecated_since: since("2026-10-17T08:00:00Z"), ..case() };
    assert_eq!(long.codes(removed()), allowed);
    let short = Case { deprecated_since: since("2026-10-17T08:00:01Z"), ..case() };
    assert_eq!(short.codes(removed()).1, ["affecting", "removal"]);
    assert_eq!(Case { sunset_at: Some(time("2027-01-15T08:00:00Z")), ..case() }.codes(removed()), allowed);
    assert_eq!(Case { sunset_at: Some(time("2027-01-15T08:00:01Z")), ..case() }.codes(removed()).1.len(), 2);
    let silent = |complete| {
        let mut traffic = traffic(complete);
        traffic.operations.retain(|operation| operation.operation != "get");
        Case { silence: Known::Traffic(traffic), ..case() }
    };
    assert_eq!(silent(true).codes(removed()), allowed);
    assert_eq!(silent(false).codes(removed()).1, ["affecting", "removal"]);
    assert_eq!(Case { silence: Known::Unknown("away".into()), ..case() }.codes(removed()).1.len(), 2);
    // What the policy says of removals concerns no other finding.
    assert_eq!(unused.codes(vec![finding(&rules::RESPONSE_FIELD_REMOVED, &["get"], "a")]).1, Vec::<String>::new());
}

#[test]
fn one_report_names_a_bounded_number_of_callers_and_counts_all_of_them() {
    let mut many = traffic(true);
    many.callers = (0..300).map(|n| caller(&format!("org-{n}"))).collect();
    let calls = |caller| Calls { caller, calls: 1, last_seen: now() };
    many.operations = vec![Operation { operation: "get".into(), calls: (0..300).map(calls).collect(), days: vec![] }];
    let case = Case { known: Known::Traffic(many), ..Case::default() };
    let findings = (0..300).map(|_| finding(&rules::RESPONSE_FIELD_REMOVED, &["get"], "a")).collect();
    let judgement = case.judge(findings);
    let named: usize = judgement.findings.iter().map(|finding| finding.callers.len()).sum();
    assert_eq!((judgement.findings[0].callers.len(), named), (20, 4_000));
    assert!(judgement.findings.iter().all(|finding| finding.callers_total == 300 && finding.calls_total == 300));
}

#[test]
fn what_a_consumer_sees_of_a_report_is_its_own() {
    let traffic = traffic(true);
    let beta = traffic.callers[0].organization.id;
    let case = Case { known: Known::Traffic(traffic.clone()), ..Case::default() };
    let judgement = case.judge(vec![
        finding(&rules::RESPONSE_FIELD_REMOVED, &["listStations"], "a"),
        finding(&rules::OPERATION_ADDED, &["new"], "b"),
        finding(&rules::RESPONSE_BODY_REMOVED, &["get", "listStations"], "d"),
    ]);
    let report = CheckReport {
        id: CheckId::new(),
        api: ApiName { id: shared::id::ApiId::new(), slug: "weather".parse().unwrap() },
        version: "2".into(),
        base_version: Some("1".into()),
        base: None,
        document_sha256: String::new(),
        digest: String::new(),
        created_at: now(),
        verdict: judgement.verdict,
        passed: false,
        may_publish: false,
        reasons: judgement.reasons,
        fail_on: FailOn::Affecting,
        window: Window::default(),
        complete: false,
        incomplete_because: Some("The door counts nothing of it.".into()),
        complete_to: None,
        precision: "operation".into(),
        findings: judgement.findings,
        not_compared: vec![],
        approvals: approval("c", "2027-02-01T00:00:00Z").into_values().collect(),
        policy: PolicyView::of(9, &Policy::default()),
        warnings: Warnings {
            before: vec![],
            after: vec![shared::surface::Warning {
                code: "code".into(),
                message: "A name twice.".into(),
                file: "secret/plans.yaml".into(),
                line: 1,
                pointer: String::new(),
            }],
        },
    };
    let text = serde_json::to_string(&report.clone().as_seen_by(beta, &traffic)).unwrap();
    assert!(text.contains("\"beta\"") && !text.contains("gamma"), "{text}");
    let seen = report.clone().as_seen_by(beta, &traffic);
    assert_eq!((seen.findings.len(), seen.findings[0].calls_total), (2, 7));
    assert_eq!((&seen.warnings, &seen.incomplete_because), (&Warnings::default(), &None));
    assert_eq!(seen.findings[1].operations, ["get", "listStations"]);
    // The other one never called `get`.
    let gamma = report.clone().as_seen_by(traffic.callers[1].organization.id, &traffic);
    assert_eq!(gamma.findings[1].reached, ["list"]);
    assert_eq!(gamma.findings[1].operations, ["listStations"], "what the later document calls `list`");
    assert_eq!((seen.approvals.len(), seen.reasons.len(), seen.policy.revision), (0, 0, 0));
    assert!(report.as_seen_by(OrganizationId::new(), &traffic).findings.is_empty());
}

#[test]
fn the_rules_that_checks_know_by_name_are_there() {
    for name in REMOVALS.iter().chain(&DEPRECATIONS) {
        assert!(rules::ALL.iter().any(|rule| rule.id == *name), "{name}");
    }
}
