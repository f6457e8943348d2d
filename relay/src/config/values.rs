//! Single values of the file, each read as what its key wants.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::codes;
use super::document::{Document, Spot, Text};
use super::interpolation::{InterpolationError, interpolate};
use super::section::Section;
use super::units::{self, DURATION_FORM, SIZE_FORM};

/// One value and its place.
pub(super) struct Entry<'d> {
    pub(super) document: &'d Document<'d>,
    pub(super) value: &'d DeValue<'d>,
    pub(super) spot: Spot,
}

impl<'d> Entry<'d> {
    pub(super) fn text(&self) -> Option<Text> {
        let DeValue::String(raw) = self.value else { return self.wrong_type("a string") };
        let value = self.fill_in(raw)?;
        Some(Text { value, spot: self.spot.clone() })
    }

    pub(super) fn secret(&self) -> Option<Text> {
        self.document.keep_secret(self.spot.span.clone());
        let text = self.text()?;
        let Some(path) = text.value.strip_prefix("file:") else { return Some(text) };
        let path = self.document.resolve(path);
        match std::fs::read_to_string(&path) {
            Ok(content) => {
                let value = content.strip_suffix('\n').unwrap_or(&content);
                let value = value.strip_suffix('\r').unwrap_or(value).to_owned();
                Some(Text { value, ..text })
            }
            Err(error) => {
                let message = format!("the secret's file {} can't be read: {error}", path.display());
                self.document.error(codes::SECRET_FILE, &self.spot, message, "");
                None
            }
        }
    }

    pub(super) fn texts(&self) -> Vec<Text> {
        let DeValue::Array(items) = self.value else {
            return self.wrong_type("a list of strings").unwrap_or_default();
        };
        let each = |(index, item): (usize, &'d toml::Spanned<DeValue<'d>>)| {
            let path = format!("{}[{index}]", self.spot.path);
            let spot = Spot { span: item.span(), path };
            Entry { document: self.document, value: item.get_ref(), spot }.text()
        };
        items.iter().enumerate().filter_map(each).collect()
    }

    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.with_unit(codes::DURATION, "a duration", DURATION_FORM)?;
        let Some(duration) = units::duration(&text) else {
            return self.wrong(
                codes::DURATION,
                format!("{text:?} is not a duration"),
                DURATION_FORM.to_owned(),
            );
        };
        self.within(duration, &range, units::show_duration)
    }

    pub(super) fn size(&self, range: RangeInclusive<usize>) -> Option<usize> {
        let text = self.with_unit(codes::SIZE, "a size", SIZE_FORM)?;
        let Some(size) = units::size(&text).and_then(|it| usize::try_from(it).ok()) else {
            return self.wrong(codes::SIZE, format!("{text:?} is not a size"), SIZE_FORM.to_owned());
        };
        self.within(size, &range, |it| units::show_size(it as u64))
    }

    pub(super) fn count(&self, range: RangeInclusive<usize>) -> Option<usize> {
        let DeValue::Integer(integer) = self.value else { return self.wrong_type("a whole number") };
        let Ok(number) = i128::from_str_radix(integer.as_str(), integer.radix()) else {
            return self.wrong_type("a whole number");
        };
        match usize::try_from(number) {
            Ok(count) if range.contains(&count) => Some(count),
            _ => self.outside(&number.to_string(), &range, ToString::to_string),
        }
    }

    pub(super) fn section(&self) -> Option<Section<'d>> {
        let DeValue::Table(table) = self.value else { return self.wrong_type("a table") };
        Some(Section::new(self.document, table, self.spot.clone()))
    }

    /// The value as JSON, its strings filled in; dates become strings.
    pub(super) fn json(&self) -> Option<serde_json::Value> {
        let nested = |value: &'d toml::Spanned<DeValue<'d>>, path: String| {
            let spot = Spot { span: value.span(), path };
            Entry { document: self.document, value: value.get_ref(), spot }.json()
        };
        Some(match self.value {
            DeValue::String(raw) => self.fill_in(raw)?.into(),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(integer) => integer.into(),
                Err(_) => return self.wrong_type("a whole number of at most 64 bits"),
            },
            DeValue::Float(float) => match float.as_str().parse::<f64>().ok().filter(|it| it.is_finite()) {
                Some(float) => float.into(),
                None => return self.wrong_type("a finite number"),
            },
            DeValue::Boolean(flag) => (*flag).into(),
            DeValue::Datetime(time) => time.to_string().into(),
            DeValue::Array(items) => {
                let each = |(index, item)| nested(item, format!("{}[{index}]", self.spot.path));
                items.iter().enumerate().filter_map(each).collect::<Vec<_>>().into()
            }
            DeValue::Table(table) => {
                let each = |(key, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, _)| {
                    let name = key.get_ref().to_string();
                    nested(value, format!("{}.{name}", self.spot.path)).map(|it| (name, it))
                };
                serde_json::Value::Object(table.iter().filter_map(each).collect())
            }
        })
    }

    /// Says what the value should be; the answer is always `None`.
    pub(super) fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        let message = format!("{:?} takes {wanted}, not {}", self.spot.path, kind_of(self.value));
        self.wrong(codes::WRONG_TYPE, message, String::new())
    }

    fn wrong<T>(&self, code: &'static str, message: String, allowed: String) -> Option<T> {
        self.document.error(code, &self.spot, message, allowed);
        None
    }

    /// A string; a bare number gets told about units instead of types.
    fn with_unit(&self, code: &'static str, what: &str, form: &str) -> Option<String> {
        match self.value {
            DeValue::Integer(number) => {
                self.wrong(code, format!("{number} is not {what}: it has no unit"), form.to_owned())
            }
            DeValue::Float(number) => {
                self.wrong(code, format!("{number} is not {what}: it has no unit"), form.to_owned())
            }
            _ => self.text().map(|it| it.value),
        }
    }

    fn within<T: PartialOrd + Copy>(
        &self,
        value: T,
        range: &RangeInclusive<T>,
        show: impl Fn(T) -> String,
    ) -> Option<T> {
        if range.contains(&value) {
            return Some(value);
        }
        self.outside(&show(value), range, |it| show(*it))
    }

    fn outside<T, U>(
        &self,
        value: &str,
        range: &RangeInclusive<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<U> {
        let allowed = format!("allowed: {} to {}", show(range.start()), show(range.end()));
        self.wrong(
            codes::OUT_OF_RANGE,
            format!("{value} is outside what {:?} takes", self.spot.path),
            allowed,
        )
    }

    fn fill_in(&self, raw: &str) -> Option<String> {
        match interpolate(raw, self.document.env) {
            Ok(complete) => Some(complete),
            Err(InterpolationError::Unset { variable, message }) => {
                let message =
                    message.filter(|it| !it.is_empty()).map(|it| format!(": {it}")).unwrap_or_default();
                let allowed = format!("set {variable}, or give a default as ${{{variable}:-default}}");
                self.wrong(
                    codes::VARIABLE_UNSET,
                    format!("the variable {variable} is not set{message}"),
                    allowed,
                )
            }
            Err(InterpolationError::Malformed(why)) => {
                let allowed = "allowed: ${VAR}, ${VAR:-default}, ${VAR:?message}; $${ stands for ${ itself";
                self.wrong(codes::INTERPOLATION, why, allowed.to_owned())
            }
        }
    }
}

/// What is allowed, and which of it was probably meant.
pub(super) fn allowed_words(word: &str, allowed: &[&str]) -> String {
    format!("allowed: {}{}", allowed.join(", "), did_you_mean(word, allowed))
}

/// `; did you mean "…"?` where one of `options` is close to `word`, otherwise nothing.
pub(super) fn did_you_mean(word: &str, options: &[&str]) -> String {
    // A third of the letters may differ: "kafak" finds "kafka", and a short name does not find every other one.
    let most = (word.chars().count() / 3).max(1);
    let near = options
        .iter()
        .map(|it| (strsim::osa_distance(word, it), it))
        .filter(|(distance, _)| *distance <= most)
        .min();
    near.map(|(_, it)| format!("; did you mean {it:?}?")).unwrap_or_default()
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
