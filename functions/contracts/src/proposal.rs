//! A check from its question to its report: the documents, the comparison, the callers, the judgement, and what is kept of it.

use std::collections::{BTreeMap, BTreeSet};

use shared::chassis::hop::HopError;
use shared::event::{ApiName, CheckPhase};
use shared::id::CheckId;
use shared::problem::Problem;
use shared::surface::Surface;
use shared::time::Time;
use shared::window::Window;

use crate::approvals::Approval;
use crate::checks::{self, CheckReport, CheckVerdict, Judgement, Known, PolicyUsed, Scales};
use crate::compare::{Settings, compare};
use crate::finding::{Comparison, NotCompared, Verdict};
use crate::policy::{FailOn, PolicyView};
use crate::report::{Scene, Warnings};
use crate::routes::asks::{Api, Asks, Current, Proposed, Read};
use crate::routes::name;
use crate::store::{CheckRow, Store, StoredPolicy};
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
    asks: &Asks,
    base_url: &str,
    api: Api,
    proposed: Proposed<'_>,
    asked: Asked,
) -> Result<(CheckReport, Scene), Problem> {
    let base = async {
        match &api.current {
            Some(current) => asks.published(api.id, current.id).await.map(Some),
            None => Ok(None),
        }
    };
    let (proposed, base) = tokio::join!(asks.proposed(&proposed), base);
    let (proposed, base) = (proposed?, base?);
    if let Some(base) = &base {
        of_one_format(&base.surface, &proposed.surface)?;
    }
    let ground = Ground::read(store, asks, &api, &asked).await?;
    let mut row = begun(&api, &proposed, &asked);
    // While a check is pending nobody publishes. So all that can be refused or fail comes before, but for keeping the report.
    store.begin(&row).await?;
    let (judgement, not_compared, known) = match (&base, &api.current) {
        (Some(base), Some(current)) => ground.judged(current, &base.surface, &proposed.surface).await,
        _ => (first(), Vec::new(), Known::NotNeeded),
    };
    let scene = Scene::of(base.as_ref().map_or(&proposed.surface, |base| &base.surface), &proposed.surface, base_url);
    let digest = proposed.surface.digest.to_string();
    let warnings = Warnings { before: base.map(|base| base.warnings).unwrap_or_default(), after: proposed.warnings };
    let report = CheckReport {
        id: row.id,
        api: row.api.clone(),
        version: row.version.clone(),
        base_version: row.base_version.clone(),
        base: row.base,
        document_sha256: row.document_sha256.clone(),
        digest,
        created_at: row.created_at,
        verdict: judgement.verdict,
        passed: judgement.reasons.is_empty(),
        may_publish: judgement.may_publish,
        reasons: judgement.reasons.clone(),
        fail_on: ground.fail_on,
        window: ground.window,
        complete: known.gap().is_none(),
        incomplete_because: known.gap(),
        complete_to: known.traffic().map(|traffic| traffic.complete_to),
        precision: "operation".to_owned(),
        findings: judgement.findings.clone(),
        not_compared,
        approvals: judgement.approvals.clone(),
        policy: PolicyView::of(ground.policy.revision, &ground.policy.policy),
        warnings,
    };
    kept(store, &mut row, &judgement, &report, known.traffic()).await?;
    Ok((report, scene))
}

/// A document of another format cannot be compared.
fn of_one_format(before: &Surface, after: &Surface) -> Result<(), Problem> {
    if before.format == after.format {
        return Ok(());
    }
    let detail = format!(
        "The published version is {}, and the document is {}: a version of another format is another API.",
        name(before.format),
        name(after.format)
    );
    Err(Problem::state(detail))
}

/// Keeps what a check came to. Where that fails, the check is ended, so that nobody waits for it; where not even that can be written, it stays pending
/// for as long as the catalog waits for one.
async fn kept(
    store: &Store,
    row: &mut CheckRow,
    judgement: &Judgement,
    report: &CheckReport,
    traffic: Option<&Traffic>,
) -> Result<(), Problem> {
    if let Err(error) = store.complete(row, judgement, report, traffic).await {
        if let Err(second) = store.break_off(row).await {
            tracing::warn!(check = %row.id, error = %second, "a check could not be ended");
        }
        return Err(error.into());
    }
    if row.approvals.is_empty() {
        return Ok(());
    }
    // Who withdraws an approval ends the checks that rest on it. This one may have come after: then it ends itself.
    let approvals = store.approvals(row.api.id).await?;
    if row.approvals.iter().all(|fingerprint| approvals.contains_key(fingerprint)) {
        return Ok(());
    }
    store.end(row.clone(), row.created_at).await?;
    Err(Problem::state("An approval that the check rests on was withdrawn while it was made: check again."))
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
        approvals: Vec::new(),
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

/// What a comparison is judged on, besides the documents.
struct Ground<'a> {
    asks: &'a Asks,
    api: &'a Api,
    policy: PolicyUsed,
    fail_on: FailOn,
    window: Window,
    approvals: BTreeMap<String, Approval>,
    deprecated_since: BTreeMap<String, Time>,
    asked: &'a Asked,
}

impl<'a> Ground<'a> {
    async fn read(store: &Store, asks: &'a Asks, api: &'a Api, asked: &'a Asked) -> Result<Self, Problem> {
        let StoredPolicy { revision, policy } = store.policy(api.id).await?;
        let deprecated_since = match (&policy.removal, &api.current) {
            (Some(_), Some(current)) => store.deprecated_since(api.id, current.id).await?,
            _ => BTreeMap::new(),
        };
        Ok(Self {
            asks,
            api,
            fail_on: asked.fail_on.unwrap_or(policy.fail_on),
            window: asked.window.unwrap_or(policy.window),
            policy: PolicyUsed { revision, policy },
            approvals: store.approvals(api.id).await?,
            deprecated_since,
            asked,
        })
    }

    async fn judged(
        &self,
        current: &Current,
        before: &Surface,
        after: &Surface,
    ) -> (Judgement, Vec<NotCompared>, Known) {
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
        let judgement = checks::judge(
            &comparison,
            &Scales {
                version: &self.asked.version,
                base_version: &current.version,
                published: &published,
                known: &known,
                silence: &silence,
                policy: &self.policy,
                fail_on: self.fail_on,
                window: self.window,
                approvals: &self.approvals,
                deprecated_since: &self.deprecated_since,
                sunset_at: current.sunset_at.filter(|_| current.deprecated_at.is_some()),
                now: self.asked.now,
            },
        );
        (judgement, comparison.not_compared, known)
    }

    /// Who called, as far as that can be known. What cannot be known is never taken for nobody.
    async fn known(&self, published: &Published, operations: &BTreeSet<String>, window: Window, needed: bool) -> Known {
        if !needed {
            return Known::NotNeeded;
        }
        if self.api.upstream_url.is_none() {
            let why = "The API has no upstream, so its calls do not come through the door and nobody counts them: give it an `upstream_url`, or have what breaks approved.";
            return Known::Unknown(why.into());
        }
        if !published.is_counted() {
            let why = "The door counts calls over HTTP and RPC alone, and this API has no such operation: have what breaks approved.";
            return Known::Unknown(why.into());
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
        match self.asks.traffic(self.api.id, operations, window).await {
            Ok(traffic) => Known::Traffic(traffic),
            Err(error) => {
                tracing::warn!(api = %self.api.id, ?error, "usage could not be asked");
                Known::Unknown(unanswered(&error))
            }
        }
    }
}

/// Why `usage` said nothing, and what to do.
fn unanswered(error: &HopError) -> String {
    match error {
        // What the caller's token may not, or what the window is too long for: its own words say what to do.
        HopError::Refused(document) if document.status < 500 => format!("`usage` refused to say: {}", document.detail),
        HopError::Refused(_) | HopError::Away(_) => {
            "`usage` could not be asked: check again in a moment, or have what breaks approved.".to_owned()
        }
    }
}

/// Whether anything was found whose callers matter.
fn needs_callers(comparison: &Comparison) -> bool {
    comparison.verdict != Verdict::Identical
        && comparison.findings.iter().any(|finding| checks::concerns_callers(finding.rule, finding.severity))
}
