//! API Gateway's payloads (format 2.0).

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::json;

/// A `GET` of a path with a key, as a browser's client would send it, at this moment.
pub fn call(path: &str, key: &str) -> Bytes {
    let now_ms = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let event = json!({
        "version": "2.0", "routeKey": "ANY /call/{proxy+}", "rawPath": path, "rawQueryString": "days=3",
        "headers": {
            "accept": "application/json", "accept-encoding": "gzip, br", "accept-language": "en-GB,en;q=0.9",
            "authorization": format!("Bearer {key}"), "content-length": "0", "host": "api.example.com",
            "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
            "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793", "x-forwarded-for": "203.0.113.7",
            "x-forwarded-port": "443", "x-forwarded-proto": "https"
        },
        "queryStringParameters": { "days": "3" },
        "requestContext": {
            "accountId": "000000000000", "apiId": "measured", "domainName": "api.example.com", "domainPrefix": "api",
            "http": { "method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "Mozilla/5.0" },
            "requestId": "JKJaXmPLvHcESHA=", "routeKey": "ANY /call/{proxy+}", "stage": "$default",
            "time": "31/Jan/2026:12:00:00 +0000", "timeEpoch": now_ms
        },
        "pathParameters": { "proxy": path.trim_start_matches("/call/") },
        "isBase64Encoded": false
    });
    Bytes::from(event.to_string())
}
