# A certificate for $NAMES by the host's own authority, which is made where it is missing.
set -e
umask 077
mkdir -p /etc/greffier/tls/greffier
cd /etc/greffier/tls
if [ ! -e ca.pem ] || [ ! -e ca.key ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 \
        -subj "/CN=Greffier authority of ${NAMES%% *}" -keyout ca.key -out ca.pem
    chmod 644 ca.pem
fi
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=${NAMES%% *}" \
    -keyout greffier/privkey.pem -out request.pem
{ printf 'extendedKeyUsage=serverAuth\nsubjectAltName='; for name in $NAMES; do printf 'DNS:%s,' "$name"; done; } |
    sed 's/,$//' >extensions
openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 90 -extfile extensions \
    -out greffier/fullchain.pem
chmod 644 greffier/fullchain.pem
rm -f request.pem extensions
