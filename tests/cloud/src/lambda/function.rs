//! One `AWS::Serverless::Function`, as far as running it is concerned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::template::{REGION, Resource, TemplateError, function_arn};

/// Events that a process on managed instances works on at once when the template does not say: for Rust, eight on each virtual CPU.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-managed-instances-rust.html>
const AT_ONCE: usize = 8;

/// What the template says about running a function.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) binary: PathBuf,
    pub(crate) timeout: Duration,
    /// Most processes at a time.
    pub(crate) limit: usize,
    /// Events that one process works on at once, if it runs on managed instances.
    pub(crate) at_once: Option<usize>,
    pub(crate) alias: Option<String>,
    handler: String,
    memory_mb: u64,
    variables: BTreeMap<String, String>,
    log_group: String,
    json_logs: bool,
    log_level: Option<String>,
}

impl Function {
    pub(crate) fn read(resource: &Resource, binaries: &Path, instances_max: usize) -> Result<Function, TemplateError> {
        let properties = &resource.properties;
        let at = |name: &str, message: &str| {
            TemplateError::new(format!("{}.Properties.{name}", resource.logical_id), message)
        };
        let text = |name: &str| properties.get(name).and_then(Value::as_str);
        let code = text("CodeUri").ok_or_else(|| at("CodeUri", "a function needs its code"))?;
        let name = Path::new(code).file_name().ok_or_else(|| at("CodeUri", "names no function"))?;
        if !text("Runtime").unwrap_or_default().starts_with("provided") {
            return Err(at("Runtime", "the local cloud plays binaries only (provided.al2023)"));
        }
        let seconds = properties.get("Timeout").map_or(Some(3), Value::as_u64).filter(|s| (1..=900).contains(s));
        let reserved = match properties.get("ReservedConcurrentExecutions") {
            None => usize::MAX,
            Some(value) => value
                .as_u64()
                .and_then(|n| usize::try_from(n).ok())
                .ok_or_else(|| at("ReservedConcurrentExecutions", "is not a number"))?,
        };
        // <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-function-capacityproviderconfig.html>
        let at_once = match properties.get("CapacityProviderConfig") {
            None => None,
            Some(config) => Some(match config.get("PerExecutionEnvironmentMaxConcurrency") {
                None => AT_ONCE,
                Some(value) => {
                    value.as_u64().filter(|n| (1..=1600).contains(n)).and_then(|n| usize::try_from(n).ok()).ok_or_else(
                        || at("CapacityProviderConfig.PerExecutionEnvironmentMaxConcurrency", "is not 1 to 1600"),
                    )?
                }
            }),
        };
        let mut variables = BTreeMap::new();
        for (variable, value) in
            properties.pointer("/Environment/Variables").and_then(Value::as_object).into_iter().flatten()
        {
            let value = match value {
                Value::String(value) => value.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => {
                    return Err(at(&format!("Environment.Variables.{variable}"), "a variable must be a text"));
                }
            };
            variables.insert(variable.clone(), value);
        }
        let logging = |name: &str| properties.pointer(&format!("/LoggingConfig/{name}")).and_then(Value::as_str);
        Ok(Function {
            name: resource.logical_id.clone(),
            binary: binaries.join(name),
            timeout: Duration::from_secs(seconds.ok_or_else(|| at("Timeout", "is not 1 to 900 seconds"))?),
            limit: reserved.min(instances_max),
            at_once,
            alias: text("AutoPublishAlias").map(str::to_owned),
            handler: text("Handler").unwrap_or("bootstrap").to_owned(),
            memory_mb: properties
                .get("MemorySize")
                .map_or(Some(128), Value::as_u64)
                .ok_or_else(|| at("MemorySize", "is not a number"))?,
            variables,
            log_group: logging("LogGroup")
                .map_or_else(|| format!("/aws/lambda/{}", resource.logical_id), str::to_owned),
            json_logs: logging("LogFormat") == Some("JSON"),
            log_level: logging("ApplicationLogLevel").map(str::to_owned),
        })
    }

    /// Events that one process works on at once.
    pub(super) fn seats(&self) -> usize {
        self.at_once.unwrap_or(1)
    }

    pub(super) fn version(&self) -> &'static str {
        if self.alias.is_some() { "1" } else { "$LATEST" }
    }

    pub(super) fn arn(&self) -> String {
        let arn = function_arn(&self.name);
        self.alias.as_ref().map_or_else(|| arn.clone(), |alias| format!("{arn}:{alias}"))
    }

    pub(super) fn handler(&self) -> &str {
        &self.handler
    }

    /// The template's variables.
    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// The environment that Lambda itself gives a process.
    pub(super) fn environment(&self, instance: &str, runtime_api: &str) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::from(
            [
                ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"),
                ("LANG", "en_US.UTF-8"),
                ("TZ", ":UTC"),
                ("AWS_DEFAULT_REGION", REGION),
                ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
                ("AWS_LAMBDA_FUNCTION_NAME", &self.name),
                ("AWS_LAMBDA_FUNCTION_VERSION", self.version()),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &self.memory_mb.to_string()),
                ("AWS_LAMBDA_LOG_GROUP_NAME", &self.log_group),
                ("AWS_LAMBDA_LOG_STREAM_NAME", instance),
                ("AWS_LAMBDA_LOG_FORMAT", if self.json_logs { "JSON" } else { "Text" }),
                ("AWS_LAMBDA_RUNTIME_API", runtime_api),
                ("LAMBDA_TASK_ROOT", &self.binary.parent().unwrap_or(Path::new("/")).to_string_lossy()),
                ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
                ("_HANDLER", &self.handler),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        if let Some(level) = self.log_level.as_ref().or(self.json_logs.then_some(&"INFO".to_owned())) {
            environment.insert("AWS_LAMBDA_LOG_LEVEL".to_owned(), level.clone());
        }
        // Processes on managed instances alone are told.
        if let Some(at_once) = self.at_once {
            environment.insert("AWS_LAMBDA_MAX_CONCURRENCY".to_owned(), at_once.to_string());
        }
        environment
    }
}
