//! What a function told: the newest event of every resource, written with the resource itself, so that an operator can have all of it
//! told again to a consumer that lost it. A consumer that has it ignores what it knows: the revision is the same.
//!
//! | `pk` | `sk` | what |
//! | --- | --- | --- |
//! | `TOLD#{shard}` | `{type}#{id}` | the newest event of a resource, also that it is gone |
//! | `AGAIN#{shard}` | `OUT#…` | the outbox of what is told again |

use super::table::{Row, StoreError, Table};
use super::transaction::outbox;
use crate::event::{Envelope, State};
use crate::problem::{Kind, Problem};
use crate::time::Time;

/// Over so many partitions, so that one command reads a part of them.
const SHARDS: u32 = 16;
/// Events that one command tells again.
const PAGE: u16 = 100;

/// What an operator sends.
#[derive(serde::Deserialize)]
#[serde(tag = "schedule", rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    Republish {
        /// Which shard.
        shard: u32,
        /// Where the answer before said to go on.
        after: Option<String>,
    },
}

fn partition(shard: u32) -> String {
    format!("TOLD#{shard}")
}

/// The row of a resource's newest event.
pub(super) fn row(envelope: &Envelope) -> Result<Row, StoreError> {
    let hash = envelope.id.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    Row::new(partition(hash % SHARDS), format!("{}#{}", envelope.kind, envelope.id), envelope)
}

/// Keeps what will be told of a state that never changes, for events that would be too large for one transaction with what is
/// told again: it comes before the [`super::transaction::Transaction::tell`].
///
/// # Errors
///
/// Where the table does not take it.
pub async fn keep<S: State>(table: &Table, state: &S) -> Result<(), StoreError> {
    let envelope = Envelope::of(state).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    put(table, row(&envelope)?).await
}

async fn put(table: &Table, row: Row) -> Result<(), StoreError> {
    table.client.put_item().table_name(&table.name).set_item(Some(row.into_item())).send().await?;
    Ok(())
}

/// Does what an operator asks for: tells a page of a shard's resources again.
///
/// # Errors
///
/// For a payload that is no such command, and where the table is away.
pub async fn republish(table: &Table, payload: serde_json::Value, now: Time) -> Result<serde_json::Value, Problem> {
    let Command::Republish { shard, after } = serde_json::from_value(payload).map_err(|error| {
        let detail = format!("An operator may send `{{\"schedule\": \"republish\", \"shard\": 0}}`: {error}.");
        Problem::new(Kind::ValidationFailed, detail)
    })?;
    if shard >= SHARDS {
        return Err(Problem::invalid("/shard", format!("must be from 0 to {}", SHARDS - 1)));
    }
    let slice = table.list::<Envelope>(&partition(shard), "", after.as_deref(), PAGE).await?;
    let again = format!("AGAIN#{shard}");
    for envelope in &slice.rows {
        put(table, outbox(&again, envelope, now)?).await?;
    }
    Ok(serde_json::json!({ "events": slice.rows.len(), "after": slice.position }))
}
