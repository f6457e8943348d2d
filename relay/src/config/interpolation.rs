//! `${VAR}`, `${VAR:-default}` and `${VAR:?message}` inside strings; `$${` stands for `${` itself.

use super::Environment;

/// Why a text can't be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InterpolationError {
    /// The variable is not set, or empty where that does not count; with the operator's own message.
    Unset {
        /// Its name.
        variable: String,
        /// What stands behind `:?`.
        message: Option<String>,
    },
    /// A `${` that can't be read, with why.
    Malformed(String),
}

/// `text` with its variables filled in. An empty variable counts as unset for `:-` and `:?`, as in a shell.
pub(super) fn interpolate(text: &str, env: Environment<'_>) -> Result<String, InterpolationError> {
    let mut complete = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(literal) = rest[..at].strip_suffix('$') {
            complete.push_str(literal);
            complete.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        complete.push_str(&rest[..at]);
        let inner = &rest[at + 2..];
        let end = inner
            .find('}')
            .ok_or_else(|| InterpolationError::Malformed("\"${\" is not closed by \"}\"".to_owned()))?;
        complete.push_str(&value_of(&inner[..end], env)?);
        rest = &inner[end + 1..];
    }
    complete.push_str(rest);
    Ok(complete)
}

/// `text` written so that [`interpolate`] gives it back.
pub(super) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

fn value_of(expression: &str, env: Environment<'_>) -> Result<String, InterpolationError> {
    let (variable, rest) =
        expression.split_once(':').map_or((expression, None), |(it, rest)| (it, Some(rest)));
    let is_name = variable.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
        && variable.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    if !is_name {
        return Err(InterpolationError::Malformed(format!("{variable:?} is not the name of a variable")));
    }
    let unset = |message| InterpolationError::Unset { variable: variable.to_owned(), message };
    let filled = env(variable).filter(|it| !it.is_empty());
    match rest.map(|it| it.split_at_checked(1).unwrap_or((it, ""))) {
        None => env(variable).ok_or_else(|| unset(None)),
        Some(("-", default)) => Ok(filled.unwrap_or_else(|| default.to_owned())),
        Some(("?", message)) => filled.ok_or_else(|| unset(Some(message.to_owned()))),
        Some(_) => Err(InterpolationError::Malformed(format!(
            "behind the name {variable} stands neither \":-\" nor \":?\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("db".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_defaults_and_messages_are_filled_in() {
        assert_eq!(interpolate("a ${HOST}:${PORT:-5432}", &env).unwrap(), "a db:5432");
        assert_eq!(interpolate("${EMPTY}${EMPTY:-x}${HOST:?no host}", &env).unwrap(), "xdb");
        assert_eq!(interpolate("$5 $${HOST}", &env).unwrap(), "$5 ${HOST}");
        assert_eq!(interpolate(&escape("a${HOST}b"), &env).unwrap(), "a${HOST}b");
    }

    #[test]
    fn what_is_unset_or_malformed_is_told_apart() {
        let unset = |variable: &str, message: Option<&str>| {
            Err(InterpolationError::Unset {
                variable: variable.to_owned(),
                message: message.map(str::to_owned),
            })
        };
        assert_eq!(interpolate("${PORT}", &env), unset("PORT", None));
        assert_eq!(interpolate("${EMPTY:?the host}", &env), unset("EMPTY", Some("the host")));
        for malformed in ["${", "${HOST", "${}", "${A B}", "${1A}", "${HOST:x}", "${HOST:}"] {
            let error = interpolate(malformed, &env).unwrap_err();
            assert!(matches!(error, InterpolationError::Malformed(_)), "{malformed}: {error:?}");
        }
    }
}
