"""What an error of a connection is called."""

import ssl

from collectors.net.web_fault import stream_fault


def test_reasons_of_tls_errors_become_causes():
    def of(reason):
        error = ssl.SSLError(1, "words")
        error.reason = reason
        return stream_fault(error, "192.0.2.1", "now").cause

    assert of("TLSV1_ALERT_PROTOCOL_VERSION") == "old_version"
    assert of("UNSUPPORTED_PROTOCOL") == "old_version"
    assert of("SSLV3_ALERT_HANDSHAKE_FAILURE") == "alert"
    assert of("TLSV1_ALERT_DECODE_ERROR") == "handshake"
    assert of(None) == "handshake"
