//! What an error of a Redis means: whether it passes, whose fault it is, and what to do.

use redis::{ErrorKind, RedisError, RetryMethod};

use crate::error::EngineError;

/// Whether an error may be gone in a moment.
pub(super) fn passes(error: &RedisError) -> bool {
    if refusal(error).is_some() {
        return false;
    }
    let again = !matches!(error.retry_method(), RetryMethod::NoRetry);
    again || error.is_timeout() || error.is_io_error() || error.code() == Some("BUSY")
}

/// What the operator has to change, if it is an error of that kind.
fn refusal(error: &RedisError) -> Option<&'static str> {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return Some("the server refuses the user or password");
    }
    if error.is_io_error() && error.to_string().contains("certificate") {
        return Some("the server's certificate is not trusted: name the file of its authority");
    }
    match error.code()? {
        "NOAUTH" | "WRONGPASS" => Some("the server refuses the user or password"),
        "NOPERM" => Some("the user may not do this on the server (its ACL)"),
        "WRONGTYPE" => {
            Some("a key of ours holds what this program did not write: name another database or namespace")
        }
        "CROSSSLOT" => Some("the server is part of a Cluster: write redis+cluster://"),
        _ => None,
    }
}

/// The error in words, without the password.
pub(super) fn explain(tried: &str, error: &RedisError, secret: Option<&str>) -> EngineError {
    let text = without(&error.to_string(), secret);
    match (refusal(error), error.code()) {
        (Some(reason), _) => EngineError::user(tried, format!("{reason} ({text})")),
        (None, Some("OOM")) => {
            EngineError::outside(tried, format!("the server is out of memory, nothing was written ({text})"))
        }
        (None, _) => EngineError::outside(tried, text),
    }
}

/// A text in one line, without the password.
pub(super) fn without(text: &str, secret: Option<&str>) -> String {
    let text = text.replace(['\n', '\r'], " ");
    secret.map_or_else(|| text.clone(), |secret| text.replace(secret, "***"))
}
