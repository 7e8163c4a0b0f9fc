# Whether the host's certificate is its authority's, has every name, and lasts another 30 days.
set -e
cd /etc/greffier/tls
test -e greffier/privkey.pem
openssl verify -CAfile ca.pem greffier/fullchain.pem >/dev/null
openssl x509 -in greffier/fullchain.pem -noout -checkend 2592000 >/dev/null
known=$(openssl x509 -in greffier/fullchain.pem -noout -ext subjectAltName)
for name in $NAMES; do
    case "$known," in *"DNS:$name,"*) ;; *) exit 1 ;; esac
done
