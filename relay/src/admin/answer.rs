//! How paths of the admin server answer in JSON.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// `value` as the whole answer.
pub(super) fn answer(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// Why nothing was done.
pub(super) fn refusal(status: StatusCode, what: &str) -> Response {
    answer(status, &json!({ "error": what }))
}
