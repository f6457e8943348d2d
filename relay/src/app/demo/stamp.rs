//! Another build of a component: the same code under another digest.

/// Appends a custom section that says `words`, which every WebAssembly reader skips.
///
/// Format: section id 0, then the length of what follows, the length of the name, the name, the bytes; lengths
/// are LEB128.
pub(super) fn stamp(component: &[u8], words: &str) -> Vec<u8> {
    const NAME: &[u8] = b"relay-demo";
    let mut section = Vec::new();
    leb128(NAME.len(), &mut section);
    section.extend_from_slice(NAME);
    section.extend_from_slice(words.as_bytes());
    let mut stamped = component.to_vec();
    stamped.push(0);
    leb128(section.len(), &mut stamped);
    stamped.extend_from_slice(&section);
    stamped
}

fn leb128(mut value: usize, into: &mut Vec<u8>) {
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        into.push(if value == 0 { byte } else { byte | 0x80 });
        if value == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_in_groups_of_seven_bits() {
        let mut bytes = Vec::new();
        leb128(300, &mut bytes);
        assert_eq!(bytes, [0xac, 0x02]);
    }

    #[test]
    fn a_stamp_follows_the_component() {
        assert_eq!(stamp(b"\0asm", "2"), b"\0asm\0\x0c\x0arelay-demo2");
    }
}
