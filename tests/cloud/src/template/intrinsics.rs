//! `CloudFormation`'s intrinsic functions, conditions and pseudo parameters.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{ACCOUNT, REGION, TemplateError};

/// What names can stand for while a template is resolved.
pub(super) struct Scope<'a> {
    pub(super) parameters: BTreeMap<String, Value>,
    pub(super) conditions: &'a Map<String, Value>,
    pub(super) mappings: &'a Map<String, Value>,
    /// Logical id to resource type.
    pub(super) kinds: BTreeMap<String, String>,
}

type Resolved = Result<Option<Value>, TemplateError>;

impl Scope<'_> {
    /// `None` is `AWS::NoValue`: the caller leaves the property out.
    pub(super) fn resolve(&self, value: &Value, path: &str) -> Resolved {
        match value {
            Value::Array(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    list.extend(self.resolve(item, path)?);
                }
                Ok(Some(Value::Array(list)))
            }
            Value::Object(map) => {
                if let (1, Some((name, argument))) = (map.len(), map.iter().next())
                    && (name == "Ref" || name.starts_with("Fn::"))
                {
                    return self.function(name, argument, path);
                }
                let mut object = Map::new();
                for (key, inner) in map {
                    if key.starts_with("Fn::") {
                        return Err(TemplateError::new(path, format!("{key} stands beside other keys")));
                    }
                    if let Some(inner) = self.resolve(inner, &format!("{path}.{key}"))? {
                        object.insert(key.clone(), inner);
                    }
                }
                Ok(Some(Value::Object(object)))
            }
            other => Ok(Some(other.clone())),
        }
    }

    /// True when the named condition holds.
    pub(super) fn holds(&self, name: &str, path: &str) -> Result<bool, TemplateError> {
        let condition =
            self.conditions.get(name).ok_or_else(|| TemplateError::new(path, format!("no condition {name}")))?;
        self.truth(condition, path)
    }

    fn truth(&self, value: &Value, path: &str) -> Result<bool, TemplateError> {
        let Some((name, argument)) = value.as_object().filter(|m| m.len() == 1).and_then(|m| m.iter().next()) else {
            return match value {
                Value::Bool(flag) => Ok(*flag),
                Value::String(text) if text == "true" || text == "false" => Ok(text == "true"),
                other => Err(TemplateError::new(path, format!("{other} is not a condition"))),
            };
        };
        let list = || argument.as_array().ok_or_else(|| TemplateError::new(path, format!("{name} needs a list")));
        match name.as_str() {
            "Condition" => self.holds(argument.as_str().unwrap_or_default(), path),
            "Fn::Equals" => match list()?.as_slice() {
                [left, right] => Ok(self.text(left, path)? == self.text(right, path)?),
                _ => Err(TemplateError::new(path, "Fn::Equals needs two values")),
            },
            "Fn::Not" => match list()?.as_slice() {
                [inner] => Ok(!self.truth(inner, path)?),
                _ => Err(TemplateError::new(path, "Fn::Not needs one condition")),
            },
            "Fn::And" => list()?.iter().try_fold(true, |all, inner| Ok(self.truth(inner, path)? && all)),
            "Fn::Or" => list()?.iter().try_fold(false, |any, inner| Ok(self.truth(inner, path)? || any)),
            other => Err(TemplateError::new(path, format!("{other} is not a condition"))),
        }
    }

    fn function(&self, name: &str, argument: &Value, path: &str) -> Resolved {
        let wrong = |what: &str| TemplateError::new(path, format!("{name} {what}"));
        let list = || argument.as_array().map(Vec::as_slice).ok_or_else(|| wrong("needs a list"));
        match name {
            "Ref" => {
                let target = argument.as_str().ok_or_else(|| wrong("needs a name"))?;
                if target == "AWS::NoValue" {
                    return Ok(None);
                }
                self.reference(target, path).map(Some)
            }
            "Fn::GetAtt" => match argument {
                Value::String(text) => {
                    let (resource, attribute) = text.split_once('.').ok_or_else(|| wrong("needs an attribute"))?;
                    self.attribute(resource, attribute, path).map(Some)
                }
                Value::Array(parts) => match parts.as_slice() {
                    [Value::String(resource), Value::String(attribute)] => {
                        self.attribute(resource, attribute, path).map(Some)
                    }
                    _ => Err(wrong("needs a resource and an attribute")),
                },
                _ => Err(wrong("needs a resource and an attribute")),
            },
            "Fn::Sub" => match argument {
                Value::String(text) => self.substitute(text, &Map::new(), path).map(Some),
                Value::Array(parts) => match parts.as_slice() {
                    [Value::String(text), Value::Object(names)] => self.substitute(text, names, path).map(Some),
                    _ => Err(wrong("needs a text and a map")),
                },
                _ => Err(wrong("needs a text")),
            },
            "Fn::Join" => match list()? {
                [Value::String(separator), values] => {
                    let values = self.required(values, path)?;
                    let values = values.as_array().ok_or_else(|| wrong("needs a list of values"))?;
                    let texts = values
                        .iter()
                        .map(plain)
                        .collect::<Option<Vec<_>>>()
                        .ok_or_else(|| wrong("joins texts only"))?;
                    Ok(Some(Value::String(texts.join(separator))))
                }
                _ => Err(wrong("needs a separator and a list")),
            },
            "Fn::Split" => match list()? {
                [Value::String(separator), text] => {
                    let text = self.text(text, path)?;
                    Ok(Some(text.split(separator.as_str()).collect()))
                }
                _ => Err(wrong("needs a separator and a text")),
            },
            "Fn::Select" => match list()? {
                [index, values] => {
                    let index = self.text(index, path)?.parse::<usize>().map_err(|_| wrong("needs an index"))?;
                    let values = self.required(values, path)?;
                    values.get(index).cloned().map(Some).ok_or_else(|| wrong("selects what is not there"))
                }
                _ => Err(wrong("needs an index and a list")),
            },
            "Fn::If" => match list()? {
                [Value::String(condition), yes, no] => {
                    let branch = if self.holds(condition, path)? { yes } else { no };
                    self.resolve(branch, path)
                }
                _ => Err(wrong("needs a condition and two values")),
            },
            "Fn::FindInMap" => match list()? {
                [map, first, second] => {
                    let (map, first, second) =
                        (self.text(map, path)?, self.text(first, path)?, self.text(second, path)?);
                    let found = self.mappings.get(&map).and_then(|m| m.get(&first)).and_then(|m| m.get(&second));
                    found.cloned().map(Some).ok_or_else(|| wrong(&format!("finds nothing at {map}.{first}.{second}")))
                }
                _ => Err(wrong("needs a map and two keys")),
            },
            "Fn::Base64" => {
                use base64::Engine as _;
                let text = self.text(argument, path)?;
                Ok(Some(Value::String(base64::engine::general_purpose::STANDARD.encode(text))))
            }
            "Fn::ToJsonString" => Ok(Some(Value::String(self.required(argument, path)?.to_string()))),
            "Fn::Length" => {
                let value = self.required(argument, path)?;
                Ok(Some(json!(value.as_array().ok_or_else(|| wrong("needs a list"))?.len())))
            }
            "Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or" => {
                self.truth(&json!({ name: argument }), path).map(|flag| Some(Value::Bool(flag)))
            }
            _ => Err(wrong("is not played")),
        }
    }

    fn required(&self, value: &Value, path: &str) -> Result<Value, TemplateError> {
        self.resolve(value, path)?.ok_or_else(|| TemplateError::new(path, "AWS::NoValue where a value is needed"))
    }

    fn text(&self, value: &Value, path: &str) -> Result<String, TemplateError> {
        let value = self.required(value, path)?;
        plain(&value).ok_or_else(|| TemplateError::new(path, format!("{value} is not a text")))
    }

    fn substitute(&self, text: &str, names: &Map<String, Value>, path: &str) -> Result<Value, TemplateError> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let (name, tail) =
                after.split_once('}').ok_or_else(|| TemplateError::new(path, "Fn::Sub has an open ${"))?;
            if let Some(literal) = name.strip_prefix('!') {
                out.push_str("${");
                out.push_str(literal);
                out.push('}');
            } else if let Some(value) = names.get(name) {
                out.push_str(&self.text(value, path)?);
            } else {
                let value = match name.split_once('.') {
                    Some((resource, attribute)) if !name.starts_with("AWS::") => {
                        self.attribute(resource, attribute, path)?
                    }
                    _ => self.reference(name, path)?,
                };
                out.push_str(&plain(&value).ok_or_else(|| TemplateError::new(path, format!("{name} is not a text")))?);
            }
            rest = tail;
        }
        out.push_str(rest);
        Ok(Value::String(out))
    }

    fn reference(&self, name: &str, path: &str) -> Result<Value, TemplateError> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        let text = match name {
            "AWS::Region" => REGION.to_owned(),
            "AWS::AccountId" => ACCOUNT.to_owned(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            "AWS::StackName" => "local".to_owned(),
            "AWS::StackId" => format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/local/0"),
            _ => {
                if let Some((function, "Alias" | "Version")) = name.split_once('.') {
                    return self.attribute(function, name.rsplit('.').next().unwrap_or_default(), path);
                }
                let kind = self
                    .kinds
                    .get(name)
                    .ok_or_else(|| TemplateError::new(path, format!("nothing is called {name}")))?;
                match kind.as_str() {
                    "AWS::SQS::Queue" => queue_url(name),
                    "AWS::SecretsManager::Secret" => secret_arn(name),
                    "AWS::SNS::Topic" => arn("sns", name),
                    _ => name.to_owned(),
                }
            }
        };
        Ok(Value::String(text))
    }

    fn attribute(&self, resource: &str, attribute: &str, path: &str) -> Result<Value, TemplateError> {
        let unknown = || TemplateError::new(path, format!("{resource} has no attribute {attribute}"));
        let Some(kind) = self.kinds.get(resource) else {
            // SAM makes a role of its own for every function that names none.
            return match resource.strip_suffix("Role").map(|function| self.kinds.get(function)) {
                Some(Some(kind)) if kind == "AWS::Serverless::Function" && attribute == "Arn" => {
                    Ok(Value::String(role_arn(resource)))
                }
                _ => Err(TemplateError::new(path, format!("nothing is called {resource}"))),
            };
        };
        let text = match (kind.as_str(), attribute) {
            ("AWS::DynamoDB::Table", "Arn") => arn("dynamodb", &format!("table/{resource}")),
            ("AWS::DynamoDB::Table", "StreamArn") => arn("dynamodb", &format!("table/{resource}/stream/0")),
            ("AWS::SQS::Queue", "Arn") => arn("sqs", resource),
            ("AWS::SQS::Queue", "QueueUrl") => queue_url(resource),
            ("AWS::SQS::Queue", "QueueName")
            | ("AWS::Events::EventBus", "Name")
            | ("AWS::Events::Archive", "ArchiveName") => resource.to_owned(),
            ("AWS::Serverless::Function", "Arn") => function_arn(resource),
            ("AWS::Serverless::Function", "Alias") => format!("{}:live", function_arn(resource)),
            ("AWS::Serverless::Function", "Version") => format!("{}:1", function_arn(resource)),
            ("AWS::Events::EventBus", "Arn") => arn("events", &format!("event-bus/{resource}")),
            ("AWS::Events::Rule", "Arn") => arn("events", &format!("rule/{resource}")),
            ("AWS::Events::Archive", "Arn") => arn("events", &format!("archive/{resource}")),
            ("AWS::Pipes::Pipe", "Arn") => arn("pipes", &format!("pipe/{resource}")),
            ("AWS::IAM::Role", "Arn") => role_arn(resource),
            ("AWS::Logs::LogGroup", "Arn") => arn("logs", &format!("log-group:{resource}:*")),
            ("AWS::SecretsManager::Secret", "Id") => secret_arn(resource),
            ("AWS::CloudWatch::Alarm", "Arn") => arn("cloudwatch", &format!("alarm:{resource}")),
            ("AWS::SNS::Topic", "TopicArn") => arn("sns", resource),
            ("AWS::Serverless::HttpApi", "ApiEndpoint") => {
                format!("https://{resource}.execute-api.{REGION}.amazonaws.com")
            }
            _ => return Err(unknown()),
        };
        Ok(Value::String(text))
    }
}

/// A scalar as `CloudFormation` writes it into a text.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn arn(service: &str, rest: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}")
}

fn queue_url(name: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
}

fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

/// The ARN of a function without a qualifier.
pub(crate) fn function_arn(name: &str) -> String {
    arn("lambda", &format!("function:{name}"))
}

/// The ARN of a secret.
pub(crate) fn secret_arn(name: &str) -> String {
    arn("secretsmanager", &format!("secret:{name}-000000"))
}
