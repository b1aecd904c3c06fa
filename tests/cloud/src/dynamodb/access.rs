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
