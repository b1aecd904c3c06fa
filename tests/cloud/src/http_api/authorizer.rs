//! Lambda authorizers with payload 2.0 and simple responses, without a cache.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html>

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::payload::Incoming;
use crate::lambda::Lambda;
use crate::template::TemplateError;

/// The longest that an HTTP API waits for an authorizer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// One authorizer of the API.
#[derive(Debug, Clone)]
pub(super) struct Authorizer {
    function: String,
    headers: Vec<String>,
    query_strings: Vec<String>,
}

/// What an authorizer decided.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    Allowed(Value),
    /// A configured identity source is missing: nobody was asked.
    Unauthorized,
    Forbidden,
    Failed(String),
}

impl Authorizer {
    pub(super) fn read(path: &str, properties: &Value) -> Result<Authorizer, TemplateError> {
        let at = |what: &str, message: &str| TemplateError::new(format!("{path}.{what}"), message);
        if properties.get("AuthorizerPayloadFormatVersion").and_then(Value::as_str) != Some("2.0") {
            return Err(at("AuthorizerPayloadFormatVersion", "the local cloud plays payload 2.0"));
        }
        if properties.get("EnableSimpleResponses") != Some(&json!(true)) {
            return Err(at("EnableSimpleResponses", "the local cloud plays simple responses"));
        }
        let texts = |pointer: &str| -> Vec<String> {
            let list = properties.pointer(pointer).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let (headers, query_strings) = (texts("/Identity/Headers"), texts("/Identity/QueryStrings"));
        let cached = properties.pointer("/Identity/ReauthorizeEvery") != Some(&json!(0));
        if cached && !(headers.is_empty() && query_strings.is_empty()) {
            return Err(at("Identity.ReauthorizeEvery", "the local cloud plays no cache: say 0"));
        }
        let function =
            properties.get("FunctionArn").and_then(Value::as_str).ok_or_else(|| at("FunctionArn", "is missing"))?;
        Ok(Authorizer { function: function.to_owned(), headers, query_strings })
    }

    pub(super) fn function(&self) -> &str {
        &self.function
    }

    pub(super) async fn ask(
        &self,
        lambda: &Lambda,
        incoming: &Incoming,
        route_key: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Verdict {
        let mut sources = Vec::new();
        for found in self
            .headers
            .iter()
            .map(|name| incoming.header(name).map(str::to_owned))
            .chain(self.query_strings.iter().map(|name| incoming.query_parameter(name)))
        {
            match found.filter(|value| !value.is_empty()) {
                Some(value) => sources.push(value),
                None => return Verdict::Unauthorized,
            }
        }
        let event = Bytes::from(incoming.authorizer_event(route_key, parameters, &sources).to_string());
        let asked = lambda.invoke_traced(&self.function, event, Some(incoming.trace.clone()));
        match tokio::time::timeout(ANSWER_MAX, asked).await {
            Ok(Ok(answer)) => verdict(&answer),
            Ok(Err(error)) => Verdict::Failed(error.to_string()),
            Err(_) => Verdict::Failed("the authorizer took longer than 10 s".to_owned()),
        }
    }
}

fn verdict(answer: &Bytes) -> Verdict {
    let value: Value = serde_json::from_slice(answer).unwrap_or_default();
    match value.get("isAuthorized") {
        Some(Value::Bool(true)) => match value.get("context") {
            None | Some(Value::Null) => Verdict::Allowed(json!({})),
            Some(Value::Object(context)) => Verdict::Allowed(Value::Object(context.clone())),
            Some(_) => Verdict::Failed("context is not an object".to_owned()),
        },
        Some(Value::Bool(false)) => Verdict::Forbidden,
        _ => Verdict::Failed("isAuthorized is missing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_responses_are_read() {
        let of = |text: &'static str| verdict(&Bytes::from(text));
        assert_eq!(
            of(r#"{"isAuthorized": true, "context": {"state": "anonymous"}}"#),
            Verdict::Allowed(json!({"state": "anonymous"}))
        );
        assert_eq!(of(r#"{"isAuthorized": true}"#), Verdict::Allowed(json!({})));
        assert_eq!(of(r#"{"isAuthorized": false}"#), Verdict::Forbidden);
        assert!(matches!(of(r#"{"isAuthorized": "true"}"#), Verdict::Failed(_)));
        assert!(matches!(of("nonsense"), Verdict::Failed(_)));
    }

    #[test]
    fn a_cache_is_refused() {
        let with = |every: Value| {
            Authorizer::read(
                "A",
                &json!({"AuthorizerPayloadFormatVersion": "2.0", "EnableSimpleResponses": true, "FunctionArn": "f", "Identity": {"Headers": ["Authorization"], "ReauthorizeEvery": every}}),
            )
        };
        assert!(with(json!(0)).is_ok());
        assert_eq!(
            with(json!(60)).unwrap_err().to_string(),
            "A.Identity.ReauthorizeEvery: the local cloud plays no cache: say 0"
        );
    }
}
