//! The closed list of what a template may say. What is neither played nor listed here as "known, not played" is an
//! error: a property that silently did nothing would make the local cloud lie.

use serde_json::Value;

use super::TemplateError;

/// One resource type: the paths that are played, and those that are known but make no difference on one machine, each
/// group with its reason. `*` is any key; list elements have their list's path; below a listed path anything goes.
struct Kind {
    name: &'static str,
    played: &'static [&'static str],
    not_played: &'static [(&'static str, &'static [&'static str])],
}

const LABELS: &str = "a label for people and bills";
const AT_REST: &str = "encryption and backups at rest, nothing a caller can see";
const OBSERVED: &str = "seen in the account's own logs and metrics only";
const ROLLOUT: &str = "how a new version replaces the old one; here every start is a new version";
const MACHINE: &str = "the machine that runs it; here it is this one";
const PAGED: &str = "alarms and their channels; nobody is paged from one machine";

const KINDS: &[Kind] = &[
    Kind {
        name: "AWS::Serverless::Function",
        played: &[
            "CodeUri",
            "Handler",
            "Runtime",
            "Timeout",
            "MemorySize",
            "Environment.Variables.*",
            "ReservedConcurrentExecutions",
            "Policies",
            "Role",
            "AutoPublishAlias",
            "CapacityProviderConfig.PerExecutionEnvironmentMaxConcurrency",
            "LoggingConfig.LogFormat",
            "LoggingConfig.LogGroup",
            "LoggingConfig.ApplicationLogLevel",
            "LoggingConfig.SystemLogLevel",
            "Events.*.Type",
            // HttpApi
            "Events.*.Properties.ApiId",
            "Events.*.Properties.Path",
            "Events.*.Properties.Method",
            "Events.*.Properties.PayloadFormatVersion",
            "Events.*.Properties.TimeoutInMillis",
            "Events.*.Properties.Auth.Authorizer",
            // SQS and DynamoDB
            "Events.*.Properties.Queue",
            "Events.*.Properties.Stream",
            "Events.*.Properties.StartingPosition",
            "Events.*.Properties.BatchSize",
            "Events.*.Properties.MaximumBatchingWindowInSeconds",
            "Events.*.Properties.BisectBatchOnFunctionError",
            "Events.*.Properties.MaximumRetryAttempts",
            "Events.*.Properties.MaximumRecordAgeInSeconds",
            "Events.*.Properties.ParallelizationFactor",
            "Events.*.Properties.FunctionResponseTypes",
            "Events.*.Properties.FilterCriteria.Filters.Pattern",
            "Events.*.Properties.DestinationConfig.OnFailure",
            "Events.*.Properties.ScalingConfig.MaximumConcurrency",
            "Events.*.Properties.Enabled",
            // Schedule and ScheduleV2
            "Events.*.Properties.Schedule",
            "Events.*.Properties.ScheduleExpression",
            "Events.*.Properties.ScheduleExpressionTimezone",
            "Events.*.Properties.Input",
            "Events.*.Properties.State",
            "Events.*.Properties.RetryPolicy",
            "Events.*.Properties.DeadLetterConfig",
            "Events.*.Properties.FlexibleTimeWindow",
        ],
        not_played: &[
            (
                LABELS,
                &[
                    "Description",
                    "Tags",
                    "PropagateTags",
                    "Events.*.Properties.Name",
                    "Events.*.Properties.Description",
                ],
            ),
            (
                MACHINE,
                &[
                    "Architectures",
                    "EphemeralStorage",
                    "RuntimeManagementConfig",
                    "PackageType",
                    "ProvisionedConcurrencyConfig",
                    "CapacityProviderConfig.Arn",
                    "CapacityProviderConfig.ExecutionEnvironmentMemoryGiBPerVCpu",
                ],
            ),
            (
                ROLLOUT,
                &[
                    "DeploymentPreference",
                    "AutoPublishAliasAllProperties",
                    "AutoPublishCodeSha256",
                    "VersionDeletionPolicy",
                    "VersionDescription",
                    "Events.*.Properties.OmitName",
                ],
            ),
            (OBSERVED, &["Tracing", "Events.*.Properties.MetricsConfig"]),
            (
                "the role that SAM or the template makes; the policies are what is enforced",
                &[
                    "RolePath",
                    "PermissionsBoundary",
                    "AssumeRolePolicyDocument",
                    "Events.*.Properties.RoleArn",
                    "Events.*.Properties.PermissionsBoundary",
                ],
            ),
            (AT_REST, &["KmsKeyArn"]),
        ],
    },
    Kind {
        name: "AWS::Serverless::HttpApi",
        played: &[
            "StageName",
            "Auth.DefaultAuthorizer",
            "Auth.Authorizers.*.AuthorizerPayloadFormatVersion",
            "Auth.Authorizers.*.EnableSimpleResponses",
            "Auth.Authorizers.*.FunctionArn",
            "Auth.Authorizers.*.Identity.Headers",
            "Auth.Authorizers.*.Identity.QueryStrings",
            "Auth.Authorizers.*.Identity.ReauthorizeEvery",
        ],
        not_played: &[
            (LABELS, &["Description", "Name", "Tags", "PropagateTags"]),
            (
                OBSERVED,
                &[
                    "AccessLogSettings",
                    "DefaultRouteSettings.DetailedMetricsEnabled",
                    "RouteSettings.*.DetailedMetricsEnabled",
                ],
            ),
            (
                "a best-effort shield of the account in front of everything; a test that met it would measure the shield",
                &[
                    "DefaultRouteSettings.ThrottlingBurstLimit",
                    "DefaultRouteSettings.ThrottlingRateLimit",
                    "RouteSettings.*.ThrottlingBurstLimit",
                    "RouteSettings.*.ThrottlingRateLimit",
                ],
            ),
            (
                "who may invoke the authorizer; here only the gateway can",
                &[
                    "Auth.Authorizers.*.EnableFunctionDefaultPermissions",
                    "Auth.Authorizers.*.FunctionInvokeRole",
                    "Auth.Authorizers.*.AuthorizerResultTtlInSeconds",
                ],
            ),
            (ROLLOUT, &["FailOnWarnings", "DisableExecuteApiEndpoint"]),
        ],
    },
    Kind {
        name: "AWS::DynamoDB::Table",
        played: &[
            "AttributeDefinitions",
            "KeySchema",
            "GlobalSecondaryIndexes.IndexName",
            "GlobalSecondaryIndexes.KeySchema",
            "GlobalSecondaryIndexes.Projection",
            "BillingMode",
            "StreamSpecification.StreamViewType",
            "TimeToLiveSpecification.AttributeName",
            "TimeToLiveSpecification.Enabled",
        ],
        not_played: &[
            (LABELS, &["Tags"]),
            (
                AT_REST,
                &["PointInTimeRecoverySpecification", "SSESpecification", "DeletionProtectionEnabled", "TableClass"],
            ),
            (
                OBSERVED,
                &["ContributorInsightsSpecification", "GlobalSecondaryIndexes.ContributorInsightsSpecification"],
            ),
            (
                "a ceiling on the bill; local writes are free",
                &[
                    "OnDemandThroughput",
                    "WarmThroughput",
                    "GlobalSecondaryIndexes.OnDemandThroughput",
                    "GlobalSecondaryIndexes.WarmThroughput",
                ],
            ),
        ],
    },
    Kind {
        name: "AWS::Pipes::Pipe",
        played: &[
            "Source",
            "SourceParameters.FilterCriteria.Filters.Pattern",
            "SourceParameters.DynamoDBStreamParameters",
            "Target",
            "TargetParameters.InputTemplate",
            "TargetParameters.EventBridgeEventBusParameters.DetailType",
            "TargetParameters.EventBridgeEventBusParameters.Source",
            "RoleArn",
            "DesiredState",
        ],
        not_played: &[(LABELS, &["Description", "Name", "Tags"]), (OBSERVED, &["LogConfiguration"])],
    },
    Kind {
        name: "AWS::Events::EventBus",
        played: &["Name"],
        not_played: &[(LABELS, &["Description", "Tags"]), (AT_REST, &["KmsKeyIdentifier"]), (OBSERVED, &["LogConfig"])],
    },
    Kind {
        name: "AWS::Events::Archive",
        played: &["SourceArn", "EventPattern", "RetentionDays"],
        not_played: &[(LABELS, &["Description", "ArchiveName"]), (AT_REST, &["KmsKeyIdentifier"])],
    },
    Kind {
        name: "AWS::Events::Rule",
        played: &[
            "EventBusName",
            "EventPattern",
            "State",
            "Targets.Arn",
            "Targets.Id",
            "Targets.RoleArn",
            "Targets.DeadLetterConfig.Arn",
            "Targets.RetryPolicy",
        ],
        not_played: &[(LABELS, &["Description", "Name", "Tags"])],
    },
    Kind {
        name: "AWS::SQS::Queue",
        played: &[
            "VisibilityTimeout",
            "RedrivePolicy.deadLetterTargetArn",
            "RedrivePolicy.maxReceiveCount",
            "MessageRetentionPeriod",
            "DelaySeconds",
        ],
        not_played: &[
            (LABELS, &["Tags"]),
            (AT_REST, &["SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"]),
            ("readers are woken here, they do not poll", &["ReceiveMessageWaitTimeSeconds"]),
            ("who may redrive; here nobody does", &["RedriveAllowPolicy"]),
            ("EventBridge's own events stay under 256 KB", &["MaximumMessageSize"]),
        ],
    },
    Kind { name: "AWS::SQS::QueuePolicy", played: &["Queues", "PolicyDocument"], not_played: &[] },
    Kind {
        name: "AWS::Events::EventBusPolicy",
        played: &[],
        not_played: &[("one account, no strangers on the bus", &["*"])],
    },
    Kind {
        name: "AWS::IAM::Role",
        played: &["AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns"],
        not_played: &[
            (LABELS, &["Description", "Path", "Tags"]),
            ("an account's own guard rails", &["MaxSessionDuration", "PermissionsBoundary"]),
        ],
    },
    Kind {
        name: "AWS::SecretsManager::Secret",
        played: &[
            "SecretString",
            "GenerateSecretString.SecretStringTemplate",
            "GenerateSecretString.GenerateStringKey",
            "GenerateSecretString.PasswordLength",
            "GenerateSecretString.ExcludeCharacters",
            "GenerateSecretString.ExcludeLowercase",
            "GenerateSecretString.ExcludeNumbers",
            "GenerateSecretString.ExcludePunctuation",
            "GenerateSecretString.ExcludeUppercase",
            "GenerateSecretString.IncludeSpace",
            "GenerateSecretString.RequireEachIncludedType",
        ],
        not_played: &[(LABELS, &["Description", "Name", "Tags"]), (AT_REST, &["KmsKeyId"])],
    },
    Kind {
        name: "AWS::Lambda::Permission",
        played: &["Action", "FunctionName", "Principal", "SourceArn", "SourceAccount"],
        not_played: &[],
    },
    Kind {
        name: "AWS::Logs::LogGroup",
        played: &["LogGroupName"],
        not_played: &[(OBSERVED, &["RetentionInDays", "KmsKeyId", "LogGroupClass", "Tags", "DataProtectionPolicy"])],
    },
    Kind {
        name: "AWS::Logs::MetricFilter",
        played: &[],
        not_played: &[(OBSERVED, &["FilterName", "FilterPattern", "LogGroupName", "MetricTransformations"])],
    },
    Kind {
        name: "AWS::CloudWatch::Alarm",
        played: &[],
        not_played: &[(
            PAGED,
            &[
                "ActionsEnabled",
                "AlarmActions",
                "AlarmDescription",
                "ComparisonOperator",
                "DatapointsToAlarm",
                "Dimensions",
                "EvaluateLowSampleCountPercentile",
                "EvaluationPeriods",
                "ExtendedStatistic",
                "InsufficientDataActions",
                "MetricName",
                "Metrics",
                "Namespace",
                "OKActions",
                "Period",
                "Statistic",
                "Tags",
                "Threshold",
                "ThresholdMetricId",
                "TreatMissingData",
                "Unit",
            ],
        )],
    },
    Kind {
        name: "AWS::SNS::Topic",
        played: &[],
        not_played: &[(PAGED, &["DisplayName", "KmsMasterKeyId", "Subscription", "Tags"])],
    },
    Kind { name: "AWS::SNS::TopicPolicy", played: &[], not_played: &[(PAGED, &["PolicyDocument", "Topics"])] },
];

/// Refuses an unknown type, and an unknown property at any depth.
pub(super) fn check(logical_id: &str, kind: &str, properties: &Value) -> Result<(), TemplateError> {
    let known = KINDS
        .iter()
        .find(|k| k.name == kind)
        .ok_or_else(|| TemplateError::new(logical_id, format!("the local cloud does not play {kind}")))?;
    walk(known, properties, &mut Vec::new()).map_err(|path| {
        TemplateError::new(
            format!("{logical_id}.Properties.{path}"),
            format!("the local cloud does not play this property of {kind}"),
        )
    })
}

fn walk<'a>(kind: &Kind, value: &'a Value, path: &mut Vec<&'a str>) -> Result<(), String> {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                path.push(key);
                match place(kind, path) {
                    Place::Listed => {}
                    Place::Above => walk(kind, inner, path)?,
                    Place::Unknown => return Err(path.join(".")),
                }
                path.pop();
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| walk(kind, item, path)),
        _ => Ok(()),
    }
}

enum Place {
    Listed,
    Above,
    Unknown,
}

fn place(kind: &Kind, path: &[&str]) -> Place {
    let mut place = Place::Unknown;
    for pattern in kind.played.iter().chain(kind.not_played.iter().flat_map(|(_, paths)| paths.iter())) {
        let mut segments = pattern.split('.');
        if path.iter().all(|key| segments.next().is_some_and(|segment| segment == "*" || segment == *key)) {
            if segments.next().is_none() {
                return Place::Listed;
            }
            place = Place::Above;
        }
    }
    place
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_types_and_properties_are_named() {
        let error = check("Q", "AWS::Kinesis::Stream", &json!({})).unwrap_err();
        assert_eq!(error.to_string(), "Q: the local cloud does not play AWS::Kinesis::Stream");
        let error = check("Q", "AWS::SQS::Queue", &json!({"RedrivePolicy": {"maxReceiveCount": 3, "maxReceives": 1}}))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "Q.Properties.RedrivePolicy.maxReceives: the local cloud does not play this property of AWS::SQS::Queue"
        );
        let error = check(
            "F",
            "AWS::Serverless::Function",
            &json!({"Events": {"A": {"Type": "HttpApi", "Properties": {"RouteSettings": {}}}}}),
        )
        .unwrap_err();
        assert!(error.to_string().starts_with("F.Properties.Events.A.Properties.RouteSettings: "), "{error}");
        check("F", "AWS::Serverless::Function", &json!({"Tags": {"a": "b"}, "Environment": {"Variables": {"X": "y"}}}))
            .unwrap();
        check("R", "AWS::Events::Rule", &json!({"Targets": [{"Id": "a", "Arn": "b"}]})).unwrap();
    }

    #[test]
    fn every_property_that_is_not_played_has_a_reason() {
        for kind in KINDS {
            for (reason, paths) in kind.not_played {
                assert!(reason.len() > 20 && !paths.is_empty(), "{}", kind.name);
                assert!(paths.iter().all(|p| !kind.played.contains(p)), "{}: listed twice", kind.name);
            }
        }
    }
}
