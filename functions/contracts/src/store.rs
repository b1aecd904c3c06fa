//! The table.
//!
//! | pk | sk | row |
//! | --- | --- | --- |
//! | `{check}` | `CHECK` | a check |
//! | `{check}` | `REPORT#{n}`, `TRAFFIC#{n}` | its report and who called, packed, in chunks |
//! | `{check}` | `SEEN#{organization}` | a consumer who was told of it, and may see what concerns it |
//! | `API#{api}` | `CHECK#{time, newest first}#{check}` | the check again, in the list of its API |
//! | `API#{api}` | `PASSED#{document}#{check}` | a check with which the document may be published |
//! | `API#{api}` | `POLICY`, `APPROVAL#{fingerprint}` | what its checks go by |
//! | `API#{api}` | `API`, `VERSION#{version}`, `ROUTES#{version}#{part}`, `SUB#{subscription}` | what other functions told |
//! | `SUB#{subscription}` | `APIS` | the APIs of a subscription |
//! | `NOTICES#{organization}` | `{time, newest first}#{what}#{subscription}` | a notice |
//! | any of them | `OUT#{uuid}`, `TOLD#…` | outbox, and what was told |

mod approvals;
mod checks;
mod notices;
mod projections;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;
use shared::chassis::table::{StoreError, Table};
use shared::id::{ApiId, OrganizationId};
use shared::time::Time;

pub(crate) use approvals::StoredPolicy;
pub(crate) use checks::CheckRow;
pub(crate) use notices::Notice;
pub(crate) use projections::Version;

/// How long checks and notices are kept.
const KEPT_S: i64 = 400 * 24 * 3600;
/// Writes that are under way together.
pub(crate) const AT_ONCE: usize = 16;
/// Rows that one question reads at once.
const PAGE: u16 = 1_000;

/// The function's table.
#[derive(Clone)]
pub(crate) struct Store {
    table: Table,
}

fn api_pk(api: ApiId) -> String {
    format!("API#{api}")
}

fn notices_pk(organization: OrganizationId) -> String {
    format!("NOTICES#{organization}")
}

/// A time as a text that sorts the newest first.
fn newest_first(time: Time) -> String {
    format!("{:015}", 999_999_999_999_999 - time.ms())
}

impl Store {
    pub(crate) fn new(table: Table) -> Self {
        Self { table }
    }

    /// All rows of a partition whose sort keys begin so.
    async fn all<T: DeserializeOwned>(&self, pk: &str, prefix: &str) -> Result<Vec<T>, StoreError> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let slice = self.table.list::<T>(pk, prefix, after.as_deref(), PAGE).await?;
            rows.extend(slice.rows);
            match slice.position {
                Some(position) => after = Some(position),
                None => return Ok(rows),
            }
        }
    }

    async fn put_bytes(&self, pk: &str, sk: &str, bytes: &[u8], ttl: i64) -> Result<(), StoreError> {
        self.table
            .client
            .put_item()
            .table_name(&self.table.name)
            .item("pk", AttributeValue::S(pk.to_owned()))
            .item("sk", AttributeValue::S(sk.to_owned()))
            .item("bytes", AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(bytes)))
            .item("ttl", AttributeValue::N(ttl.to_string()))
            .send()
            .await?;
        Ok(())
    }

    async fn get_bytes(&self, pk: &str, sk: &str) -> Result<Vec<u8>, StoreError> {
        let answer = self
            .table
            .client
            .get_item()
            .table_name(&self.table.name)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .consistent_read(true)
            .send()
            .await?;
        match answer.item.as_ref().and_then(|item| item.get("bytes")) {
            Some(AttributeValue::B(bytes)) => Ok(bytes.as_ref().to_vec()),
            _ => Err(StoreError::Unavailable(format!("{pk} has no {sk}"))),
        }
    }
}
