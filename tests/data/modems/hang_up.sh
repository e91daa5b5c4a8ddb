# Hanging up by B0, as C-Kermit does it, and a call that ends for having nothing to say.
. "${BASH_SOURCE%/*}/lines.sh"
exec 3<>/dev/modem0 4<>/dev/modem1
stty -F /dev/modem0 clocal
stty -F /dev/modem1 clocal
say 4 ATE0S0=1
hear 4 OK
say 3 'ATE0+MR=1;+ILRR=1'
hear 3 OK

connect() {
    say 3 ATDT15075550101
    hear 3 CONNECT
    hear 4 CONNECT
}

rate() { # BIT/S: stty is not content with 0 on any terminal, but sets it
    stty -F /dev/modem0 "$1" 2>/dev/null
}

echo an hour without a word
stty -F /dev/modem0 57600
say 3 ATDT15075550101
hear 3 '+MCR: V34'
hear 3 '+MRR: 33600'
hear 3 '+ILRR: 57600'
hear 3 CONNECT
hear 4 CONNECT
began=$(date +%s)
sleep 3600

echo a second of B0
rate 0
hear 3 'NO CARRIER'
hear 4 'NO CARRIER'
(($(date +%s) - began <= 3601)) && echo at once
sleep 1
rate 57600
say 3 AT
hear 3 OK

echo by python
connect
python3 - /dev/modem0 <<'END'
import os, sys, termios, time
port = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
before = termios.tcgetattr(port)
termios.tcsetattr(port, termios.TCSANOW, [*before[:4], termios.B0, termios.B0, before[6]])
time.sleep(1)
termios.tcsetattr(port, termios.TCSANOW, before)
END
hear 3 'NO CARRIER'
hear 4 'NO CARRIER'

echo 'with &D1 it is an escape'
say 3 'AT&D1'
hear 3 OK
connect
rate 0
hear 3 OK
rate 57600
say 3 ATH
hear 3 OK
hear 4 'NO CARRIER'

echo thirty seconds without data
say 3 ATS30=3
hear 3 OK
connect
began=$(date +%s)
sleep 20
echo 'a word' >&4
hear 3 'a word'
hear 3 'NO CARRIER'
echo "after $(((10#$(date +%s) - began) / 5 * 5)) s"
