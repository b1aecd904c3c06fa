//! SQS standard queues: visibility time-outs, receive counts, dead letters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::{Transaction, params};
use serde_json::Value;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::data_error::DataError;
use crate::dynamodb::now_ms;
use crate::events::store::Store;
use crate::events::{id_of, number};
use crate::faults::Faults;
use crate::template::Template;

/// SQS's own defaults, in seconds.
const VISIBILITY_S: u64 = 30;
const RETENTION_S: u64 = 4 * 24 * 3600;
/// How often messages past their retention are dropped.
const KEEP_EVERY: Duration = Duration::from_mins(1);
/// How many visible messages a shuffle chooses from.
const SHUFFLED: usize = 1000;

/// All queues of a template. Clones share them.
#[derive(Clone)]
pub(crate) struct Queues {
    store: Store,
    faults: Faults,
    clock: Clock,
    by_id: Arc<BTreeMap<String, Queue>>,
}

struct Queue {
    visibility: Duration,
    delay: Duration,
    retention: Duration,
    /// Dead-letter queue and how often a message is received before it goes there.
    redrive: Option<(String, u64)>,
    wake: Notify,
    /// Whether a mapping reads it: only then is a message in it on its way to somewhere.
    consumed: AtomicBool,
}

/// One received message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) row: i64,
    pub(crate) id: String,
    pub(crate) body: String,
    /// When it was sent, as the cloud's clock showed it.
    pub(crate) sent_ms: i64,
    /// When it was first received, as the cloud's clock showed it.
    pub(crate) first_ms: i64,
    /// How often it has been received, this time included.
    pub(crate) received: u64,
}

impl Queues {
    pub(crate) fn read(template: &Template, store: Store, faults: Faults, clock: Clock) -> Result<Self, DataError> {
        let mut queues = BTreeMap::new();
        for (id, resource) in template.resources.iter().filter(|(_, resource)| resource.kind == "AWS::SQS::Queue") {
            let properties = &resource.properties;
            let seconds = |name: &str, default: u64| Duration::from_secs(number(properties, name).unwrap_or(default));
            let redrive = properties.get("RedrivePolicy").map(|policy| {
                let target = policy.get("deadLetterTargetArn").and_then(Value::as_str);
                target.zip(number(policy, "maxReceiveCount")).map(|(arn, count)| (id_of(arn).to_owned(), count))
            });
            let redrive = match redrive {
                Some(None) => {
                    return Err(DataError::template(id, "RedrivePolicy needs deadLetterTargetArn and maxReceiveCount"));
                }
                other => other.flatten(),
            };
            queues.insert(
                id.clone(),
                Queue {
                    visibility: seconds("VisibilityTimeout", VISIBILITY_S),
                    delay: seconds("DelaySeconds", 0),
                    retention: seconds("MessageRetentionPeriod", RETENTION_S),
                    redrive,
                    wake: Notify::new(),
                    consumed: AtomicBool::new(false),
                },
            );
        }
        for (id, queue) in &queues {
            if let Some((target, _)) = queue.redrive.as_ref().filter(|(target, _)| !queues.contains_key(target)) {
                return Err(DataError::template(id, format!("the dead-letter queue {target} is not in the template")));
            }
        }
        // Whoever had received a message ended with the last run of the cloud.
        store.write(|transaction| {
            transaction.execute(
                "UPDATE messages SET visible_ms = ?1 WHERE received > 0 AND visible_ms > ?1",
                params![now_ms()],
            )?;
            Ok(())
        })?;
        Ok(Self { store, faults, clock, by_id: Arc::new(queues) })
    }

    /// Whether there is such a queue.
    pub(crate) fn has(&self, queue: &str) -> bool {
        self.by_id.contains_key(queue)
    }

    /// The queues that take what another could not deliver.
    pub(crate) fn dead_letter_queues(&self) -> BTreeSet<String> {
        self.by_id.values().filter_map(|queue| Some(queue.redrive.as_ref()?.0.clone())).collect()
    }

    /// Says that a mapping reads this queue.
    pub(crate) fn consume(&self, queue: &str) {
        if let Some(queue) = self.by_id.get(queue) {
            queue.consumed.store(true, Ordering::Relaxed);
        }
    }

    /// Wakes the reader of a queue.
    pub(crate) fn wake(&self, queue: &str) {
        if let Some(queue) = self.by_id.get(queue) {
            queue.wake.notify_one();
        }
    }

    /// Sends a message; the caller wakes the queue after the commit.
    pub(crate) fn send(&self, transaction: &Transaction<'_>, queue: &str, body: &str) -> Result<(), DataError> {
        let delay = self.by_id.get(queue).map(|queue| queue.delay).unwrap_or_default();
        insert(transaction, queue, body, delay)
    }

    /// Sends an event as the faults will have it: twice, late.
    pub(crate) fn send_event(&self, transaction: &Transaction<'_>, queue: &str, body: &str) -> Result<(), DataError> {
        let delay = self.by_id.get(queue).map(|queue| queue.delay).unwrap_or_default();
        for _ in 0..self.faults.copies() {
            insert(transaction, queue, body, delay + self.faults.hold_back())?;
        }
        Ok(())
    }

    /// Sends a message at once.
    pub(crate) fn post(&self, queue: &str, body: &str) -> Result<(), DataError> {
        self.store.write(|transaction| self.send(transaction, queue, body))?;
        self.wake(queue);
        Ok(())
    }

    /// Receives up to `most` visible messages and hides them for the visibility time-out. One received too often becomes a dead letter.
    pub(crate) fn receive(&self, name: &str, most: usize) -> Result<Vec<Message>, DataError> {
        let Some(queue) = self.by_id.get(name) else { return Ok(Vec::new()) };
        let now = now_ms();
        let (received, moved) = self.store.write(|transaction| {
            let mut found = visible(transaction, name, now, if self.faults.shuffles() { SHUFFLED } else { most })?;
            if let Some(order) = self.faults.order(found.len()) {
                found = order.into_iter().filter_map(|index| found.get(index).cloned()).collect();
            }
            let (mut taken, mut moved) = (Vec::new(), false);
            for mut message in found {
                if taken.len() == most {
                    break;
                }
                match &queue.redrive {
                    Some((target, count)) if message.received >= *count => {
                        let sql = "UPDATE messages SET queue = ?2, received = 0, first_ms = NULL, visible_ms = ?3 WHERE id = ?1";
                        transaction.prepare_cached(sql)?.execute(params![message.row, target, now])?;
                        moved = true;
                    }
                    _ => {
                        message.received += 1;
                        let sql = "UPDATE messages SET received = received + 1, first_ms = COALESCE(first_ms, ?2), visible_ms = ?3 WHERE id = ?1";
                        transaction.prepare_cached(sql)?.execute(params![message.row, now, now + ms(queue.visibility)])?;
                        taken.push(message);
                    }
                }
            }
            Ok((taken, moved))
        })?;
        let received: Vec<Message> = received
            .into_iter()
            .map(|message| Message {
                sent_ms: self.clock.at_us(message.sent_ms.saturating_mul(1000)),
                first_ms: self.clock.at_us(message.first_ms.saturating_mul(1000)),
                ..message
            })
            .collect();
        if let (true, Some((target, _))) = (moved, &queue.redrive) {
            tracing::warn!(queue = name, target, "messages became dead letters");
            self.wake(target);
        }
        Ok(received)
    }

    /// Deletes messages that are done with.
    pub(crate) fn delete(&self, rows: impl Iterator<Item = i64>) -> Result<(), DataError> {
        self.store.write(|transaction| {
            let mut statement = transaction.prepare_cached("DELETE FROM messages WHERE id = ?1")?;
            for row in rows {
                statement.execute(params![row])?;
            }
            Ok(())
        })
    }

    /// Makes messages visible again after this time.
    pub(crate) fn release(
        &self,
        name: &str,
        rows: impl Iterator<Item = i64>,
        after: Duration,
    ) -> Result<(), DataError> {
        let due = now_ms() + ms(after);
        self.store.write(|transaction| {
            let mut statement = transaction.prepare_cached("UPDATE messages SET visible_ms = ?2 WHERE id = ?1")?;
            for row in rows {
                statement.execute(params![row, due])?;
            }
            Ok(())
        })?;
        self.wake(name);
        Ok(())
    }

    /// Waits until a message may be visible.
    pub(crate) async fn wait(&self, name: &str) {
        let Some(queue) = self.by_id.get(name) else { return std::future::pending().await };
        let due = self.store.read(|connection| {
            let sql = "SELECT MIN(visible_ms) FROM messages WHERE queue = ?1";
            Ok(connection.prepare_cached(sql)?.query_row(params![name], |row| row.get::<_, Option<i64>>(0))?)
        });
        let Ok(Some(due)) = due else { return queue.wake.notified().await };
        let left = Duration::from_millis(u64::try_from(due - now_ms()).unwrap_or(0));
        tokio::select! {
            () = queue.wake.notified() => {}
            () = tokio::time::sleep(left) => {}
        }
    }

    /// Messages that are still on their way to a function.
    pub(crate) fn backlog(&self) -> Result<i64, DataError> {
        let consumed: Vec<&String> =
            self.by_id.iter().filter(|(_, queue)| queue.consumed.load(Ordering::Relaxed)).map(|(id, _)| id).collect();
        self.store.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT COUNT(*) FROM messages WHERE queue = ?1")?;
            consumed
                .iter()
                .try_fold(0, |sum, id| Ok(sum + statement.query_row(params![id], |row| row.get::<_, i64>(0))?))
        })
    }

    /// Every message in these queues.
    pub(crate) fn bodies(&self, queues: &BTreeSet<String>) -> Vec<(String, String)> {
        let read = self.store.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT queue, body FROM messages ORDER BY id")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<Vec<(String, String)>, _>>()?)
        });
        read.unwrap_or_default().into_iter().filter(|(queue, _)| queues.contains(queue)).collect()
    }

    /// Drops messages past their retention, again and again.
    pub(crate) async fn keep(self) {
        loop {
            for (id, queue) in self.by_id.iter() {
                let oldest = now_ms() - ms(queue.retention);
                let dropped = self.store.write(|transaction| {
                    Ok(transaction
                        .execute("DELETE FROM messages WHERE queue = ?1 AND sent_ms < ?2", params![id, oldest])?)
                });
                if let Ok(count @ 1..) = dropped {
                    tracing::warn!(queue = id, count, "messages were dropped at the end of their retention");
                }
            }
            tokio::time::sleep(KEEP_EVERY).await;
        }
    }
}

fn insert(transaction: &Transaction<'_>, queue: &str, body: &str, delay: Duration) -> Result<(), DataError> {
    let now = now_ms();
    let sql = "INSERT INTO messages (queue, message, body, sent_ms, visible_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
    let id = uuid::Uuid::new_v4().to_string();
    transaction.prepare_cached(sql)?.execute(params![queue, id, body, now, now + ms(delay)])?;
    Ok(())
}

fn visible(transaction: &Transaction<'_>, queue: &str, now: i64, most: usize) -> Result<Vec<Message>, DataError> {
    let sql = "SELECT id, message, body, sent_ms, COALESCE(first_ms, ?2), received FROM messages WHERE queue = ?1 AND visible_ms <= ?2 ORDER BY id LIMIT ?3";
    let mut statement = transaction.prepare_cached(sql)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![queue, now, most], |row| {
        Ok(Message {
            row: row.get(0)?,
            id: row.get(1)?,
            body: row.get(2)?,
            sent_ms: row.get(3)?,
            first_ms: row.get(4)?,
            received: row.get::<_, i64>(5)?.unsigned_abs(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::template::Resource;

    fn queues(folder: &std::path::Path, faults: &Faults) -> Queues {
        let resource = |id: &str, properties: Value| {
            (id.to_owned(), Resource { logical_id: id.to_owned(), kind: "AWS::SQS::Queue".to_owned(), properties })
        };
        let template = Template {
            resources: BTreeMap::from([
                resource(
                    "Work",
                    json!({"VisibilityTimeout": 60, "RedrivePolicy": {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:Dead", "maxReceiveCount": 2}}),
                ),
                resource("Dead", json!({})),
            ]),
            outputs: BTreeMap::new(),
        };
        Queues::read(&template, Store::open(&folder.join("e.sqlite")).unwrap(), faults.clone(), Clock::default())
            .unwrap()
    }

    #[test]
    fn a_message_received_too_often_becomes_a_dead_letter() {
        let folder = tempfile::tempdir().unwrap();
        let queues = queues(folder.path(), &Faults::default());
        queues.post("Work", "one").unwrap();
        for count in 1..=2 {
            let got = queues.receive("Work", 10).unwrap();
            assert_eq!(got.len(), 1);
            assert_eq!(got[0].received, count);
            assert!(queues.receive("Work", 10).unwrap().is_empty(), "hidden while it is worked on");
            queues.release("Work", got.iter().map(|message| message.row), Duration::ZERO).unwrap();
        }
        assert!(queues.receive("Work", 10).unwrap().is_empty());
        assert_eq!(queues.bodies(&queues.dead_letter_queues()), [("Dead".to_owned(), "one".to_owned())]);
    }

    #[test]
    fn messages_survive_a_restart_and_those_in_flight_come_again() {
        let folder = tempfile::tempdir().unwrap();
        let before = queues(folder.path(), &Faults::default());
        before.post("Work", "one").unwrap();
        assert_eq!(before.receive("Work", 1).unwrap().len(), 1);
        drop(before);
        let after = queues(folder.path(), &Faults::default());
        let got = after.receive("Work", 1).unwrap();
        assert_eq!((got[0].body.as_str(), got[0].received), ("one", 2));
        after.delete(got.iter().map(|message| message.row)).unwrap();
        after.consume("Work");
        assert_eq!(after.backlog().unwrap(), 0);
    }

    #[test]
    fn a_duplicated_event_is_two_messages() {
        let folder = tempfile::tempdir().unwrap();
        let faults = Faults::default();
        faults.duplicate_events(true);
        let queues = queues(folder.path(), &faults);
        queues.store.write(|transaction| queues.send_event(transaction, "Work", "one")).unwrap();
        assert_eq!(queues.receive("Work", 10).unwrap().len(), 2);
    }
}
