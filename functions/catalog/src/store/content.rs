//! What belongs to a version and never changes: its packed document, its operations, what else is searched of it, its warnings.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, WriteRequest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::chassis::table::StoreError;
use shared::id::VersionId;

use super::Store;
use super::batch::{delete, put};
use crate::domain::{Entry, Operation, Version};
use crate::upload::Warning;

/// Bytes of a chunk: an item holds 400 KB.
const CHUNK_BYTES: usize = 350_000;
/// Operations in a row. The longest that are read fill it to some 250 KB.
const OPERATIONS_OF_ROW: u32 = 25;
/// Types and fields in a row: with the longest texts some 250 KB, most often 8 KB.
const ENTRIES_OF_ROW: u32 = 100;

/// What a version is made of.
pub(crate) struct Content {
    /// The document, packed.
    pub(crate) packed: Vec<u8>,
    pub(crate) searched: Searched,
    pub(crate) warnings: Vec<Warning>,
}

/// What is searched of a version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Searched {
    pub(crate) operations: Vec<Operation>,
    pub(crate) entries: Vec<Entry>,
}

/// What is kept by number, several to a row.
pub(crate) trait Listed: Serialize + DeserializeOwned + Clone {
    /// What its rows begin with.
    const PREFIX: &'static str;
    /// How many stand in a row.
    const OF_ROW: u32;
}

impl Listed for Operation {
    const PREFIX: &'static str = "OPERATIONS";
    const OF_ROW: u32 = OPERATIONS_OF_ROW;
}

impl Listed for Entry {
    const PREFIX: &'static str = "ENTRIES";
    const OF_ROW: u32 = ENTRIES_OF_ROW;
}

/// A row of them.
#[derive(Serialize, Deserialize)]
struct List<T> {
    // The name that it had while operations alone were kept so.
    #[serde(alias = "operations")]
    list: Vec<T>,
}

#[derive(Serialize, Deserialize)]
struct Warnings {
    warnings: Vec<Warning>,
}

fn chunk(n: usize) -> String {
    format!("CHUNK#{n:04}")
}

fn list_row<T: Listed>(n: u32) -> String {
    format!("{}#{n:05}", T::PREFIX)
}

fn put_lists<T: Listed>(pk: &str, all: &[T], rows: &mut Vec<WriteRequest>) -> Result<(), StoreError> {
    for (n, list) in (0..).zip(all.chunks(T::OF_ROW as usize)) {
        rows.push(put(pk, list_row::<T>(n), &List { list: list.to_vec() })?);
    }
    Ok(())
}

fn delete_lists<T: Listed>(pk: &str, all: &[T], rows: &mut Vec<WriteRequest>) -> Result<(), StoreError> {
    for (n, _) in (0..).zip(all.chunks(T::OF_ROW as usize)) {
        rows.push(delete(pk, list_row::<T>(n))?);
    }
    Ok(())
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
        put_lists(&pk, &content.searched.operations, &mut rows)?;
        put_lists(&pk, &content.searched.entries, &mut rows)?;
        self.write(rows).await
    }

    /// Removes the content of a version that did not come to be.
    pub(super) async fn drop_content(&self, id: VersionId, content: &Content) -> Result<(), StoreError> {
        let pk = id.to_string();
        let mut rows = vec![delete(&pk, "WARNINGS".into())?];
        for n in 0..content.packed.len().div_ceil(CHUNK_BYTES) {
            rows.push(delete(&pk, chunk(n))?);
        }
        delete_lists(&pk, &content.searched.operations, &mut rows)?;
        delete_lists(&pk, &content.searched.entries, &mut rows)?;
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

    /// So many operations, types or fields of a version from a number on, in their order, each with its number.
    pub(crate) async fn listed<T: Listed>(
        &self,
        id: VersionId,
        from: u32,
        limit: u32,
    ) -> Result<Vec<(u32, T)>, StoreError> {
        let until = from.saturating_add(limit);
        let first = from / T::OF_ROW;
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
                .expression_attribute_values(":from", AttributeValue::S(list_row::<T>(first)))
                .expression_attribute_values(
                    ":until",
                    AttributeValue::S(list_row::<T>((until.saturating_sub(1) / T::OF_ROW).min(99_999))),
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
                let list: List<T> = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)?;
                let numbered = (row * T::OF_ROW..).zip(list.list);
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
        let numbered = self.listed(id, 0, u32::MAX).await?;
        Ok(numbered.into_iter().map(|(_, operation)| operation).collect())
    }

    /// All that is searched of a version.
    pub(super) async fn all_searched(&self, id: VersionId) -> Result<Searched, StoreError> {
        let entries = self.listed(id, 0, u32::MAX).await?.into_iter().map(|(_, entry)| entry).collect();
        Ok(Searched { operations: self.all_operations(id).await?, entries })
    }
}
