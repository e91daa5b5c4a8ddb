# A VPN client of one's own: strongSwan, xl2tpd and pppd, set up from what the lab hands out.
#
#   lab run vpn-nat --no-path -- bash own-vpn.sh [COMMAND...]
#
# COMMAND runs while the tunnel is up; without one, the first server is asked by curl.
set -eu
gateway=${OWN_GATEWAY:-${LAB_GATEWAYS%%,*}}
own=/run/own-vpn
ppp=${OWN_PPP:-ppp0}  # ppp1 in a call, whose own PPP is ppp0
mkdir -p "$own" /etc/ppp

# IPsec: charon with its vici socket, and one connection.
cat > "$own/strongswan.conf" <<END
charon-systemd {
  load = nonce openssl md5 sha1 kernel-netlink socket-default vici
  install_routes = no
  plugins {
    vici {
      socket = unix://$own/vici
    }
  }
}
swanctl {
  load = nonce openssl
}
END
cat > "$own/swanctl.conf" <<END
connections {
  ibm {
    version = $LAB_IKE_VERSION
    proposals = ${OWN_IKE_PROPOSAL:-$LAB_IKE_PROPOSAL}
    remote_addrs = $gateway
    local {
      auth = psk
      id = $LAB_IDENTITY
    }
    remote {
      auth = psk
      id = $gateway
    }
    children {
      l2tp {
        esp_proposals = ${OWN_ESP_PROPOSAL:-$LAB_ESP_PROPOSAL}
        mode = ${OWN_MODE:-tunnel}
        local_ts = dynamic[17/1701]
        remote_ts = dynamic[17/1701]
        rekey_time = 34m
        rand_time = 4m
      }
    }
  }
}
secrets {
  ike-ibm {
    secret = "${OWN_PSK:-$(cat "$LAB_PSK_FILE")}"
  }
}
END
export STRONGSWAN_CONF=$own/strongswan.conf
charon-systemd > "$own/charon.log" 2>&1 &
charon=$!
trap 'kill $charon; wait || true' EXIT
swanctl() { command swanctl "$@" --uri "unix://$own/vici"; }
until [ -S "$own/vici" ]; do kill -0 $charon; sleep 0.1; done
swanctl --load-all --file "$own/swanctl.conf" > "$own/loaded" 2>&1 || cat "$own/loaded"
swanctl --initiate --child l2tp --timeout 60
[ -z "${OWN_IPSEC_ONLY:-}" ] || { sleep 1; exit 0; }

# L2TP and PPP: one call, one session. ip-up says when PPP is up. The address is the gateway's to give: without
# noipdefault pppd asks for the one that the host's name has.
echo "\"$LAB_CHAP_USER\" * \"${OWN_CHAP_SECRET:-$(cat "$LAB_CHAP_SECRET_FILE")}\" *" > /etc/ppp/chap-secrets
chmod 600 /etc/ppp/chap-secrets
mkfifo "$own/up"
printf '#!/bin/sh\necho up > %s\n' "$own/up" > /etc/ppp/ip-up
chmod 755 /etc/ppp/ip-up
cat > "$own/options" <<END
name "$LAB_CHAP_USER"
noauth
noipdefault
refuse-eap
refuse-pap
refuse-mschap
refuse-mschap-v2
mtu $LAB_PPP_MTU
mru $LAB_PPP_MTU
noccp
END
cat > "$own/xl2tpd.conf" <<END
[global]
listen-addr = $(ip -o route get "$gateway" | sed 's/.* src \([0-9.]*\).*/\1/')
[lac ibm]
lns = $gateway
autodial = yes
pppoptfile = $own/options
END
mkdir -p /run/xl2tpd
touch "$own/l2tp-secrets"
xl2tpd -D -c "$own/xl2tpd.conf" -s "$own/l2tp-secrets" > "$own/xl2tpd.log" 2>&1 &
l2tp=$!
hang_up() {
  if [ -e "/run/$ppp.pid" ]; then
    pppd=$(cat "/run/$ppp.pid")
    kill "$pppd" && tail --pid="$pppd" -f /dev/null
  fi
  kill $l2tp; wait $l2tp || true
  kill $charon; wait || true
}
trap hang_up EXIT
timeout 60 cat "$own/up" > /dev/null

# IBM's servers are behind PPP.
for url in $(echo "$LAB_SERVERS" | tr , ' '); do
  for address in $(getent ahostsv4 "${url#https://}" | cut -d ' ' -f 1 | sort -u); do
    ip route replace "$address" dev "$ppp"
  done
done
if [ $# -gt 0 ]; then "$@"; else curl -sS --cacert "$LAB_CA_FILE" "$LAB_SERVER"; fi
