//! Tables of the template, made in the local database.

use dynoxide::Database;
use serde_json::{Map, Value, json};

use crate::data_error::DataError;
use crate::template::Template;

/// What the front must know of a table.
pub(crate) struct Table {
    pub(crate) name: String,
    /// Names of the key attributes.
    pub(crate) keys: Vec<String>,
    /// The stream's view type, if the table has a stream.
    pub(crate) stream: Option<String>,
    /// The request that makes it.
    pub(crate) request: Value,
}

/// The tables of a template.
pub(crate) fn read(template: &Template) -> Result<Vec<Table>, DataError> {
    let tables = template.resources.iter().filter(|(_, resource)| resource.kind == "AWS::DynamoDB::Table");
    tables
        .map(|(id, resource)| {
            let keys: Vec<String> = resource
                .properties
                .get("KeySchema")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|key| key.get("AttributeName")?.as_str().map(str::to_owned))
                .collect();
            if keys.is_empty() {
                return Err(DataError::template(id, "a table needs a KeySchema"));
            }
            let stream = resource.properties.pointer("/StreamSpecification/StreamViewType").and_then(Value::as_str);
            Ok(Table {
                name: id.clone(),
                keys,
                stream: stream.map(str::to_owned),
                request: request(id, &resource.properties),
            })
        })
        .collect()
}

/// Makes the tables that are not there; one that is there must be the same.
pub(crate) fn create(database: &Database, template: &Template, tables: &[Table]) -> Result<(), DataError> {
    for table in tables {
        let Some(resource) = template.resources.get(&table.name) else { continue };
        if database.get_table_metadata(&table.name)?.is_some() {
            unchanged(database, &table.name, &resource.properties)?;
        } else {
            make(database, table)?;
        }
        let ttl =
            resource.properties.get("TimeToLiveSpecification").filter(|ttl| ttl.get("Enabled") == Some(&json!(true)));
        if let Some(attribute) = ttl.and_then(|ttl| ttl.get("AttributeName")?.as_str()) {
            enable_ttl(database, &table.name, attribute)?;
        }
    }
    Ok(())
}

/// Makes a table.
pub(crate) fn make(database: &Database, table: &Table) -> Result<(), DataError> {
    let request = serde_json::from_value(table.request.clone())
        .map_err(|error| DataError::template(&table.name, error.to_string().trim_start_matches("VALIDATION:")))?;
    database.create_table(request).map_err(|error| DataError::template(&table.name, error.to_string()))?;
    Ok(())
}

fn request(name: &str, properties: &Value) -> Value {
    let mut request = Map::new();
    request.insert("TableName".to_owned(), json!(name));
    request.insert("BillingMode".to_owned(), json!("PAY_PER_REQUEST"));
    for part in ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        if let Some(value) = properties.get(part) {
            request.insert(part.to_owned(), value.clone());
        }
    }
    if let Some(view) = properties.pointer("/StreamSpecification/StreamViewType") {
        request.insert("StreamSpecification".to_owned(), json!({"StreamEnabled": true, "StreamViewType": view}));
    }
    Value::Object(request)
}

fn unchanged(database: &Database, name: &str, properties: &Value) -> Result<(), DataError> {
    let describe =
        serde_json::from_value(json!({ "TableName": name })).map_err(|error| DataError::Database(error.to_string()))?;
    let there = serde_json::to_value(database.describe_table(describe)?)
        .map_err(|error| DataError::Database(error.to_string()))?;
    let indexes = |value: Option<&Value>| -> Vec<(String, Value)> {
        let mut indexes: Vec<(String, Value)> = crate::policy::list(value.unwrap_or(&Value::Null))
            .iter()
            .map(|index| {
                (
                    index.get("IndexName").and_then(Value::as_str).unwrap_or_default().to_owned(),
                    index.get("KeySchema").cloned().unwrap_or_default(),
                )
            })
            .collect();
        indexes.sort_by(|one, other| one.0.cmp(&other.0));
        indexes
    };
    let same = there.pointer("/Table/KeySchema") == properties.get("KeySchema")
        && there.pointer("/Table/StreamSpecification/StreamViewType")
            == properties.pointer("/StreamSpecification/StreamViewType")
        && indexes(there.pointer("/Table/GlobalSecondaryIndexes")) == indexes(properties.get("GlobalSecondaryIndexes"));
    if same {
        Ok(())
    } else {
        Err(DataError::template(
            name,
            "the table in the data folder has other keys, indexes or another stream: remove the data folder",
        ))
    }
}

fn enable_ttl(database: &Database, name: &str, attribute: &str) -> Result<(), DataError> {
    let describe =
        serde_json::from_value(json!({ "TableName": name })).map_err(|error| DataError::Database(error.to_string()))?;
    let there = serde_json::to_value(database.describe_time_to_live(describe)?)
        .map_err(|error| DataError::Database(error.to_string()))?;
    if there.pointer("/TimeToLiveDescription/TimeToLiveStatus") == Some(&json!("ENABLED")) {
        return Ok(());
    }
    let enable = serde_json::from_value(
        json!({"TableName": name, "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": true}}),
    )
    .map_err(|error| DataError::Database(error.to_string()))?;
    database.update_time_to_live(enable)?;
    Ok(())
}
