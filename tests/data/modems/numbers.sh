# The result codes of IBM's table, as numbers, in calls between the second modem and the third.
. "${BASH_SOURCE%/*}/lines.sh"

ask() { # COMMAND: what the third modem's caller is answered
    printf '%s\r' "$1" >&3
    result "$1"
}

result() { # WHAT
    # Not by `read -d`, which has the port make line feeds of carriage returns.
    echo "$1: $(head -c 2 <&3 | tr -d '\r')"
}

exec 3<>/dev/modem1 4<>/dev/modem2
stty -F /dev/modem1 clocal
stty -F /dev/modem2 clocal
say 4 ATE0S0=1
hear 4 OK
say 3 ATE0
hear 3 OK
ask ATV0
ask ATDT15075550101
sleep 1.1
printf '+++' >&3
result +++
ask ATX0O
sleep 1.1
printf '+++' >&3
result +++
ask ATX4H
hear 4 'NO CARRIER'
say 4 ATH1
hear 4 OK
ask ATDT15075550101
ask 'AT%Y7'
ask ATS7=1DT18005550177
say 4 ATHS0=0
hear 4 OK
ask ATS7=5DT15075550101
