//! Event patterns of `EventBridge`, as rules, pipes and event source mappings use them.

use serde_json::Value;

use crate::policy::matches_wildcard;

/// A parsed pattern; matches an event when every named field matches.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    fields: Vec<(String, Node)>,
    /// `$or`: at least one of each group must match.
    any: Vec<Vec<Pattern>>,
}

#[derive(Clone, Debug)]
enum Node {
    Inside(Pattern),
    /// One of these must match the value, or one element of it if it is a list.
    Leaf(Vec<Test>),
}

#[derive(Clone, Debug)]
enum Test {
    Equals(Value),
    Prefix(String, bool),
    Suffix(String, bool),
    IgnoreCase(String),
    Wildcard(String),
    Exists(bool),
    Numeric(Vec<(String, f64)>),
    AnythingBut(Vec<Test>),
}

impl Pattern {
    /// Parses a pattern written as JSON text.
    pub(crate) fn from_text(text: &str) -> Result<Self, String> {
        let value = serde_json::from_str(text).map_err(|error| format!("the pattern is not JSON: {error}"))?;
        Self::parse(&value)
    }

    /// Parses a pattern.
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        let members = value.as_object().ok_or_else(|| format!("a pattern is an object: {value}"))?;
        let mut pattern = Self { fields: Vec::new(), any: Vec::new() };
        for (name, inner) in members {
            match inner {
                Value::Array(ways) if name == "$or" => {
                    pattern.any.push(ways.iter().map(Self::parse).collect::<Result<_, _>>()?);
                }
                Value::Array(tests) if !tests.is_empty() => {
                    let tests = tests.iter().map(Test::parse).collect::<Result<_, _>>()?;
                    pattern.fields.push((name.clone(), Node::Leaf(tests)));
                }
                Value::Object(_) => pattern.fields.push((name.clone(), Node::Inside(Self::parse(inner)?))),
                other => return Err(format!("{name}: a pattern has objects and filled lists, not {other}")),
            }
        }
        Ok(pattern)
    }

    /// Whether an event matches.
    pub(crate) fn matches(&self, event: &Value) -> bool {
        let fields = self.fields.iter().all(|(name, node)| match node {
            Node::Inside(pattern) => pattern.matches(event.get(name).unwrap_or(&Value::Null)),
            Node::Leaf(tests) => tests.iter().any(|test| test.on(event.get(name))),
        });
        fields && self.any.iter().all(|ways| ways.iter().any(|way| way.matches(event)))
    }
}

impl Test {
    fn parse(value: &Value) -> Result<Self, String> {
        let Value::Object(members) = value else {
            return match value {
                Value::Array(_) => Err(format!("a list in a list of tests: {value}")),
                plain => Ok(Self::Equals(plain.clone())),
            };
        };
        let (Some((name, operand)), 1) = (members.iter().next(), members.len()) else {
            return Err(format!("a test has one member: {value}"));
        };
        let text = |value: &Value| {
            value.as_str().map(str::to_owned).ok_or_else(|| format!("{name} takes a text, not {value}"))
        };
        let cased = |value: &Value| match value.get("equals-ignore-case") {
            Some(inner) => Ok::<_, String>((text(inner)?, true)),
            None => Ok((text(value)?, false)),
        };
        match name.as_str() {
            "prefix" => cased(operand).map(|(text, fold)| Self::Prefix(text, fold)),
            "suffix" => cased(operand).map(|(text, fold)| Self::Suffix(text, fold)),
            "equals-ignore-case" => Ok(Self::IgnoreCase(text(operand)?)),
            "wildcard" => Ok(Self::Wildcard(text(operand)?)),
            "exists" => {
                operand.as_bool().map(Self::Exists).ok_or_else(|| format!("exists takes true or false, not {operand}"))
            }
            "numeric" => numeric(operand),
            "anything-but" => anything_but(operand),
            other => Err(format!("the test {other} is not played")),
        }
    }

    fn on(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Self::Exists(wanted), value) => value.is_some() == *wanted,
            (_, None) => false,
            (Self::AnythingBut(_), Some(Value::Array(items))) => items.iter().all(|item| self.one(item)),
            (_, Some(Value::Array(items))) => items.iter().any(|item| self.one(item)),
            (_, Some(value)) => self.one(value),
        }
    }

    fn one(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Equals(wanted) => match (wanted.as_f64(), value.as_f64()) {
                (Some(one), Some(other)) => (one - other).abs() < f64::EPSILON,
                _ => wanted == value,
            },
            Self::Prefix(prefix, fold) => {
                text.is_some_and(|text| folded(text, *fold).starts_with(&folded(prefix, *fold)))
            }
            Self::Suffix(suffix, fold) => {
                text.is_some_and(|text| folded(text, *fold).ends_with(&folded(suffix, *fold)))
            }
            Self::IgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == wanted.to_lowercase()),
            Self::Wildcard(pattern) => text.is_some_and(|text| matches_wildcard(&pattern.replace('?', "\u{0}"), text)),
            Self::Exists(wanted) => *wanted,
            Self::Numeric(bounds) => value.as_f64().is_some_and(|number| {
                bounds.iter().all(|(operator, bound)| match operator.as_str() {
                    "<" => number < *bound,
                    "<=" => number <= *bound,
                    ">" => number > *bound,
                    ">=" => number >= *bound,
                    _ => (number - *bound).abs() < f64::EPSILON,
                })
            }),
            Self::AnythingBut(tests) => !tests.iter().any(|test| test.one(value)),
        }
    }
}

fn folded(text: &str, fold: bool) -> String {
    if fold { text.to_lowercase() } else { text.to_owned() }
}

fn numeric(operand: &Value) -> Result<Test, String> {
    let wrong = || format!("numeric takes operators and numbers, not {operand}");
    let parts = operand.as_array().filter(|parts| !parts.is_empty() && parts.len() % 2 == 0).ok_or_else(wrong)?;
    let bounds = parts.chunks(2).map(|pair| match pair {
        [Value::String(operator), Value::Number(bound)] if ["<", "<=", ">", ">=", "="].contains(&operator.as_str()) => {
            bound.as_f64().map(|bound| (operator.clone(), bound)).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    });
    bounds.collect::<Result<_, _>>().map(Test::Numeric)
}

fn anything_but(operand: &Value) -> Result<Test, String> {
    match operand {
        Value::Array(items) => items.iter().map(Test::parse).collect::<Result<_, _>>().map(Test::AnythingBut),
        Value::Object(members) => {
            // {"prefix": ["a", "b"]} means neither.
            let tests = members.iter().flat_map(|(name, value)| {
                let values = crate::policy::list(value);
                values.into_iter().map(move |value| Test::parse(&serde_json::json!({ name.as_str(): value })))
            });
            tests.collect::<Result<_, _>>().map(Test::AnythingBut)
        }
        plain => Ok(Test::AnythingBut(vec![Test::Equals(plain.clone())])),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(pattern: &Value, event: &Value) -> bool {
        Pattern::parse(pattern).unwrap().matches(event)
    }

    #[test]
    fn every_field_must_match_and_one_value_of_each_suffices() {
        let pattern = json!({"source": ["a", "b"], "detail": {"type": [{"prefix": "keys."}]}});
        assert!(fits(&pattern, &json!({"source": "b", "detail": {"type": "keys.key"}, "more": 1})));
        assert!(!fits(&pattern, &json!({"source": "c", "detail": {"type": "keys.key"}})));
        assert!(!fits(&pattern, &json!({"source": "a", "detail": {"type": "usage.key"}})));
        assert!(!fits(&pattern, &json!({"source": "a"})));
    }

    #[test]
    fn a_list_in_the_event_matches_by_one_element() {
        assert!(fits(&json!({"a": [1]}), &json!({"a": [0, 1.0]})));
        assert!(!fits(&json!({"a": [{"anything-but": [1]}]}), &json!({"a": [0, 1]})));
    }

    #[test]
    fn tests_by_name() {
        for (test, yes, no) in [
            (json!({"suffix": "y"}), json!("xy"), json!("yx")),
            (json!({"prefix": {"equals-ignore-case": "AB"}}), json!("abc"), json!("bab")),
            (json!({"equals-ignore-case": "AB"}), json!("ab"), json!("abc")),
            (json!({"wildcard": "a*c"}), json!("abc"), json!("abd")),
            (json!({"numeric": [">", 1, "<=", 5]}), json!(5), json!(1)),
            (json!({"anything-but": "x"}), json!("y"), json!("x")),
            (json!({"anything-but": {"prefix": "x"}}), json!("y"), json!("xy")),
            (json!(null), json!(null), json!("")),
            (json!(true), json!(true), json!(false)),
        ] {
            assert!(fits(&json!({"a": [test]}), &json!({"a": yes})), "{test} {yes}");
            assert!(!fits(&json!({"a": [test]}), &json!({"a": no})), "{test} {no}");
        }
    }

    #[test]
    fn existence() {
        assert!(fits(&json!({"a": {"b": [{"exists": true}]}}), &json!({"a": {"b": 1}})));
        assert!(fits(&json!({"a": {"b": [{"exists": false}]}}), &json!({})));
        assert!(!fits(&json!({"a": {"b": [{"exists": false}]}}), &json!({"a": {"b": 1}})));
    }

    #[test]
    fn alternatives() {
        let pattern = json!({"$or": [{"a": [1]}, {"b": [2]}]});
        assert!(fits(&pattern, &json!({"b": 2})));
        assert!(!fits(&pattern, &json!({"b": 1})));
    }

    #[test]
    fn a_pattern_that_is_not_played_is_refused() {
        for wrong in [
            json!({"a": 1}),
            json!({"a": []}),
            json!({"a": [{"cidr": "10.0.0.0/8"}]}),
            json!([]),
            json!({"a": [{"numeric": [1]}]}),
        ] {
            assert!(Pattern::parse(&wrong).is_err(), "{wrong}");
        }
    }
}
