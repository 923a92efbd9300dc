#!/usr/bin/env bash
# gen-certs.sh [folder]: make the certificates and keys that the tests use (fixtures/certs).
# They are committed: run this only to change them. Needs openssl, nothing else.
#
#   ca.crt .der            who signs all but self-signed
#   server.crt .key        ECDSA; localhost, server.test, 127.0.0.1, ::1
#   server-rsa.crt .key    the same with RSA
#   chain.crt .key         the same, signed by an intermediate, which is in the file
#   expired.crt .key       the same, until 2002
#   future.crt .key        the same, from 2095 on
#   wrong-host.crt .key    wrong.test and nobody else
#   self-signed.crt .key   localhost, 127.0.0.1
#   client.crt .key .der   for servers that ask for one; client-key.der: its key
#   client-encrypted.key   its key, PKCS #8, password "secret"; client-encrypted.der: as DER
#   client-legacy.key      its key as openssl wrote it before PKCS #8, password "secret"
set -euo pipefail

folder=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/fixtures/certs}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"
cd "$work"
touch index.txt
echo 01 >serial

cat >ca.cnf <<'CONF'
[ca]
default_ca = us
[us]
new_certs_dir = .
database = index.txt
serial = serial
default_md = sha256
policy = any
unique_subject = no
email_in_dn = no
[any]
commonName = supplied
[req]
distinguished_name = dn
prompt = no
[dn]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, DNS:server.test, IP:127.0.0.1, IP:::1
[wrong_host]
basicConstraints = CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = DNS:wrong.test
[client]
basicConstraints = CA:FALSE
extendedKeyUsage = clientAuth
CONF

ec_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key"; }
rsa_key() { openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.key" 2>/dev/null; }

# sign NAME EXTENSIONS SIGNER FROM TO: NAME.key gets NAME.crt; SIGNER "self" signs it with itself
sign() {
    local name=$1 extensions=$2 signer=$3 from=$4 to=$5 by=(-selfsign -keyfile "$1.key")
    [ "$signer" = self ] || by=(-cert "$signer.crt" -keyfile "$signer.key")
    openssl req -new -config ca.cnf -key "$name.key" -subj "/CN=$name" -out "$name.csr"
    openssl ca -batch -notext -config ca.cnf -extensions "$extensions" "${by[@]}" \
        -startdate "$from" -enddate "$to" -in "$name.csr" -out "$name.crt" 2>>log ||
        { cat log >&2; exit 1; }
}

from=20200101000000Z
to=20991231235959Z

ec_key ca && sign ca authority self $from $to
ec_key intermediate && sign intermediate authority ca $from $to
ec_key server && sign server server ca $from $to
rsa_key server-rsa && sign server-rsa server ca $from $to
ec_key chain && sign chain server intermediate $from $to
cat intermediate.crt >>chain.crt
ec_key expired && sign expired server ca 20010101000000Z 20020101000000Z
ec_key future && sign future server ca 20950101000000Z $to
ec_key wrong-host && sign wrong-host wrong_host ca $from $to
ec_key self-signed && sign self-signed server self $from $to
ec_key client && sign client client ca $from $to

openssl x509 -in ca.crt -outform DER -out ca.der
openssl x509 -in client.crt -outform DER -out client.der
openssl pkey -in client.key -outform DER -out client-key.der
openssl pkcs8 -topk8 -in client.key -passout pass:secret -out client-encrypted.key
openssl pkcs8 -topk8 -in client.key -passout pass:secret -outform DER -out client-encrypted.der
openssl ec -in client.key -aes128 -passout pass:secret -out client-legacy.key 2>/dev/null

for name in server server-rsa chain expired future wrong-host self-signed client; do
    install -m 644 "$name.crt" "$name.key" "$folder"
done
install -m 644 ca.crt ca.der client.der client-key.der client-encrypted.key client-encrypted.der \
    client-legacy.key "$folder"
