//! Signatures of Standard Webhooks: HMAC-SHA256, version 1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The value of `webhook-signature`: one signature per secret, so that receivers can change over to a new one.
/// `None` without secrets.
pub(super) fn sign(secrets: &[Vec<u8>], id: &str, timestamp: &str, body: &[u8]) -> Option<String> {
    let signatures = secrets.iter().filter_map(|secret| {
        // HMAC takes keys of any length, so no secret is ever left out.
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    });
    let value = signatures.collect::<Vec<_>>().join(" ");
    (!value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_comes_out_as_printed_there() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let value = sign(
            std::slice::from_ref(&secret),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(value.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        let two = sign(&[secret, b"other".to_vec()], "a", "1", b"").unwrap();
        assert_eq!(two.split(' ').count(), 2);
        assert_eq!(sign(&[], "a", "1", b""), None);
    }
}
