//! Columns of text.

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

/// `rows` below `titles`, columns two spaces apart; the last column is not filled up.
pub(super) fn columns(titles: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let width = |index: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(index)).map(|it| it.chars().count());
        cells.chain([title.chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> =
        titles.iter().enumerate().map(|(index, (title, _))| width(index, title)).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let set = cells.zip(titles).zip(&widths).map(|((cell, (_, align)), width)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        let set: Vec<String> = set.collect();
        set.join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut titles.iter().map(|(title, _)| *title));
    for row in rows {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    text
}

/// The first `most` characters of `text`, with a mark where there are more.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `count` with a comma at each thousand.
pub(super) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `count` and `noun`, in the plural where it is one.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}
