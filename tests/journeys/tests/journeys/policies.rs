//! A function that touches another's table is refused.

use std::fs;

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    error::ProvideErrorMetadata as _,
    types::AttributeValue,
};
use cloud::policy;
use dev::workspace;
use journeys::{Call, Platform, Settings, alone, together};
use serde_json::json;

/// The SDK with the credentials that the cloud gives to a function.
fn sdk(platform: &Platform, function: &str) -> Client {
    let own = policy::credentials(function);
    let credentials = Credentials::new(own.access_key_id, own.secret_access_key, Some(own.session_token), None, "test");
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(platform.cloud().dynamodb_endpoint())
        .credentials_provider(credentials)
        .http_client(shared::chassis::web::ForSdk::default())
        .build();
    Client::from_conf(config)
}

#[test]
fn no_functions_credentials_reach_another_functions_table() {
    together(async |platform| {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let functions =
            ["Accounts", "Catalog", "Products", "Subscriptions", "Keys", "Gateway", "Usage", "Billing", "Contracts"];
        for function in functions {
            let client = sdk(platform, function);
            for owner in functions {
                let table = format!("{owner}Table");
                let read = client
                    .get_item()
                    .table_name(&table)
                    .key("pk", text("planted"))
                    .key("sk", text("planted"))
                    .send()
                    .await;
                let written = client
                    .delete_item()
                    .table_name(&table)
                    .key("pk", text("planted"))
                    .key("sk", text("planted"))
                    .send()
                    .await;
                if function == owner {
                    assert!(read.is_ok(), "{function} and its own table: {read:?}");
                    continue;
                }
                let (read, written) = (read.unwrap_err(), written.unwrap_err());
                assert_eq!(read.code(), Some("AccessDeniedException"), "{function} read {table}: {read:?}");
                assert_eq!(written.code(), Some("AccessDeniedException"), "{function} wrote {table}: {written:?}");
                let words = format!(
                    "is not authorized to perform: dynamodb:GetItem on resource: arn:aws:dynamodb:us-east-1:000000000000:table/{table}"
                );
                assert!(read.message().is_some_and(|message| message.contains(&words)), "{read:?}");
            }
        }
    });
}

#[test]
fn a_function_that_was_pointed_at_anothers_table_fails_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    let own = fs::read_to_string(workspace::root().join("template.yaml")).unwrap();
    let planted = own.replace("TABLE: !Ref ProductsTable", "TABLE: !Ref CatalogTable");
    assert_ne!(planted, own);
    fs::write(&template, planted).unwrap();
    alone(Settings { template: Some(template), instances_max: 2, ..Settings::default() }, async |platform| {
        let organization = platform.found("planted").await;
        platform.post(&organization.token, "/v1/catalog/apis", &json!({ "slug": "weather", "name": "Weather" })).await;
        let product = json!({ "slug": "weather", "name": "Weather", "apis": ["weather"] });
        let answer = platform.send(Call::post("/v1/products").bearer(&organization.token).json(&product)).await;
        assert!(answer.status.is_server_error(), "{}", answer.refused());
        assert!(
            !answer.refused().to_string().contains("AccessDenied"),
            "the cause is for the log: {}",
            answer.refused()
        );
        let log = platform.complaints();
        assert!(log.contains("is not authorized to perform"), "{log}");
        assert!(platform.cloud().consumed("Products").write_units < f64::EPSILON);
    });
}
