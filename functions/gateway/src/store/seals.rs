//! The rows of sealing, and its steps; the rules are in [`crate::seal`].

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};
use shared::chassis::table::{Row, StoreError};
use shared::chassis::transaction::Commit;
use shared::event::SealState;
use shared::time::Time;

use super::{Store, TermsRow};
use crate::grant::{Grant, turn};
use crate::seal::{Facts, Held, Step, due, month_name, moving, state, told};

/// Rows that one query answers.
const PAGE: u16 = 100;
const SEAL_SK: &str = "SEAL#";

#[derive(Serialize, Deserialize)]
struct SealRow {
    seal: String,
}

impl Store {
    /// Keeps what a seal says of a subscription, unless a later revision was told already.
    pub async fn put_facts(&self, facts: &Facts) -> Result<(), StoreError> {
        let row = Row::new(facts.subscription.to_string(), "S", facts)?;
        self.table.project(row, facts.revision).await?;
        Ok(())
    }

    /// Takes the next step of sealing, which the image says is due. Answers the grant as it is then.
    pub async fn seal(&self, id: &str, image: Grant, step: Step, now: Time) -> Result<Option<Grant>, StoreError> {
        if step == Step::Tell {
            self.tell(id, &image, now).await?;
        }
        let sealed = image.sl;
        self.settle(id, image, |image| {
            // Another sweep may have taken the step: whatever is due then is the caller's to see.
            (image.sl == sealed && due(image, now) == Some(step)).then(|| match step {
                Step::Turn => turn(image, now.hour()),
                Step::Move => moving(image),
                Step::Tell => told(image),
            })
        })
        .await
    }

    /// Writes the seal that waits in this image, and its event, unless both are there.
    pub async fn tell(&self, id: &str, image: &Grant, now: Time) -> Result<(), StoreError> {
        let missing = |what: &dyn std::fmt::Display| StoreError::Unavailable(format!("{what}: {id} cannot be sealed"));
        let facts = self.table.get::<Facts>(id, "S").await?.ok_or_else(|| missing(&"the row `S` is missing"))?;
        let seal = state(image, facts, self.history(id).await?, now).map_err(|error| missing(&error))?;
        let mut transaction = self.table.transaction();
        let text = serde_json::to_string(&seal).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let sk = format!("{SEAL_SK}{}", month_name(seal.from));
        transaction.create("seal", Row::new(id, sk, &SealRow { seal: text })?)?;
        transaction.tell(id, &seal, now)?;
        match transaction.commit().await? {
            Commit::Done => tracing::info!(seal = seal.id, "month sealed"),
            // It was told before.
            Commit::Refused { .. } | Commit::Replay(_) => {}
        }
        Ok(())
    }

    /// All terms that a subscription ever had, as far as they were told.
    async fn history(&self, id: &str) -> Result<Vec<Held>, StoreError> {
        let mut history = Vec::new();
        let mut after = None;
        loop {
            let slice = self.table.list::<TermsRow>(id, "T#", after.as_deref(), PAGE).await?;
            for row in slice.rows {
                history.push(Held { revision: row.revision, since: row.since, terms: row.terms()? });
            }
            after = slice.position;
            if after.is_none() {
                return Ok(history);
            }
        }
    }

    /// Writes a grant as it is, so that its image goes through the stream again, and puts its seals into the outbox again.
    /// Answers how many.
    pub async fn republish(&self, id: &str, now: Time) -> Result<u64, StoreError> {
        let one = AttributeValue::N("1".into());
        self.write(id, "SET #v = #v + :one", "attribute_exists(pk)", &[("#v", "v")], &[(":one", one)]).await?;
        let (mut told, mut after) = (0, None);
        loop {
            let slice = self.table.list::<SealRow>(id, SEAL_SK, after.as_deref(), PAGE).await?;
            for row in slice.rows {
                let seal: SealState =
                    serde_json::from_str(&row.seal).map_err(|error| StoreError::Unavailable(error.to_string()))?;
                let mut transaction = self.table.transaction();
                transaction.tell(id, &seal, now)?;
                transaction.commit().await?;
                told += 1;
            }
            after = slice.position;
            if after.is_none() {
                return Ok(told);
            }
        }
    }
}
