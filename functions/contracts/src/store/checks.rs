//! Checks and their reports.

use serde::{Deserialize, Serialize};
use shared::chassis::at_once::at_once;
use shared::chassis::gzip;
use shared::chassis::table::{Row, Slice, StoreError};
use shared::chassis::transaction::Commit;
use shared::event::{ApiName, CheckPhase, CheckState};
use shared::id::{ApiId, CheckId, OrganizationId, VersionId};
use shared::page::PageRequest;
use shared::principal::Party;
use shared::time::Time;

use super::{AT_ONCE, KEPT_S, Store, api_pk, newest_first};
use crate::checks::{CheckReport, CheckVerdict, Judgement};
use crate::traffic::Traffic;

/// Bytes of a chunk: an item holds 400 KB.
const CHUNK_BYTES: usize = 350_000;
/// Bytes of a report or of who called when they are unpacked.
const UNPACKED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A check.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CheckRow {
    pub(crate) id: CheckId,
    /// 1 while it is pending, 2 when it is complete, 3 when an approval that it rests on was withdrawn.
    pub(crate) revision: u64,
    pub(crate) organization: Party,
    pub(crate) api: ApiName,
    pub(crate) version: String,
    pub(crate) base: Option<VersionId>,
    pub(crate) base_version: Option<String>,
    pub(crate) document_sha256: String,
    pub(crate) root: String,
    pub(crate) state: CheckPhase,
    pub(crate) verdict: Option<CheckVerdict>,
    pub(crate) valid_until: Option<Time>,
    pub(crate) created_at: Time,
    /// The id of the token or the member that asked.
    pub(crate) by: String,
    /// Chunks of the report, and of who called; none of a check that was broken off.
    pub(crate) chunks: (u32, u32),
    /// The fingerprints of the approvals that it passed because of.
    #[serde(default)]
    pub(crate) approvals: Vec<String>,
}

impl CheckRow {
    fn event(&self) -> CheckState {
        CheckState {
            id: self.id,
            revision: self.revision,
            organization: self.organization.id,
            api: self.api.id,
            base: self.base,
            document_sha256: self.document_sha256.clone(),
            root: self.root.clone(),
            state: self.state,
            verdict: self.verdict.map(|verdict| verdict.word().to_owned()),
            created_at: self.created_at,
            valid_until: self.valid_until,
        }
    }

    fn list_sk(&self) -> String {
        format!("CHECK#{}#{}", newest_first(self.created_at), self.id)
    }
}

fn unavailable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl Store {
    /// Writes a check that is being made.
    pub(crate) async fn begin(&self, check: &CheckRow) -> Result<(), StoreError> {
        self.written(check, None).await
    }

    /// Ends a check that came to nothing: it has failed, and has no report. One that is complete stays as it is.
    pub(crate) async fn break_off(&self, check: &CheckRow) -> Result<(), StoreError> {
        let ended = CheckRow {
            revision: 2,
            state: CheckPhase::Failed,
            verdict: None,
            valid_until: None,
            chunks: (0, 0),
            approvals: Vec::new(),
            ..check.clone()
        };
        self.write(&ended, Some(1)).await.map(drop)
    }

    /// Ends a check that passed, as an approval that it rests on does.
    pub(crate) async fn end(&self, mut check: CheckRow, now: Time) -> Result<(), StoreError> {
        let before = check.revision;
        check.revision += 1;
        check.valid_until = Some(now);
        // Where it is another by now, it was ended: nothing else becomes of a check that passed.
        self.write(&check, Some(before)).await.map(drop)
    }

    /// Ends the checks that passed because of an approval.
    pub(super) async fn end_those_of(&self, api: ApiId, fingerprint: &str, now: Time) -> Result<(), StoreError> {
        let mut passed: Vec<CheckRow> = self.all(&api_pk(api), "PASSED#").await?;
        passed.retain(|check| {
            check.approvals.iter().any(|approval| approval == fingerprint)
                && check.valid_until.is_none_or(|until| until > now)
        });
        let ends = passed.into_iter().map(|check| {
            let store = self.clone();
            async move { store.end(check, now).await }
        });
        at_once(AT_ONCE, ends).await.map(drop)
    }

    /// Writes what a check came to: its report first, then what makes it complete.
    pub(crate) async fn complete(
        &self,
        check: &mut CheckRow,
        judgement: &Judgement,
        report: &CheckReport,
        traffic: Option<&Traffic>,
    ) -> Result<(), StoreError> {
        let ttl = check.created_at.seconds() + KEPT_S;
        let chunks = |bytes: &[u8]| u32::try_from(bytes.chunks(CHUNK_BYTES).len()).unwrap_or(u32::MAX);
        let pk = check.id.to_string();
        let packed = gzip::pack_fast(&serde_json::to_vec(report).map_err(unavailable)?).map_err(unavailable)?;
        let called = match traffic {
            Some(traffic) => {
                gzip::pack_fast(&serde_json::to_vec(traffic).map_err(unavailable)?).map_err(unavailable)?
            }
            None => Vec::new(),
        };
        for (prefix, bytes) in [("REPORT", &packed), ("TRAFFIC", &called)] {
            for (n, chunk) in bytes.chunks(CHUNK_BYTES).enumerate() {
                self.put_bytes(&pk, &format!("{prefix}#{n:04}"), chunk, ttl).await?;
            }
        }
        check.chunks = (chunks(&packed), chunks(&called));
        check.revision = 2;
        check.state = if judgement.may_publish { CheckPhase::Passed } else { CheckPhase::Failed };
        check.verdict = Some(judgement.verdict);
        check.valid_until = judgement.valid_until;
        check.approvals = judgement.approvals.iter().map(|approval| approval.fingerprint.clone()).collect();
        self.written(check, Some(1)).await
    }

    async fn written(&self, check: &CheckRow, before: Option<u64>) -> Result<(), StoreError> {
        if self.write(check, before).await? { Ok(()) } else { Err(unavailable("the check is another by now")) }
    }

    /// Writes a check in the place of that of this revision. Whether that was still there.
    async fn write(&self, check: &CheckRow, before: Option<u64>) -> Result<bool, StoreError> {
        let ttl = check.created_at.seconds() + KEPT_S;
        let pk = check.id.to_string();
        let api = api_pk(check.api.id);
        let mut transaction = self.table.transaction();
        let row = Row::new(&pk, "CHECK", check)?.ttl(ttl);
        match before {
            None => transaction.create("check", row)?,
            Some(revision) => transaction.replace("check", row, revision)?,
        }
        transaction.put("list", Row::new(&api, check.list_sk(), check)?.ttl(ttl))?;
        if check.state == CheckPhase::Passed {
            let sk = format!("PASSED#{}#{}", check.document_sha256, check.id);
            transaction.put("passed", Row::new(&api, sk, check)?.ttl(ttl))?;
        }
        transaction.emit(&pk, &check.event(), check.created_at)?;
        match transaction.commit().await? {
            Commit::Done => Ok(true),
            Commit::Refused { label: "check", .. } => Ok(false),
            other => Err(unavailable(format!("{other:?}"))),
        }
    }

    /// A check.
    pub(crate) async fn check(&self, id: CheckId) -> Result<Option<CheckRow>, StoreError> {
        self.table.get(id.to_string(), "CHECK").await
    }

    /// The checks of an API, newest first.
    pub(crate) async fn checks(&self, api: ApiId, page: &PageRequest) -> Result<Slice<CheckRow>, StoreError> {
        self.table.list(&api_pk(api), "CHECK#", page.after.as_deref(), page.size).await
    }

    /// The check with which a version was published: of its document, against another version, the newest before that moment.
    pub(crate) async fn check_of(
        &self,
        api: ApiId,
        version: VersionId,
        document_sha256: &str,
        published_at: Time,
    ) -> Result<Option<CheckRow>, StoreError> {
        let passed: Vec<CheckRow> = self.all(&api_pk(api), &format!("PASSED#{document_sha256}#")).await?;
        let fits =
            |check: &CheckRow| check.base.is_some_and(|base| base != version) && check.created_at <= published_at;
        Ok(passed.into_iter().filter(fits).max_by_key(|check| (check.created_at, check.id)))
    }

    /// The bytes of a complete check's report, as JSON.
    pub(crate) async fn report(&self, check: &CheckRow) -> Result<Vec<u8>, StoreError> {
        self.unpacked(check.id, "REPORT", check.chunks.0).await
    }

    /// Who called, as a complete check knew it.
    pub(crate) async fn traffic(&self, check: &CheckRow) -> Result<Option<Traffic>, StoreError> {
        if check.chunks.1 == 0 {
            return Ok(None);
        }
        let bytes = self.unpacked(check.id, "TRAFFIC", check.chunks.1).await?;
        serde_json::from_slice(&bytes).map(Some).map_err(unavailable)
    }

    async fn unpacked(&self, id: CheckId, prefix: &str, chunks: u32) -> Result<Vec<u8>, StoreError> {
        let mut packed = Vec::new();
        for n in 0..chunks {
            packed.extend(self.get_bytes(&id.to_string(), &format!("{prefix}#{n:04}")).await?);
        }
        gzip::unpack(&packed, UNPACKED_BYTES_MAX).map_err(unavailable)
    }

    /// Whether a consumer was told of a check.
    pub(crate) async fn may_see(&self, id: CheckId, organization: OrganizationId) -> Result<bool, StoreError> {
        let row: Option<super::notices::Seen> = self.table.get(id.to_string(), format!("SEEN#{organization}")).await?;
        Ok(row.is_some())
    }
}

#[cfg(test)]
mod tests {
    use house::{House, Who, party};
    use shared::principal::Role;

    use super::*;

    #[tokio::test]
    async fn a_check_that_is_broken_off_keeps_nobody_waiting_and_is_not_one_that_was_completed() {
        let house = House::new(crate::App::new).await;
        let store = Store::new(house.table.clone());
        let row = CheckRow {
            id: CheckId::new(),
            revision: 1,
            organization: party("acme"),
            api: ApiName { id: ApiId::new(), slug: "weather".parse().unwrap() },
            version: "2".into(),
            base: None,
            base_version: None,
            document_sha256: "0".repeat(64),
            root: String::new(),
            state: CheckPhase::Pending,
            verdict: None,
            valid_until: None,
            created_at: Time::from_ms(house.now_ms),
            by: "token".into(),
            chunks: (0, 0),
            approvals: Vec::new(),
        };
        let owner = Who::Member("acme", Role::Owner);
        let address = format!("/v1/contracts/checks/{}", row.id);
        store.begin(&row).await.unwrap();
        assert_eq!(house.get(owner, &address).await.kind(), (409, "check-pending"));
        store.break_off(&row).await.unwrap();
        assert_eq!(house.get(owner, &address).await.kind(), (409, "state-conflict"));
        let told = house.outbox(&row.id.to_string()).await;
        let told: Vec<CheckPhase> =
            told.iter().map(|event| event.state::<CheckState>().unwrap().unwrap().state).collect();
        assert!(told.contains(&CheckPhase::Failed), "whoever waits for it is told: {told:?}");

        let mut passed = CheckRow { id: CheckId::new(), ..row };
        store.begin(&passed).await.unwrap();
        let pending = passed.clone();
        (passed.revision, passed.state) = (2, CheckPhase::Passed);
        store.written(&passed, Some(1)).await.unwrap();
        store.break_off(&pending).await.unwrap();
        assert_eq!(store.check(passed.id).await.unwrap().unwrap().state, CheckPhase::Passed);
    }
}
