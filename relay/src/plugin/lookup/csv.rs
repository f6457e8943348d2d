//! Takes CSV apart as RFC 4180 writes it down, and forgives nothing: half a file is no table.

/// One record and the line that it begins in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) line: usize,
    pub(super) fields: Vec<String>,
}

/// The records of a text.
pub(super) struct Records<'t> {
    rest: &'t str,
    line: usize,
}

impl<'t> Records<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        // Spreadsheets begin their files with it.
        Self { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 }
    }

    /// The next record; empty lines are none.
    ///
    /// # Errors
    /// What is no CSV, with its line.
    pub(super) fn next(&mut self) -> Result<Option<Record>, String> {
        while let Some(rest) = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) {
            self.rest = rest;
            self.line += 1;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let mut record = Record { line: self.line, fields: Vec::new() };
        loop {
            let field = if self.rest.starts_with('"') { self.quoted()? } else { self.plain()? };
            record.fields.push(field);
            match self.rest.strip_prefix(',') {
                Some(rest) => self.rest = rest,
                None => break,
            }
        }
        let ended = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n'));
        match ended {
            Some(rest) => {
                self.rest = rest;
                self.line += 1;
            }
            None if self.rest.is_empty() => {}
            None => {
                return Err(format!("line {}: a quoted value is followed by more than a comma", self.line));
            }
        }
        Ok(Some(record))
    }

    fn plain(&mut self) -> Result<String, String> {
        let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
        let mut field = &self.rest[..end];
        if self.rest[end..].starts_with('\n') {
            field = field.strip_suffix('\r').unwrap_or(field);
        }
        if field.contains('"') {
            return Err(format!("line {}: a quote stands inside a value that is not quoted", self.line));
        }
        self.rest = &self.rest[field.len()..];
        Ok(field.to_owned())
    }

    fn quoted(&mut self) -> Result<String, String> {
        let (start, mut field) = (self.line, String::new());
        self.rest = &self.rest[1..];
        loop {
            let Some(end) = self.rest.find('"') else {
                return Err(format!("line {start}: a quote is never closed"));
            };
            field.push_str(&self.rest[..end]);
            self.line += self.rest[..end].matches('\n').count();
            self.rest = &self.rest[end + 1..];
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    field.push('"');
                    self.rest = rest;
                }
                None => return Ok(field),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
        let (mut records, mut all) = (Records::new(text), Vec::new());
        while let Some(record) = records.next()? {
            all.push((record.line, record.fields));
        }
        Ok(all)
    }

    fn fields(all: &[&str]) -> Vec<String> {
        all.iter().map(|it| (*it).to_owned()).collect()
    }

    #[test]
    fn values_may_be_quoted_and_hold_commas_quotes_and_lines() {
        let text = "\u{feff}id,name\r\n1,\"a, \"\"b\"\"\nc\"\r\n\r\n2,\n\"3\",x";
        let expected = vec![
            (1, fields(&["id", "name"])),
            (2, fields(&["1", "a, \"b\"\nc"])),
            (5, fields(&["2", ""])),
            (6, fields(&["3", "x"])),
        ];
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_csv_is_told_with_its_line() {
        assert_eq!(read("a\n\"b"), Err("line 2: a quote is never closed".to_owned()));
        assert!(read("a\n\"b\"c,d").unwrap_err().starts_with("line 2: a quoted value"));
        assert!(read("a\nb\"c").unwrap_err().starts_with("line 2: a quote stands"));
    }
}
