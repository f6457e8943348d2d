//! The headers column: a JSON object, read without an allocation per row.

use std::fmt::{self, Write};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Headers of one row at a time. The buffers stay from row to row.
#[derive(Debug, Default)]
pub(super) struct Headers {
    text: String,
    ends: Vec<(usize, usize)>,
}

/// Rows rarely hold more headers than this; more go through the heap.
const ON_STACK: usize = 16;

impl Headers {
    /// Reads `json` and hands its members to `then`, in order.
    ///
    /// Strings come as they are, numbers and booleans as their text, objects and arrays as JSON; a null is
    /// left out. What is not a JSON object comes whole, as one header called `column`, so that nothing an
    /// application wrote is lost in silence.
    pub(super) fn read<R>(
        &mut self,
        column: &str,
        json: Option<&[u8]>,
        then: impl FnOnce(&[(&str, &[u8])]) -> R,
    ) -> R {
        self.text.clear();
        self.ends.clear();
        let Some(json) = json else { return then(&[]) };
        if serde_json::Deserializer::from_slice(json).deserialize_any(Members(self)).is_err() {
            return then(&[(column, json)]);
        }
        let mut stack = [("", &b""[..]); ON_STACK];
        match stack.get_mut(..self.ends.len()) {
            Some(headers) => {
                headers.iter_mut().zip(self.iter()).for_each(|(header, member)| *header = member);
                then(headers)
            }
            None => then(&self.iter().collect::<Vec<_>>()),
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|(_, end)| *end));
        starts
            .zip(&self.ends)
            .map(|(start, (middle, end))| (&self.text[start..*middle], &self.text.as_bytes()[*middle..*end]))
    }
}

struct Members<'a>(&'a mut Headers);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        loop {
            let start = self.0.text.len();
            if members.next_key_seed(Text(&mut self.0.text))?.is_none() {
                return Ok(());
            }
            let middle = self.0.text.len();
            if members.next_value_seed(Text(&mut self.0.text))? {
                self.0.ends.push((middle, self.0.text.len()));
            } else {
                self.0.text.truncate(start);
            }
        }
    }
}

/// Appends a JSON value as text; answers whether there was anything but null.
struct Text<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Text<'_> {
    fn push<E: serde::de::Error>(self, value: impl fmt::Display) -> Result<bool, E> {
        write!(self.0, "{value}").map_err(E::custom)?;
        Ok(true)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<bool, E> {
        self.0.push_str(value);
        Ok(true)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<bool, E> {
        self.push(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<bool, E> {
        self.push(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<bool, E> {
        self.push(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<bool, E> {
        self.push(value)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        let map = serde::de::value::MapAccessDeserializer::new(map);
        self.push(<serde_json::Value as serde::Deserialize>::deserialize(map)?)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<bool, A::Error> {
        let sequence = serde::de::value::SeqAccessDeserializer::new(sequence);
        self.push(<serde_json::Value as serde::Deserialize>::deserialize(sequence)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Vec<(String, String)> {
        Headers::default().read("headers", Some(json.as_bytes()), |headers| {
            headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), String::from_utf8_lossy(value).into_owned()))
                .collect()
        })
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn members_come_in_order_and_nulls_are_left_out() {
        let json = r#"{"a":"x\n","b":null,"n":-7,"t":true,"f":1.5,"o":{"k":[1]},"e":"","l":[1,"z"]}"#;
        let expected = [
            ("a", "x\n"),
            ("n", "-7"),
            ("t", "true"),
            ("f", "1.5"),
            ("o", r#"{"k":[1]}"#),
            ("e", ""),
            ("l", r#"[1,"z"]"#),
        ];
        assert_eq!(read(json), pairs(&expected));
        assert_eq!(read("{}"), []);
    }

    #[test]
    fn what_is_no_object_comes_whole() {
        for json in ["[1]", "7", "not json", "{\"a\":"] {
            assert_eq!(read(json), pairs(&[("headers", json)]));
        }
    }

    #[test]
    fn more_headers_than_fit_on_the_stack_are_all_there() {
        let json: String = (0..40).map(|i| format!("\"h{i}\":{i},")).collect();
        let headers = read(&format!("{{{}}}", json.trim_end_matches(',')));
        assert_eq!(headers.len(), 40);
        assert_eq!(headers[39], ("h39".to_owned(), "39".to_owned()));
    }
}
