# A call to AT&T's gateway by pppd and chat alone, with the run's own account.
set -e
pppd /dev/modem0 115200 lock modem crtscts noauth user "$LAB_USER" nodefaultroute updetach \
    connect "chat -S ABORT BUSY ABORT 'NO CARRIER' TIMEOUT 60 '' ATZ OK ATDT${LAB_NUMBERS%%,*} CONNECT '\d\c'"
cat /var/lock/LCK..modem0
ip route add 129.42.160.48 dev ppp0
ip route add 192.0.2.20 dev ppp0
ping -c 3 129.42.160.48
# sdc's own address is on nobody's list.
! ping -c 2 -W 5 192.0.2.20

kill "$(head -1 /run/ppp0.pid)"
while [[ -e /run/ppp0.pid ]]; do sleep 0.1; done
