//! Who calls, what the call needs, and how AWS words a refusal.

use std::collections::BTreeMap;

use hyper::HeaderMap;
use serde_json::Value;

use crate::policy::{self, ACCOUNT, REGION, Verdict};

/// Who a request is signed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Function(String),
    Operator,
}

impl Caller {
    /// The name under which the caller's use is counted.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Function(name) => name,
            Self::Operator => "operator",
        }
    }
}

/// Access key id -> caller and session token.
pub(crate) struct Callers(BTreeMap<String, (Caller, String)>);

impl Callers {
    pub(crate) fn of<'a>(functions: impl Iterator<Item = &'a str>) -> Self {
        let operator = policy::operator();
        let mut callers = BTreeMap::from([(operator.access_key_id, (Caller::Operator, operator.session_token))]);
        for function in functions {
            let credentials = policy::credentials(function);
            callers
                .insert(credentials.access_key_id, (Caller::Function(function.to_owned()), credentials.session_token));
        }
        Self(callers)
    }

    /// The caller, from the credential of the signature and the session token beside it.
    pub(crate) fn identify(&self, headers: &HeaderMap) -> Option<Caller> {
        let signature = headers.get("authorization")?.to_str().ok()?;
        let id = signature.split_once("Credential=")?.1.split('/').next()?;
        let (caller, session) = self.0.get(id)?;
        let token = headers.get("x-amz-security-token").and_then(|token| token.to_str().ok());
        // An operator's tool need not carry a session.
        (token == Some(session.as_str()) || (*caller == Caller::Operator && token.is_none())).then(|| caller.clone())
    }
}

/// One permission that a request needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) table: Option<String>,
}

impl Need {
    fn of(action: &str, table: &str, index: Option<&str>) -> Self {
        let mut resource = arn(table);
        if let Some(index) = index {
            resource.push_str("/index/");
            resource.push_str(index);
        }
        Self { action: format!("dynamodb:{action}"), resource, table: Some(table.to_owned()) }
    }
}

fn arn(table: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}")
}

/// A table's name, from a name or an ARN (of the table or of its stream).
pub(crate) fn table_name(name_or_arn: &str) -> &str {
    match name_or_arn.split_once(":table/") {
        Some((_, rest)) => rest.split('/').next().unwrap_or(rest),
        None => name_or_arn,
    }
}

/// Everything that a request needs, item by item as AWS checks it.
pub(crate) fn needs(operation: &str, body: &Value) -> Vec<Need> {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let items = body.get("TransactItems").and_then(Value::as_array).into_iter().flatten();
            items
                .filter_map(|item| {
                    let (kind, inner) = item.as_object()?.iter().next()?;
                    let action = match kind.as_str() {
                        "Put" => "PutItem",
                        "Update" => "UpdateItem",
                        "Delete" => "DeleteItem",
                        "Get" => "GetItem",
                        _ => "ConditionCheckItem",
                    };
                    Some(Need::of(action, table_name(&text(inner, "TableName")?), None))
                })
                .collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body.get("RequestItems").and_then(Value::as_object).into_iter().flatten();
            tables.map(|(table, _)| Need::of(operation, table_name(table), None)).collect()
        }
        _ => {
            if let Some(table) = text(body, "TableName") {
                vec![Need::of(operation, table_name(&table), text(body, "IndexName").as_deref())]
            } else {
                let resource =
                    text(body, "StreamArn").or_else(|| text(body, "ResourceArn")).unwrap_or_else(|| "*".to_owned());
                vec![Need { action: format!("dynamodb:{operation}"), resource, table: None }]
            }
        }
    }
}

/// The items that a request concerns, each as its table and the text of its partition key, where that is stated. `partition` names
/// a table's partition key.
pub(crate) fn items(
    operation: &str,
    body: &Value,
    partition: impl Fn(&str) -> Option<String>,
) -> Vec<(String, Option<String>)> {
    let table = |request: &Value| table_name(request.get("TableName").and_then(Value::as_str).unwrap_or("")).to_owned();
    let text = |key: Option<&Value>, name: &str| {
        let value = key?.get(name)?.as_object()?.values().next()?;
        value.as_str().map(str::to_owned)
    };
    let one = |request: &Value| {
        let table = table(request);
        let item = partition(&table).and_then(|name| {
            text(request.get("Key").or_else(|| request.get("Item")), &name).or_else(|| queried(request, &name))
        });
        (table, item)
    };
    let list = |name: &str| body.get(name).and_then(Value::as_array).into_iter().flatten();
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            list("TransactItems").filter_map(|item| item.as_object()?.values().next().map(one)).collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body.get("RequestItems").and_then(Value::as_object).into_iter().flatten();
            tables
                .flat_map(|(name, request)| {
                    let table = table_name(name).to_owned();
                    let key = partition(&table).unwrap_or_default();
                    let keys = request.get("Keys").and_then(Value::as_array).into_iter().flatten();
                    let writes = request.as_array().into_iter().flatten().filter_map(|write| {
                        let inner = write.as_object()?.values().next()?;
                        inner.get("Item").or_else(|| inner.get("Key"))
                    });
                    keys.chain(writes).map(|item| (table.clone(), text(Some(item), &key))).collect::<Vec<_>>()
                })
                .collect()
        }
        _ if body.get("TableName").is_some() => vec![one(body)],
        _ => Vec::new(),
    }
}

/// The text that a query's key condition wants the partition key to be.
fn queried(request: &Value, partition: &str) -> Option<String> {
    let condition = request.get("KeyConditionExpression")?.as_str()?;
    let names = |name: &str| {
        if name.starts_with('#') { request.pointer("/ExpressionAttributeNames")?.get(name)?.as_str() } else { None }
    };
    condition.split(" AND ").find_map(|part| {
        let (name, value) = part.trim_matches(['(', ')', ' ']).split_once('=')?;
        let name = name.trim();
        let value = request.get("ExpressionAttributeValues")?.get(value.trim())?;
        (names(name).unwrap_or(name) == partition).then(|| value.get("S")?.as_str().map(str::to_owned)).flatten()
    })
}

/// AWS's words for a call that no policy allows.
pub(crate) fn refusal(function: &str, need: &Need, verdict: Verdict) -> String {
    let why = if verdict == Verdict::Denied {
        "with an explicit deny in an identity-based policy".to_owned()
    } else {
        format!("because no identity-based policy allows the {} action", need.action)
    };
    format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/{function}/{function} is not authorized to perform: {} on resource: {} {why}",
        need.action, need.resource
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_transaction_needs_the_action_of_every_item() {
        let body = json!({"TransactItems": [
            {"Put": {"TableName": "A"}}, {"ConditionCheck": {"TableName": "arn:aws:dynamodb:us-east-1:000000000000:table/B"}}]});
        let needs: Vec<(String, String)> =
            needs("TransactWriteItems", &body).into_iter().map(|need| (need.action, need.resource)).collect();
        assert_eq!(
            needs,
            [
                ("dynamodb:PutItem".to_owned(), "arn:aws:dynamodb:us-east-1:000000000000:table/A".to_owned()),
                (
                    "dynamodb:ConditionCheckItem".to_owned(),
                    "arn:aws:dynamodb:us-east-1:000000000000:table/B".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn a_query_of_an_index_needs_the_index() {
        let needs = needs("Query", &json!({"TableName": "A", "IndexName": "gsi1"}));
        assert_eq!(needs[0].resource, "arn:aws:dynamodb:us-east-1:000000000000:table/A/index/gsi1");
    }

    #[test]
    fn the_items_of_a_request_are_known_by_their_partition_keys() {
        let of = |operation: &str, body: Value| items(operation, &body, |_| Some("pk".to_owned()));
        let item = |table: &str, key: &str| (table.to_owned(), Some(key.to_owned()));
        let key = json!({"pk": {"S": "a"}, "sk": {"S": "1"}});
        assert_eq!(of("GetItem", json!({"TableName": "T", "Key": key})), [item("T", "a")]);
        assert_eq!(of("PutItem", json!({"TableName": "T", "Item": key})), [item("T", "a")]);
        let query = json!({"TableName": "T", "KeyConditionExpression": "#p = :p AND begins_with(#s, :s)",
            "ExpressionAttributeNames": {"#p": "pk", "#s": "sk"}, "ExpressionAttributeValues": {":p": {"S": "a"}, ":s": {"S": "x"}}});
        assert_eq!(of("Query", query), [item("T", "a")]);
        let transaction = json!({"TransactItems": [{"Put": {"TableName": "T", "Item": key}}, {"Update": {"TableName": "U", "Key": {"pk": {"S": "b"}}}}]});
        assert_eq!(of("TransactWriteItems", transaction), [item("T", "a"), item("U", "b")]);
        let batch = json!({"RequestItems": {"T": [{"PutRequest": {"Item": key}}, {"DeleteRequest": {"Key": {"pk": {"S": "c"}}}}]}});
        assert_eq!(of("BatchWriteItem", batch), [item("T", "a"), item("T", "c")]);
        assert_eq!(of("BatchGetItem", json!({"RequestItems": {"T": {"Keys": [key]}}})), [item("T", "a")]);
        assert_eq!(of("Scan", json!({"TableName": "T"})), [("T".to_owned(), None)]);
    }

    #[test]
    fn a_caller_needs_its_session_token() {
        let callers = Callers::of(["Keys"].into_iter());
        let credentials = policy::credentials("Keys");
        let mut headers = HeaderMap::new();
        let signature = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/dynamodb/aws4_request, Signature=0",
            credentials.access_key_id
        );
        headers.insert("authorization", signature.parse().unwrap());
        assert_eq!(callers.identify(&headers), None);
        headers.insert("x-amz-security-token", credentials.session_token.parse().unwrap());
        assert_eq!(callers.identify(&headers), Some(Caller::Function("Keys".to_owned())));
    }
}
