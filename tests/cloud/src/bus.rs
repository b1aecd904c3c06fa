//! `EventBridge` buses: rules to queues, archives.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Transaction, params};
use serde_json::{Value, json};

use crate::data_error::DataError;
use crate::dynamodb::now_ms;
use crate::events::store::Store;
use crate::events::{id_of, number};
use crate::pattern::Pattern;
use crate::policy::{list, matches_wildcard, texts};
use crate::queues::Queues;
use crate::template::Template;

/// The largest entry that a bus takes.
const ENTRY_BYTES_MAX: usize = 256 * 1024;

/// All buses of a template. Clones share them.
#[derive(Clone)]
pub(crate) struct Bus {
    store: Store,
    queues: Queues,
    buses: Arc<BTreeSet<String>>,
    rules: Arc<Vec<Rule>>,
    archives: Arc<Vec<Archive>>,
}

struct Rule {
    bus: String,
    pattern: Pattern,
    queues: Vec<String>,
    dead_letters: Vec<String>,
}

struct Archive {
    id: String,
    bus: String,
    pattern: Option<Pattern>,
}

impl Bus {
    pub(crate) fn read(template: &Template, store: Store, queues: Queues) -> Result<Self, DataError> {
        let (mut buses, mut rules, mut archives) = (BTreeSet::from(["default".to_owned()]), Vec::new(), Vec::new());
        for (id, resource) in &template.resources {
            match resource.kind.as_str() {
                "AWS::Events::EventBus" => drop(buses.insert(id.clone())),
                "AWS::Events::Rule" => rules.extend(read_rule(template, &queues, id, &resource.properties)?),
                "AWS::Events::Archive" => archives.push(read_archive(&store, id, &resource.properties)?),
                _ => {}
            }
        }
        Ok(Self { store, queues, buses: Arc::new(buses), rules: Arc::new(rules), archives: Arc::new(archives) })
    }

    /// Whether there is such a bus.
    pub(crate) fn has(&self, bus: &str) -> bool {
        self.buses.contains(bus)
    }

    /// The queues that take what a rule could not deliver.
    pub(crate) fn dead_letter_queues(&self) -> impl Iterator<Item = String> {
        self.rules.iter().flat_map(|rule| rule.dead_letters.clone())
    }

    /// Puts an event on a bus; the caller wakes the queues that this names, after the commit.
    pub(crate) fn put(
        &self,
        transaction: &Transaction<'_>,
        bus: &str,
        event: &Value,
    ) -> Result<Vec<String>, DataError> {
        let text = event.to_string();
        for archive in self.archives.iter().filter(|archive| archive.bus == bus) {
            if archive.pattern.as_ref().is_none_or(|pattern| pattern.matches(event)) {
                let sql = "INSERT INTO archive (archive, at_ms, event) VALUES (?1, ?2, ?3)";
                transaction.prepare_cached(sql)?.execute(params![archive.id, now_ms(), text])?;
            }
        }
        self.route(transaction, bus, event, &text)
    }

    fn route(
        &self,
        transaction: &Transaction<'_>,
        bus: &str,
        event: &Value,
        text: &str,
    ) -> Result<Vec<String>, DataError> {
        let mut reached = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.bus == bus && rule.pattern.matches(event)) {
            for queue in &rule.queues {
                self.queues.send_event(transaction, queue, text)?;
                reached.push(queue.clone());
            }
        }
        Ok(reached)
    }

    /// The events of an archive, oldest first.
    pub(crate) fn archived(&self, archive: &str) -> Result<Vec<Value>, DataError> {
        self.store.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT event FROM archive WHERE archive = ?1 ORDER BY id")?;
            let rows = statement.query_map(params![archive], |row| row.get::<_, String>(0))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
        })
    }

    /// Sends the events of an archive through the rules of its bus again.
    pub(crate) fn replay(&self, archive: &str) -> Result<usize, DataError> {
        let Some(found) = self.archives.iter().find(|known| known.id == archive) else {
            return Err(DataError::template(archive, "there is no such archive"));
        };
        let events = self.archived(archive)?;
        let reached = self.store.write(|transaction| {
            let mut reached = BTreeSet::new();
            for mut event in events.iter().cloned() {
                if let Some(members) = event.as_object_mut() {
                    members.insert("replay-name".to_owned(), json!(archive));
                }
                reached.extend(self.route(transaction, &found.bus, &event, &event.to_string())?);
            }
            Ok(reached)
        })?;
        for queue in &reached {
            self.queues.wake(queue);
        }
        Ok(events.len())
    }
}

/// An event as it stands on the bus. An error says why `EventBridge` would not take it.
pub(crate) fn event(source: &str, detail_type: &str, detail: &Value, now: &str) -> Result<Value, String> {
    if !detail.is_object() {
        return Err(format!("the detail of an event is an object, not {detail}"));
    }
    let size = source.len() + detail_type.len() + detail.to_string().len();
    if size > ENTRY_BYTES_MAX {
        return Err(format!("the event has {size} bytes, more than {ENTRY_BYTES_MAX}"));
    }
    Ok(json!({
        "version": "0",
        "id": uuid::Uuid::new_v4().to_string(),
        "detail-type": detail_type,
        "source": source,
        "account": crate::policy::ACCOUNT,
        "time": now,
        "region": crate::policy::REGION,
        "resources": [],
        "detail": detail,
    }))
}

fn read_rule(template: &Template, queues: &Queues, id: &str, properties: &Value) -> Result<Option<Rule>, DataError> {
    let bus = id_of(properties.get("EventBusName").and_then(Value::as_str).unwrap_or("default")).to_owned();
    let Some(pattern) = properties.get("EventPattern") else {
        return Err(DataError::template(id, "a rule needs an EventPattern"));
    };
    let pattern = Pattern::parse(pattern).map_err(|reason| DataError::template(id, reason))?;
    let (mut reached, mut dead_letters) = (Vec::new(), Vec::new());
    for target in list(properties.get("Targets").unwrap_or(&Value::Null)) {
        let arn = target.get("Arn").and_then(Value::as_str).unwrap_or_default();
        if !arn.contains(":sqs:") || !queues.has(id_of(arn)) {
            return Err(DataError::template(id, format!("the target {arn} is not a queue of the template")));
        }
        may_send(template, id, arn)?;
        reached.push(id_of(arn).to_owned());
        if let Some(dead) = target.pointer("/DeadLetterConfig/Arn").and_then(Value::as_str) {
            may_send(template, id, dead)?;
            dead_letters.push(id_of(dead).to_owned());
        }
    }
    let enabled = properties.get("State").and_then(Value::as_str) != Some("DISABLED");
    Ok(enabled.then_some(Rule { bus, pattern, queues: reached, dead_letters }))
}

fn read_archive(store: &Store, id: &str, properties: &Value) -> Result<Archive, DataError> {
    let bus = properties.get("SourceArn").and_then(Value::as_str).unwrap_or_default();
    let pattern = properties
        .get("EventPattern")
        .map(Pattern::parse)
        .transpose()
        .map_err(|reason| DataError::template(id, reason))?;
    if let Some(days @ 1..) = number(properties, "RetentionDays") {
        let oldest = now_ms() - i64::try_from(days.saturating_mul(24 * 3_600_000)).unwrap_or(i64::MAX / 4);
        store.write(|transaction| {
            Ok(transaction.execute("DELETE FROM archive WHERE archive = ?1 AND at_ms < ?2", params![id, oldest])?)
        })?;
    }
    Ok(Archive { id: id.to_owned(), bus: id_of(bus).to_owned(), pattern })
}

/// A queue takes a rule's events only if its own policy says so; without it AWS drops them silently.
fn may_send(template: &Template, rule: &str, queue_arn: &str) -> Result<(), DataError> {
    let queue = id_of(queue_arn);
    let policies = template.resources.values().filter(|resource| resource.kind == "AWS::SQS::QueuePolicy");
    let statements = policies
        .filter(|policy| texts(policy.properties.get("Queues")).iter().any(|url| id_of(url) == queue))
        .flat_map(|policy| list(policy.properties.pointer("/PolicyDocument/Statement").unwrap_or(&Value::Null)));
    let allowed = statements.filter(|statement| statement.get("Effect").and_then(Value::as_str) == Some("Allow")).any(
        |statement| {
            texts(statement.pointer("/Principal/Service")).iter().any(|service| service == "events.amazonaws.com")
                && texts(statement.get("Action"))
                    .iter()
                    .any(|action| matches_wildcard(&action.to_ascii_lowercase(), "sqs:sendmessage"))
                && texts(statement.get("Resource")).iter().any(|resource| matches_wildcard(resource, queue_arn))
                && conditions_hold(&statement, rule)
        },
    );
    if allowed {
        Ok(())
    } else {
        Err(DataError::template(rule, format!("no queue policy lets this rule send to {queue}")))
    }
}

/// Conditions on the source of a message. One that is not known does not hold.
fn conditions_hold(statement: &Value, rule: &str) -> bool {
    let operators = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    operators.flat_map(|(_, keys)| keys.as_object().into_iter().flatten()).all(|(key, wanted)| {
        let wanted = texts(Some(wanted));
        match key.to_ascii_lowercase().as_str() {
            "aws:sourcearn" => wanted.iter().any(|arn| {
                let last = arn.rsplit(['/', ':']).next().unwrap_or(arn);
                arn.starts_with("arn:aws:events:") && matches_wildcard(last, rule)
            }),
            "aws:sourceaccount" => wanted.iter().any(|account| account == crate::policy::ACCOUNT),
            _ => false,
        }
    })
}
