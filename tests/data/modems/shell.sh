# Two modems of one machine, driven by a shell: escape, resume, hang up from either end.
. "${BASH_SOURCE%/*}/lines.sh"
exec 3<>/dev/modem0 4<>/dev/modem1
stty -F /dev/modem0 clocal
stty -F /dev/modem1 clocal

echo the caller hangs up
say 3 ATDT15075550101
hear 4 RING
say 4 ATA
hear 3 'CONNECT 33600'
hear 4 'CONNECT 33600'
echo 'from three' >&3
hear 4 'from three'
escape 3
echo 'while three was away' >&4
sleep 1
say 3 ATO
hear 3 'CONNECT 33600'
hear 3 'while three was away'
escape 3
say 3 ATH
hear 3 OK
hear 4 'NO CARRIER'

echo the called one hangs up
say 4 ATS0=2
hear 4 OK
say 3 ATDT15075550101
hear 3 CONNECT
hear 4 CONNECT
escape 4
say 4 ATH
hear 3 'NO CARRIER'

echo the last one closes its port
say 3 ATDT15075550101
hear 3 CONNECT
exec 4>&-
hear 3 'NO CARRIER'

echo without clocal the carrier ends a program
exec 4<>/dev/modem1
say 4 ATS0=1
hear 4 OK
say 3 ATDT15075550101
hear 3 CONNECT
stty -F /dev/modem0 -clocal
cat <&3 4>&- >/dev/null &
exec 3>&-
exec 4>&-
wait $!
echo "cat: $?"
exec 3<>/dev/modem0
say 3 AT
hear 3 OK
