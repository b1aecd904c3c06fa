//! The API proper: forecasts, stations, observations.

use std::sync::{Arc, PoisonError};

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::Shared;

/// City, latitude and longitude in thousandths of a degree, of every station.
const STATIONS: [(&str, &str, i32, i32); 6] = [
    ("bergen-florida", "bergen", 60_383, 5_333),
    ("cairo-airport", "cairo", 30_122, 31_406),
    ("lima-callao", "lima", -12_022, -77_114),
    ("oslo-blindern", "oslo", 59_942, 10_721),
    ("oslo-hovin", "oslo", 59_923, 10_791),
    ("quito-inamhi", "quito", -178, -78_487),
];
const PAGE_SIZE_MAX: usize = 50;
const DAYS_MAX: u8 = 14;

/// What a station has seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Observation {
    station: String,
    observed_at: String,
    temperature_celsius: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wind_metres_per_second: Option<f64>,
}

#[derive(Serialize)]
struct Recorded {
    id: usize,
    #[serde(flatten)]
    observation: Observation,
}

#[derive(Serialize)]
struct Station {
    id: &'static str,
    city: &'static str,
    latitude: f64,
    longitude: f64,
}

#[derive(Deserialize)]
pub(crate) struct ForecastQuery {
    days: Option<u8>,
    units: Option<Units>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Units {
    Celsius,
    Fahrenheit,
}

#[derive(Deserialize)]
pub(crate) struct PageQuery {
    city: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Forecast {
    city: String,
    units: Units,
    days: Vec<Outlook>,
}

#[derive(Serialize)]
struct Outlook {
    day: u8,
    high: i32,
    low: i32,
    sky: &'static str,
}

pub(crate) async fn forecast(Path(city): Path<String>, Query(query): Query<ForecastQuery>) -> Response {
    let city = city.to_lowercase();
    if !STATIONS.iter().any(|(_, known, ..)| *known == city) {
        return problem(StatusCode::NOT_FOUND, "No station of ours stands in this city.");
    }
    let count = query.days.unwrap_or(3);
    if count == 0 || count > DAYS_MAX {
        return problem(StatusCode::BAD_REQUEST, "days must be from 1 to 14.");
    }
    let units = query.units.unwrap_or(Units::Celsius);
    let days = (0..count).map(|day| weather_of(&city, day, units)).collect();
    Json(Forecast { city, units, days }).into_response()
}

/// The same city and day always have the same weather: no clock, no chance.
fn weather_of(city: &str, day: u8, units: Units) -> Outlook {
    let seed = city.bytes().fold(i32::from(day) * 7, |sum, byte| (sum * 31 + i32::from(byte)) % 9_973);
    let high = seed % 28;
    let low = high - 3 - seed % 6;
    let sky = match seed % 4 {
        0 => "clear",
        1 => "clouds",
        2 => "rain",
        _ => "snow",
    };
    let scale = |celsius: i32| match units {
        Units::Celsius => celsius,
        Units::Fahrenheit => celsius * 9 / 5 + 32,
    };
    Outlook { day, high: scale(high), low: scale(low), sky }
}

pub(crate) async fn stations(Query(query): Query<PageQuery>) -> Response {
    let limit = query.limit.unwrap_or(PAGE_SIZE_MAX);
    if limit == 0 || limit > PAGE_SIZE_MAX {
        return problem(StatusCode::BAD_REQUEST, "limit must be from 1 to 50.");
    }
    let found: Vec<Station> = STATIONS
        .iter()
        .filter(|(id, city, ..)| {
            query.city.as_deref().is_none_or(|wanted| wanted == *city)
                && query.after.as_deref().is_none_or(|after| *id > after)
        })
        .take(limit)
        .map(present)
        .collect();
    Json(serde_json::json!({ "stations": found })).into_response()
}

pub(crate) async fn station(Path(station): Path<String>) -> Response {
    match STATIONS.iter().find(|(id, ..)| *id == station) {
        Some(found) => Json(present(found)).into_response(),
        None => problem(StatusCode::NOT_FOUND, "There is no such station."),
    }
}

fn present((id, city, latitude, longitude): &(&'static str, &'static str, i32, i32)) -> Station {
    Station { id, city, latitude: f64::from(*latitude) / 1_000.0, longitude: f64::from(*longitude) / 1_000.0 }
}

pub(crate) async fn observe(State(shared): State<Arc<Shared>>, Json(observation): Json<Observation>) -> Response {
    if !STATIONS.iter().any(|(id, ..)| *id == observation.station) {
        return problem(StatusCode::UNPROCESSABLE_ENTITY, "There is no such station.");
    }
    let mut observations = shared.observations.lock().unwrap_or_else(PoisonError::into_inner);
    observations.push(observation.clone());
    let id = observations.len();
    (StatusCode::CREATED, Json(Recorded { id, observation })).into_response()
}

pub(crate) async fn observations(State(shared): State<Arc<Shared>>) -> Response {
    let observations = shared.observations.lock().unwrap_or_else(PoisonError::into_inner);
    let found: Vec<Recorded> = observations
        .iter()
        .enumerate()
        .map(|(index, observation)| Recorded { id: index + 1, observation: observation.clone() })
        .collect();
    Json(serde_json::json!({ "observations": found })).into_response()
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let body = serde_json::json!({ "status": status.as_u16(), "title": status.canonical_reason(), "detail": detail });
    (status, [("content-type", "application/problem+json")], body.to_string()).into_response()
}
