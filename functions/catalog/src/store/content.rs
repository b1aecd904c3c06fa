//! What belongs to a version and never changes: its packed document, its operations, its warnings.

use crate::domain::Operation;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use shared::chassis::table::StoreError;
use shared::id::VersionId;

use super::Store;
use super::batch::{delete, put};
use crate::domain::Version;
use crate::upload::Warning;

/// Bytes of a chunk: an item holds 400 KB.
const CHUNK_BYTES: usize = 350_000;
/// Operations in a row. The longest that are read fill it to some 250 KB.
const OPERATIONS_OF_ROW: u32 = 25;

/// What a version is made of.
pub(crate) struct Content {
    /// The document, packed.
    pub(crate) packed: Vec<u8>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) warnings: Vec<Warning>,
}

#[derive(Serialize, Deserialize)]
struct Operations {
    operations: Vec<Operation>,
}

#[derive(Serialize, Deserialize)]
struct Warnings {
    warnings: Vec<Warning>,
}

fn chunk(n: usize) -> String {
    format!("CHUNK#{n:04}")
}

fn operations_row(n: u32) -> String {
    format!("OPERATIONS#{n:05}")
}

impl Content {
    /// How many chunks the document takes.
    pub(crate) fn chunks(&self) -> u32 {
        u32::try_from(self.packed.len().div_ceil(CHUNK_BYTES)).unwrap_or(u32::MAX)
    }
}

impl Store {
    /// Writes a version's content. Nobody sees it before the version's own row is there.
    pub(super) async fn put_content(&self, id: VersionId, content: &Content) -> Result<(), StoreError> {
        let pk = id.to_string();
        for (n, bytes) in content.packed.chunks(CHUNK_BYTES).enumerate() {
            self.table
                .client
                .put_item()
                .table_name(&self.table.name)
                .item("pk", AttributeValue::S(pk.clone()))
                .item("sk", AttributeValue::S(chunk(n)))
                .item("bytes", AttributeValue::B(Blob::new(bytes)))
                .send()
                .await?;
        }
        let mut rows = vec![put(&pk, "WARNINGS".into(), &Warnings { warnings: content.warnings.clone() })?];
        for (n, operations) in (0..).zip(content.operations.chunks(OPERATIONS_OF_ROW as usize)) {
            rows.push(put(&pk, operations_row(n), &Operations { operations: operations.to_vec() })?);
        }
        self.write(rows).await
    }

    /// Removes the content of a version that did not come to be.
    pub(super) async fn drop_content(&self, id: VersionId, content: &Content) -> Result<(), StoreError> {
        let pk = id.to_string();
        let mut rows = vec![delete(&pk, "WARNINGS".into())?];
        for n in 0..content.packed.len().div_ceil(CHUNK_BYTES) {
            rows.push(delete(&pk, chunk(n))?);
        }
        for (n, _) in (0..).zip(content.operations.chunks(OPERATIONS_OF_ROW as usize)) {
            rows.push(delete(&pk, operations_row(n))?);
        }
        self.write(rows).await
    }

    /// A version's packed document.
    pub(crate) async fn document(&self, version: &Version) -> Result<Vec<u8>, StoreError> {
        let mut packed = Vec::new();
        for n in 0..version.chunks {
            let answer = self
                .table
                .client
                .get_item()
                .table_name(&self.table.name)
                .key("pk", AttributeValue::S(version.id.to_string()))
                .key("sk", AttributeValue::S(chunk(n as usize)))
                .consistent_read(true)
                .send()
                .await?;
            match answer.item.as_ref().and_then(|item| item.get("bytes")) {
                Some(AttributeValue::B(bytes)) => packed.extend_from_slice(bytes.as_ref()),
                _ => return Err(StoreError::Unavailable(format!("chunk {n} of {} is missing", version.id))),
            }
        }
        Ok(packed)
    }

    /// The warnings that a version was read with.
    pub(crate) async fn warnings(&self, version: &Version) -> Result<Vec<Warning>, StoreError> {
        if version.warnings == 0 {
            return Ok(Vec::new());
        }
        let row: Option<Warnings> = self.table.get(version.id.to_string(), "WARNINGS").await?;
        Ok(row.map(|row| row.warnings).unwrap_or_default())
    }

    /// So many operations of a version from a number on, in the document's order, each with its number.
    pub(crate) async fn operations(
        &self,
        id: VersionId,
        from: u32,
        limit: u32,
    ) -> Result<Vec<(u32, Operation)>, StoreError> {
        let until = from.saturating_add(limit);
        let first = from / OPERATIONS_OF_ROW;
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .table
                .client
                .query()
                .table_name(&self.table.name)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :until")
                .expression_attribute_values(":pk", AttributeValue::S(id.to_string()))
                .expression_attribute_values(":from", AttributeValue::S(operations_row(first)))
                .expression_attribute_values(
                    ":until",
                    AttributeValue::S(operations_row((until.saturating_sub(1) / OPERATIONS_OF_ROW).min(99_999))),
                )
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in answer.items.unwrap_or_default() {
                let row = item
                    .get("sk")
                    .and_then(|sk| sk.as_s().ok())
                    .and_then(|sk| sk.rsplit('#').next()?.parse::<u32>().ok())
                    .unwrap_or(0);
                let operations: Operations = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)?;
                let numbered = (row * OPERATIONS_OF_ROW..).zip(operations.operations);
                found.extend(numbered.filter(|(number, _)| (from..until).contains(number)));
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// All operations of a version.
    pub(crate) async fn all_operations(&self, id: VersionId) -> Result<Vec<Operation>, StoreError> {
        let numbered = self.operations(id, 0, u32::MAX).await?;
        Ok(numbered.into_iter().map(|(_, operation)| operation).collect())
    }
}
