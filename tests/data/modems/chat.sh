# Dialling by chat(8), with the words that everybody uses.
call() {
    chat -S ABORT BUSY ABORT 'NO CARRIER' ABORT 'NO ANSWER' ABORT 'NO DIALTONE' TIMEOUT 90 \
        '' ATZ OK "$1" 'CONNECT 33600' '\d\c' </dev/modem0 >/dev/modem0
    echo "$1: $?"
}

call ATDT18005550100
# Nobody's number: silence, until S7 is over.
call ATS7=20DT18005550177
# The HMC's own number, while its other modem is off hook.
exec 4<>/dev/modem1
printf 'ATH1\r' >&4
call ATDT15075550101
# What no modem knows.
chat -S ABORT ERROR '' 'AT%Y7' OK '\c' </dev/modem0 >/dev/modem0
echo "ERROR: $?"
