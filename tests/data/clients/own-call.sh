# A dialler of one's own, and in the call the VPN client of own-vpn.sh.
#
#   lab run vpn-dial --no-path -- bash own-call.sh
set -eu
pppd /dev/modem0 115200 noauth nodetach lock modem crtscts noipdefault usepeerdns user "$LAB_USER" connect \
    "chat -t 70 ABORT BUSY ABORT 'NO CARRIER' '' ATZ OK ATDT${LAB_NUMBERS%%,*} CONNECT ''" > /run/own-call.log 2>&1 &
call=$!
trap 'kill $call; wait $call || true' EXIT
until ip -br address show ppp0 2> /dev/null | grep -q peer; do kill -0 $call; sleep 0.1; done
cat /etc/ppp/resolv.conf > /etc/resolv.conf
# By the call go the VPN gateways and AT&T's name server.
for address in $(echo "$LAB_GATEWAYS" | tr , ' ') $(sed -n 's/^nameserver //p' /etc/resolv.conf); do
  ip route replace "$address" dev ppp0
done
OWN_PPP=${OWN_PPP:-ppp1} bash "$(dirname "$0")/own-vpn.sh" "$@"
