# An HMC of one's own that borrows a partition's VPN: xl2tpd and pppd, set up from what the lab hands out.
#
#   lab run pass-through-vpn --no-path -- bash own-lac.sh
#
# The first server is asked by curl while PPP is up. OWN_COMMANDS are what xl2tpd is told instead of to call.
set -eu
own=/run/own-lac
mkdir -p "$own" /etc/ppp /run/xl2tpd
echo "\"$LAB_CHAP_USER\" * \"${OWN_CHAP_SECRET:-$(cat "$LAB_CHAP_SECRET_FILE")}\" *" > /etc/ppp/chap-secrets
chmod 600 /etc/ppp/chap-secrets
mkfifo "$own/up"
printf '#!/bin/sh\necho up > %s\n' "$own/up" > /etc/ppp/ip-up
chmod 755 /etc/ppp/ip-up
cat > "$own/options" <<END
name "$LAB_CHAP_USER"
noauth
${OWN_PPP:-noipdefault}
mtu $LAB_PPP_MTU
mru $LAB_PPP_MTU
noccp
END
cat > "$own/xl2tpd.conf" <<END
[global]
access control = no
[lac i5]
lns = ${OWN_LNS:-$LAB_PARTITION}
pppoptfile = $own/options
END
touch "$own/l2tp-secrets"
mkdir -p /var/l2tp
xl2tpd -D -c "$own/xl2tpd.conf" -s "$own/l2tp-secrets" -C "$own/control" > "$own/xl2tpd.log" 2>&1 &
l2tp=$!
hang_up() {
  if [ -e /run/ppp0.pid ]; then
    ppp=$(cat /run/ppp0.pid)
    kill "$ppp" && tail --pid="$ppp" -f /dev/null
  fi
  kill $l2tp; wait $l2tp || true
}
trap hang_up EXIT
until [ -p "$own/control" ]; do kill -0 $l2tp; sleep 0.1; done
echo "${OWN_COMMANDS:-c i5}" > "$own/control"
timeout 60 cat "$own/up" > /dev/null
for url in $(echo "$LAB_SERVERS" | tr , ' '); do
  for address in $(getent ahostsv4 "${url#https://}" | cut -d ' ' -f 1 | sort -u); do
    ip route replace "$address" dev ppp0
  done
done
curl -sS --cacert "$LAB_CA_FILE" "$LAB_SERVER"
