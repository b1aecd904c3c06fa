//! YAML with `CloudFormation`'s short tags (`!Ref`, `!Sub`, …) to plain JSON with the long names.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

use super::TemplateError;

/// Reads one YAML document.
pub(super) fn read(text: &str) -> Result<Value, TemplateError> {
    let documents = Yaml::load_from_str(text).map_err(|e| TemplateError::new("", e.to_string()))?;
    let document = documents.first().ok_or_else(|| TemplateError::new("", "the template is empty"))?;
    convert(document, "")
}

fn convert(node: &Yaml<'_>, path: &str) -> Result<Value, TemplateError> {
    Ok(match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(flag) => Value::Bool(*flag),
            Scalar::Integer(number) => json!(number),
            Scalar::FloatingPoint(number) => json!(number.into_inner()),
            Scalar::String(text) => Value::String(text.to_string()),
        },
        Yaml::Sequence(items) => Value::Array(items.iter().map(|item| convert(item, path)).collect::<Result<_, _>>()?),
        Yaml::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let key = match convert(key, path)? {
                    Value::String(text) => text,
                    Value::Number(number) => number.to_string(),
                    other => {
                        return Err(TemplateError::new(path, format!("{other} cannot be a key")));
                    }
                };
                let value = convert(value, &format!("{path}/{key}"))?;
                map.insert(key, value);
            }
            Value::Object(map)
        }
        Yaml::Tagged(tag, inner) => long_form(&tag.suffix, convert(inner, path)?),
        Yaml::Alias(_) => {
            return Err(TemplateError::new(path, "YAML aliases are not CloudFormation"));
        }
        Yaml::Representation(..) | Yaml::BadValue => {
            return Err(TemplateError::new(path, "not a YAML value"));
        }
    })
}

fn long_form(tag: &str, value: Value) -> Value {
    match (tag, value) {
        ("Ref" | "Condition", value) => json!({ tag: value }),
        ("GetAtt", Value::String(text)) => {
            let (resource, attribute) = text.split_once('.').unwrap_or((&text, ""));
            json!({ "Fn::GetAtt": [resource, attribute] })
        }
        (tag, value) => json!({ format!("Fn::{tag}"): value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_tags_become_long_names() {
        let value = read("a: !Ref X\nb: !GetAtt T.Arn\nc: !Sub '${A}-b'\nd: !If [C, 1, !Ref 'AWS::NoValue']\ne: 2012-10-17\nf: yes\ng: 'true'\nh: true\n").unwrap();
        assert_eq!(
            value,
            json!({
                "a": {"Ref": "X"}, "b": {"Fn::GetAtt": ["T", "Arn"]}, "c": {"Fn::Sub": "${A}-b"},
                "d": {"Fn::If": ["C", 1, {"Ref": "AWS::NoValue"}]}, "e": "2012-10-17", "f": "yes", "g": "true", "h": true
            })
        );
    }
}
