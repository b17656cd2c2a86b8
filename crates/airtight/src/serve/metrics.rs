//! Figures of a part, as `GET /metrics` answers them: OpenMetrics text.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use prometheus_client::{encoding::text::encode, registry::Registry};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All figures of the registry, now.
pub fn render(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
