//! template.yaml: read, checked against the closed list of what is played, and resolved.

mod intrinsics;
mod known;
mod secrets;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::{Map, Value};

pub(crate) use intrinsics::function_arn;
pub(crate) use secrets::resolve as resolve_secrets;

/// The account that every local resource is in.
pub const ACCOUNT: &str = "000000000000";
/// The region that every local resource is in.
pub const REGION: &str = "us-east-1";

/// A template after parameters, conditions, globals and intrinsic functions.
#[derive(Debug, Clone)]
pub struct Template {
    /// Resources whose condition holds, by logical id.
    pub resources: BTreeMap<String, Resource>,
    /// Output values by name.
    pub outputs: BTreeMap<String, Value>,
}

/// One resource of a template.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its name in the template; also its physical name.
    pub logical_id: String,
    /// For example `AWS::SQS::Queue`.
    pub kind: String,
    /// Its properties, resolved.
    pub properties: Value,
}

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// Logical id and property path; empty for the whole document.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl TemplateError {
    /// An error at a path.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> TemplateError {
        TemplateError { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// Reads and resolves a template file.
    pub fn load(file: &Path, overrides: &BTreeMap<String, String>) -> Result<Template, TemplateError> {
        let text =
            std::fs::read_to_string(file).map_err(|e| TemplateError::new("", format!("{}: {e}", file.display())))?;
        Template::parse(&text, overrides)
    }

    /// Resolves a template.
    pub fn parse(text: &str, overrides: &BTreeMap<String, String>) -> Result<Template, TemplateError> {
        let document = yaml::read(text)?;
        let sections = document.as_object().ok_or_else(|| TemplateError::new("", "the template is not a map"))?;
        for section in sections.keys() {
            let known = [
                "AWSTemplateFormatVersion",
                "Transform",
                "Description",
                "Metadata",
                "Parameters",
                "Mappings",
                "Conditions",
                "Globals",
                "Resources",
                "Outputs",
            ];
            if !known.contains(&section.as_str()) {
                return Err(TemplateError::new(section, "the local cloud does not play this section"));
            }
        }
        let empty = Map::new();
        let section = |name: &str| sections.get(name).and_then(Value::as_object).unwrap_or(&empty);
        let resources = section("Resources");
        let mut scope = intrinsics::Scope {
            parameters: parameters(section("Parameters"), overrides)?,
            conditions: section("Conditions"),
            mappings: section("Mappings"),
            kinds: BTreeMap::new(),
        };
        for (logical_id, resource) in resources {
            let attributes =
                resource.as_object().ok_or_else(|| TemplateError::new(logical_id, "a resource is a map"))?;
            for attribute in attributes.keys() {
                let known = [
                    "Type",
                    "Properties",
                    "Condition",
                    "DependsOn",
                    "DeletionPolicy",
                    "UpdateReplacePolicy",
                    "Metadata",
                ];
                if !known.contains(&attribute.as_str()) {
                    return Err(TemplateError::new(
                        format!("{logical_id}.{attribute}"),
                        "the local cloud does not play this attribute",
                    ));
                }
            }
            let kind = attributes
                .get("Type")
                .and_then(Value::as_str)
                .ok_or_else(|| TemplateError::new(logical_id, "a resource needs a type"))?;
            let wanted = match attributes.get("Condition").and_then(Value::as_str) {
                Some(condition) => scope.holds(condition, logical_id)?,
                None => true,
            };
            if wanted {
                scope.kinds.insert(logical_id.clone(), kind.to_owned());
            }
        }
        let globals = section("Globals");
        check_globals(globals)?;
        let mut found = BTreeMap::new();
        for (logical_id, kind) in &scope.kinds {
            let own = resources
                .get(logical_id)
                .and_then(|r| r.get("Properties"))
                .cloned()
                .unwrap_or_else(|| Value::Object(Map::new()));
            let merged = match kind.strip_prefix("AWS::Serverless::").and_then(|short| globals.get(short)) {
                Some(base) => merge(base, own),
                None => own,
            };
            let path = format!("{logical_id}.Properties");
            let properties = scope.resolve(&merged, &path)?.unwrap_or(Value::Null);
            known::check(logical_id, kind, &properties)?;
            found.insert(
                logical_id.clone(),
                Resource { logical_id: logical_id.clone(), kind: kind.clone(), properties },
            );
        }
        let mut outputs = BTreeMap::new();
        for (name, output) in section("Outputs") {
            let path = format!("Outputs.{name}");
            let wanted = match output.get("Condition").and_then(Value::as_str) {
                Some(condition) => scope.holds(condition, &path)?,
                None => true,
            };
            if let (true, Some(value)) = (wanted, output.get("Value")) {
                outputs.insert(name.clone(), scope.resolve(value, &path)?.unwrap_or(Value::Null));
            }
        }
        Ok(Template { resources: found, outputs })
    }

    /// The resources of one type, in the order of their logical ids.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Resource> {
        self.resources.values().filter(move |r| r.kind == kind)
    }
}

fn parameters(
    declared: &Map<String, Value>,
    overrides: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, TemplateError> {
    if let Some(unknown) = overrides.keys().find(|name| !declared.contains_key(*name)) {
        return Err(TemplateError::new(format!("Parameters.{unknown}"), "the template has no such parameter"));
    }
    let mut values = BTreeMap::new();
    for (name, declaration) in declared {
        let wrong = |message: &str| TemplateError::new(format!("Parameters.{name}"), message);
        let text = match (overrides.get(name), declaration.get("Default")) {
            (Some(text), _) => text.clone(),
            (None, Some(default)) => intrinsics::plain(default).ok_or_else(|| wrong("the default is not a text"))?,
            (None, None) => return Err(wrong("has no default and was not given")),
        };
        if let Some(allowed) = declaration.get("AllowedValues").and_then(Value::as_array)
            && !allowed.iter().filter_map(intrinsics::plain).any(|value| value == text)
        {
            return Err(wrong(&format!("{text} is not one of the allowed values")));
        }
        let value = match declaration.get("Type").and_then(Value::as_str) {
            Some("String") => Value::String(text),
            Some("Number") => serde_json::from_str::<serde_json::Number>(&text)
                .map(Value::Number)
                .map_err(|_| wrong("is not a number"))?,
            Some("CommaDelimitedList") => text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect(),
            _ => {
                return Err(wrong("the local cloud does not play this type of parameter"));
            }
        };
        values.insert(name.clone(), value);
    }
    Ok(values)
}

fn check_globals(globals: &Map<String, Value>) -> Result<(), TemplateError> {
    match globals.keys().find(|name| !["Function", "HttpApi"].contains(&name.as_str())) {
        Some(unknown) => Err(TemplateError::new(format!("Globals.{unknown}"), "the local cloud does not play this")),
        None => Ok(()),
    }
}

/// SAM's merge: maps by key, lists one after the other, everything else is the resource's own.
fn merge(base: &Value, own: Value) -> Value {
    match (base, own) {
        (Value::Object(base), Value::Object(own)) if !is_function(base) && !is_function(&own) => {
            let mut merged = base.clone();
            for (key, value) in own {
                let value = match base.get(&key) {
                    Some(inherited) => merge(inherited, value),
                    None => value,
                };
                merged.insert(key, value);
            }
            Value::Object(merged)
        }
        (Value::Array(base), Value::Array(own)) => base.iter().cloned().chain(own).collect(),
        (_, own) => own,
    }
}

fn is_function(map: &Map<String, Value>) -> bool {
    map.len() == 1 && map.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Size: {Type: Number, Default: 3}
  Names: {Type: CommaDelimitedList, Default: "a, b"}
  Mode: {Type: String, Default: small, AllowedValues: [small, large]}
Mappings:
  Sizes: {small: {memory: 128}, large: {memory: 1024}}
Conditions:
  Large: !Equals [!Ref Mode, large]
  NotLarge: !Not [!Condition Large]
Globals:
  Function:
    Timeout: 10
    Environment: {Variables: {A: "1", B: "2"}}
    Policies: [{Version: "2012-10-17", Statement: []}]
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      Tags: !If [Large, [{Key: a, Value: b}], !Ref AWS::NoValue]
  Queue:
    Type: AWS::SQS::Queue
    Condition: NotLarge
    Properties: {VisibilityTimeout: !Ref Size}
  Big:
    Type: AWS::SQS::Queue
    Condition: Large
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: target/lambda/hello/
      MemorySize: !FindInMap [Sizes, !Ref Mode, memory]
      Environment:
        Variables:
          B: !Sub "${Table}-${AWS::Region}-${!literal}"
          C: !Join ["/", [!GetAtt Table.Arn, index, "*"]]
          D: !Select [1, !Ref Names]
          E: !Sub ["${Stream}!", {Stream: !GetAtt Table.StreamArn}]
          F: !Ref Hello.Alias
          G: !GetAtt HelloRole.Arn
          H: !Select [0, !Split ["-", "x-y"]]
      Policies: [{Version: "2012-10-17", Statement: [{Effect: Allow, Action: "dynamodb:GetItem", Resource: !GetAtt Table.Arn}]}]
Outputs:
  Url: {Value: !Ref Queue}
"#;

    #[test]
    fn a_template_is_resolved() {
        let template = Template::parse(TEMPLATE, &BTreeMap::new()).unwrap();
        assert_eq!(template.resources.keys().collect::<Vec<_>>(), ["Hello", "Queue", "Table"]);
        let hello = &template.resources["Hello"].properties;
        assert_eq!(hello["Timeout"], 10);
        assert_eq!(hello["MemorySize"], 128);
        assert_eq!(
            hello["Environment"]["Variables"],
            json!({
                "A": "1",
                "B": "Table-us-east-1-${literal}",
                "C": "arn:aws:dynamodb:us-east-1:000000000000:table/Table/index/*",
                "D": "b",
                "E": "arn:aws:dynamodb:us-east-1:000000000000:table/Table/stream/0!",
                "F": "arn:aws:lambda:us-east-1:000000000000:function:Hello:live",
                "G": "arn:aws:iam::000000000000:role/HelloRole",
                "H": "x"
            })
        );
        assert_eq!(hello["Policies"].as_array().unwrap().len(), 2, "lists of globals and function are joined");
        assert_eq!(template.resources["Queue"].properties, json!({"VisibilityTimeout": 3}));
        assert_eq!(template.resources["Table"].properties.get("Tags"), None);
        assert_eq!(template.outputs["Url"], "https://sqs.us-east-1.amazonaws.com/000000000000/Queue");
    }

    #[test]
    fn parameters_are_checked() {
        let with = |name: &str, value: &str| {
            Template::parse(TEMPLATE, &BTreeMap::from([(name.to_owned(), value.to_owned())])).map_err(|e| e.to_string())
        };
        assert_eq!(with("Mode", "huge").unwrap_err(), "Parameters.Mode: huge is not one of the allowed values");
        assert_eq!(with("Size", "many").unwrap_err(), "Parameters.Size: is not a number");
        assert_eq!(with("Other", "1").unwrap_err(), "Parameters.Other: the template has no such parameter");
        let error = with("Mode", "large").unwrap_err();
        assert_eq!(error, "Outputs.Url: nothing is called Queue");
    }

    #[test]
    fn a_dangling_reference_is_named_with_its_path() {
        let error = Template::parse("Resources: {Q: {Type: 'AWS::SQS::Queue', Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn}}}}", &BTreeMap::new()).unwrap_err();
        assert_eq!(error.to_string(), "Q.Properties.RedrivePolicy.deadLetterTargetArn: nothing is called Dead");
    }
}
