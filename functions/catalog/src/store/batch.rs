//! Many rows at once, where none of them needs a condition: what they are part of has a row of its own that comes last.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use serde::Serialize;
use shared::chassis::table::{Item, StoreError};

use super::Store;

/// Rows of one `BatchWriteItem` (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>).
const BATCH: usize = 25;
/// Batches under way at once.
const PARALLEL: usize = 4;
const ATTEMPTS_MAX: u32 = 8;

fn unfit(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

/// A row to put, with its key.
pub(super) fn put<T: Serialize>(pk: &str, sk: String, state: &T) -> Result<WriteRequest, StoreError> {
    let mut item: Item = serde_dynamo::aws_sdk_dynamodb_1::to_item(state)?;
    item.insert("pk".into(), AttributeValue::S(pk.to_owned()));
    item.insert("sk".into(), AttributeValue::S(sk));
    Ok(WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().map_err(unfit)?).build())
}

/// A row to delete.
pub(super) fn delete(pk: &str, sk: String) -> Result<WriteRequest, StoreError> {
    let delete = DeleteRequest::builder()
        .key("pk", AttributeValue::S(pk.to_owned()))
        .key("sk", AttributeValue::S(sk))
        .build()
        .map_err(unfit)?;
    Ok(WriteRequest::builder().delete_request(delete).build())
}

impl Store {
    /// Writes all of these rows, or says that it could not.
    pub(super) async fn write(&self, requests: Vec<WriteRequest>) -> Result<(), StoreError> {
        let mut batches: Vec<Vec<WriteRequest>> = requests.chunks(BATCH).map(<[WriteRequest]>::to_vec).collect();
        while !batches.is_empty() {
            let rest = batches.split_off(batches.len().min(PARALLEL));
            let mut batches_now = batches.into_iter();
            let mut next = || batches_now.next().unwrap_or_default();
            let (a, b, c, d) = (next(), next(), next(), next());
            // Boxed: four of the SDK's futures in one would make every future above this one large.
            let boxed = |batch| Box::pin(self.write_batch(batch));
            tokio::try_join!(boxed(a), boxed(b), boxed(c), boxed(d))?;
            batches = rest;
        }
        Ok(())
    }

    async fn write_batch(&self, mut batch: Vec<WriteRequest>) -> Result<(), StoreError> {
        let mut attempt = 0;
        while !batch.is_empty() {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_millis(25 << attempt)).await;
            }
            if attempt == ATTEMPTS_MAX {
                return Err(StoreError::Unavailable("rows of a batch were left over".into()));
            }
            attempt += 1;
            let answer = self.table.client.batch_write_item().request_items(&self.table.name, batch).send().await?;
            batch = answer.unprocessed_items.and_then(|mut left| left.remove(&self.table.name)).unwrap_or_default();
        }
        Ok(())
    }
}
