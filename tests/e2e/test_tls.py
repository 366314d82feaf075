"""quotad on TCP with TLS."""

import datetime
import ipaddress
import socket

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from quota.v1 import quota_pb2

from harness.environment import PATIENCE
from harness.ports import ADDRESS, free_port
from harness.quotad import SERVICE


class Authority:
    """Makes certificates."""

    def __init__(self, directory, name):
        self._directory = directory
        self._key, self._certificate = self._make(name, None)
        self.file = self._write(f"{name}.pem", self._certificate)

    def issue(self, name):
        """The files of a certificate and of its key."""
        key, certificate = self._make(name, self)
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
        key_file = self._directory / f"{name}.key"
        key_file.write_bytes(pem)
        return self._write(f"{name}.pem", certificate), key_file

    def _write(self, name, certificate):
        path = self._directory / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path

    @staticmethod
    def _make(name, issuer):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.utcnow()
        certificate = (
            x509.CertificateBuilder().subject_name(subject)
            .issuer_name(issuer._certificate.subject if issuer else subject)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
            .add_extension(x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(ADDRESS))]), False)
            .sign(issuer._key if issuer else key, hashes.SHA256()))
        return key, certificate


@pytest.fixture(name="authority")
def fixture_authority(stack):
    return Authority(stack.workdir, "ca")


def start(stack, authority, *flags):
    certificate, key = authority.issue("server")
    return stack.quotad(listen=f"{ADDRESS}:{free_port()}",
                        flags=["--tls-cert", certificate, "--tls-key", key, *flags])


def check(quotad, credentials):
    with grpc.secure_channel(quotad.address, credentials) as channel:
        call = channel.unary_unary(SERVICE + "Check",
                                   request_serializer=quota_pb2.CheckRequest.SerializeToString,
                                   response_deserializer=quota_pb2.Verdict.FromString)
        request = quota_pb2.CheckRequest(check={"method": "GET", "path": b"/health"})
        return call(request, timeout=PATIENCE).outcome


def client_credentials(authority, identity=None):
    certificate, key = identity or (None, None)
    return grpc.ssl_channel_credentials(
        authority.file.read_bytes(), key and key.read_bytes(),
        certificate and certificate.read_bytes())


def test_a_client_that_trusts_the_authority_is_answered(stack, authority):
    quotad = start(stack, authority)
    assert check(quotad, client_credentials(authority)) == quota_pb2.EXEMPT


def test_a_client_that_trusts_another_authority_turns_away(stack, authority):
    quotad = start(stack, authority)
    with pytest.raises(grpc.RpcError):
        check(quotad, client_credentials(Authority(stack.workdir, "other")))


def test_plain_text_is_not_answered(stack, authority):
    quotad = start(stack, authority)
    with pytest.raises(grpc.RpcError), grpc.insecure_channel(quotad.address) as channel:
        channel.unary_unary(SERVICE + "Check")(b"", timeout=PATIENCE)


def test_a_client_with_a_certificate_of_the_right_authority_is_let_in(stack, authority):
    quotad = start(stack, authority, "--tls-client-ca", authority.file)
    credentials = client_credentials(authority, authority.issue("client"))
    assert check(quotad, credentials) == quota_pb2.EXEMPT


def test_a_client_without_a_certificate_is_kept_out(stack, authority):
    quotad = start(stack, authority, "--tls-client-ca", authority.file)
    with pytest.raises(grpc.RpcError):
        check(quotad, client_credentials(authority))


def test_a_client_with_a_certificate_of_another_authority_is_kept_out(stack, authority):
    quotad = start(stack, authority, "--tls-client-ca", authority.file)
    stranger = Authority(stack.workdir, "other").issue("stranger")
    with pytest.raises(grpc.RpcError):
        check(quotad, client_credentials(authority, stranger))


@pytest.mark.parametrize("fault", ["missing", "garbage", "of another certificate"])
def test_a_key_that_does_not_fit_is_refused_at_the_start(stack, authority, fault):
    certificate, key = authority.issue("server")
    if fault == "missing":
        key.unlink()
    elif fault == "garbage":
        key.write_text("not a key")
    else:
        key = authority.issue("other")[1]
    quotad = stack.quotad(start=False, listen=f"{ADDRESS}:{free_port()}",
                          flags=["--tls-cert", certificate, "--tls-key", key])
    code, said = quotad.run_to_the_end()
    assert code > 0
    assert {"missing": "tls_key: cannot read", "garbage": "tls_key: ",
            "of another certificate": "is not that of the certificate in"}[fault] in said


def test_a_gateway_that_speaks_plain_text_is_not_served_where_tls_is_wanted(stack, authority):
    quotad = start(stack, authority)
    host, _, port = quotad.address.rpartition(":")
    mark = b"\0\0\6\4\0\0\0\0\0" + b"\xf0\x71\0\0\0\1"
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + mark)
        try:
            answer = connection.recv(1000)
        except ConnectionResetError:
            answer = b""
    assert b"HTTP" not in answer and answer[3:4] != b"\4"  # no SETTINGS
