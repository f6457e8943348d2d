//! Cases that travel inside of the component they are about, in custom sections that every reader skips.

use super::{CaseError, Suite};

/// What the names of such sections start with; the file's name follows.
const SECTION: &str = "relay:cases/";

/// How every component starts: magic, version and layer.
const PREAMBLE: usize = 8;

/// `component` with these files of cases in it, each a name and a text.
#[must_use]
pub fn with_cases(component: &[u8], files: &[(String, String)]) -> Vec<u8> {
    let mut bytes = component.to_vec();
    for (name, text) in files {
        let mut content = Vec::new();
        let name = format!("{SECTION}{name}");
        write_length(name.len(), &mut content);
        content.extend_from_slice(name.as_bytes());
        content.extend_from_slice(text.as_bytes());
        bytes.push(0);
        write_length(content.len(), &mut bytes);
        bytes.extend_from_slice(&content);
    }
    bytes
}

/// The cases that `component` carries; none where it was built without.
///
/// # Errors
/// When a file in it is no file of cases. A damaged component has no sections that could be read, and is refused
/// elsewhere.
pub fn carried(component: &[u8]) -> Result<Vec<Suite>, CaseError> {
    let mut suites = Vec::new();
    let mut rest = component.get(PREAMBLE..).unwrap_or_default();
    while let Some((kind, content, after)) = section(rest) {
        rest = after;
        let Some((name, text)) = (kind == 0).then(|| named(content)).flatten() else { continue };
        let Some(file) = name.strip_prefix(SECTION) else { continue };
        let text = std::str::from_utf8(text).map_err(|error| CaseError {
            file: file.to_owned(),
            what: format!("in the component is no text: {error}"),
        })?;
        suites.push(Suite::parse(file, text)?);
    }
    Ok(suites)
}

/// Kind and content of the first section, and what follows it.
fn section(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (length, rest) = read_length(rest)?;
    let (content, after) = rest.split_at_checked(length)?;
    Some((kind, content, after))
}

fn named(content: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = read_length(content)?;
    let (name, data) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(name).ok()?, data))
}

/// Unsigned LEB128 of at most 32 bits.
fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, &bytes[index + 1..]));
        }
    }
    None
}

fn write_length(mut length: usize, into: &mut Vec<u8>) {
    loop {
        let byte = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        if length == 0 {
            into.push(byte);
            return;
        }
        into.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::host::PluginHost;
    use crate::plugin::host::testing::obedient;

    fn text(reason: &str) -> String {
        let event = "{ aggregate_type = \"o\", aggregate_id = \"1\", type = \"t\" }";
        format!("[[case]]\nname = \"a\"\nevent = {event}\ndiscard = {reason:?}\n")
    }

    #[test]
    fn cases_come_out_of_a_component_as_they_went_in_and_it_still_loads() {
        // Over 128 bytes the length takes two bytes, over 16 KiB three.
        for length in [1, 200, 20_000] {
            let reason = "x".repeat(length);
            let files = [("a.toml".to_owned(), text(&reason)), ("b.toml".to_owned(), text("b"))];
            let bytes = with_cases(&obedient(), &files);
            let suites = carried(&bytes).unwrap();
            assert_eq!(suites[0], Suite::parse("a.toml", &files[0].1).unwrap());
            assert_eq!(suites[1].file, "b.toml");
            PluginHost::new().unwrap().describe("test", &bytes).unwrap();
        }
    }

    #[test]
    fn a_component_without_cases_has_none_and_broken_ones_are_named() {
        assert_eq!(carried(&obedient()).unwrap(), []);
        assert_eq!(carried(b"").unwrap(), []);
        let broken = with_cases(&obedient(), &[("a.toml".to_owned(), "[[case]]".to_owned())]);
        assert!(carried(&broken).unwrap_err().to_string().starts_with("a.toml: "));
        let cut = &broken[..broken.len() - 3];
        assert_eq!(carried(cut).unwrap(), []);
    }
}
