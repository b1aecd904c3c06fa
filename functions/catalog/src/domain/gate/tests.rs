use shared::event::Visibility;
use shared::id::{ApiId, OrganizationId, VersionId};

use super::*;
use crate::domain::tests::{api, version};

const MINUTE_MS: i64 = 60_000;

/// Everything that a question is put together from: `2.0.0` with another document than the current `1.0.0`.
struct Case {
    api: Api,
    current: Version,
    version: Version,
    policy: Option<PolicyState>,
    checks: Checks,
    now: Time,
}

impl Case {
    fn new() -> Self {
        let api = api(Visibility::Public);
        let (mut current, mut other) = (version(&api), version(&api));
        current.document_sha256 = "a".repeat(64);
        other.document_sha256 = "b".repeat(64);
        other.version = "2.0.0".parse().unwrap();
        let now = Time::from_ms(1_800_000_000_000);
        Self { api, current, version: other, policy: None, checks: Checks::default(), now }
    }

    fn question(&self) -> Question<'_> {
        Question {
            api: &self.api,
            version: &self.version,
            current: Some(&self.current),
            policy: self.policy.as_ref(),
            checks: &self.checks,
        }
    }

    fn decide(&self) -> Result<(), Held> {
        self.question().decide(self.now)
    }

    /// A check of the document against the current version, so many minutes ago.
    fn check(&self, state: CheckPhase, minutes_ago: i64) -> CheckState {
        CheckState {
            id: CheckId::new(),
            revision: if state == CheckPhase::Pending { 1 } else { 2 },
            organization: self.api.organization.id,
            api: self.api.id,
            base: Some(self.current.id),
            document_sha256: self.version.document_sha256.clone(),
            root: self.version.root.clone(),
            state,
            verdict: None,
            created_at: self.now.plus_ms(-minutes_ago * MINUTE_MS),
            valid_until: None,
        }
    }

    fn policy(&self, check: CheckMode) -> PolicyState {
        PolicyState { id: self.api.id, revision: 1, organization: self.api.organization.id, check }
    }

    fn complete(&mut self, state: CheckPhase, minutes_ago: i64) -> CheckId {
        let check = self.check(state, minutes_ago);
        self.checks.complete.insert(check).id
    }

    fn pending(&mut self, minutes_ago: i64) -> CheckId {
        let check = self.check(CheckPhase::Pending, minutes_ago);
        self.checks.pending.insert(check).id
    }
}

#[test]
fn what_changes_nothing_that_is_published_needs_no_check() {
    let mut case = Case::new();
    assert_eq!(case.decide(), Err(Held::Unchecked));
    assert_eq!(Question { current: None, ..case.question() }.decide(case.now), Ok(()), "the first version");
    case.version.document_sha256.clone_from(&case.current.document_sha256);
    assert_eq!(case.decide(), Ok(()), "the same document under another name");
    case.version.root = "openapi.yaml".into();
    assert_eq!(case.decide(), Ok(()), "the same document under another file's name");
    case.version.syntax = Syntax::Zip;
    case.current.syntax = Syntax::Zip;
    case.current.root = "other.yaml".into();
    assert_eq!(case.decide(), Err(Held::Unchecked), "another root of the same archive is another document");
    case.current.root = "openapi.yaml".into();
    assert_eq!(case.decide(), Ok(()));
    case.version.format = "protobuf".into();
    assert_eq!(case.decide(), Err(Held::Unchecked), "the same bytes in another format are another document");
}

#[test]
fn only_the_own_organizations_policy_turns_checks_off() {
    let mut case = Case::new();
    case.policy = Some(case.policy(CheckMode::Off));
    assert_eq!((case.decide(), mode(&case.api, case.policy.as_ref())), (Ok(()), CheckMode::Off));
    case.policy = Some(case.policy(CheckMode::Required));
    assert_eq!(case.decide(), Err(Held::Unchecked));
    case.policy = Some(PolicyState { organization: OrganizationId::new(), ..case.policy(CheckMode::Off) });
    assert_eq!(case.decide(), Err(Held::Unchecked));
    case.policy = Some(PolicyState { id: ApiId::new(), ..case.policy(CheckMode::Off) });
    assert_eq!(case.decide(), Err(Held::Unchecked));
    assert_eq!(mode(&case.api, None), CheckMode::Required);
}

#[test]
fn a_complete_check_decides() {
    let mut case = Case::new();
    case.complete(CheckPhase::Passed, 1);
    assert_eq!(case.decide(), Ok(()));
    let failed = case.complete(CheckPhase::Failed, 1);
    assert_eq!(case.decide(), Err(Held::Failed(failed)));
}

#[test]
fn a_check_passes_until_its_approvals_end() {
    let mut case = Case::new();
    let until = case.now.plus_ms(1);
    case.checks.complete = Some(CheckState { valid_until: Some(until), ..case.check(CheckPhase::Passed, 1) });
    assert_eq!(case.decide(), Ok(()));
    case.now = until;
    assert_eq!(case.decide(), Err(Held::Ended(until)));
}

#[test]
fn a_check_of_something_else_does_not_count() {
    let mut case = Case::new();
    let check = case.check(CheckPhase::Passed, 1);
    let newest = Time::from_ms(case.now.ms() - KEPT_MS + 1);
    for (what, other, decided) in [
        ("another API", CheckState { api: ApiId::new(), ..check.clone() }, Err(Held::Unchecked)),
        (
            "another organization",
            CheckState { organization: OrganizationId::new(), ..check.clone() },
            Err(Held::Unchecked),
        ),
        ("another base", CheckState { base: Some(VersionId::new()), ..check.clone() }, Err(Held::Unchecked)),
        ("no base", CheckState { base: None, ..check.clone() }, Err(Held::Unchecked)),
        ("another document", CheckState { document_sha256: "c".repeat(64), ..check.clone() }, Err(Held::Unchecked)),
        ("another root of one file", CheckState { root: "b.yaml".into(), ..check.clone() }, Ok(())),
        ("90 days ago", CheckState { created_at: newest.plus_ms(-1), ..check.clone() }, Err(Held::Unchecked)),
        ("hardly 90 days ago", CheckState { created_at: newest, ..check.clone() }, Ok(())),
    ] {
        case.checks.complete = Some(other);
        assert_eq!(case.decide(), decided, "{what}");
    }
    case.version.syntax = Syntax::Zip;
    case.checks.complete = Some(CheckState { root: "b.yaml".into(), ..check });
    assert_eq!(case.decide(), Err(Held::Unchecked), "another root of the archive");
    case.checks.complete = None;
    case.checks.pending =
        Some(CheckState { organization: OrganizationId::new(), ..case.check(CheckPhase::Pending, 1) });
    assert_eq!(case.decide(), Err(Held::Unchecked), "nor is it waited for");
}

#[test]
fn a_pending_check_is_waited_for_ten_minutes_and_hides_nothing_afterwards() {
    let mut case = Case::new();
    let pending = case.pending(9);
    assert_eq!(case.decide(), Err(Held::Pending(pending)));
    case.complete(CheckPhase::Passed, 20);
    assert_eq!(case.decide(), Err(Held::Pending(pending)), "the newer one is what counts");
    case.now = case.now.plus_ms(MINUTE_MS - 1);
    assert_eq!(case.decide(), Err(Held::Pending(pending)));
    case.now = case.now.plus_ms(1);
    assert_eq!(case.decide(), Ok(()), "the older one that is complete");
    case.checks.complete = None;
    assert_eq!(case.decide(), Err(Held::Unchecked));
}

#[test]
fn a_pending_check_that_is_older_or_the_same_is_not_waited_for() {
    let mut case = Case::new();
    case.pending(2);
    let failed = case.complete(CheckPhase::Failed, 1);
    assert_eq!(case.decide(), Err(Held::Failed(failed)));
    case.checks.pending =
        case.checks.complete.clone().map(|check| CheckState { revision: 1, state: CheckPhase::Pending, ..check });
    assert_eq!(case.decide(), Err(Held::Failed(failed)), "the beginning of the same check");
    // In the same millisecond, the greater id is the newer one.
    let (one, other) = (CheckId::new(), CheckId::new());
    let (older, newer) = (one.min(other), one.max(other));
    for (pending, complete, decided) in [(older, newer, Held::Failed(newer)), (newer, older, Held::Pending(newer))] {
        case.checks = Checks {
            pending: Some(CheckState { id: pending, ..case.check(CheckPhase::Pending, 1) }),
            complete: Some(CheckState { id: complete, ..case.check(CheckPhase::Failed, 1) }),
        };
        assert_eq!(case.decide(), Err(decided));
    }
}

#[test]
fn who_may_not_publish_is_told_what_to_send_where() {
    let case = Case::new();
    let id: CheckId = "check_01h455vb4pex5vsknk084sn02q".parse().unwrap();
    for (held, words) in [
        (Held::Unchecked, vec!["there is none"]),
        (Held::Ended(case.now), vec!["an approval that ended at 2027-01-15T08:00:00.000Z"]),
        (Held::Pending(id), vec!["`GET /v1/contracts/checks/check_01h455vb4pex5vsknk084sn02q`", "is being made"]),
        (Held::Failed(id), vec!["`GET /v1/contracts/checks/check_01h455vb4pex5vsknk084sn02q`", "failed"]),
    ] {
        let text = case.question().explain(held);
        let always = ["`2.0.0`", "`1.0.0`", "`POST /v1/contracts/checks?api=weather&version=2.0.0`"];
        for word in always.iter().chain(&words) {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}
