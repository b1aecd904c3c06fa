//! One request, applied to the database.

use std::collections::{BTreeSet, HashMap};

use dynoxide::types::item_size;
use dynoxide::{AttributeValue, Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Core;
use super::tables::Table;
use crate::streams::Before;

/// Operations that change items.
pub(crate) const WRITES: [&str; 5] = ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];
/// Operations that state what they consumed, if asked.
const METERED: [&str; 10] = [
    "PutItem",
    "UpdateItem",
    "DeleteItem",
    "BatchWriteItem",
    "TransactWriteItems",
    "GetItem",
    "Query",
    "Scan",
    "BatchGetItem",
    "TransactGetItems",
];

/// Applies a request for a caller and counts what it consumed. The answer is a status and a body.
pub(crate) fn apply(core: &Core, caller: &str, operation: &str, text: &str, body: &Value) -> (u16, String) {
    let asked = body.get("ReturnConsumedCapacity").and_then(Value::as_str).is_some_and(|level| level != "NONE");
    let add = METERED.contains(&operation) && !asked;
    let text = if add { with_capacity(text, body) } else { text.to_owned() };
    let write = WRITES.contains(&operation);
    let answered = match out_of_date(core, caller, operation, body) {
        Some(scratch) => run(&scratch, operation, &text),
        None => run(&core.database, operation, &text),
    };
    match answered {
        Ok(mut answer) => {
            core.meter.answer(caller, write, &answer);
            if operation == "GetItem" {
                make_stale(core, caller, body, &mut answer);
            }
            if add && let Some(members) = answer.as_object_mut() {
                members.remove("ConsumedCapacity");
            }
            (200, answer.to_string())
        }
        Err(error) => {
            if write {
                core.meter.written(caller, failed_units(core, operation, body, &error));
            }
            (error.status_code(), error.to_json())
        }
    }
}

/// Replaces the item by what it was before its last change, where that fault is on and the read is not marked consistent.
fn make_stale(core: &Core, caller: &str, body: &Value, answer: &mut Value) {
    let table = super::access::table_name(body.get("TableName").and_then(Value::as_str).unwrap_or_default());
    let consistent = body.get("ConsistentRead").and_then(Value::as_bool).unwrap_or(false);
    if consistent || caller == "operator" || !core.faults.stale(table) {
        return;
    }
    let before = core.streams.before(table, body.get("Key").unwrap_or(&Value::Null));
    if let (Ok(before), Some(members)) = (before, answer.as_object_mut()) {
        match before {
            Before::Item(item) => drop(members.insert("Item".to_owned(), item)),
            Before::Absent => drop(members.remove("Item")),
            Before::Unknown => {}
        }
    }
}

/// For a reading of many items that is not marked consistent, where that fault is on: the tables as they were before the last
/// change of each item.
fn out_of_date(core: &Core, caller: &str, operation: &str, body: &Value) -> Option<Database> {
    if caller == "operator" || !["Query", "Scan", "BatchGetItem"].contains(&operation) {
        return None;
    }
    let requests: Vec<(&str, &Value)> = match body.get("RequestItems").and_then(Value::as_object) {
        Some(tables) => tables.iter().map(|(name, request)| (name.as_str(), request)).collect(),
        None => vec![(body.get("TableName").and_then(Value::as_str).unwrap_or_default(), body)],
    };
    let requests: Vec<(&Table, bool)> = requests
        .into_iter()
        .filter_map(|(name, request)| {
            let consistent = request.get("ConsistentRead").and_then(Value::as_bool).unwrap_or(false);
            let table = core.table(super::access::table_name(name))?;
            Some((table, !consistent && core.faults.stale(&table.name)))
        })
        .collect();
    if !requests.iter().any(|(_, stale)| *stale) {
        return None;
    }
    let scratch = Database::memory().ok()?;
    for (table, stale) in requests {
        super::tables::make(&scratch, table).ok()?;
        for item in earlier(core, table, stale)? {
            let put = serde_json::from_value(json!({"TableName": table.name, "Item": item})).ok()?;
            scratch.put_item(put).ok()?;
        }
    }
    Some(scratch)
}

/// All items of a table, as they were before their last change if that is asked for.
fn earlier(core: &Core, table: &Table, stale: bool) -> Option<Vec<Value>> {
    let changed = if stale { core.streams.recent(&table.name).ok()? } else { Vec::new() };
    let (mut items, mut seen) = (Vec::new(), BTreeSet::new());
    for (key, before) in changed {
        if seen.insert(key.to_string())
            && let Before::Item(item) = before
        {
            items.push(item);
        }
    }
    let mut start = Value::Null;
    loop {
        let request = match start {
            Value::Null => json!({ "TableName": table.name }),
            start => json!({ "TableName": table.name, "ExclusiveStartKey": start }),
        };
        let page = run(&core.database, "Scan", &request.to_string()).ok()?;
        for item in page.get("Items").and_then(Value::as_array).into_iter().flatten() {
            let key: serde_json::Map<String, Value> =
                table.keys.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect();
            if !seen.contains(&Value::Object(key).to_string()) {
                items.push(item.clone());
            }
        }
        start = page.get("LastEvaluatedKey").cloned().unwrap_or(Value::Null);
        if start.is_null() {
            return Some(items);
        }
    }
}

/// The request with `ReturnConsumedCapacity: TOTAL`.
fn with_capacity(text: &str, body: &Value) -> String {
    match (text.trim_start().strip_prefix('{'), body.as_object()) {
        (Some(rest), Some(members)) if !members.is_empty() && !members.contains_key("ReturnConsumedCapacity") => {
            format!("{{\"ReturnConsumedCapacity\":\"TOTAL\",{rest}")
        }
        (_, Some(members)) => {
            let mut members = members.clone();
            members.insert("ReturnConsumedCapacity".to_owned(), Value::String("TOTAL".to_owned()));
            Value::Object(members).to_string()
        }
        _ => text.to_owned(),
    }
}

/// A failed condition is billed by the size of the item that is there, at least one unit; in a transaction twice that, for every item.
fn failed_units(core: &Core, operation: &str, body: &Value, error: &DynoxideError) -> f64 {
    let one = |name: &str, item: &Value| existing_units(core, name, item);
    match (operation, error) {
        (_, DynoxideError::ConditionalCheckFailedException(..)) => {
            let name = body.get("TableName").and_then(Value::as_str).unwrap_or_default();
            one(name, body.get("Key").or_else(|| body.get("Item")).unwrap_or(&Value::Null))
        }
        ("TransactWriteItems", DynoxideError::TransactionCanceledException(..)) => {
            let items = body.get("TransactItems").and_then(Value::as_array).into_iter().flatten();
            items
                .filter_map(|item| item.as_object()?.values().next())
                .map(|inner| {
                    let name = inner.get("TableName").and_then(Value::as_str).unwrap_or_default();
                    2.0 * one(name, inner.get("Key").or_else(|| inner.get("Item")).unwrap_or(&Value::Null))
                })
                .sum()
        }
        _ => 0.0,
    }
}

fn existing_units(core: &Core, name: &str, item: &Value) -> f64 {
    let name = super::access::table_name(name);
    let Some(table) = core.table(name) else { return 1.0 };
    let key: serde_json::Map<String, Value> =
        table.keys.iter().filter_map(|attribute| Some((attribute.clone(), item.get(attribute)?.clone()))).collect();
    let Ok(key) = serde_json::from_value::<HashMap<String, AttributeValue>>(Value::Object(key)) else { return 1.0 };
    let request =
        dynoxide::actions::get_item::GetItemRequest { table_name: name.to_owned(), key, ..Default::default() };
    let size = core.database.get_item(request).ok().and_then(|answer| answer.item.map(|item| item_size(&item)));
    let units = size.unwrap_or(0).div_ceil(1024).max(1);
    f64::from(u32::try_from(units).unwrap_or(u32::MAX))
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, DynoxideError> {
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or(&message);
        for (marker, wrap) in [
            ("VALIDATION_REQUEST:", DynoxideError::EnvelopedValidation as fn(String) -> DynoxideError),
            ("VALIDATION:", DynoxideError::ValidationException),
            ("SERIALIZATION:", DynoxideError::SerializationException),
        ] {
            if let Some(rest) = message.strip_prefix(marker) {
                return wrap(rest.to_owned());
            }
        }
        DynoxideError::ValidationException(message.to_owned())
    })
}

fn written<T: Serialize>(answer: &T) -> Result<Value, DynoxideError> {
    serde_json::to_value(answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

fn run(database: &Database, operation: &str, text: &str) -> Result<Value, DynoxideError> {
    macro_rules! operations {
        ($($name:literal => $method:ident),* $(,)?) => {
            match operation {
                $($name => read(text).and_then(|request| database.$method(request)).and_then(|answer| written(&answer)),)*
                _ => Err(DynoxideError::ValidationException(format!("{operation} is not played here"))),
            }
        };
    }
    let result = operations! {
        "GetItem" => get_item,
        "PutItem" => put_item,
        "UpdateItem" => update_item,
        "DeleteItem" => delete_item,
        "Query" => query,
        "Scan" => scan,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "TransactWriteItems" => transact_write_items,
        "TransactGetItems" => transact_get_items,
        "CreateTable" => create_table,
        "DeleteTable" => delete_table,
        "DescribeTable" => describe_table,
        "ListTables" => list_tables,
        "UpdateTable" => update_table,
        "DescribeTimeToLive" => describe_time_to_live,
        "UpdateTimeToLive" => update_time_to_live,
        "ListStreams" => list_streams,
        "DescribeStream" => describe_stream,
        "GetShardIterator" => get_shard_iterator,
        "GetRecords" => get_records,
    };
    result.map_err(|error| match (operation, error) {
        ("PutItem" | "UpdateItem" | "DeleteItem", DynoxideError::EnvelopedValidation(message)) => {
            DynoxideError::ValidationException(format!("1 validation error detected: {message}"))
        }
        (_, DynoxideError::EnvelopedValidation(message)) => DynoxideError::ValidationException(message),
        (_, other) => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_asked_for_whatever_the_caller_said() {
        for text in [r#"{"TableName":"T"}"#, r#" {"TableName":"T","ReturnConsumedCapacity":"NONE"}"#] {
            let body: Value = serde_json::from_str(text).unwrap();
            let with: Value = serde_json::from_str(&with_capacity(text, &body)).unwrap();
            assert_eq!(with, json!({"TableName": "T", "ReturnConsumedCapacity": "TOTAL"}));
        }
    }
}
