# A VPN gateway of one's own: strongSwan, xl2tpd and pppd, set up from what the lab hands out.
#
#   vpn1: { role: vpn-gateway, run: [sh, my-gateway.sh] }
set -eu
own=/run/my-gateway
mkdir -p "$own" /etc/ppp /run/xl2tpd

# IPsec: charon with its vici socket, and one connection, for whoever has the key.
cat > "$own/strongswan.conf" <<CONF
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
CONF
cat > "$own/swanctl.conf" <<CONF
connections {
  customers {
    version = $LAB_IKE_VERSION
    proposals = $LAB_IKE_PROPOSAL
    local_addrs = $LAB_ADDRESSES
    local {
      auth = psk
      id = $LAB_IDENTITY
    }
    remote {
      auth = psk
    }
    children {
      l2tp {
        esp_proposals = $LAB_ESP_PROPOSAL
        mode = $LAB_IPSEC_MODE
        local_ts = dynamic[17/1701]
        remote_ts = 0.0.0.0/0[17/1701]
        rekey_time = 0
        rand_time = 0
        life_time = 2h
      }
    }
  }
}
secrets {
  ike-customers {
    secret = "${OWN_PSK:-$(cat "$LAB_PSK_FILE")}"
  }
}
CONF
export STRONGSWAN_CONF=$own/strongswan.conf
charon-systemd > "$LAB_RUN_DIR/logs/$LAB_NODE/my-charon.log" 2>&1 &
charon=$!
l2tp=
trap 'kill $charon $l2tp; wait; exit' TERM
until [ -S "$own/vici" ]; do kill -0 $charon; sleep 0.1; done
swanctl --load-all --file "$own/swanctl.conf" --uri "unix://$own/vici"

# L2TP and PPP.
cp "$LAB_CHAP_SECRETS_FILE" /etc/ppp/chap-secrets
chmod 600 /etc/ppp/chap-secrets
cat > "$own/options" <<CONF
name "$LAB_HOSTNAME"
auth
require-chap
refuse-pap
refuse-eap
refuse-mschap
refuse-mschap-v2
mtu $LAB_PPP_MTU
mru $LAB_PPP_MTU
noccp
novj
noipv6
nodefaultroute
noproxyarp
CONF
cat > "$own/xl2tpd.conf" <<CONF
[global]
listen-addr = $LAB_ADDRESSES
[lns default]
ip range = $LAB_PPP_POOL
local ip = $LAB_PPP_ADDRESS
require authentication = yes
length bit = yes
pppoptfile = $own/options
CONF
touch "$own/l2tp-secrets"
xl2tpd -D -c "$own/xl2tpd.conf" -s "$own/l2tp-secrets" &
l2tp=$!
wait $l2tp
