//! Schedules of functions: `rate(…)` and `cron(…)`, in UTC.

mod cron;

use std::time::Duration;

use serde_json::{Value, json};

use crate::data_error::DataError;
use crate::events::{Failure, Plane, function_events, id_of, now_text, number};
use crate::policy::{ACCOUNT, REGION};
use crate::template::Template;
use cron::Cron;

/// How often an asynchronous invocation is tried again if the template does not say.
const RETRIES: u64 = 2;
/// The wait before a retry. On AWS it is a minute.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// One schedule of one function.
#[derive(Clone)]
pub(crate) struct Schedule {
    pub(crate) function: String,
    name: String,
    when: When,
    input: Option<Value>,
    /// Made by `EventBridge` Scheduler, not by a rule.
    scheduler: bool,
    retries: u64,
    /// The queue that takes what could not be delivered.
    pub(crate) dead_letters: Option<String>,
}

#[derive(Clone)]
enum When {
    Every(Duration),
    Cron(Cron),
}

/// The schedules of a template's functions.
pub(crate) fn read(template: &Template) -> Result<Vec<Schedule>, DataError> {
    function_events(template, &["Schedule", "ScheduleV2"])
        .filter(|(_, _, _, properties)| properties.get("State").and_then(Value::as_str) != Some("DISABLED"))
        .map(|(function, name, kind, properties)| {
            let wrong = |reason: String| DataError::template(function, format!("{name}: {reason}"));
            let text = |name: &str| properties.get(name).and_then(Value::as_str);
            if text("ScheduleExpressionTimezone").is_some_and(|zone| zone != "UTC") {
                return Err(wrong("only the time zone UTC is played".to_owned()));
            }
            let expression = text("ScheduleExpression").or_else(|| text("Schedule")).unwrap_or_default();
            let input = text("Input")
                .map(|input| serde_json::from_str(input).map_err(|error| wrong(format!("Input is not JSON: {error}"))))
                .transpose()?;
            Ok(Schedule {
                function: function.to_owned(),
                name: name.to_owned(),
                when: when(expression).map_err(wrong)?,
                input,
                scheduler: kind == "ScheduleV2",
                retries: properties
                    .get("RetryPolicy")
                    .and_then(|policy| number(policy, "MaximumRetryAttempts"))
                    .unwrap_or(RETRIES),
                dead_letters: properties
                    .pointer("/DeadLetterConfig/Arn")
                    .and_then(Value::as_str)
                    .map(|arn| id_of(arn).to_owned()),
            })
        })
        .collect()
}

fn when(expression: &str) -> Result<When, String> {
    let wrong = || format!("{expression} is not played: rate(n unit) or cron(…)");
    let inner = |name: &str| expression.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(rate) = inner("rate") {
        let (count, unit) = rate.split_once(' ').ok_or_else(wrong)?;
        let seconds = match unit.trim_end_matches('s') {
            "minute" => 60,
            "hour" => 3600,
            "day" => 24 * 3600,
            _ => return Err(wrong()),
        };
        let count: u64 = count.parse().map_err(|_| wrong())?;
        return if count == 0 {
            Err(wrong())
        } else {
            Ok(When::Every(Duration::from_secs(count.saturating_mul(seconds))))
        };
    }
    inner("cron").ok_or_else(wrong).and_then(Cron::parse).map(When::Cron)
}

impl Schedule {
    /// Fires for as long as the cloud runs, the first time after one interval.
    pub(crate) async fn run(self, plane: Plane) {
        loop {
            match &self.when {
                When::Every(interval) => tokio::time::sleep(*interval).await,
                When::Cron(cron) => {
                    let next_minute = 60_000 - u64::try_from(crate::dynamodb::now_ms().rem_euclid(60_000)).unwrap_or(0);
                    tokio::time::sleep(Duration::from_millis(next_minute)).await;
                    if !cron.matches(&jiff::Timestamp::now()) {
                        continue;
                    }
                }
            }
            if let Err(failure) = self.fire(&plane).await {
                tracing::error!(function = self.function, schedule = self.name, %failure, "a scheduled invocation failed");
            }
        }
    }

    /// Invokes the function now, with retries.
    pub(crate) async fn fire(&self, plane: &Plane) -> Result<(), Failure> {
        let payload = self.payload();
        let mut attempt = 0;
        loop {
            let Err(failure) = plane.invoker.invoke(&self.function, &payload).await else { return Ok(()) };
            if attempt == self.retries {
                if let Some(queue) = &self.dead_letters {
                    plane
                        .queues
                        .post(queue, &payload.to_string())
                        .map_err(|error| Failure::Failed(error.to_string()))?;
                }
                return Err(failure);
            }
            attempt += 1;
            tokio::time::sleep(plane.faults.redelivery_after().unwrap_or(RETRY_AFTER)).await;
        }
    }

    fn payload(&self) -> Value {
        let name = format!("{}{}", self.function, self.name);
        let (source, arn) = if self.scheduler {
            ("aws.scheduler", format!("arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{name}"))
        } else {
            ("aws.events", format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{name}"))
        };
        self.input.clone().unwrap_or_else(|| {
            json!({
                "version": "0",
                "id": uuid::Uuid::new_v4().to_string(),
                "detail-type": "Scheduled Event",
                "source": source,
                "account": ACCOUNT,
                "time": now_text(),
                "region": REGION,
                "resources": [arn],
                "detail": if self.scheduler { json!("{}") } else { json!({}) },
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        assert!(matches!(when("rate(5 minutes)"), Ok(When::Every(every)) if every == Duration::from_mins(5)));
        assert!(matches!(when("rate(1 day)"), Ok(When::Every(every)) if every == Duration::from_hours(24)));
        for wrong in ["rate(0 minutes)", "rate(5 weeks)", "rate(5)", "every(5 minutes)", "at(2026-01-01T00:00:00)"] {
            assert!(when(wrong).is_err(), "{wrong}");
        }
    }
}
