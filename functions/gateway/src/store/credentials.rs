//! Upstream credentials, beside the API that they are for.

use aws_sdk_dynamodb::types::AttributeValue;
use shared::chassis::table::{Row, StoreError};

use super::Store;
use crate::credentials::Sealed;

const SK: &str = "C";

impl Store {
    /// The credentials of an API, by `{organization}/{slug}`.
    pub async fn credentials(&self, name: &str) -> Result<Option<Sealed>, StoreError> {
        self.table.get(format!("A#{name}"), SK).await
    }

    /// Keeps an API's credentials in place of those before.
    pub async fn put_credentials(&self, name: &str, sealed: &Sealed) -> Result<(), StoreError> {
        self.put(Row::new(format!("A#{name}"), SK, sealed)?).await
    }

    /// Forgets an API's credentials, if there are any.
    pub async fn delete_credentials(&self, name: &str) -> Result<(), StoreError> {
        let request = self.table.client.delete_item().table_name(&self.table.name);
        let request = request.key("pk", AttributeValue::S(format!("A#{name}"))).key("sk", AttributeValue::S(SK.into()));
        request.send().await?;
        Ok(())
    }
}
