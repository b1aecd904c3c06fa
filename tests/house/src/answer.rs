//! What a call is answered.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// An answer, as the caller gets it.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its body, byte for byte.
    pub bytes: Vec<u8>,
    /// Its body as JSON; `null` if it is none.
    pub body: Value,
    pointers: String,
}

impl Answer {
    /// From the payload that API Gateway gets.
    pub(crate) fn new(payload: &Value) -> Self {
        let text = payload["body"].as_str().unwrap_or_default();
        let bytes =
            if payload["isBase64Encoded"] == true { STANDARD.decode(text).unwrap() } else { text.as_bytes().to_vec() };
        let headers = payload["headers"].as_object().unwrap().iter();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let errors = body["errors"].as_array().into_iter().flatten();
        let pointers: Vec<&str> = errors.filter_map(|error| error["pointer"].as_str()).collect();
        Self {
            status: payload["statusCode"].as_u64().unwrap().try_into().unwrap(),
            headers: headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect(),
            pointers: pointers.join(" "),
            bytes,
            body,
        }
    }

    /// The JSON of an answer with this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self.body.clone()
    }

    /// The problem's status and the last part of its type.
    #[track_caller]
    pub fn kind(&self) -> (u16, &str) {
        let (status, kind, _) = self.problem();
        (status, kind)
    }

    /// The problem's status, the last part of its type, and the fields that it names.
    #[track_caller]
    pub fn problem(&self) -> (u16, &str, &str) {
        let content_type = self.headers.get("content-type").map(String::as_str);
        assert_eq!(content_type, Some("application/problem+json"), "{self:?}");
        assert_eq!(self.body["status"], self.status);
        let kind = self.body["type"].as_str().unwrap();
        (self.status, kind.strip_prefix("urn:doorway:problem:").unwrap_or(kind), &self.pointers)
    }

    /// The text at a pointer of its body.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_else(|| panic!("no {pointer} in {self:?}")).to_owned()
    }
}
