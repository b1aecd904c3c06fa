//! The floor: a function on the same runtime that does nothing but forward. What the gateway adds to it is what the door costs.
//!
//! `UPSTREAM` is where calls go: `/call/{organization}/{api}` is cut off the path. With `WRITE=yes` it also writes one row through DynamoDB's SDK before each call, with
//! the shortest expression that counts, so that the SDK's share can be told apart. It keeps no header of one connection away, knows no keys, and has no log.
#![recursion_limit = "256"]

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lambda_http::aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use lambda_http::aws_lambda_events::encodings::Body;
use lambda_runtime::LambdaEvent;
use shared::chassis::table::Table;

type Upstream = Client<HttpConnector, Full<Bytes>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Upstream = Client::builder(TokioExecutor::new()).build(connector);
    let base = std::env::var("UPSTREAM")?;
    let table = match std::env::var("WRITE") {
        Ok(_) => Some(Table::open(std::env::var("TABLE")?).await?),
        Err(_) => None,
    };
    let (client, base, table) = (&client, base.as_str(), table.as_ref());
    lambda_runtime::run(lambda_runtime::service_fn(|event: LambdaEvent<ApiGatewayV2httpRequest>| async move {
        if let Some(table) = table {
            write(table).await?;
        }
        forward(client, base, event.payload).await
    }))
    .await
}

async fn forward(
    client: &Upstream,
    base: &str,
    event: ApiGatewayV2httpRequest,
) -> Result<ApiGatewayV2httpResponse, Box<dyn Error + Send + Sync>> {
    let path = event.raw_path.unwrap_or_default();
    let path = path.splitn(5, '/').nth(4).unwrap_or_default();
    let query = event.raw_query_string.unwrap_or_default();
    let mut request = http::Request::builder()
        .method(event.request_context.http.method)
        .uri(format!("{base}/{path}?{query}"))
        .body(Full::new(Bytes::from(event.body.unwrap_or_default())))?;
    *request.headers_mut() = event.headers;
    request.headers_mut().remove(http::header::HOST);
    let (parts, body) = client.request(request).await?.into_parts();
    let mut answer = ApiGatewayV2httpResponse::default();
    answer.status_code = i64::from(parts.status.as_u16());
    answer.headers = parts.headers;
    answer.body = Some(Body::Text(String::from_utf8(body.collect().await?.to_bytes().to_vec())?));
    Ok(answer)
}

async fn write(table: &Table) -> Result<(), Box<dyn Error + Send + Sync>> {
    use aws_sdk_dynamodb::types::AttributeValue;
    table
        .client
        .update_item()
        .table_name(&table.name)
        .key("pk", AttributeValue::S("floor".to_owned()))
        .key("sk", AttributeValue::S("floor".to_owned()))
        .update_expression("ADD n :one")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .send()
        .await?;
    Ok(())
}
