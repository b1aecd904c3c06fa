//! Notices: what consumers are told.

use serde::{Deserialize, Serialize};
use shared::chassis::table::{Row, Slice, StoreError};
use shared::chassis::transaction::Commit;
use shared::event::NoticeState;
use shared::id::{ApiId, OrganizationId, VersionId};
use shared::page::PageRequest;
use shared::time::Time;

use super::{KEPT_S, Store, api_pk, newest_first, notices_pk};

/// A notice as it is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Notice {
    #[serde(flatten)]
    pub(crate) state: NoticeState,
    /// The version it is about.
    pub(crate) version_id: VersionId,
}

/// That somebody was told of a check.
#[derive(Serialize, Deserialize)]
pub(crate) struct Seen {
    revision: u64,
}

impl Store {
    /// Tells a notice, once: what it is about, its moment and the subscription are its name.
    pub(crate) async fn notify(&self, notice: &Notice, now: Time) -> Result<(), StoreError> {
        let state = &notice.state;
        let pk = notices_pk(state.organization);
        let until = state.sunset_at.map_or(0, Time::ms);
        let sk = format!(
            "{}#{:?}#{}#{until}#{}",
            newest_first(state.created_at),
            state.kind,
            notice.version_id,
            state.subscription
        );
        let ttl = state.created_at.seconds() + KEPT_S;
        if let Some(check) = state.check {
            let seen = Seen { revision: 1 };
            let row = Row::new(check.to_string(), format!("SEEN#{}", state.organization), &seen)?.ttl(ttl);
            self.table.project(row, 1).await?;
        }
        let mut transaction = self.table.transaction();
        transaction.create("notice", Row::new(&pk, sk, notice)?.ttl(ttl))?;
        transaction.emit(&pk, state, now)?;
        match transaction.commit().await? {
            // It was told before.
            Commit::Done | Commit::Refused { label: "notice", .. } => Ok(()),
            other => Err(StoreError::Unavailable(format!("{other:?}"))),
        }
    }

    /// What an organization was told, newest first.
    pub(crate) async fn notices(
        &self,
        organization: OrganizationId,
        page: &PageRequest,
    ) -> Result<Slice<Notice>, StoreError> {
        // The outbox's rows stand behind all digits.
        self.table.list(&notices_pk(organization), "9", page.after.as_deref(), page.size).await
    }

    /// Whether everyone was told of something.
    pub(crate) async fn was_announced(&self, api: ApiId, what: &str) -> Result<bool, StoreError> {
        let row: Option<Seen> = self.table.get(api_pk(api), format!("ANNOUNCED#{what}")).await?;
        Ok(row.is_some())
    }

    /// Notes that everyone was told of something.
    pub(crate) async fn announced(&self, api: ApiId, what: &str, at: Time) -> Result<(), StoreError> {
        let row = Row::new(api_pk(api), format!("ANNOUNCED#{what}"), &Seen { revision: 1 })?.ttl(at.seconds() + KEPT_S);
        self.table.project(row, 1).await.map(drop)
    }
}
