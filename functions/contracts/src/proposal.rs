//! A check from its question to its report: the documents, the comparison, the callers, the judgement, and what is kept of it.

use std::collections::{BTreeMap, BTreeSet};

use shared::event::{ApiName, CheckPhase};
use shared::id::CheckId;
use shared::problem::Problem;
use shared::surface::Surface;
use shared::time::Time;
use shared::window::Window;

use crate::checks::{self, CheckReport, CheckVerdict, Judgement, Known, PolicyUsed, Scales};
use crate::compare::{Settings, compare};
use crate::finding::{Comparison, NotCompared, Verdict};
use crate::policy::{FailOn, PolicyView};
use crate::report::{Scene, Warnings};
use crate::routes::asks::{Api, Catalog, Current, Proposed, Read};
use crate::store::{CheckRow, Store};
use crate::traffic::{Published, Traffic};

/// What is asked of a check besides the document.
pub(crate) struct Asked {
    pub(crate) version: String,
    pub(crate) window: Option<Window>,
    pub(crate) fail_on: Option<FailOn>,
    pub(crate) by: String,
    pub(crate) now: Time,
}

/// Makes a check.
pub(crate) async fn check(
    store: &Store,
    catalog: &Catalog,
    base_url: &str,
    api: Api,
    proposed: Proposed<'_>,
    asked: Asked,
) -> Result<(CheckReport, Scene), Problem> {
    let base = async {
        match &api.current {
            Some(current) => catalog.published(api.id, current.id).await.map(Some),
            None => Ok(None),
        }
    };
    let (proposed, base) = tokio::join!(catalog.proposed(&proposed), base);
    let (proposed, base) = (proposed?, base?);
    let mut row = begun(&api, &proposed, &asked);
    store.begin(&row).await?;
    let stored = store.policy(api.id).await?;
    let policy = PolicyUsed { revision: stored.revision, policy: stored.policy };
    let fail_on = asked.fail_on.unwrap_or(policy.policy.fail_on);
    let window = asked.window.unwrap_or(policy.policy.window);
    let scene = Scene::of(base.as_ref().map_or(&proposed.surface, |base| &base.surface), &proposed.surface, base_url);
    let (judgement, not_compared, traffic) = match (&base, &api.current) {
        (Some(base), Some(current)) => {
            let ground = Ground { store, catalog, api: &api, current, policy: &policy, fail_on, window, asked: &asked };
            ground.judged(&base.surface, &proposed.surface).await?
        }
        _ => (first(), Vec::new(), Known::NotNeeded),
    };
    let warnings = Warnings { before: base.map(|base| base.warnings).unwrap_or_default(), after: proposed.warnings };
    let report = CheckReport {
        id: row.id,
        api: row.api.clone(),
        version: row.version.clone(),
        base_version: row.base_version.clone(),
        base: row.base,
        document_sha256: row.document_sha256.clone(),
        digest: proposed.surface.digest.to_string(),
        created_at: row.created_at,
        verdict: judgement.verdict,
        passed: judgement.reasons.is_empty(),
        may_publish: judgement.may_publish,
        reasons: judgement.reasons.clone(),
        fail_on,
        window,
        complete: match &traffic {
            Known::NotNeeded => true,
            Known::Traffic(traffic) => traffic.complete,
            Known::Unknown(_) => false,
        },
        complete_to: match &traffic {
            Known::Traffic(traffic) => Some(traffic.complete_to),
            Known::NotNeeded | Known::Unknown(_) => None,
        },
        precision: "operation".to_owned(),
        findings: judgement.findings.clone(),
        not_compared,
        approvals: judgement.approvals.clone(),
        policy: PolicyView::of(policy.revision, &policy.policy),
        warnings,
    };
    let traffic = match &traffic {
        Known::Traffic(traffic) => Some(traffic),
        Known::NotNeeded | Known::Unknown(_) => None,
    };
    store.complete(&mut row, &judgement, &report, traffic).await?;
    Ok((report, scene))
}

fn begun(api: &Api, proposed: &Read, asked: &Asked) -> CheckRow {
    CheckRow {
        id: CheckId::new(),
        revision: 1,
        organization: api.organization.clone(),
        api: ApiName { id: api.id, slug: api.slug.clone() },
        version: asked.version.clone(),
        base: api.current.as_ref().map(|current| current.id),
        base_version: api.current.as_ref().map(|current| current.version.clone()),
        document_sha256: proposed.document_sha256.clone(),
        root: proposed.root.clone(),
        state: CheckPhase::Pending,
        verdict: None,
        valid_until: None,
        created_at: asked.now,
        by: asked.by.clone(),
        chunks: (0, 0),
    }
}

fn first() -> Judgement {
    Judgement {
        verdict: CheckVerdict::First,
        reasons: Vec::new(),
        may_publish: true,
        findings: Vec::new(),
        approvals: Vec::new(),
        valid_until: None,
    }
}

/// What a comparison is judged on.
struct Ground<'a> {
    store: &'a Store,
    catalog: &'a Catalog,
    api: &'a Api,
    current: &'a Current,
    policy: &'a PolicyUsed,
    fail_on: FailOn,
    window: Window,
    asked: &'a Asked,
}

impl Ground<'_> {
    async fn judged(&self, before: &Surface, after: &Surface) -> Result<(Judgement, Vec<NotCompared>, Known), Problem> {
        if before.format != after.format {
            let detail = format!(
                "The published version is {:?}, and the document is {:?}: a version of another format is another API.",
                before.format, after.format
            );
            return Err(Problem::new(shared::problem::Kind::StateConflict, detail));
        }
        let policy = &self.policy.policy;
        let mut comparison = compare(before, after, Settings { level: policy.level });
        policy.apply(&mut comparison);
        let published = Published::of(before, after);
        let known = self
            .known(&published, &checks::asked(&comparison, &published), self.window, needs_callers(&comparison))
            .await;
        let silence = match policy.removal.and_then(|removal| removal.silent_days) {
            Some(days) => {
                let removed = checks::removed(&comparison, &published);
                let window = format!("{days}d").parse().unwrap_or_default();
                self.known(&published, &removed, window, !removed.is_empty()).await
            }
            None => Known::NotNeeded,
        };
        let deprecated_since = match policy.removal {
            Some(_) => self.store.deprecated_since(self.api.id, self.current.id).await?,
            None => BTreeMap::new(),
        };
        let approvals = self.store.approvals(self.api.id).await?;
        let judgement = checks::judge(
            &comparison,
            &Scales {
                version: &self.asked.version,
                base_version: &self.current.version,
                published: &published,
                known: &known,
                silence: &silence,
                policy: self.policy,
                fail_on: self.fail_on,
                window: self.window,
                approvals: &approvals,
                deprecated_since: &deprecated_since,
                sunset_at: self.current.sunset_at.filter(|_| self.current.deprecated_at.is_some()),
                now: self.asked.now,
            },
        );
        Ok((judgement, comparison.not_compared, known))
    }

    /// Who called, as far as that can be known. What cannot be known is never taken for nobody.
    async fn known(&self, published: &Published, operations: &BTreeSet<String>, window: Window, needed: bool) -> Known {
        if !needed {
            return Known::NotNeeded;
        }
        if self.api.upstream_url.is_none() {
            return Known::Unknown("The API has no upstream: its calls do not come through the door.".into());
        }
        if !published.is_counted() {
            return Known::Unknown("The door does not count the calls of this API's operations.".into());
        }
        if operations.is_empty() {
            let nobody = Traffic {
                from: self.asked.now,
                complete_to: self.asked.now,
                complete: true,
                callers: Vec::new(),
                operations: Vec::new(),
            };
            return Known::Traffic(nobody);
        }
        match self.catalog.traffic(self.api.id, operations, window).await {
            Ok(traffic) => Known::Traffic(traffic),
            Err(error) => {
                tracing::warn!(api = %self.api.id, ?error, "usage could not be asked");
                Known::Unknown("`usage` could not be asked.".into())
            }
        }
    }
}

/// Whether anything was found whose callers matter.
fn needs_callers(comparison: &Comparison) -> bool {
    comparison.verdict != Verdict::Identical
        && comparison.findings.iter().any(|finding| checks::concerns_callers(finding.rule, finding.severity))
}
