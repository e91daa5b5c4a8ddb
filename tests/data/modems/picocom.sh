# A terminal program, and what its user types, with time to read between.
{
    sleep 1; printf 'ATI\r'
    sleep 1; printf 'ATS0?\r'
    sleep 1; printf 'ATDT18005550100\r'
    sleep 9; printf '+++'
    sleep 2; printf 'ATH\r'
    sleep 1
} | picocom --baud 115200 --flow h /dev/modem0 | tr -cd "\n\r -~"
